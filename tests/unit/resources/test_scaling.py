"""Scalable targets and policies: bulk reads, and what of a policy is compared."""

from dataclasses import replace

import pytest

from trimtab.core.kind import Failure, Ref, Unknown, differences
from trimtab.resources import KINDS, scaling_policy
from unit.resources.samples import ALARM as ALARM_REPLY
from unit.resources.samples import AT, POLICY_REPLY, SAMPLES, SCALABLE, SCHEDULED_REPLY
from unit.resources.support import drive, faults_of_call

TARGETS, POLICIES = KINDS["autoscaling.ScalableTarget"], KINDS["autoscaling.ScalingPolicy"]
ACTIONS = KINDS["autoscaling.ScheduledAction"]
POLICY = SAMPLES["autoscaling.ScalingPolicy"].desired
DENIED = Failure("denied", "not authorized", code="AccessDeniedException")


def resources(count: int) -> list[str]:
    return [f"service/main/s{number}" for number in range(count)]


def test_targets_are_read_fifty_at_a_time():
    calls, seen = drive(TARGETS.observe(resources(120)), {"DescribeScalableTargets": {"ScalableTargets": []}})
    assert [len(call.arguments["ResourceIds"]) for call in calls] == [50, 50, 20]
    assert seen == {}


BOUNDS = SAMPLES["autoscaling.ScalableTarget"].desired  # 2 to 6
SCHEDULED = replace(BOUNDS, scheduled=((4, 8), (1, 2)))
LEAST, MOST = "MinCapacity", "MaxCapacity"


def bounds_seen(least: int, most: int):
    reply = {"ScalableTargets": [{**SCALABLE, LEAST: least, MOST: most}]}
    _, seen = drive(TARGETS.observe([TARGETS.identity(BOUNDS)]), {"DescribeScalableTargets": reply})
    return seen[TARGETS.identity(BOUNDS)]


@pytest.mark.parametrize(("least", "most"), [(4, 8), (1, 2)])
def test_bounds_that_an_action_has_set_are_the_schedules(least: int, most: int):
    found = TARGETS.diff(SCHEDULED, bounds_seen(least, most))
    assert {each.owner for each in found} == {"autoscaler"}
    assert {each.owner for each in TARGETS.diff(BOUNDS, bounds_seen(least, most))} == {"spec"}


@pytest.mark.parametrize(
    ("least", "most", "repaired"),
    [
        pytest.param(2, 7, (2, 6), id="a hand on the document's own"),
        pytest.param(5, 8, (4, 8), id="an action whose bounds were edited"),
        pytest.param(1, 8, (2, 6), id="as near to two: the document's own"),
        pytest.param(1, 1, (1, 2), id="a hand at night"),
    ],
)
def test_bounds_that_nothing_sets_are_repaired_to_the_nearest_that_are_declared(least: int, most: int, repaired):
    observed = bounds_seen(least, most)
    drift = TARGETS.diff(SCHEDULED, observed)
    assert {each.owner for each in drift} == {"spec"}
    (call,), _ = drive(TARGETS.update(SCHEDULED, observed, drift))
    assert (call.arguments[LEAST], call.arguments[MOST]) == repaired
    assert faults_of_call(call) == []


def test_a_bound_that_is_ignored_is_not_written_beside_the_other():
    observed = bounds_seen(1, 9)
    (most,) = [each for each in TARGETS.diff(BOUNDS, observed) if each.path == MOST]
    (call,), _ = drive(TARGETS.update(BOUNDS, observed, (most,)))
    assert (call.arguments[LEAST], call.arguments[MOST]) == (1, 6)


ACTION = SAMPLES["autoscaling.ScheduledAction"].desired


@pytest.mark.parametrize(
    ("reply", "desired", "paths"),
    [
        ({"Schedule": "cron(0 9 ? * MON-FRI *)"}, ACTION, ["Schedule"]),
        ({"ScalableTargetAction": {LEAST: 4}}, ACTION, ["ScalableTargetAction"]),
        ({"EndTime": AT}, ACTION, ["EndTime"]),
        ({"Timezone": None}, ACTION, ["Timezone"]),
        ({"Timezone": None}, replace(ACTION, timezone="UTC"), []),
    ],
)
def test_an_action_is_put_again_where_it_is_not_as_declared(reply: dict, desired, paths: list[str]):
    items = {key: value for key, value in {**SCHEDULED_REPLY, **reply}.items() if value is not None}
    identity = ACTIONS.identity(ACTION)
    _, seen = drive(ACTIONS.observe([identity]), {"DescribeScheduledActions": {"ScheduledActions": [items]}})
    drift = ACTIONS.diff(desired, seen[identity])
    assert [each.path for each in drift] == paths
    calls, _ = drive(ACTIONS.update(desired, seen[identity], drift))
    assert [call.operation for call in calls] == ["PutScheduledAction"] * bool(paths)
    assert all("EndTime" not in call.arguments for call in calls)  # naming none takes it away


@pytest.mark.parametrize("kind", [POLICIES, ACTIONS], ids=lambda kind: kind.name)
def test_a_list_of_the_region_names_no_dimension(kind):
    """Source: Application Auto Scaling API, DescribeScalingPolicies: with a dimension there must be a resource."""
    (call,), _ = drive(kind.observe([f"{resource}|trimtab" for resource in resources(11)]), {})
    assert call.arguments == {"ServiceNamespace": "ecs"}


@pytest.mark.parametrize(("services", "calls"), [(1, 1), (10, 10), (11, 1), (1000, 1)])
def test_policies_of_few_services_are_read_singly_and_of_many_in_one_list(services: int, calls: int):
    wanted = [f"{resource}|trimtab" for resource in resources(services)]
    made, _ = drive(POLICIES.observe(wanted), {"DescribeScalingPolicies": {"ScalingPolicies": []}})
    assert len(made) == calls
    assert all(faults_of_call(call) == [] for call in made)


def test_a_denied_list_of_policies_is_unknown_for_every_one():
    wanted = [f"{resource}|trimtab" for resource in resources(11)]
    _, seen = drive(POLICIES.observe(wanted), {"DescribeScalingPolicies": DENIED})
    assert seen == dict.fromkeys(wanted, Unknown(DENIED.reason, "denied"))


@pytest.mark.parametrize(
    ("metric", "specification"),
    [
        ("cpu", {"PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}}),
        ("memory", {"PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageMemoryUtilization"}}),
        (
            "requests",
            {
                "PredefinedMetricSpecification": POLICY_REPLY["TargetTrackingScalingPolicyConfiguration"][
                    "PredefinedMetricSpecification"
                ]
            },
        ),
        (
            "queue-length",
            {
                "CustomizedMetricSpecification": {
                    "MetricName": "queue-length",
                    "Namespace": "trimtab",
                    "Dimensions": [{"Name": "Deployment", "Value": "vision/digits"}],
                    "Statistic": "Average",
                }
            },
        ),
    ],
)
def test_each_metric_is_asked_for_as_aws_names_it(metric: str, specification: dict):
    (call,), _ = drive(POLICIES.create(replace(POLICY, metric=metric)))
    asked = {"TargetValue": 600.0, **specification, "ScaleOutCooldown": 60, "ScaleInCooldown": 300}
    assert call.arguments["TargetTrackingScalingPolicyConfiguration"] == asked
    assert faults_of_call(call) == []


def test_a_policy_names_balancer_and_group_by_the_ends_of_their_arns():
    def suffix(kind: str) -> str:
        sample = SAMPLES[kind]
        identity = KINDS[kind].identity(sample.desired)
        return drive(KINDS[kind].observe([identity]), sample.answers)[1][identity].arn_suffix

    assert (suffix("elbv2.LoadBalancer"), suffix("elbv2.TargetGroup")) == (POLICY.balancer, POLICY.target_group)


def test_a_policy_waits_for_the_target_group_that_it_watches():
    waiting = replace(POLICY, target_group=Ref("elbv2.TargetGroup/targets", "arn_suffix"))
    with pytest.raises(TypeError, match="not known yet"):
        drive(POLICIES.create(waiting))


STEPPED = scaling_policy.Stepped(
    POLICY.cluster,
    POLICY.service,
    "trimtab-above",
    (scaling_policy.Step(0.0, 20.0, 1), scaling_policy.Step(20.0, None, 3)),
    60,
)
STEPS = {
    "AdjustmentType": "ChangeInCapacity",
    "StepAdjustments": [
        {"MetricIntervalLowerBound": 20.0, "ScalingAdjustment": 3},
        {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 20.0, "ScalingAdjustment": 1},
    ],
    "Cooldown": 60,
    "MetricAggregationType": "Average",
}


@pytest.mark.parametrize(
    ("configuration", "paths"),
    [
        ({}, []),  # in whatever order
        ({"Cooldown": 300}, ["Cooldown"]),
        ({"AdjustmentType": "ExactCapacity"}, ["AdjustmentType"]),
        ({"StepAdjustments": STEPS["StepAdjustments"][:1]}, ["StepAdjustments"]),
    ],
)
def test_a_step_policy_is_put_again_where_it_is_not_as_declared(configuration: dict, paths: list[str]):
    given = {key: value for key, value in POLICY_REPLY.items() if not key.startswith("TargetTracking")}
    given |= {"PolicyName": "trimtab-above", "PolicyType": "StepScaling"}
    reply = {**given, "StepScalingPolicyConfiguration": {**STEPS, **configuration}}
    identity = POLICIES.identity(STEPPED)
    _, seen = drive(POLICIES.observe([identity]), {"DescribeScalingPolicies": {"ScalingPolicies": [reply]}})
    drift = POLICIES.diff(STEPPED, seen[identity])
    assert [each.path for each in drift] == paths
    calls, _ = drive(POLICIES.update(STEPPED, seen[identity], drift))
    assert len(calls) == len(paths)
    for call in calls:
        assert call.arguments["StepScalingPolicyConfiguration"] == {
            **STEPS,
            "StepAdjustments": STEPS["StepAdjustments"][::-1],
        }
        assert faults_of_call(call) == []


ALARMS, ALARM = KINDS["cloudwatch.Alarm"], SAMPLES["cloudwatch.Alarm"].desired


@pytest.mark.parametrize(
    "pending",
    [
        replace(ALARM, actions=(Ref("autoscaling.ScalingPolicy/above", "arn"),)),
        replace(ALARM, dimensions={"TargetGroup": Ref("elbv2.TargetGroup/targets", "arn_suffix")}),
    ],
    ids=["its policy", "its target group"],
)
def test_an_alarm_waits_for_what_it_names(pending):
    answers = SAMPLES["cloudwatch.Alarm"].answers
    _, seen = drive(ALARMS.observe([ALARM.name]), answers)
    assert ALARMS.diff(pending, seen[ALARM.name]) == ()
    with pytest.raises(TypeError, match="not known yet"):
        drive(ALARMS.create(pending))


def test_an_alarm_whose_action_was_taken_away_is_repaired():
    arn = POLICY_REPLY["PolicyARN"]
    _, seen = drive(
        ALARMS.observe([ALARM.name]), {"DescribeAlarms": {"MetricAlarms": [{**ALARM_REPLY, "ActionsEnabled": False}]}}
    )
    drift = ALARMS.diff(replace(ALARM, actions=(arn,)), seen[ALARM.name])
    assert drift == differences(("ActionsEnabled", False, True), ("AlarmActions", [], [arn]))


def test_a_policy_of_another_type_is_made_anew():
    reply = {**POLICY_REPLY, "PolicyType": "StepScaling"}
    identity = POLICIES.identity(POLICY)
    _, seen = drive(POLICIES.observe([identity]), {"DescribeScalingPolicies": {"ScalingPolicies": [reply]}})
    drift = POLICIES.diff(POLICY, seen[identity])
    assert drift == differences(("PolicyType", "StepScaling", "TargetTrackingScaling"))
    calls, _ = drive(POLICIES.update(POLICY, seen[identity], drift))
    assert [call.operation for call in calls] == ["DeleteScalingPolicy", "PutScalingPolicy"]


def test_a_policy_is_whose_its_target_is():
    identity = POLICIES.identity(POLICY)
    _, seen = drive(POLICIES.observe([identity]), {"DescribeScalingPolicies": {"ScalingPolicies": [POLICY_REPLY]}})
    read = [seen[identity], replace(seen[identity], resource="service/main/none")]
    answers = {"DescribeScalableTargets": {"ScalableTargets": [SCALABLE]}, "ListTagsForResource": {"Tags": {"a": "b"}}}
    _, tags = drive(POLICIES.tags(read), answers)
    assert tags == [{"a": "b"}, {}]
