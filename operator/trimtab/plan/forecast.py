"""All waves of a plan: the first is what is decided now, the rest what will follow if every wave ends well."""

from collections.abc import Mapping
from dataclasses import dataclass

from trimtab.core.kind import Difference, owner_in
from trimtab.graph.node import Graph, Node
from trimtab.plan.drift import Rules
from trimtab.plan.plan import ALL_CORRECTED, Action, History, Kinds, Plan, plan
from trimtab.plan.snapshot import Found, Snapshot


@dataclass(frozen=True, slots=True)
class Forecast:
    """`first` is exact. Later actions hold `known after <node>` where a name or value does not exist yet."""

    first: Plan
    later: tuple[tuple[Action, ...], ...]

    @property
    def actions(self) -> tuple[Action, ...]:
        return (*self.first.actions, *(action for wave in self.later for action in wave))


def forecast(graph: Graph, snapshot: Snapshot, history: History, kinds: Kinds, rules: Rules = ALL_CORRECTED) -> Forecast:
    """List every wave. rules: as for `plan`."""
    first = plan(graph, snapshot, history, kinds, rules)
    decided = {action.node for action in first.actions}
    fresh = {action.node for action in first.actions if action.verb in ("create", "replace")}
    depth: dict[str, int] = dict.fromkeys(decided, 0)
    later: dict[int, list[Action]] = {}
    for node in graph:
        if node.id in decided or first.standings[node.id].is_ not in ("pending", "moving"):
            continue
        depth[node.id] = 1 + max((depth.get(parent, 0) for parent in node.parents), default=0)
        action = _foreseen(node, snapshot, first, fresh)
        if action:
            later.setdefault(depth[node.id], []).append(action)
            fresh |= {node.id} if action.verb == "create" else set()
    return Forecast(first, tuple(tuple(later[level]) for level in sorted(later)))


def _foreseen(node: Node, snapshot: Snapshot, first: Plan, fresh: set[str]) -> Action | None:
    """What a node that waits will need, or None when it is there and nothing it refers to will change."""
    standing = first.standings[node.id]
    if standing.is_ == "moving":
        return Action("wait", node.id, standing.because)
    seen = snapshot.seen[node.id]
    if not isinstance(seen, Found):
        return Action("create", node.id, standing.because, desired=node.desired)
    if hasattr(node.desired, "tags") and isinstance(seen.tags, Mapping) and owner_in(seen.tags) is None:
        # Else it would be refused, and wait for nobody.
        return Action("adopt", node.id, standing.because, desired=node.desired)
    changing = [ref for ref in node.refs if ref.node in fresh]
    if not changing:
        return None
    differences = tuple(Difference(ref.field, have="(as it is)", want=str(ref)) for ref in changing)
    return Action("update", node.id, standing.because, differences)
