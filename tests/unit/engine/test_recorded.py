"""What the ledger records of resources."""

from dataclasses import dataclass, replace

import pytest

from boxes import HISTORY, KINDS, OURS, Box, SeenBox, look
from samples_compile import FACTS
from trimtab.core.kind import UID
from trimtab.engine.book import Book
from trimtab.engine.ledger import Lease, Ledger, Resource, Shared
from trimtab.engine.recorded import announce, are_tags_recorded, tags_digest, unrecorded
from trimtab.engine.view import View
from trimtab.graph.node import Node, graph_of
from trimtab.plan.adoption import Adoption
from trimtab.plan.drift import Rules, settled_digest
from trimtab.plan.plan import plan
from trimtab.plan.snapshot import Absent, Found, Seen

JOB, KIND = "sagemaker.TrainingJob/training", "sagemaker.TrainingJob"


@dataclass(frozen=True)
class Desired:
    name: str
    tags: dict[str, str]


def job(name: str, tags: dict[str, str], key: str) -> Node:
    return Node(JOB, "training", Desired(name, tags), key=key)


def test_tags_are_recorded_for_each_generation_of_a_node():
    first, second = job("a", {"key": "1"}, "1"), job("b", {"key": "2"}, "2")
    known = [Resource(JOB, KIND, node.desired.name, node.key or "", tags=tags_digest(node)) for node in (second, first)]
    assert are_tags_recorded(first, known)
    assert are_tags_recorded(second, known)
    assert not are_tags_recorded(second, known[1:])
    assert not are_tags_recorded(job("a", {"key": "3"}, "1"), known)


BOX = "test.Box/one"
LEDGER = Ledger("uid1", "vision", "digits", "local", "123456789012", "us-east-1")
ALLOWED = Rules(adoption=Adoption("takeOver", "vision", "local", ("one",), ("vision",)))
UNTAGGED, TAGGED, OTHER = Found(SeenBox("one"), {}), Found(SeenBox("one"), OURS), Found(SeenBox("one", size=2), OURS)


def passed(book: Book, seen: Seen, *, shared: bool) -> Resource | None:
    """What is recorded of the box by a pass that finds it so, before it acts."""
    owner = book.shared.uid if shared else book.ledger.uid
    node = Node(BOX, "release", Box("one", tags={UID: owner}), shared=shared)
    if isinstance(seen, Found) and seen.tags:
        seen = Found(seen.observed, {UID: owner})
    graph = graph_of([node], {})
    snapshot = look(graph, {BOX: seen})
    view = View(graph, snapshot, plan(graph, snapshot, HISTORY, KINDS, ALLOWED), FACTS, book.ledger, HISTORY)
    found = tuple(unrecorded(view, KINDS, (*book.ledger.resources, *book.shared.resources)))
    announce(book, view, found, Lease("me", "later"), "now")
    return next(iter(book.shared.resources if shared else book.ledger.resources), None)


@pytest.mark.parametrize("shared", [False, True])
def test_an_adoption_is_recorded_before_it_is_made_and_proven_by_its_tag(shared):
    book = Book(LEDGER, None, Shared("env1", "local"), None)
    announced = passed(book, UNTAGGED, shared=shared)
    assert announced
    assert (announced.adopted, announced.tags, announced.shared) == (True, "", shared)
    assert passed(book, UNTAGGED, shared=shared) == announced  # it came to nothing, and its tags are read again
    proven = passed(book, TAGGED, shared=shared)
    assert proven
    assert (proven.adopted, bool(proven.tags)) == (True, True)
    assert passed(book, TAGGED, shared=shared) == proven
    changed = passed(book, OTHER, shared=shared)
    assert changed
    assert changed.adopted  # an update makes it no more ours than it was
    anew = passed(book, Absent(), shared=shared)
    assert anew
    assert not anew.adopted  # and what was deleted outside is made by us


@pytest.mark.parametrize("is_drift", [True, False])
def test_what_an_edit_wrote_is_no_drift_once_the_edit_is_taken_back(is_drift):
    before = graph_of([Node(BOX, "release", Box("one", tags=OURS))], {})
    settled = {BOX: settled_digest(before.nodes[BOX])}
    book = Book(replace(LEDGER, uid=OURS[UID], settled=settled), None, Shared("env1", "local"), None)
    graph = before if is_drift else graph_of([Node(BOX, "release", Box("one", size=2, tags=OURS))], {})
    history = replace(HISTORY, settled=settled)
    snapshot = look(graph, {BOX: Found(SeenBox("one", size=3), OURS)})
    view = View(graph, snapshot, plan(graph, snapshot, history, KINDS, ALLOWED), FACTS, book.ledger, history)
    assert [each.is_drift for each in view.plan.actions] == [is_drift]
    announce(book, view, (), Lease("me", "later"), "now")
    assert (BOX in book.ledger.settled) is is_drift  # a repair that is undone again is drift again
    snapshot = look(before, {BOX: Found(SeenBox("one", size=2), OURS)})
    decided = plan(before, snapshot, replace(HISTORY, settled=book.ledger.settled), KINDS, ALLOWED)
    assert [each.is_drift for each in decided.actions] == [is_drift]


@pytest.mark.parametrize(("tags", "is_known"), [(OURS, True), ({UID: "other"}, False), (None, False)])
def test_after_a_lost_ledger_what_may_not_be_changed_now_is_known_by_its_tag_alone(tags, is_known):
    graph = graph_of([Node(BOX, "release", Box("one", tags=OURS), key="k")], {})
    snapshot = look(graph, {BOX: Found(SeenBox("one", size=2), tags)})
    held = replace(HISTORY, barred={"k": ("Held", "an earlier one serves")})
    decided = plan(graph, snapshot, held, KINDS, ALLOWED)
    assert not decided.standings[BOX].is_ok
    view = View(graph, snapshot, decided, FACTS, replace(LEDGER, uid=OURS[UID]), held)
    found = list(unrecorded(view, KINDS, ()))
    assert [(each.node, each.tags) for each in found] == ([(BOX, "")] if is_known else [])
    assert list(unrecorded(view, KINDS, found)) == []
