"""A document beside the world, and what a pass made of it."""

from dataclasses import dataclass, field
from typing import Literal

from trimtab.compile.facts import Facts
from trimtab.engine.claim import Rotated
from trimtab.engine.ledger import Ledger
from trimtab.graph.node import Graph
from trimtab.plan.drift import Rules
from trimtab.plan.drifts import DriftRecord
from trimtab.plan.plan import History, Plan
from trimtab.plan.snapshot import Snapshot
from trimtab.plan.status import Trouble, stuck_on


@dataclass(frozen=True, slots=True)
class View:
    """A document beside the world."""

    graph: Graph
    snapshot: Snapshot
    plan: Plan
    facts: Facts
    ledger: Ledger
    history: History
    rotated: Rotated | None = None  # what is in rotation, read once everything is as declared
    rules: Rules = field(default_factory=Rules)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a pass found and did."""

    view: View | None  # None: a deletion
    plan: Plan
    ledger: Ledger
    troubles: tuple[Trouble, ...] = ()
    held_by: str = ""  # another operator holds the lease: nothing was done
    wrote: bool = False
    ended: Literal["", "gone", "retained"] = ""  # of a deletion that is over
    left: tuple[Trouble, ...] = ()  # what a deletion leaves, since it is another's by now
    suspended: bool = False  # it is left alone, by its document or by a person: nothing was done
    named: tuple[DriftRecord, ...] = ()  # drift, earlier drift too, of which it is known since this pass who made it
    etag: str = ""  # version of the ledger as this pass leaves it
    more: bool = False  # this pass left what only another finds to do: tags to set on the log group, generations to collect

    @property
    def is_converged(self) -> bool:
        return self.plan.is_converged and not self.troubles and not self.held_by and not self.more and not self.suspended

    @property
    def is_stuck(self) -> bool:
        """Whether nothing will move without a person: something is broken or refused, and nothing else goes on."""
        return not self.held_by and not self.more and not self.suspended and stuck_on(self.plan, self.troubles) is not None
