"""EventBridge's default bus: what moves says so here, and rules deliver it to queues, in the order in which it was said.

`emit` may be called under any lock and never waits: an event is matched and is in its queues, durable, once it returns. An
event of something that is not acknowledged yet may be sent twice around a crash, and is never lost.
Source: Amazon EventBridge User Guide, "Events", "Event bus targets", "Using dead-letter queues".
"""

import json
import logging
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from trimtab.local.event_patterns import matches, parsed
from trimtab.local.overlay import Store
from trimtab.local.queues import QueueFull, Queues
from trimtab.local.shelf import Shelf

log = logging.getLogger("trimtab.local")
Document = dict[str, Any]
ALL_READS = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"  # a rule's state; others hear no read through CloudTrail
_SENDER = "events.amazonaws.com"


@dataclass(slots=True)
class Rule:
    name: str
    pattern: str  # JSON
    created_by: str  # account
    state: str = "ENABLED"
    description: str = ""
    role: str = ""
    targets: list[Document] = field(default_factory=list[Document])  # as PutTargets spells them
    tags: dict[str, str] = field(default_factory=dict[str, str])


class Signals:
    """The bus, its rules, and the queues that they deliver to."""

    def __init__(self, store: Store, account: str, region: str) -> None:
        self.lock = threading.RLock()  # one order of events
        self.queues = Queues(store)
        self.rules = Shelf(store, "events.rule", Rule, lambda rule: rule.name)
        self._account, self._region = account, region

    def emit(
        self,
        source: str,
        kind: str,
        resources: Sequence[str],
        detail: Mapping[str, Any],
        now: datetime,
        *,
        reading: bool = False,
    ) -> str:
        """Send an event to the rules that match it; answers its id.

        source: "aws.ecs". kind: its detail-type. detail: JSON, but for datetimes. reading: a read, told by CloudTrail.
        """
        id = str(uuid.uuid4())
        if not len(self.rules):
            return id
        event = {
            "version": "0",
            "id": id,
            "detail-type": kind,
            "source": source,
            "account": self._account,
            "time": stamp(now),
            "region": self._region,
            "resources": list(resources),
            "detail": plain(detail),
        }
        with self.lock:
            for rule in self.rules:
                heard = rule.state == ALL_READS or (rule.state == "ENABLED" and not reading)
                if heard and rule.targets and matches(parsed(rule.pattern), event):
                    for target in rule.targets:
                        self._deliver(rule, target, event, now)
        return id

    def _deliver(self, rule: Rule, target: Document, event: Document, now: datetime) -> None:
        body = shaped(target, event)
        queues = [target["Arn"], target.get("DeadLetterConfig", {}).get("Arn", "")]
        for arn in filter(None, queues):
            try:
                self.queues.send(arn.rpartition(":")[2], body, now, _SENDER)
            except (KeyError, QueueFull) as error:
                log.warning("event %s of rule %s was not delivered to %s: %r", event["id"], rule.name, arn, error)
            else:
                return


def shaped(target: Mapping[str, Any], event: Mapping[str, Any]) -> str:
    """What a target is sent of an event: its constant input, the part at its input path, or all of it."""
    if "Input" in target:
        return str(target["Input"])
    value: Any = event
    for name in str(target.get("InputPath", "$")).split(".")[1:]:
        value = value.get(name) if isinstance(value, Mapping) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return json.dumps(value)


def stamp(at: datetime) -> str:
    """A time as events have it: "2026-01-02T03:04:05Z"."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def exact(at: datetime) -> str:
    """A time to the millisecond: "2026-01-02T03:04:05.678Z"."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def plain(value: Any) -> Any:
    """A detail as JSON, with times as most services write them."""
    return json.loads(json.dumps(value, default=lambda each: exact(each) if isinstance(each, datetime) else str(each)))
