"""Scalable targets and policies: bulk reads, and what of a policy is compared."""

from dataclasses import replace

import pytest

from trimtab.core.kind import Failure, Ref, Unknown, differences
from trimtab.resources import KINDS
from unit.resources.samples import POLICY_REPLY, SAMPLES, SCALABLE
from unit.resources.support import drive, faults_of_call

TARGETS, POLICIES = KINDS["autoscaling.ScalableTarget"], KINDS["autoscaling.ScalingPolicy"]
POLICY = SAMPLES["autoscaling.ScalingPolicy"].desired
DENIED = Failure("denied", "not authorized", code="AccessDeniedException")


def resources(count: int) -> list[str]:
    return [f"service/main/s{number}" for number in range(count)]


def test_targets_are_read_fifty_at_a_time():
    calls, seen = drive(TARGETS.observe(resources(120)), {"DescribeScalableTargets": {"ScalableTargets": []}})
    assert [len(call.arguments["ResourceIds"]) for call in calls] == [50, 50, 20]
    assert seen == {}


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


def test_a_policy_waits_for_the_target_group_that_it_watches():
    waiting = replace(POLICY, target_group_arn=Ref("elbv2.TargetGroup/targets", "arn"))
    with pytest.raises(TypeError, match="not known yet"):
        drive(POLICIES.create(waiting))


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
