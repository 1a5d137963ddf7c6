"""CloudTrail: the event history of management events, late as in AWS. Trails, Lake and Insights are refused.

Source: AWS CloudTrail API Reference, LookupEvents; User Guide, "How CloudTrail works" (events within about 15 minutes),
"Quotas in AWS CloudTrail" (two lookups a second).
"""

from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from trimtab.local.overlay import Arguments, Context, Reply, ServiceError, World
from trimtab.local.trail import KEPT, Entry, Trail

DELAY = timedelta(minutes=5)
MOST_DELAY = timedelta(minutes=15)
_RATE = 2  # lookups in a second
_PAGE = 50
_PRUNE_EVERY = timedelta(minutes=1)
_SETTING = ("cloudtrail.setting", "delay")


class CloudTrail:
    service = "cloudtrail"
    whole = True

    def __init__(self, world: World) -> None:
        self._world = world
        self._trail: Trail = world.trail
        self._asked: dict[str, deque[datetime]] = {}  # the newest lookups by region
        self._prune_at = datetime.min.replace(tzinfo=UTC)

    def tick(self, now: datetime) -> None:
        if now >= self._prune_at:
            self._prune_at = now + _PRUNE_EVERY
            self._trail.prune(now)

    def recover(self) -> Sequence[str]:
        return ()

    @property
    def delay(self) -> timedelta:
        """How long an event takes until it can be looked up: a setting of the state folder."""
        kept = self._world.store.get(*_SETTING)
        return timedelta(seconds=kept["seconds"]) if kept else DELAY

    def set_delay(self, delay: timedelta) -> None:
        """Raises ServiceError."""
        if not timedelta(0) <= delay <= MOST_DELAY:
            raise ServiceError("ValidationException", f"the delay is 0 s to {MOST_DELAY.total_seconds():.0f} s, not {delay}")
        self._world.store.put(*_SETTING, {"seconds": delay.total_seconds()})

    def lookup_events(self, arguments: Arguments, context: Context) -> Reply:
        self._count(context)
        most = int(arguments.get("MaxResults") or _PAGE)
        token = str(arguments.get("NextToken") or "0")
        if not token.isdecimal():
            raise ServiceError("InvalidNextTokenException", "The token is not one that was answered.")
        if str(arguments.get("EventCategory", "")).lower() == "insight":
            return {"Events": []}  # nothing here looks for anomalies
        span = self._span(arguments, context)
        found = self._trail.find(context.region, _attribute(arguments), span, int(token), most + 1)
        more = {"NextToken": str(found[most - 1].number)} if len(found) > most else {}
        return {"Events": [_shown(each) for each in found[:most]], **more}

    def _count(self, context: Context) -> None:
        """Refuse the third lookup within a second."""
        asked = self._asked.setdefault(context.region, deque(maxlen=_RATE))
        if len(asked) == _RATE and timedelta(0) <= context.now - asked[0] < timedelta(seconds=1):
            raise ServiceError("ThrottlingException", "Rate exceeded")
        asked.append(context.now)

    def _span(self, arguments: Arguments, context: Context) -> tuple[datetime, datetime]:
        """From when to when: no later than what has been delivered by now."""
        start, end = (_aware(arguments.get(name)) for name in ("StartTime", "EndTime"))
        if start and end and start > end:
            raise ServiceError("InvalidTimeRangeException", "StartTime must be before EndTime.")
        delivered = context.now - self.delay
        return start or context.now - KEPT, min(end or delivered, delivered)


def _attribute(arguments: Arguments) -> tuple[str, str] | None:
    given: Sequence[Mapping[str, str]] = arguments.get("LookupAttributes") or ()
    if len(given) > 1:
        raise ServiceError("InvalidLookupAttributesException", "LookupAttributes can have one item only.")
    return (given[0]["AttributeKey"], given[0]["AttributeValue"]) if given else None


def _aware(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at


def _shown(entry: Entry) -> dict[str, Any]:
    return {
        "EventId": entry.id,
        "EventName": entry.name,
        "ReadOnly": entry.reads,
        "AccessKeyId": entry.key,
        "EventTime": datetime.fromtimestamp(int(entry.at), UTC),
        "EventSource": entry.source,
        "Username": entry.user,
        "Resources": [{"ResourceType": type_, "ResourceName": name} for type_, name in entry.resources],
        "CloudTrailEvent": entry.record,
    }
