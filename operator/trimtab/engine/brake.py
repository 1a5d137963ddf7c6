"""The brake: documents that vanish from a source are deleted, but not many at once without a person's word. Pure.

An unreachable or suddenly empty source, a wrong branch or prefix and a slip of a hand look alike: many documents are gone at
once. More than max(3, 20 %) of a source's documents within an hour stop and ask.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

WINDOW = timedelta(hours=1)
_FEW, _SHARE = 3, 0.2


@dataclass(frozen=True, slots=True)
class Vanished:
    """What is remembered of one source, by "<namespace>/<name>": RFC 3339 times."""

    since: Mapping[str, str] = field(default_factory=dict[str, str])  # when it was first seen to be gone
    deleted: Mapping[str, str] = field(default_factory=dict[str, str])  # within the last hour
    confirmed: frozenset[str] = frozenset()  # a person said that these are to go

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
    recent = {key: when for key, when in memory.deleted.items() if now - datetime.fromisoformat(when) < WINDOW}
    confirmed = memory.confirmed & missing
    decided = confirmed | (recent.keys() & missing)
    fresh = missing - decided
    total = there + len(missing | recent.keys())
    counted, most = len(fresh | recent.keys()), max(_FEW, int(total * _SHARE))
    if counted <= most:
        deleted = {**dict.fromkeys(sorted(fresh), at), **recent}
        return Verdict(missing, frozenset(), "", Vanished(since, deleted, confirmed))
    because = (
        f"{counted} of {total} documents vanished within an hour, more than {most}: nothing more is deleted until "
        "`trimtab confirm-deletes` says so, or they are back"
    )
    return Verdict(frozenset(decided), fresh, because, Vanished(since, recent, confirmed))


def confirmed(memory: Vanished, keys: Iterable[str]) -> Vanished:
    """With a person's word that those are to go."""
    return replace(memory, confirmed=memory.confirmed | frozenset(keys))
