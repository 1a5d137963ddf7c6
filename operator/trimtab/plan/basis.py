"""What a plan stands on: what was there of each node, and which fields of it were not as declared. Pure.

Two of them compared say what moved in the world between a plan and its apply. Only fields that the document owns count: a
job that has ended meanwhile, or a count that an autoscaler chose, makes no plan stale.
"""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from trimtab.core.kind import UID, Ref, owner_in, resolved
from trimtab.graph.node import Graph, Node
from trimtab.plan.changes import shown_difference
from trimtab.plan.drift import Rules
from trimtab.plan.plan import Kinds, Plan, values_of
from trimtab.plan.snapshot import Absent, Found, Snapshot

_IS = {"found": "it is there", "absent": "it is not there", "unknown": "it could not be read"}


def basis(graph: Graph, snapshot: Snapshot, decided: Plan, kinds: Kinds, rules: Rules) -> dict[str, Any]:
    """JSON values by node id: {is: found | absent | unknown, fields: {path: [have, want]}}."""
    values: dict[Ref, object] = {}
    found: dict[str, Any] = {}
    for node in graph:
        seen = snapshot.seen[node.id]
        fields: dict[str, Any] = {}
        if isinstance(seen, Found) and not node.known_after:
            kind = kinds[node.kind]
            differing = kind.diff(resolved(node.desired, values), seen.observed)
            owned = (each for each in rules.watched(node.kind, differing) if each.owner == "spec")
            fields = {row["path"]: [row["have"], row["want"]] for each in owned for row in shown_difference(each)}
            fields |= _owner(node, seen)
            if decided.standings[node.id].is_ok:
                values |= values_of(node, seen, graph)
        is_ = "found" if isinstance(seen, Found) else "absent" if isinstance(seen, Absent) else "unknown"
        found[node.id] = {"is": is_, "fields": fields}
    return found


def _owner(node: Node, seen: Found) -> dict[str, Any]:
    """Whose it is, where that was read and it is not ours: what may be adopted today may be another's tomorrow."""
    declared: Mapping[str, str] = getattr(node.desired, "tags", None) or {}
    if not isinstance(seen.tags, Mapping) or UID not in declared or owner_in(seen.tags) == declared[UID]:
        return {}
    return {"owner": [owner_in(seen.tags) or "nobody", "this deployment"]}


def moved(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Each thing that is otherwise than it was: "<node> <path>: <from> -> <to>"."""
    for node in sorted({*before, *now}):
        old, new = before.get(node, {"is": "absent", "fields": {}}), now.get(node, {"is": "absent", "fields": {}})
        if old["is"] != new["is"]:
            yield f"{node}: {_IS[old['is']]} -> {_IS[new['is']]}"
            continue
        was, becomes = cast(Mapping[str, Any], old["fields"]), cast(Mapping[str, Any], new["fields"])
        for path in sorted({*was, *becomes}):
            # A field that is not listed was as declared, and what is declared has not changed.
            have = was[path][0] if path in was else becomes[path][1]
            has = becomes[path][0] if path in becomes else was[path][1]
            if have != has:
                yield f"{node} {path}: {_text(have)} -> {_text(has)}"


def _text(value: object) -> str:
    return "(not set)" if value is None else str(value)
