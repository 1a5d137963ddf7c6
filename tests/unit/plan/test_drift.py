"""Drift is told from an edit, and handled as the document says."""

from dataclasses import replace

import pytest

from boxes import HISTORY, KINDS, OURS, Box, SeenBox, box, look
from trimtab.graph.node import graph_of
from trimtab.plan.drift import Rules, settled_digest, told
from trimtab.plan.forecast import forecast
from trimtab.plan.plan import History, plan
from trimtab.plan.snapshot import Absent, Found

GRAPH = graph_of([box("one")], {})
ONE = "test.Box/one"
SETTLED = replace(HISTORY, settled={ONE: settled_digest(GRAPH.nodes[ONE])})
BIGGER = Found(SeenBox("one", size=9), OURS)


def decide(history: History, rules: Rules = Rules(), seen=BIGGER):  # noqa: B008 - a frozen value
    return plan(GRAPH, look(GRAPH, {ONE: seen}), history, KINDS, rules)


def test_a_difference_on_what_was_settled_is_drift_and_is_corrected():
    (action,) = decide(SETTLED).actions
    assert (action.verb, action.is_drift, told(action.differences)) == ("update", True, "size: 9 -> 1")


def test_a_difference_on_what_the_document_changed_is_none():
    (action,) = decide(HISTORY).actions
    assert not action.is_drift
    other = replace(HISTORY, settled={ONE: "of an earlier document"})
    assert not decide(other).actions[0].is_drift


@pytest.mark.parametrize(
    "rules", [Rules("report"), Rules("correct", {"test.Box": "report"})], ids=["for all", "for the kind"]
)
def test_reported_drift_is_told_and_left(rules):
    decided = decide(SETTLED, rules)
    assert decided.actions == ()
    assert told(decided.standings[ONE].drift) == "size: 9 -> 1"
    assert decided.standings[ONE].is_ok


def test_an_edit_is_made_under_every_policy():
    for mode in ("correct", "report", "off"):
        assert [each.verb for each in decide(HISTORY, Rules(mode)).actions] == ["update"]


def test_drift_that_is_off_is_not_even_told():
    decided = decide(SETTLED, Rules("off"))
    assert (decided.actions, decided.standings[ONE].drift) == ((), ())


def test_a_kind_may_be_corrected_where_the_rest_is_only_reported():
    assert decide(SETTLED, Rules("report", {"test.Box": "correct"})).actions


def test_what_was_deleted_outside_is_made_again_or_said():
    (action,) = decide(SETTLED, seen=Absent()).actions
    assert (action.verb, action.is_drift, action.because) == ("create", True, "it was deleted outside")
    decided = decide(SETTLED, Rules("report"), seen=Absent())
    assert decided.actions == ()
    assert (decided.standings[ONE].is_, decided.standings[ONE].reason) == ("broken", "Drifted")


@pytest.mark.parametrize(("path", "left"), [("size", True), ("siz", False), ("tags", False)])
def test_an_ignored_field_is_left_alone(path, left):
    decided = decide(HISTORY, Rules(ignore=(f"test.Box:{path}", "test.Other:size")))
    assert (decided.actions == ()) == left


def test_a_path_stands_for_all_below_it():
    rules = Rules(ignore=("test.Box:tags",))
    seen = Found(SeenBox("one"), {**OURS, "more": "x"})
    graph = graph_of([replace(box("one"), desired=Box("one", tags={**OURS, "more": "y"}))], {})
    assert plan(graph, look(graph, {ONE: seen}), HISTORY, KINDS).actions
    assert not plan(graph, look(graph, {ONE: seen}), HISTORY, KINDS, rules).actions


def test_a_reference_to_what_the_document_changed_is_an_edit_too():
    """A Ref looks the same before and after: what it stands for is another."""
    before, after = (graph_of([box("one", size=size), box("two", "one")], {}) for size in (1, 2))
    history = replace(HISTORY, settled={node.id: settled_digest(node) for node in before})
    parent = Found(SeenBox("one", size=2, id="new"), OURS)
    child = Found(SeenBox("two", holds="old"), OURS)
    seen = {ONE: parent, "test.Box/two": child}
    (action,) = plan(after, look(after, seen), history, KINDS, Rules("report")).actions
    assert (action.node, action.is_drift) == ("test.Box/two", False)
    same = plan(before, look(before, {**seen, ONE: Found(SeenBox("one", id="new"), OURS)}), history, KINDS)
    assert same.actions[0].is_drift


@pytest.mark.parametrize("rules", [Rules("report"), Rules("off"), Rules(ignore=("test.Box:size",))])
def test_a_forecast_follows_the_same_rules_as_a_pass(rules):
    snapshot = look(GRAPH, {ONE: BIGGER})
    assert [each.verb for each in forecast(GRAPH, snapshot, SETTLED, KINDS).actions] == ["update"]
    assert forecast(GRAPH, snapshot, SETTLED, KINDS, rules).actions == ()
