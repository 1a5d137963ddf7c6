"""What the ledger records of resources: announced before they are made, and found where they are there already. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from trimtab.core.canonical import digest_of
from trimtab.core.kind import AnyKind, Ref, owner_in, resolved
from trimtab.engine.book import Book
from trimtab.engine.ledger import Lease, Resource
from trimtab.engine.observe import UNRESOLVED
from trimtab.engine.remember import GATE
from trimtab.engine.view import View
from trimtab.graph.node import Node
from trimtab.plan.events import announced
from trimtab.plan.plan import Action, values_of
from trimtab.plan.snapshot import Found
from trimtab.resources import deployment_alarm

# A verdict lives in the ledger, and goes with it; an alarm that is only looked at is its owner's.
_NOT_OURS = (GATE.partition("/")[0], deployment_alarm.KIND.name)


def announce(book: Book, view: View, found: Sequence[Resource], lease: Lease, now: str) -> None:
    """Put what this wave will make into the open book. found: there already, and ours by now without a write."""
    outside = [action for action in view.plan.writes if is_outside(view.graph.nodes.get(action.node))]
    named = {action.node: action for action in outside if action.verb in ("create", "adopt", "update", "replace")}
    made = [(view.graph.nodes[id], action) for id, action in named.items()]
    adopted = {(each.node, each.identity) for each in book.resources if each.adopted}
    recorded = [(node.shared, _resource(node, action, adopted)) for node, action in made]
    recorded += [(each.shared, each) for each in found if each.node not in named]
    own = tuple(each for is_shared, each in recorded if not is_shared)
    shared = tuple(each for is_shared, each in recorded if is_shared)
    granted = any(node.kind.startswith("iam.") for node, _ in made)
    doomed = [action for action in view.plan.writes if action.verb == "delete"]
    acts = announced(book.ledger.acts, (*outside, *doomed), view.graph, now)
    # What an edit writes is settled no longer: an edit that takes it back finds our own writes, which are no drift.
    edited = {action.node for action in outside if not action.is_drift}
    book.ledger = replace(
        book.ledger.announced(own),
        lease=lease,
        granted=now if granted else book.ledger.granted,
        acts=acts,
        settled={id: digest for id, digest in book.ledger.settled.items() if id not in edited},
    )
    resources = {each.node: each for each in (*book.shared.resources, *shared)}
    users = tuple(sorted({*book.shared.users, book.ledger.uid}))
    book.shared = replace(book.shared, users=users, resources=tuple(resources[id] for id in sorted(resources)))


def _resource(node: Node, action: Action, adopted: Collection[tuple[str, str]]) -> Resource:
    """adopted: (node, identity) of what was there before us. What is to be adopted is not known to be ours yet."""
    known = Resource(node.id, node.kind, action.identity, node.key or "", node.shared, tags=tags_digest(node))
    if action.verb == "adopt":
        return replace(known, tags="", adopted=True)
    return replace(known, adopted=action.verb != "create" and (node.id, action.identity) in adopted)


def unrecorded(view: View, kinds: Mapping[str, AnyKind], known: Iterable[Resource]) -> Iterator[Resource]:
    """What is there and ours, and is not recorded so: its adoption is seen, or a ledger was lost.

    What is as declared is ours by now; of what is not (a release that is held), our owner tag says it.

    known: the deployment's own, and those that it shares. Of the latter, none is found again that was lost.
    """
    recorded = {(each.node, each.identity): each for each in known}
    values: dict[Ref, object] = {}
    for node in view.graph:
        seen = view.snapshot.seen[node.id]
        if not isinstance(seen, Found) or node.known_after:
            continue
        is_ok = view.plan.standings[node.id].is_ok
        if not is_ok and not (isinstance(seen.tags, Mapping) and owner_in(seen.tags) == view.ledger.uid):
            continue
        values |= values_of(node, seen, view.graph)
        identity = kinds[node.kind].identity(resolved(node.desired, values))
        if not is_outside(node) or UNRESOLVED in identity:
            continue
        before = recorded.get((node.id, identity))
        if before is None and not node.shared:
            yield Resource(node.id, node.kind, identity, node.key or "", tags=tags_digest(node) if is_ok else "")
        elif is_ok and before and before.adopted and not before.tags:
            yield replace(before, tags=tags_digest(node))


def is_outside(node: Node | None) -> bool:
    """Whether a node is a resource of the world that we make or take on."""
    return node is not None and node.kind not in _NOT_OURS


def are_tags_recorded(node: Node, resources: Iterable[Resource]) -> bool:
    """Whether this very generation of a node was last declared with the tags that it declares now."""
    place, tags = (node.id, node.key or ""), tags_digest(node)
    return any((each.node, each.key) == place and each.tags == tags for each in resources)


def tags_digest(node: Node) -> str:
    tags: Mapping[str, str] | None = getattr(node.desired, "tags", None)
    return digest_of(dict(tags))[:12] if tags is not None else ""
