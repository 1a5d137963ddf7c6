"""The brake: documents that vanish from a source are deleted, but not many at once without a person's word. Pure.

An unreachable or suddenly empty source, a wrong branch or prefix and a slip of a hand look alike: many documents are gone at
once. More than max(3, 20 %) of a source's documents within an hour stop and ask. So do the last ones of a source, where two
or more vanish within a minute: few as they are, that is how an emptied prefix or folder looks. A single last one goes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

WINDOW = timedelta(hours=1)
AT_ONCE = timedelta(minutes=1)  # files that are deleted one by one do not all go between two looks
_FEW, _SHARE = 3, 0.2
_MANY = (
    "{counted} of {total} documents vanished within an hour, more than {most}: nothing more is deleted until "
    "`trimtab confirm-deletes` says so, or they are back"
)
_EMPTIED = (
    "the last documents of its source vanished at once, which may be a slip: it is not deleted until "
    "`trimtab confirm-deletes` says so, or it is back"
)


@dataclass(frozen=True, slots=True)
class Vanished:
    """What is remembered of one source, by "<namespace>/<name>": RFC 3339 times."""

    since: Mapping[str, str] = field(default_factory=dict[str, str])  # when it was first seen to be gone
    deleted: Mapping[str, str] = field(default_factory=dict[str, str])  # within the last hour
    confirmed: frozenset[str] = frozenset()  # a person said that these are to go
    emptied: frozenset[str] = frozenset()  # they left the source empty: a part that is put back lets none of the others go

    @property
    def waiting(self) -> tuple[str, ...]:
        """Those that are gone, and neither going nor let go by a person."""
        return tuple(sorted(self.since.keys() - self.deleted.keys() - self.confirmed))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of vanished documents."""

    doomed: frozenset[str]  # deleted now
    held: frozenset[str]  # not without a person's word
    because: str = ""
    memory: Vanished = field(default_factory=Vanished)


def judge(memory: Vanished, gone: Iterable[str], there: int, now: datetime) -> Verdict:
    """Decide on the documents that a readable source no longer has.

    gone: those that it had and that exist still. there: how many it has now.
    """
    missing = frozenset(gone)
    at = now.isoformat(timespec="seconds")
    since = {key: memory.since.get(key, at) for key in sorted(missing)}
    recent = {key: when for key, when in memory.deleted.items() if _is_within(WINDOW, when, now)}
    confirmed = memory.confirmed & missing
    decided = confirmed | (recent.keys() & missing)
    fresh = missing - decided
    total = there + len(missing | recent.keys())
    counted, most = len(fresh | recent.keys()), max(_FEW, int(total * _SHARE))
    at_once = fresh | {key for key, when in recent.items() if _is_within(AT_ONCE, when, now)}
    emptied = fresh if not there and len(at_once) > 1 else memory.emptied & fresh
    held, because = emptied, _EMPTIED if emptied else ""
    if counted > most and emptied != fresh:
        held, because = fresh, _MANY.format(counted=counted, total=total, most=most)
    deleted = {**dict.fromkeys(sorted(fresh - held), at), **recent}
    return Verdict(missing - held, held, because, Vanished(since, deleted, confirmed, emptied))


def _is_within(window: timedelta, when: str, now: datetime) -> bool:
    return now - datetime.fromisoformat(when) < window


def confirmed(memory: Vanished, keys: Iterable[str]) -> Vanished:
    """With a person's word that those are to go."""
    return replace(memory, confirmed=memory.confirmed | frozenset(keys))
