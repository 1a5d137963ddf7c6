"""The flap guard: who is repaired again and again fights somebody, and a person must say who gives way. Pure.

Repairs of a field that were undone count, each field of each node by itself: from the third within an hour each next one
waits twice as long, and after the sixth within a day none is made until a person acts. A mistake that is made once is put
right at once all the same, and so is another field beside one that is fought over.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

from trimtab.core.kind import Difference
from trimtab.core.times import rfc3339, time_in
from trimtab.plan.drifts import DAY, UNKNOWN, Done, DriftRecord, changes_of

FREE, LAST = 3, 6  # repairs within an hour before the next one waits, and within a day before a person is asked
FIRST_WAIT = timedelta(minutes=1)  # doubled by each repair after
_HOUR = timedelta(hours=1)
LEFT: Mapping[str, Done] = {"BackOff": "waiting", "Fighting": "held"}  # what is done about a fight, by its reason


@dataclass(frozen=True, slots=True)
class Fight:
    """Fields of one node that are changed again after each repair."""

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


def fights(records: Sequence[DriftRecord], now: datetime) -> Mapping[str, tuple[Fight, ...]]:
    """What is not to be repaired now, by node: what a person is asked about first, then what is put off."""
    return {node: found for node in dict.fromkeys(each.node for each in records) if (found := _judged(node, records, now))}


def parted(found: Sequence[Difference], fought: Sequence[Fight]) -> tuple[tuple[Difference, ...], tuple[Difference, ...]]:
    """(what may be repaired, what is left since all that differs in it is fought over).

    Where a kind writes several fields with one call, the repair of one sets those that are fought over too.
    """
    paths = frozenset(path for each in fought for path in each.paths)
    parts = [part for each in found for part in _by_tag(each, paths)]
    held = tuple(each for each in parts if _is_held(each, paths))
    return tuple(each for each in parts if not _is_held(each, paths)), held


def _is_held(each: Difference, fought: Collection[str]) -> bool:
    own = _paths((each,))
    return bool(own) and own <= frozenset(fought)


def _by_tag(each: Difference, fought: Collection[str]) -> Iterator[Difference]:
    """Tags are written each by itself, though their difference is one: those that are fought over apart from the rest."""
    names = {path.removeprefix("tags.") for path in fought}
    if each.path != "tags" or not isinstance(each.have, Mapping) or not isinstance(each.want, Mapping):
        yield each
        return
    have, want = cast(Mapping[str, object], each.have), cast(Mapping[str, object], each.want)
    for is_fought in (False, True):
        old = {name: value for name, value in have.items() if (name in names) is is_fought}
        new = {name: value for name, value in want.items() if (name in names) is is_fought}
        if old != new:
            yield replace(each, have=old, want=new)


def about(found: Sequence[Difference], fought: Sequence[Fight]) -> tuple[Fight, ...]:
    """The fights over one of those; of a deletion (no differences), those over whether it is there."""
    return tuple(each for each in fought if _paths(found) & set(each.paths))


def _paths(found: Sequence[Difference]) -> frozenset[str]:
    """As records have them: a difference of tags is one for each tag."""
    return frozenset(each.path for each in changes_of(found))


def _judged(node: str, records: Sequence[DriftRecord], now: datetime) -> tuple[Fight, ...]:
    counted = [each for each in records if each.node == node and each.counts]
    times = _repairs(counted, now)
    held = {path for each in counted if each.done == "held" and not each.ended for path in each.paths}
    # One that is held stays so, however long ago its repairs are by now.
    lost = sorted({path for path, at in times.items() if len(at) >= LAST} | held)
    waits = {path: until for path, at in times.items() if path not in lost and (until := _next(at, now)) > now}
    found: list[Fight] = []
    if lost:
        most = max((len(times.get(path, ())) for path in lost), default=0)
        found.append(Fight(node, tuple(lost), most or LAST, _who(counted, lost), None))
    if waits:
        most = max(len(times[path]) for path in waits)
        found.append(Fight(node, tuple(sorted(waits)), most, _who(counted, waits), max(waits.values())))
    return tuple(found)


def _who(counted: Sequence[DriftRecord], paths: Collection[str]) -> str:
    """Who changed one of those fields last, as far as it is known."""
    named = (each.who for each in reversed(counted) if each.who not in ("", UNKNOWN) and not each.paths.isdisjoint(paths))
    return next(named, "")


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
