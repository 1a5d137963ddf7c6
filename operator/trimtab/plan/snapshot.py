"""What was seen of every node, at one time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from trimtab.core.kind import Broken, Progress, Unknown


@dataclass(frozen=True, slots=True)
class Found:
    observed: Any  # the kind's Observed
    tags: Mapping[str, str] | Unknown | None = None  # None: not read in this pass


@dataclass(frozen=True, slots=True)
class Absent:
    """Proven: a list or a describe says so."""


Seen: TypeAlias = Found | Absent | Unknown


@dataclass(frozen=True, slots=True)
class Stale:
    """Something the ledger says is ours and that the graph no longer wants."""

    node: str
    kind: str
    identity: str
    seen: Seen

    @property
    def id(self) -> str:
        """Beside the node of the same role, which may be wanted again under another identity."""
        return f"{self.node}#{self.identity}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The only time that decisions know is `at`."""

    at: datetime
    seen: Mapping[str, Seen]  # by node id; every node of the graph is in it
    transfers: Mapping[str, Progress | Broken] = field(default_factory=dict[str, Progress | Broken])  # long work, by node id
    stale: tuple[Stale, ...] = ()
    outdated: tuple[str, ...] = ()  # pins that would be resolved to something else by now, in words
