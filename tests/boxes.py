"""A made-up kind, for decisions over small graphs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from trimtab.core.kind import UID, Difference, Ref, Settled, State, Steps
from trimtab.graph.node import Graph, Node
from trimtab.plan.plan import History
from trimtab.plan.snapshot import Absent, Seen, Snapshot

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HISTORY = History("uid1", "env1")


@dataclass(frozen=True)
class Box:
    name: str
    size: int = 1
    holds: str | Ref = ""
    tags: Mapping[str, str] = field(default_factory=lambda: {UID: "uid1"})


@dataclass(frozen=True)
class SeenBox:
    name: str
    size: int = 1
    holds: str = ""
    id: str = "id-of-it"
    state: State = field(default_factory=Settled)


class Boxes:
    name = "test.Box"
    rank = 10
    rights: Mapping = {}

    def identity(self, desired: Box) -> str:
        return desired.name

    def observe(self, wanted: Sequence[str]) -> Steps:
        yield from ()
        return {}

    def tags(self, observed: Sequence[SeenBox]) -> Steps:
        yield from ()
        return []

    def state(self, desired: Box, observed: SeenBox) -> State:
        return observed.state

    def diff(self, desired: Box, observed: SeenBox) -> tuple[Difference, ...]:
        found = []
        if desired.size != observed.size:
            remedy = "refuse" if desired.size < 0 else "update"
            found.append(Difference("size", observed.size, desired.size, remedy=remedy))
        if not isinstance(desired.holds, Ref) and desired.holds != observed.holds:
            found.append(Difference("holds", observed.holds, desired.holds))
        return tuple(found)

    def create(self, desired: Box) -> Steps:
        yield from ()

    update = delete = create


class HighBoxes(Boxes):
    name = "test.High"
    rank = 20


KINDS = {"test.Box": Boxes(), "test.High": HighBoxes()}
OURS = {UID: "uid1"}


def box(role: str, parent: str = "", **fields: object) -> Node:
    holds = Ref(f"test.Box/{parent}", "id") if parent else ""
    return Node(f"test.Box/{role}", "release", Box(role, holds=holds, **fields))  # type: ignore[arg-type]


def look(graph: Graph, seen: Mapping[str, Seen], **more: object) -> Snapshot:
    return Snapshot(NOW, {node.id: seen.get(node.id, Absent()) for node in graph}, **more)  # type: ignore[arg-type]
