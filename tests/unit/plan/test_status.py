"""Conditions by their truth table, from plans and the troubles of the last pass."""

from datetime import UTC, datetime

import pytest

from trimtab.graph.node import Graph, Node
from trimtab.plan.plan import Action, Plan, Standing
from trimtab.plan.snapshot import Absent, Found, Snapshot
from trimtab.plan.status import Condition, Trouble, conditions, stuck_on
from trimtab.resources.gate import Verdict

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ROLE, JOB = "iam.Role/training", "sagemaker.TrainingJob/training"
GRAPH = Graph({ROLE: Node(ROLE, "environment", None), JOB: Node(JOB, "training", None)})
OK, PENDING = Standing("ok"), Standing("pending", "to be created")
FAILED = Standing("broken", "exit 1", "TrainingFailed")
DENIED = Trouble(JOB, "AccessDenied", "sagemaker:CreateTrainingJob: no", passes=False)
LATER = Trouble(JOB, "Throttled", "sagemaker:CreateTrainingJob: slow down", passes=True)


def world(job: Standing, *, acts: bool = False, role: Standing = OK) -> Plan:
    actions = (Action("create", JOB, "it does not exist"),) if acts else ()
    return Plan(actions, {ROLE: role, JOB: job})


def shown(plan: Plan, *troubles: Trouble, since: dict | None = None) -> dict[str, Condition]:
    snapshot = Snapshot(NOW, {ROLE: Absent(), JOB: Absent()})
    return {each.type: each for each in conditions(GRAPH, plan, snapshot, 3, since or {}, troubles)}


@pytest.mark.parametrize(
    ("plan", "troubles", "ready", "reconciling", "stalled", "reason"),
    [
        pytest.param(world(OK), (), "True", "False", "False", "Ready", id="converged"),
        pytest.param(world(OK), (DENIED,), "True", "False", "False", "Ready", id="a trouble that is over"),
        pytest.param(world(PENDING, acts=True), (), "Unknown", "True", "False", "Progressing", id="acting"),
        pytest.param(world(PENDING, acts=True), (LATER,), "Unknown", "True", "False", "Progressing", id="throttled"),
        pytest.param(world(PENDING, acts=True), (DENIED,), "False", "False", "True", "AccessDenied", id="denied"),
        pytest.param(world(Standing("moving", "training")), (), "Unknown", "True", "False", "Progressing", id="moving"),
        pytest.param(world(FAILED), (), "False", "False", "True", "TrainingFailed", id="broken"),
        pytest.param(
            world(Standing("refused", "not ours", "NameTaken")), (), "False", "False", "True", "NameTaken", id="refused"
        ),
        pytest.param(
            world(FAILED, role=Standing("moving", "x")),
            (), "Unknown", "True", "False", "Progressing", id="broken while something moves",
        ),
        pytest.param(
            world(Standing("unknown", "no", "AccessDenied")), (), "False", "False", "True", "AccessDenied", id="read denied"
        ),
        pytest.param(
            world(Standing("unknown", "no", "Unreachable")), (), "Unknown", "True", "False", "Unreachable", id="unreachable"
        ),
    ],
)  # fmt: skip
def test_the_three_conditions_agree(plan, troubles, ready, reconciling, stalled, reason):
    seen = shown(plan, *troubles)
    assert (seen["Ready"].status, seen["Reconciling"].status, seen["Stalled"].status) == (ready, reconciling, stalled)
    assert seen["Ready"].reason == reason
    assert (stuck_on(plan, troubles) is not None) == (stalled == "True")


def test_what_the_platform_gave_up_is_told_as_that_while_it_is_still_being_noted():
    tagging = Standing("pending", "to be updated: tags")
    plan = Plan((Action("update", ROLE, "differs in tags"),), {ROLE: tagging, JOB: Standing("broken", "gone", "RolledBack")})
    seen = shown(plan)
    assert (seen["Ready"].status, seen["Reconciling"].status, seen["Stalled"].status) == ("False", "False", "True")
    assert {seen["Ready"].reason, seen["Stalled"].reason} == {"RolledBack"}
    assert stuck_on(plan, ()) is None  # the pass that notes it is still made


def test_a_throttled_call_is_told_in_reconciling():
    reconciling = shown(world(PENDING, acts=True), LATER)["Reconciling"]
    assert (reconciling.reason, reconciling.message) == ("Retrying", f"{JOB}: {LATER.because}")


def test_one_refused_write_is_no_stall_while_another_can_be_made():
    plan = Plan((Action("create", JOB, ""), Action("create", ROLE, "")), {ROLE: PENDING, JOB: PENDING})
    assert stuck_on(plan, (DENIED,)) is None


def test_a_time_changes_only_with_its_status():
    since = {"Ready": ("True", "2026-01-01T00:00:00Z"), "Stalled": ("True", "2026-01-02T00:00:00Z")}
    seen = shown(world(OK), since=since)
    assert seen["Ready"].since == "2026-01-01T00:00:00Z"
    assert seen["Stalled"].since == "2026-11-23T12:00:00Z"
    assert {each.observed_generation for each in seen.values()} == {3}


@pytest.mark.parametrize(
    ("uncompared", "reason", "message"),
    [
        ("", "AsDeclared", "accuracy is 0.9"),
        ("not compared: why", "ChampionNotCompared", "accuracy is 0.9; not compared: why"),
    ],
)
def test_a_gate_that_is_met_says_how_and_what_was_not_compared(uncompared, reason, message):
    gate = "trimtab.Gate/gate"
    verdict = Verdict(True, "every gate is met", {"accuracy": 0.9}, ("accuracy is 0.9",), uncompared)
    graph, snapshot = Graph({gate: Node(gate, "evaluation", None)}), Snapshot(NOW, {gate: Found(verdict)})
    seen = {each.type: each for each in conditions(graph, Plan((), {gate: OK}), snapshot, 3, {}, ())}
    assert (seen["Evaluated"].status, seen["Evaluated"].reason, seen["Evaluated"].message) == ("True", reason, message)
