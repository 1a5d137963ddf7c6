"""What was changed outside, as a ledger remembers it: what, when it was seen, by whom, and what was done about it. Pure.

One record is one time that a node was found changed. It is open until the node is as declared again.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal, TypeAlias

from trimtab.core.kind import Difference
from trimtab.core.times import rfc3339, time_in
from trimtab.plan.changes import shown_difference

# "": its repair is under way. waiting, held: the flap guard puts the next repair off, or leaves it to a person.
Done: TypeAlias = Literal["", "repaired", "reported", "waiting", "held"]
MOST = 50  # records kept, at about 400 bytes each
DAY = timedelta(days=1)  # how far back repairs are counted
UNKNOWN = "unknown"
_CHANGES, _LONGEST = 8, 200  # of one record, and characters of a value
_SECRET = re.compile(r"(?i)environment|secret|password|passwd|token|credential|api_?key")


@dataclass(frozen=True, slots=True)
class Change:
    """A field, and its value as text; a path that is "" stands for the whole resource."""

    path: str
    have: str
    want: str


@dataclass(frozen=True, slots=True)
class DriftRecord:
    """One time that a node was found changed. Times are RFC 3339."""

    node: str
    changes: tuple[Change, ...]
    first: str  # when it was seen first
    last: str  # when what was done about it changed last
    done: Done = ""
    at: str = ""  # when it was repaired
    ended: str = ""  # when it was as declared again; "" while it is not
    counts: bool = True  # among the repairs that the flap guard counts: an edit or `trimtab retry` begins anew
    who: str = ""  # ARN; "" until the trail delivers, UNKNOWN once it has and nobody is found
    event: str = ""  # what CloudTrail calls the write: "UpdateService"
    changed: str = ""  # when that was made

    @property
    def paths(self) -> frozenset[str]:
        return frozenset(each.path for each in self.changes)


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a plan finds changed on one node, and what it does about it."""

    done: Done
    changes: tuple[Change, ...]


def changes_of(found: Sequence[Difference]) -> tuple[Change, ...]:
    """Field by field, as a person reads them; never what may be a secret. No differences: the thing was deleted."""
    if not found:
        return (Change("", "deleted", "present"),)
    rows = [row for each in found for row in shown_difference(each)]
    return tuple(Change(row["path"], *(_text(row["path"], row[side]) for side in ("have", "want"))) for row in rows)[
        :_CHANGES
    ]


def _text(path: str, value: object) -> str:
    text = "(not set)" if value is None else "(hidden)" if _SECRET.search(path) else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def noted(
    records: Sequence[DriftRecord],
    seen: Mapping[str, Sequence[Sighting]],
    settled: Collection[str],
    at: str,
    repaired: Collection[str] = (),
) -> tuple[DriftRecord, ...]:
    """The records after a look; the same when it shows nothing new.

    seen: by node, apart where different things are done about it.
    settled: nodes that are as declared, or no longer wanted. at: RFC 3339.
    repaired: nodes whose repair is seen to have taken effect, though the pass that made it could not write so.
    """
    news, kept = {node: list(found) for node, found in seen.items()}, list[DriftRecord]()
    for each in records:
        left = [] if each.ended else news.get(each.node, [])
        if now := next((one for one in left if _is_same(each, one)), None):
            left.remove(now)
            kept.append(each if now.done == each.done else replace(each, done=now.done, last=at))
        elif each.ended or not (seen.get(each.node) or each.node in settled):
            kept.append(each)
        elif not each.done and each.node in repaired:
            kept.append(_repaired(each, at))
        else:
            kept.append(replace(each, ended=at))
    kept += (DriftRecord(node, each.changes, at, at, each.done) for node, left in news.items() for each in left)
    return _bounded(kept, at)


def _is_same(record: DriftRecord, now: Sighting) -> bool:
    """What is replaced is deleted by us first, and made anew by a later pass: that is the same repair."""
    return now.changes == record.changes or (not record.done and now.changes == changes_of(()))


def with_repairs(records: Sequence[DriftRecord], nodes: Collection[str], at: str) -> tuple[DriftRecord, ...]:
    """With the open ones of those nodes repaired. at: RFC 3339."""
    return tuple(_repaired(each, at) if not (each.ended or each.done) and each.node in nodes else each for each in records)


def _repaired(record: DriftRecord, at: str) -> DriftRecord:
    return replace(record, done="repaired", at=at, last=at, ended=at)


def is_left(record: DriftRecord) -> bool:
    """Whether the flap guard leaves it alone."""
    return record.done in ("waiting", "held") and record.counts and not record.ended


def lifted(records: Sequence[DriftRecord]) -> tuple[DriftRecord, ...]:
    """With none that the flap guard counts."""
    return tuple(replace(each, counts=False) if each.counts else each for each in records)


def _bounded(records: Sequence[DriftRecord], at: str) -> tuple[DriftRecord, ...]:
    """The newest; what has ended goes before what is open, and of that first what the guard does not count."""
    excess = len(records) - MOST
    if excess <= 0:
        return tuple(records)
    ended = (number for number, each in enumerate(records) if each.ended)
    order = dict.fromkeys((*_uncounted(records, at), *ended, *range(len(records))))  # each number once
    doomed = set(list(order)[:excess])
    return tuple(each for number, each in enumerate(records) if number not in doomed)


def _uncounted(records: Sequence[DriftRecord], at: str) -> Iterator[int]:
    since = rfc3339(time_in(at) - DAY)
    for number, each in enumerate(records):
        if each.ended and not (each.counts and each.at > since):
            yield number
