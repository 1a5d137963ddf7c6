"""Decisions over small graphs of one made-up kind."""

import pytest

from boxes import HISTORY, KINDS, OURS, Box, SeenBox, box, look
from trimtab.core.kind import UID, Broken, Difference, Moving, Progress, Unknown
from trimtab.graph.node import Node, graph_of
from trimtab.plan.forecast import forecast
from trimtab.plan.plan import plan, teardown
from trimtab.plan.snapshot import Absent, Found, Seen, Stale


def verbs(decided: object) -> dict[str, str]:
    return {action.node: action.verb for action in decided.actions}  # type: ignore[attr-defined]


PAIR = graph_of([box("child", "parent"), box("parent")], {})


def test_parents_come_before_children_in_a_graph():
    assert list(PAIR.nodes) == ["test.Box/parent", "test.Box/child"]


def test_a_cycle_is_refused():
    one = Node("test.Box/a", "release", Box("a"), after=("test.Box/b",))
    other = Node("test.Box/b", "release", Box("b"), after=("test.Box/a",))
    with pytest.raises(ValueError, match="cycle"):
        graph_of([one, other], {})


def test_a_child_waits_until_its_parent_is_there():
    decided = plan(PAIR, look(PAIR, {}), HISTORY, KINDS)
    assert verbs(decided) == {"test.Box/parent": "create"}
    assert decided.standings["test.Box/child"].because == "known after test.Box/parent"


def test_a_child_is_made_with_its_parents_value():
    seen = {"test.Box/parent": Found(SeenBox("parent", id="i-1"), OURS)}
    decided = plan(PAIR, look(PAIR, seen), HISTORY, KINDS)
    assert [action.desired.holds for action in decided.actions] == ["i-1"]


def test_what_is_unknown_is_neither_made_nor_green():
    decided = plan(PAIR, look(PAIR, {"test.Box/parent": Unknown("denied")}), HISTORY, KINDS)
    assert decided.actions == ()
    assert decided.standings["test.Box/parent"].is_ == "unknown"
    assert not decided.is_converged


def test_everything_as_declared_needs_nothing():
    seen = {
        "test.Box/parent": Found(SeenBox("parent", id="i-1"), OURS),
        "test.Box/child": Found(SeenBox("child", holds="i-1"), OURS),
    }
    decided = plan(PAIR, look(PAIR, seen), HISTORY, KINDS)
    assert decided.is_converged
    assert decided.look_again_s is None


@pytest.mark.parametrize(
    ("tags", "standing"),
    [
        pytest.param({UID: "other"}, "refused", id="another deployment's"),
        pytest.param({}, "refused", id="nobody's"),
        pytest.param(None, "ok", id="tags not read"),
        pytest.param(Unknown("denied"), "unknown", id="tags denied"),
        pytest.param(OURS, "ok", id="ours"),
    ],
)
def test_only_what_is_ours_is_kept(tags, standing):
    graph = graph_of([box("a")], {})
    decided = plan(graph, look(graph, {"test.Box/a": Found(SeenBox("a"), tags)}), HISTORY, KINDS)
    assert decided.standings["test.Box/a"].is_ == standing
    assert not decided.writes


def test_a_difference_is_repaired_even_while_the_platform_moves():
    graph = graph_of([box("a", size=2)], {})
    seen = {"test.Box/a": Found(SeenBox("a", state=Moving("rolling")), OURS)}
    decided = plan(graph, look(graph, seen), HISTORY, KINDS)
    assert verbs(decided) == {"test.Box/a": "update"}


def test_a_difference_that_cannot_be_repaired_is_refused():
    graph = graph_of([box("a", size=-1)], {})
    decided = plan(graph, look(graph, {"test.Box/a": Found(SeenBox("a"), OURS)}), HISTORY, KINDS)
    assert verbs(decided) == {"test.Box/a": "refuse"}
    assert decided.writes == ()


def test_a_missing_tag_is_drift_and_a_foreign_one_is_not():
    graph = graph_of([Node("test.Box/a", "release", Box("a", tags={UID: "uid1", "team": "vision"}))], {})
    seen = {"test.Box/a": Found(SeenBox("a"), {UID: "uid1", "cost": "12"})}
    (action,) = plan(graph, look(graph, seen), HISTORY, KINDS).actions
    assert action.differences == (Difference("tags", have={UID: "uid1"}, want={UID: "uid1", "team": "vision"}),)


@pytest.mark.parametrize(
    ("again", "standing", "verb"),
    [(False, "broken", None), (True, "pending", "create")],
    ids=["an outcome", "may be tried again"],
)
def test_what_ended_badly_is_an_outcome_unless_another_attempt_may_help(again, standing, verb):
    graph = graph_of([box("a")], {})
    seen = {"test.Box/a": Found(SeenBox("a", state=Broken("TrainingFailed", "exit 1", again=again)), OURS)}
    decided = plan(graph, look(graph, seen), HISTORY, KINDS)
    assert decided.standings["test.Box/a"].is_ == standing
    assert verbs(decided) == ({"test.Box/a": verb} if verb else {})


def test_long_work_is_waited_for_and_not_started_twice():
    graph = graph_of([box("a")], {})
    decided = plan(graph, look(graph, {}, transfers={"test.Box/a": Progress(1, 4, "bytes")}), HISTORY, KINDS)
    assert decided.actions == ()
    assert decided.standings["test.Box/a"].is_ == "moving"
    assert decided.look_again_s


def test_a_placeholder_is_known_after_its_parent():
    later = Node("test.Box/b", "release", None, known_after="test.Box/a")
    graph = graph_of([box("a"), later], {})
    decided = plan(graph, look(graph, {"test.Box/a": Found(SeenBox("a"), OURS)}), HISTORY, KINDS)
    assert decided.standings["test.Box/b"].because == "known after test.Box/a"
    assert decided.actions == ()


def stale(role: str, kind: str = "test.Box", seen: Seen | None = None) -> Stale:
    return Stale(f"{kind}/{role}", kind, role, seen or Found(SeenBox(role), OURS))


def test_what_is_stale_goes_only_once_the_rest_has_converged():
    graph = graph_of([box("a")], {})
    before = plan(graph, look(graph, {}, stale=(stale("old"),)), HISTORY, KINDS)
    assert verbs(before) == {"test.Box/a": "create"}
    after = plan(graph, look(graph, {"test.Box/a": Found(SeenBox("a"), OURS)}, stale=(stale("old"),)), HISTORY, KINDS)
    assert verbs(after) == {"test.Box/old#old": "delete"}


def test_another_name_in_the_same_role_is_shown_as_a_replacement():
    graph = graph_of([box("a")], {})
    old = Stale("test.Box/a", "test.Box", "before", Found(SeenBox("before"), OURS))
    (action,) = plan(graph, look(graph, {}, stale=(old,)), HISTORY, KINDS).actions
    assert (action.verb, action.because) == ("replace", "replaces before, which goes afterwards")


def test_deletes_run_from_high_rank_to_low_and_wait_for_each_other():
    both = (stale("low"), stale("high", "test.High"))
    assert verbs(teardown(both, KINDS)) == {"test.High/high#high": "delete"}
    gone = (stale("low"), stale("high", "test.High", Absent()))
    assert verbs(teardown(gone, KINDS)) == {"test.Box/low#low": "delete"}


def test_what_is_below_is_still_to_be_deleted_though_it_was_not_read():
    decided = teardown((stale("high", "test.High"),), KINDS, below=("test.Box/low#low",))
    assert verbs(decided) == {"test.High/high#high": "delete"}
    assert {id: standing.is_ for id, standing in decided.standings.items()} == {
        "test.High/high#high": "pending",
        "test.Box/low#low": "pending",
    }


def test_what_cannot_be_read_is_not_deleted_and_holds_the_lower_ranks():
    decided = teardown((stale("low"), stale("high", "test.High", Unknown("denied"))), KINDS)
    assert decided.actions == ()
    assert decided.standings["test.High/high#high"].is_ == "unknown"


def test_a_forecast_lists_later_waves_with_what_they_wait_for():
    foreseen = forecast(PAIR, look(PAIR, {}), HISTORY, KINDS)
    assert [(action.verb, action.node, action.because) for action in foreseen.actions] == [
        ("create", "test.Box/parent", "it does not exist"),
        ("create", "test.Box/child", "known after test.Box/parent"),
    ]


def test_a_forecast_shows_the_child_that_will_be_repointed():
    seen = {"test.Box/child": Found(SeenBox("child", holds="i-0"), OURS)}
    foreseen = forecast(PAIR, look(PAIR, seen), HISTORY, KINDS)
    (change,) = [action for action in foreseen.actions if action.node == "test.Box/child"]
    assert change.verb == "update"
    assert change.differences[0].want == "(known after test.Box/parent)"


def test_a_forecast_of_what_is_as_declared_is_empty():
    graph = graph_of([box("a")], {})
    assert forecast(graph, look(graph, {"test.Box/a": Found(SeenBox("a"), OURS)}), HISTORY, KINDS).actions == ()


def test_a_state_is_not_judged_while_what_is_declared_is_unknown():
    seen = {"test.Box/child": Found(SeenBox("child", holds="i-0", state=Moving("not the declared one")), OURS)}
    decided = plan(PAIR, look(PAIR, seen), HISTORY, KINDS)
    assert decided.standings["test.Box/child"].is_ == "pending"


def test_long_work_that_failed_is_not_begun_again_by_itself():
    graph = graph_of([box("a")], {})
    seen = {"test.Box/a": Found(SeenBox("a", state=Broken("Incomplete", "half", again=True)), OURS)}
    decided = plan(graph, look(graph, seen, transfers={"test.Box/a": Broken("AccessDenied", "no")}), HISTORY, KINDS)
    assert decided.standings["test.Box/a"].reason == "AccessDenied"
    assert decided.actions == ()
