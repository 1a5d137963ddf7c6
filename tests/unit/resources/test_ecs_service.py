"""ECS services: what is success, what is a silent rollback, and what is somebody's hand."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from trimtab.core.kind import Broken, Difference, Moving, Settled, tag_list
from trimtab.resources import KINDS
from trimtab.resources.ecs_service import ASKED, ASKED_PATH, TASK_DEFINITION, Desired, Observed, is_rolled_back
from unit.resources.samples import AT, FAMILY, PRIMARY, SAMPLES, SERVICE, TAGS, TASK_ARN
from unit.resources.support import drive, faults_of_call

KIND = KINDS["ecs.Service"]
DESIRED: Desired = SAMPLES["ecs.Service"].desired
OLD = TASK_ARN.replace("0a1b2c3d4e5f", "999999999999")
FAILED_EVENT = "(service s) (deployment ecs-svc/2) deployment failed: tasks failed to start."
BACK_EVENT = "(service s) rolling back to deployment ecs-svc/1."


def seen(
    *deployments: dict[str, Any], asked: str = f"{FAMILY}:1", events: tuple[tuple[int, str], ...] = (), **fields: Any
) -> Observed:
    """A live service. events: (seconds after the sample's time, message), newest first."""
    item = {
        **SERVICE,
        **({"deployments": list(deployments)} if deployments else {}),
        "events": [{"id": str(at), "createdAt": AT + timedelta(seconds=at), "message": text} for at, text in events],
        "tags": tag_list({**TAGS, **({ASKED: asked} if asked else {})}, "key", "value"),
        **fields,
    }
    _, found = drive(KIND.observe([KIND.identity(DESIRED)]), {"DescribeServices": {"services": [item]}})
    return found[KIND.identity(DESIRED)]


def deployment(task: str = TASK_ARN, at: int = 0, **fields: Any) -> dict[str, Any]:
    return {**PRIMARY, "taskDefinition": task, "createdAt": AT + timedelta(seconds=at), **fields}


ROLLED_BACK = (  # ECS says COMPLETED, on the old one
    deployment(OLD, 60),
    ((90, "(service s) has reached a steady state."), (60, BACK_EVENT), (60, FAILED_EVENT)),
)


def test_a_service_is_ready_only_when_the_declared_release_is_all_that_runs():
    assert KIND.state(DESIRED, seen()) == Settled()


@pytest.mark.parametrize(
    "observed",
    [
        pytest.param(seen(deployment(rolloutState="IN_PROGRESS", runningCount=1)), id="still rolling"),
        pytest.param(seen(deployment(), deployment(OLD, status="ACTIVE", runningCount=1)), id="old tasks still run"),
        pytest.param(seen(runningCount=3), id="one task too many"),
        pytest.param(seen(runningCount=1), id="a task died"),
        pytest.param(seen(pendingCount=1), id="a task is starting"),
        pytest.param(seen(deployment(rolloutState="NEW_STATE")), id="a state that is not known"),
        pytest.param(seen(status="DRAINING"), id="leaving"),
        pytest.param(replace(seen(), deployments=()), id="no deployment at all"),
    ],
)
def test_what_is_not_all_there_is_moving(observed: Observed):
    assert isinstance(KIND.state(DESIRED, observed), Moving)


def test_a_roll_shows_tasks_of_the_release():
    state = KIND.state(
        DESIRED,
        seen(
            deployment(rolloutState="IN_PROGRESS", runningCount=1, failedTasks=1),
            deployment(OLD, status="ACTIVE", runningCount=2),
        ),
    )
    assert isinstance(state, Moving)
    assert state.because == "1 of 2 tasks of the release run, 1 failed, 2 of the last one still run"
    assert state.progress
    assert (state.progress.done, state.progress.total, state.progress.unit) == (1, 2, "tasks")


def test_a_completed_rollback_is_broken_and_not_repaired():
    observed = seen(ROLLED_BACK[0], events=ROLLED_BACK[1])
    state = KIND.state(DESIRED, observed)
    went = f"ECS gave up {FAMILY}:1 and went back to {OLD.rpartition('/')[2]}"
    assert state == Broken("RolledBack", f"{went}: {FAILED_EVENT}")
    assert [each.owner for each in KIND.diff(DESIRED, observed)] == ["rollout"]


def test_a_rollback_under_way_is_seen_by_its_failed_deployment():
    observed = seen(
        deployment(OLD, 60, rolloutState="IN_PROGRESS"),
        deployment(status="ACTIVE", rolloutState="FAILED", rolloutStateReason="tasks failed to start"),
    )
    assert is_rolled_back(DESIRED, observed)
    assert KIND.state(DESIRED, observed) == Broken(
        "RolledBack", f"ECS gave up {FAMILY}:1 and went back to {OLD.rpartition('/')[2]}: tasks failed to start"
    )


def test_a_first_rollout_that_fails_has_nothing_to_go_back_to():
    state = KIND.state(DESIRED, seen(deployment(rolloutState="FAILED", rolloutStateReason="tasks failed to start")))
    assert state == Broken("RolloutFailed", f"ECS gave up {FAMILY}:1: tasks failed to start")


@pytest.mark.parametrize(
    ("observed", "why"),
    [
        pytest.param(seen(deployment(OLD), asked=OLD.rpartition("/")[2]), "a new release", id="never asked for"),
        pytest.param(
            seen(ROLLED_BACK[0], events=ROLLED_BACK[1], asked="vision-digits-888888888888:1"),
            "the fix after a rollback",
            id="another one was rolled back",
        ),
        pytest.param(seen(deployment(OLD, 900), events=ROLLED_BACK[1]), "by hand", id="changed by hand after a rollback"),
        pytest.param(seen(deployment(OLD)), "by hand", id="changed by hand"),
        pytest.param(seen(deployment(OLD), asked="", events=ROLLED_BACK[1]), "tag lost", id="the tag was taken off"),
    ],
)
def test_a_release_that_was_not_rolled_back_is_asked_for(observed: Observed, why: str):
    (difference,) = KIND.diff(DESIRED, observed)
    assert difference == Difference(TASK_DEFINITION, OLD, TASK_ARN)
    calls, _ = drive(KIND.update(DESIRED, observed, (difference,)))
    assert [call.operation for call in calls] == ["UpdateService", "TagResource"]
    assert calls[0].arguments["taskDefinition"] == TASK_ARN
    assert calls[1].arguments["tags"] == [{"key": ASKED, "value": f"{FAMILY}:1"}]


def test_a_crash_between_asking_and_noting_it_is_noted_later():
    observed = seen(deployment(rolloutState="IN_PROGRESS"), asked=OLD.rpartition("/")[2])
    (difference,) = KIND.diff(DESIRED, observed)
    assert difference == Difference(ASKED_PATH, OLD.rpartition("/")[2], f"{FAMILY}:1")
    calls, _ = drive(KIND.update(DESIRED, observed, (difference,)))
    assert [call.operation for call in calls] == ["TagResource"]


def test_a_retry_that_a_person_asked_for_rolls_out_again():
    observed = seen(ROLLED_BACK[0], events=ROLLED_BACK[1])
    again = replace(DESIRED, attempt=2)
    assert [each.owner for each in KIND.diff(again, observed)] == ["spec"]
    calls, _ = drive(KIND.update(again, observed, KIND.diff(again, observed)))
    assert calls[1].arguments["tags"] == [{"key": ASKED, "value": f"{FAMILY}:1@2"}]
    assert faults_of_call(calls[1]) == []


def test_an_edit_of_replicas_after_a_rollback_does_not_bring_the_bad_release_back():
    observed = seen(ROLLED_BACK[0], events=ROLLED_BACK[1])
    scaled = replace(DESIRED, desired_count=3)
    drift = tuple(each for each in KIND.diff(scaled, observed) if each.owner == "spec")
    calls, _ = drive(KIND.update(scaled, observed, drift))
    assert [call.operation for call in calls] == ["TagResource", "UpdateService"]
    assert "taskDefinition" not in calls[1].arguments
    # What that update made is newer than the words about the failure; the tag remembers.
    later = seen(deployment(OLD, 900), asked=calls[0].arguments["tags"][0]["value"], events=ROLLED_BACK[1])
    assert is_rolled_back(DESIRED, later)
    assert faults_of_call(calls[0]) == []


@pytest.mark.parametrize(
    ("count", "owners"),
    [
        pytest.param(2, [], id="as declared"),
        pytest.param(4, ["autoscaler"], id="chosen by the autoscaler"),
        pytest.param(1, ["spec"], id="below the least"),
        pytest.param(7, ["spec"], id="above the most"),
    ],
)
def test_a_count_inside_the_range_is_the_autoscalers(count: int, owners: list[str]):
    scaled = replace(DESIRED, max_count=6)
    observed = seen(desiredCount=count)
    assert [each.owner for each in KIND.diff(scaled, observed)] == owners


@pytest.mark.parametrize(
    ("count", "bound"), [pytest.param(1, 2, id="below the least"), pytest.param(7, 6, id="above the most")]
)
def test_a_count_outside_the_range_is_set_to_the_nearest_bound_alone(count: int, bound: int):
    scaled, observed = replace(DESIRED, max_count=6), seen(desiredCount=count)
    (call,), _ = drive(KIND.update(scaled, observed, KIND.diff(scaled, observed)))
    assert call.arguments == {"cluster": scaled.cluster, "service": scaled.name, "desiredCount": bound}


def test_a_new_release_keeps_the_count_that_the_autoscaler_chose():
    scaled, observed = replace(DESIRED, max_count=6), seen(deployment(OLD, 900), desiredCount=5)
    drift = tuple(each for each in KIND.diff(scaled, observed) if each.owner == "spec")
    update = next(call for call in drive(KIND.update(scaled, observed, drift))[0] if call.operation == "UpdateService")
    assert update.arguments["taskDefinition"] == DESIRED.task_definition
    assert "desiredCount" not in update.arguments


@pytest.mark.parametrize(
    ("running", "settled"),
    [pytest.param(3, True, id="more are starting"), pytest.param(1, False, id="fewer than the least run")],
)
def test_a_service_that_an_autoscaler_scales_is_settled_while_it_does(running: int, settled: bool):
    scaled = replace(DESIRED, max_count=6)
    observed = seen(desiredCount=5, runningCount=running, pendingCount=5 - running)
    assert isinstance(KIND.state(scaled, observed), Settled) == settled
    assert not isinstance(KIND.state(DESIRED, observed), Settled)


def test_a_count_below_the_one_that_it_began_with_is_the_autoscalers_down_to_the_least():
    scheduled = replace(DESIRED, min_count=1, max_count=6)  # began with two; at night there is one
    night = seen(desiredCount=1, runningCount=1)
    assert [each.owner for each in KIND.diff(scheduled, night)] == ["autoscaler"]
    assert isinstance(KIND.state(scheduled, night), Settled)
    assert [(each.owner, each.want) for each in KIND.diff(scheduled, seen(desiredCount=0))] == [("spec", 1)]


def test_what_is_leaving_is_neither_changed_nor_deleted_again():
    leaving = seen(status="DRAINING", desiredCount=0)
    assert KIND.diff(DESIRED, leaving) == ()
    assert drive(KIND.delete(leaving))[0] == []


def test_another_target_group_replaces_the_service():
    observed = seen(loadBalancers=[{"targetGroupArn": "other", "containerName": "model", "containerPort": 8080}])
    assert [(each.path, each.remedy) for each in KIND.diff(DESIRED, observed)] == [("loadBalancers", "replace")]


def test_an_update_sends_what_differs_and_nothing_else():
    observed = seen(healthCheckGracePeriodSeconds=0)
    calls, _ = drive(KIND.update(DESIRED, observed, KIND.diff(DESIRED, observed)))
    (call,) = calls
    assert call.arguments == {
        "cluster": "trimtab-local",
        "service": "vision-digits-0a1b2c",
        "healthCheckGracePeriodSeconds": 60,
    }


def test_the_circuit_breaker_is_not_reset_by_one_healthy_task():
    calls, _ = drive(KIND.create(DESIRED))
    breaker = calls[0].arguments["deploymentConfiguration"]["deploymentCircuitBreaker"]
    assert breaker == {"enable": True, "rollback": True, "resetOnHealthyTask": False}


def test_one_creation_has_one_token():
    def token(desired: Desired) -> str:
        return drive(KIND.create(desired))[0][0].arguments["clientToken"]

    assert token(DESIRED) == token(replace(DESIRED))
    assert token(DESIRED) != token(replace(DESIRED, name="other"))
    assert len(token(DESIRED)) == 36
    assert token(replace(DESIRED, token="given")) == "given"


def test_services_are_described_in_tens_by_cluster():
    wanted = [f"one|s{n}" for n in range(11)] + ["two|s"]
    calls, _ = drive(KIND.observe(wanted), {"DescribeServices": {"services": []}})
    assert [(call.arguments["cluster"], len(call.arguments["services"])) for call in calls] == [
        ("one", 10),
        ("one", 1),
        ("two", 1),
    ]


def test_one_service_that_fails_to_be_read_hides_no_other():
    failure = {"arn": "arn:aws:ecs:us-east-1:123456789012:service/trimtab-local/other", "reason": "ACCESS_DENIED"}
    reply = {"services": [SERVICE], "failures": [failure]}
    _, found = drive(
        KIND.observe(["trimtab-local|vision-digits-0a1b2c", "trimtab-local|other"]), {"DescribeServices": reply}
    )
    assert isinstance(found["trimtab-local|vision-digits-0a1b2c"], Observed)
    assert "ACCESS_DENIED" in found["trimtab-local|other"].reason


ALARMS = {"alarmNames": ["errors", "latency"], "enable": True, "rollback": True}


@pytest.mark.parametrize(
    ("declared", "live", "sent"),
    [
        pytest.param(("latency", "errors"), {}, ALARMS, id="added"),
        pytest.param((), {"alarms": ALARMS}, {"alarmNames": [], "enable": False, "rollback": False}, id="taken away"),
        pytest.param(("errors", "latency"), {"alarms": {**ALARMS, "enable": False}}, ALARMS, id="turned off by hand"),
        pytest.param(
            ("errors", "latency"), {"alarms": {**ALARMS, "alarmNames": ["latency", "errors"]}}, None, id="as declared"
        ),
        pytest.param((), {}, None, id="none"),
    ],
)
def test_deployment_alarms_are_settings_like_any_other(declared: tuple[str, ...], live: dict[str, Any], sent: Any):
    desired = replace(DESIRED, alarms=declared)
    observed = seen(deploymentConfiguration={**SERVICE["deploymentConfiguration"], **live})
    drift = KIND.diff(desired, observed)
    calls, _ = drive(KIND.update(desired, observed, drift), {})
    assert [each.arguments["deploymentConfiguration"]["alarms"] for each in calls] == ([] if sent is None else [sent])


def test_a_service_is_made_with_its_alarms_and_says_nothing_of_none():
    for alarms in ((), ("errors", "latency")):
        (call,), _ = drive(KIND.create(replace(DESIRED, alarms=alarms)), {})
        assert call.arguments["deploymentConfiguration"].get("alarms") == (ALARMS if alarms else None)
