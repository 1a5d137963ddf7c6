"""What the ledger records of resources: announced before they are made, and found where they are there already. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from trimtab.core.canonical import digest_of
from trimtab.core.kind import AnyKind, Ref, resolved
from trimtab.engine.book import Book
from trimtab.engine.ledger import Lease, Ledger, Resource
from trimtab.engine.observe import UNRESOLVED
from trimtab.engine.remember import GATE
from trimtab.engine.view import View
from trimtab.graph.node import Node
from trimtab.plan.events import announced
from trimtab.plan.plan import Action, values_of
from trimtab.plan.snapshot import Found

GATE_KIND = GATE.partition("/")[0]


def announce(book: Book, view: View, found: Sequence[Resource], lease: Lease, now: str) -> None:
    """Put what this wave will make into the open book. found: there already, and ours from now on without a write."""
    outside = [action for action in view.plan.writes if is_outside(view.graph.nodes.get(action.node))]
    named = {action.node: action for action in outside if action.verb in ("create", "update", "replace")}
    made = [(view.graph.nodes[id], action) for id, action in named.items()]
    own = tuple(_resource(node, action) for node, action in made if not node.shared)
    shared = tuple(_resource(node, action) for node, action in made if node.shared)
    own += tuple(each for each in found if each.node not in named)
    granted = any(node.kind.startswith("iam.") for node, _ in made)
    doomed = [action for action in view.plan.writes if action.verb == "delete"]
    acts = announced(book.ledger.acts, (*outside, *doomed), view.graph, now)
    book.ledger = replace(
        book.ledger.announced(own), lease=lease, granted=now if granted else book.ledger.granted, acts=acts
    )
    resources = {each.node: each for each in (*book.shared.resources, *shared)}
    users = tuple(sorted({*book.shared.users, book.ledger.uid}))
    book.shared = replace(book.shared, users=users, resources=tuple(resources[id] for id in sorted(resources)))


def _resource(node: Node, action: Action) -> Resource:
    return Resource(node.id, node.kind, action.identity, node.key or "", node.shared, tags=tags_digest(node))


def unrecorded(view: View, kinds: Mapping[str, AnyKind], ledger: Ledger) -> Iterator[Resource]:
    """What is there as declared, is ours, and is not in the ledger: adopted, or made before the ledger was lost."""
    known = {(each.node, each.identity) for each in ledger.resources}
    values: dict[Ref, object] = {}
    for node in view.graph:
        seen = view.snapshot.seen[node.id]
        if not isinstance(seen, Found) or node.known_after or not view.plan.standings[node.id].is_ok:
            continue
        values |= values_of(node, seen, view.graph)
        identity = kinds[node.kind].identity(resolved(node.desired, values))
        if is_outside(node) and not node.shared and UNRESOLVED not in identity and (node.id, identity) not in known:
            yield Resource(node.id, node.kind, identity, node.key or "", tags=tags_digest(node))


def is_outside(node: Node | None) -> bool:
    """Whether a node is a resource of the world: a verdict lives in the ledger, and goes with it."""
    return node is not None and node.kind != GATE_KIND


def are_tags_recorded(node: Node, resources: Iterable[Resource]) -> bool:
    """Whether this very generation of a node was last declared with the tags that it declares now."""
    place, tags = (node.id, node.key or ""), tags_digest(node)
    return any((each.node, each.key) == place and each.tags == tags for each in resources)


def tags_digest(node: Node) -> str:
    tags: Mapping[str, str] | None = getattr(node.desired, "tags", None)
    return digest_of(dict(tags))[:12] if tags is not None else ""
