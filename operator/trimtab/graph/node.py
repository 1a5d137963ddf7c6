"""The desired graph: what a document compiles to. Knows no kind.

A node is one resource. Its parents are the nodes it has a `Ref` to and those it names in `after`; a parent must be as
declared before the child is made or repointed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from trimtab.core.kind import Ref, refs_in

Stage: TypeAlias = Literal["environment", "dataset", "training", "evaluation", "image", "release", "gateway"]
STAGES: tuple[Stage, ...] = ("environment", "dataset", "training", "evaluation", "image", "release", "gateway")


@dataclass(frozen=True, slots=True)
class Node:
    """One desired resource."""

    id: str  # "<kind>/<role>": "ecs.Service/service"; the same in every generation
    stage: Stage
    desired: Any  # the kind's Desired; None while `known_after` stands
    after: tuple[str, ...] = ()  # parents by order alone
    key: str | None = None  # generation key of what is immutable outside
    known_after: str | None = None  # id of the node whose outcome decides what this one is
    shared: bool = False  # belongs to the environment: many deployments use it, the last one to go takes it along
    # Both are asked for many times a pass.
    refs: tuple[Ref, ...] = field(init=False, compare=False, repr=False)  # in desired
    parents: tuple[str, ...] = field(init=False, compare=False, repr=False)  # ids, each once: those referred to come first

    def __post_init__(self) -> None:
        refs = refs_in(self.desired)
        waited = (self.known_after,) if self.known_after else ()
        object.__setattr__(self, "refs", refs)
        object.__setattr__(self, "parents", tuple(dict.fromkeys((*(ref.node for ref in refs), *waited, *self.after))))

    @property
    def kind(self) -> str:
        return self.id.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Graph:
    """All nodes of one deployment, parents before children, and the generation keys by stage."""

    nodes: Mapping[str, Node]
    keys: Mapping[str, str] = field(default_factory=dict[str, str])  # "training" -> key; a key not known yet is not in it

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes.values())

    def parents(self, node: Node) -> tuple[Node, ...]:
        return tuple(self.nodes[parent] for parent in node.parents if parent in self.nodes)


def graph_of(nodes: Iterable[Node], keys: Mapping[str, str]) -> Graph:
    """Order nodes so that parents come first; ties keep the order given.

    Raises ValueError for a cycle, or a parent that is not in the graph: both are bugs of compile.
    """
    waiting = {node.id: node for node in nodes}
    ordered: dict[str, Node] = {}
    for node in waiting.values():
        missing = [parent for parent in node.parents if parent not in waiting]
        if missing:
            raise ValueError(f"{node.id} has parents that are not in the graph: {', '.join(missing)}")
    while waiting:
        ready = [node for node in waiting.values() if all(parent in ordered for parent in node.parents)]
        if not ready:
            raise ValueError(f"cycle among {', '.join(waiting)}")
        for node in ready:
            ordered[node.id] = waiting.pop(node.id)
    return Graph(ordered, dict(keys))
