"""Why each node changes: which edits of the document reach it, and which change above it carries on. Pure.

Nothing here knows which field decides what. Each edit is tried by itself on the document before it; the nodes that come out
otherwise are those that it reaches, so that this can say nothing else than the generation keys do.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from trimtab.graph.node import Graph, Node
from trimtab.plan.changes import ContentEdit, Edit

Input: TypeAlias = Edit | ContentEdit
Try: TypeAlias = Callable[[Sequence[Input]], Graph | None]
_CARRIER = "s3.Content"  # its upload is the edit itself, and no cause of what reads it
_SINGLY = 64  # more edits than that are tried section by section


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a node changes."""

    inputs: tuple[Input, ...] = ()  # edits that reach it directly
    above: str = ""  # the nearest node above it that changes too


@dataclass(frozen=True, slots=True)
class Causes:
    by_node: Mapping[str, Cause] = field(default_factory=dict[str, Cause])
    without_effect: tuple[Input, ...] = ()  # edits by which nothing is done now: policy; what the next attempt takes

    def of(self, node: str) -> Cause:
        return self.by_node.get(node, Cause())


def causes(before: Graph, after: Graph, inputs: Sequence[Input], attempt: Try, acted: Sequence[str]) -> Causes:
    """Say for every node that is acted on why it is.

    before: the graph of the generation before. attempt: the graph with only those edits applied to it; None when such a
    document is not valid. acted: ids of nodes that the plan does something to.
    """
    reached: dict[str, list[Input]] = {}
    idle: list[Input] = []
    for group, graph in _tried(inputs, attempt):
        direct = list(_reached(before, graph))
        for node in direct:
            reached.setdefault(node, []).extend(group)
        if not set(direct) & set(acted):
            idle += group
    found = {node: Cause(tuple(given)) for node, given in reached.items()}
    for node in acted:
        if node in after.nodes:
            found[node] = Cause(tuple(reached.get(node, ())), _above(after, after.nodes[node], {*acted}))
    return Causes(found, tuple(idle))


def _tried(inputs: Sequence[Input], attempt: Try) -> Iterator[tuple[Sequence[Input], Graph]]:
    """Each edit with its graph. Edits that are valid only together are tried by section, and at last all at once."""
    left: list[Input] = []
    for each in inputs:
        graph = attempt([each]) if len(inputs) <= _SINGLY else None
        if graph is None:
            left.append(each)
        else:
            yield [each], graph
    sections: dict[str, list[Input]] = {}
    for each in left:
        sections.setdefault(_section(each), []).append(each)
    rest: list[Input] = []
    for section in sections.values():
        graph = attempt(section)
        if graph is None:
            rest += section
        else:
            yield section, graph
    graph = attempt(rest) if rest else None
    if graph is not None:
        yield rest, graph


def _section(each: Input) -> str:
    return (
        str(each.steps[0]) if isinstance(each, Edit) and each.steps else each.name if isinstance(each, ContentEdit) else ""
    )


def _reached(before: Graph, tried: Graph) -> Iterator[str]:
    """Nodes that differ by themselves: nothing that they take a value from does."""
    differing: set[str] = set()
    for node in tried:
        if before.nodes.get(node.id) != node:
            differing.add(node.id)
            if not differing & set(_sources(tried, node)):
                yield node.id
    yield from (node.id for node in before if node.id not in tried.nodes)


def _sources(graph: Graph, node: Node) -> Iterator[str]:
    """All nodes above from which a value flows down; those that only come earlier carry nothing."""
    direct = {ref.node for ref in node.refs} | ({node.known_after} if node.known_after else set[str]())
    for id in direct:
        yield id
        yield from _sources(graph, graph.nodes[id])


def _above(graph: Graph, node: Node, acted: set[str]) -> str:
    """The nearest node above that is acted on: breadth first, referred to before merely ordered."""
    seen, waiting = {node.id}, list(node.parents)
    while waiting:
        id = waiting.pop(0)
        if id in seen or id not in graph.nodes:
            continue
        if id in acted and graph.nodes[id].kind != _CARRIER:
            return id
        seen.add(id)
        waiting += graph.nodes[id].parents
    return ""
