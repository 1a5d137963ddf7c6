"""Which differences are drift, and what the document lets us do about them. Pure.

Drift is a difference on a node whose desired value is what it was when the deployment last converged: then the world has
moved, and not the document.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from trimtab.core.canonical import digest_of
from trimtab.core.kind import Difference
from trimtab.graph.node import Node
from trimtab.plan.adoption import Adoption

Mode: TypeAlias = Literal["correct", "report", "off"]


@dataclass(frozen=True, slots=True)
class Rules:
    """`spec.policy`, as decisions need it."""

    drift: Mode = "correct"
    by_kind: Mapping[str, Mode] = field(default_factory=dict[str, Mode])
    ignore: tuple[str, ...] = ()  # "<kind>:<path>"; a path stands for all below it
    adoption: Adoption = field(default_factory=Adoption)

    def mode(self, kind: str) -> Mode:
        return self.by_kind.get(kind, self.drift)

    def watched(self, kind: str, found: Sequence[Difference]) -> tuple[Difference, ...]:
        """Without what the document says to leave alone."""
        left_alone = [path for owner, _, path in (each.partition(":") for each in self.ignore) if owner == kind]
        return tuple(each for each in found if not any(_covers(path, each.path) for path in left_alone))


def _covers(path: str, other: str) -> bool:
    return other == path or other.startswith((f"{path}.", f"{path}["))


def settled_digest(node: Node) -> str:
    """What the ledger remembers of a node that was as declared: equal as long as the same is declared of it."""
    return digest_of(repr(node.desired))[:12]


def told(found: Sequence[Difference]) -> str:
    """ "desiredCount: 5 -> 2; tags: ..."; the live value first, as repairs change it."""
    return "; ".join(f"{each.path}: {_short(each.have)} -> {_short(each.want)}" for each in found)


def _short(value: object) -> str:
    text = "(not set)" if value is None else str(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
