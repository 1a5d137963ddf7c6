"""Observe a graph: bulk reads, kind by kind, parents before the children whose identity they hold."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from trimtab.core.kind import AnyKind, Broken, Failure, Progress, Ref, Unknown, resolved
from trimtab.engine.driver import Driver, beside
from trimtab.engine.ledger import Resource
from trimtab.graph.node import Graph, Node
from trimtab.plan.snapshot import Absent, Found, Seen, Snapshot, Stale

UNRESOLVED = "(known after"


class Observer:
    """Reads the outside. Immutable between passes; what it reads is a Snapshot."""

    def __init__(self, driver: Driver, kinds: Mapping[str, AnyKind]) -> None:
        self._driver = driver
        self._kinds = kinds

    def snapshot(
        self,
        graph: Graph,
        stale: Sequence[Resource],
        at: datetime,
        transfers: Mapping[str, Progress | Broken],
    ) -> Snapshot:
        """Observe every node of the graph, and what the ledger holds beside it."""
        seen: dict[str, Seen] = {}
        waiting: dict[str, Node] = dict(graph.nodes)
        while waiting:
            ready: dict[str, tuple[Node, str]] = {}
            for node in list(waiting.values()):
                answer = self._ready(node, seen, waiting)
                if isinstance(answer, str):
                    ready[node.id] = (node, answer)
                elif answer is not None:
                    seen[node.id] = answer
                    del waiting[node.id]
            if ready:
                seen |= self.read({id: (node.kind, identity) for id, (node, identity) in ready.items()})
            for id in ready:
                del waiting[id]
        gone = self.read({f"{each.kind}#{each.identity}": (each.kind, each.identity) for each in stale})
        return Snapshot(at, seen, dict(transfers), tuple(self._stale(each, gone) for each in stale))

    def with_tags(self, snapshot: Snapshot, nodes: Iterable[Node], stale: bool = False) -> Snapshot:
        """Read the tags of those nodes (and of what is stale) where the bulk read did not give them."""
        seen = dict(snapshot.seen)
        for node in nodes:
            found = seen[node.id]
            if isinstance(found, Found) and found.tags is None and hasattr(node.desired, "tags"):
                seen[node.id] = Found(found.observed, self._tags(node.kind, found.observed))
        rest = tuple(self._tagged(each) for each in snapshot.stale) if stale else snapshot.stale
        return replace(snapshot, seen=seen, stale=rest)

    def stands_as_seen(self, nodes: Iterable[Node], seen: Mapping[str, Seen]) -> bool:
        """Whether nodes that were found are judged as they were. One read of each, where a pass reads everything.

        What reads otherwise and is judged the same (another event, a task that is still starting) is no news.
        """
        desired = {node.id: (node.kind, resolved(node.desired, known_values(node, seen))) for node in nodes}
        now = self.read({id: (kind, self._kinds[kind].identity(wanted)) for id, (kind, wanted) in desired.items()})
        return all(self._judged(*each, now[id]) == self._judged(*each, seen[id]) for id, each in desired.items())

    def _judged(self, kind: str, desired: Any, seen: Seen) -> object:
        """What a plan goes by: difference and state; what was not found stands for itself."""
        if not isinstance(seen, Found):
            return seen
        return self._kinds[kind].diff(desired, seen.observed), self._kinds[kind].state(desired, seen.observed)

    def _ready(self, node: Node, seen: Mapping[str, Seen], waiting: Mapping[str, Node]) -> str | Seen | None:
        """The identity to read; or what is known without a read; or None: its parents come first."""
        if node.known_after:
            return Absent()
        identity = self._kinds[node.kind].identity(resolved(node.desired, known_values(node, seen)))
        if UNRESOLVED not in identity:
            return identity
        holders = [ref.node for ref in node.refs if str(ref) in identity]
        if any(holder in waiting for holder in holders):
            return None
        unknown = next((seen[holder] for holder in holders if isinstance(seen[holder], Unknown)), None)
        return unknown or Absent()  # no child without its parent

    def read(self, wanted: Mapping[str, tuple[str, str]]) -> dict[str, Seen]:
        """What is seen of (kind, identity) pairs, by name; all kinds at once, each in bulk."""
        by_kind: dict[str, list[str]] = {}
        for kind, identity in wanted.values():
            by_kind.setdefault(kind, []).append(identity)
        reads = [self._kinds[kind].observe(tuple(dict.fromkeys(each))) for kind, each in by_kind.items()]
        answers = dict(zip(by_kind, self._driver.run(beside(reads)), strict=True))
        return {name: _seen(answers[kind], identity) for name, (kind, identity) in wanted.items()}

    def _tags(self, kind: str, observed: Any) -> Mapping[str, str] | Unknown:
        try:
            return self._driver.run(self._kinds[kind].tags((observed,)))[0]
        except Failure as failure:
            return Unknown(failure.reason, failure.meaning)

    def _stale(self, resource: Resource, gone: Mapping[str, Seen]) -> Stale:
        return Stale(resource.node, resource.kind, resource.identity, gone[f"{resource.kind}#{resource.identity}"])

    def _tagged(self, stale: Stale) -> Stale:
        if not isinstance(stale.seen, Found) or stale.seen.tags is not None:
            return stale
        tags = self._tags(stale.kind, stale.seen.observed)
        return Stale(stale.node, stale.kind, stale.identity, Found(stale.seen.observed, tags))


def _seen(answer: Mapping[str, Any] | Failure, identity: str) -> Seen:
    if isinstance(answer, Failure):
        return Unknown(answer.reason, answer.meaning)
    if identity not in answer:
        return Absent()
    value = answer[identity]
    return value if isinstance(value, Unknown) else Found(value, getattr(value, "tags", None))


def known_values(node: Node, seen: Mapping[str, Seen]) -> dict[Ref, object]:
    """What is known of the fields of others that a node refers to."""
    found = ((ref, seen.get(ref.node)) for ref in node.refs)
    return {ref: getattr(each.observed, ref.field) for ref, each in found if isinstance(each, Found)}
