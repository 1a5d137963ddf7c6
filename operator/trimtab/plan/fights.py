"""The flap guard: who is repaired again and again fights somebody, and a person must say who gives way. Pure.

Repairs of a field that were undone count: from the third within an hour each next one waits twice as long, and after
the sixth within a day none is made until a person acts. A mistake that is made once is put right at once all the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from trimtab.core.times import rfc3339, time_in
from trimtab.plan.drifts import DAY, UNKNOWN, DriftRecord

FREE, LAST = 3, 6  # repairs within an hour before the next one waits, and within a day before a person is asked
FIRST_WAIT = timedelta(minutes=1)  # doubled by each repair after
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Fight:
    """What is changed again after each repair."""

    node: str
    paths: tuple[str, ...]  # "": the whole resource
    repairs: int
    who: str  # ARN of who did it last, as far as it is known; else ""
    until: datetime | None  # when the next repair may be made; None: a person is asked

    @property
    def reason(self) -> str:
        return "BackOff" if self.until else "Fighting"

    @property
    def because(self) -> str:
        """What is, and what to do about it."""
        kind = self.node.partition("/")[0]
        what = ", ".join(self.paths) if self.paths != ("",) else "it"
        by = f" (last by {name_of(self.who)})" if self.who else ""
        if self.until:
            return f"{what} was changed again after {self.repairs} repairs{by}; the next is at {rfc3339(self.until)}"
        leave = ", ".join(f'"{kind}:{path}"' for path in self.paths if path)
        ignore = f", or leave it to them (policy.ignore: [{leave}])" if leave else ""
        return (
            f"{what} was changed again after {self.repairs} repairs{by}, and is left alone. Have that stopped{ignore}; "
            "`trimtab retry` or an edit of the document lifts this"
        )


def fights(records: Sequence[DriftRecord], now: datetime) -> Mapping[str, Fight]:
    """What is not to be repaired now, by node."""
    return {node: fight for node in dict.fromkeys(each.node for each in records) if (fight := _judged(node, records, now))}


def _judged(node: str, records: Sequence[DriftRecord], now: datetime) -> Fight | None:
    counted = [each for each in records if each.node == node and each.counts]
    times = _repairs(counted, now)
    who = next((each.who for each in reversed(counted) if each.who not in ("", UNKNOWN)), "")
    held = [each for each in counted if each.done == "held" and not each.ended]
    lost = sorted({path for path, at in times.items() if len(at) >= LAST} | {path for each in held for path in each.paths})
    if lost:  # one that is held stays so, however long ago its repairs are by now
        return Fight(node, tuple(lost), max((len(each) for each in times.values()), default=0) or LAST, who, None)
    waits = {path: until for path, at in times.items() if (until := _next(at, now)) > now}
    if not waits:
        return None
    return Fight(node, tuple(sorted(waits)), max(len(times[path]) for path in waits), who, max(waits.values()))


def _repairs(counted: Sequence[DriftRecord], now: datetime) -> Mapping[str, Sequence[datetime]]:
    """When each field was repaired within a day, oldest first."""
    found: dict[str, list[datetime]] = {}
    for each in counted:
        if each.at and timedelta(0) <= now - time_in(each.at) < DAY:  # what lies ahead, a clock that jumped back has made
            for path in sorted(each.paths):
                found.setdefault(path, []).append(time_in(each.at))
    return found


def _next(repairs: Sequence[datetime], now: datetime) -> datetime:
    """When the next repair may be made."""
    lately = sum(now - each < _HOUR for each in repairs)
    return repairs[-1] + FIRST_WAIT * 2 ** (lately - FREE) if lately >= FREE else now


def name_of(arn: str) -> str:
    """ "arn:aws:iam::1:user/ana" -> "user/ana"; what is no ARN stays."""
    return arn.split(":", 5)[5] if arn.count(":") >= 5 else arn
