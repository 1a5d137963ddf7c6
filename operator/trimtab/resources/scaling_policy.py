"""What an autoscaler holds: one metric at a value, by target tracking.

Identity: "service/<cluster>/<service>|<policy>". Create: same settings (PutScalingPolicy overwrites); a policy has no tags:
it is whose its scalable target is. Cost of observe: one call a service, for up to ten; for more, one per 10 policies of the
region. The two alarms of a policy are the service's own, and are not ours to look at.
Source: Application Auto Scaling API, PutScalingPolicy, DescribeScalingPolicies; TargetTrackingScalingPolicyConfiguration.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.core.kind import (
    Call,
    Difference,
    Kind,
    Ref,
    Reply,
    Right,
    Settled,
    State,
    Steps,
    Unknown,
    Verb,
    differences,
)
from trimtab.resources.scaling import PLACE, TARGET_ARN, read_listed, resource_id, tags_of_targets
from trimtab.resources.shared import WHEN_OURS, allow, known

METRIC, VALUE, OUT, IN = "metric", "TargetValue", "ScaleOutCooldown", "ScaleInCooldown"
_CONFIGURATION = "TargetTrackingScalingPolicyConfiguration"
_SERVICE = "application-autoscaling"
_PREDEFINED = {
    "cpu": "ECSServiceAverageCPUUtilization",
    "memory": "ECSServiceAverageMemoryUtilization",
    "requests": "ALBRequestCountPerTarget",
}
CUSTOM_NAMESPACE, CUSTOM_DIMENSION = "trimtab", "Deployment"  # of a metric of the user's own


@dataclass(frozen=True, slots=True)
class Desired:
    cluster: str  # name
    service: str  # name
    name: str  # of the policy
    metric: str  # cpu, memory, requests, or the name of a metric of the user's own
    value: float
    deployment: str  # "vision/digits"
    balancer_arn: str | Ref
    target_group_arn: str | Ref
    out_s: int = 60  # a scale-out that follows so soon counts what the last one added
    in_s: int = 300  # between two scale-ins


@dataclass(frozen=True, slots=True)
class Observed:
    resource: str
    name: str
    type: str  # TargetTrackingScaling, StepScaling ...
    metric: Mapping[str, Any]  # the specification, predefined or custom
    value: float | None
    out_s: int | None
    in_s: int | None


class ScalingPolicy:
    name = "autoscaling.ScalingPolicy"
    rank = 120
    rights: Mapping[Verb, tuple[Right, ...]] = {
        "observe": allow("*", f"{_SERVICE}:DescribeScalingPolicies", f"{_SERVICE}:DescribeScalableTargets")
        + allow(TARGET_ARN, f"{_SERVICE}:ListTagsForResource"),
        "create": allow(TARGET_ARN, f"{_SERVICE}:PutScalingPolicy", when=WHEN_OURS),
        "update": allow(TARGET_ARN, f"{_SERVICE}:PutScalingPolicy", f"{_SERVICE}:DeleteScalingPolicy", when=WHEN_OURS),
        "delete": allow(TARGET_ARN, f"{_SERVICE}:DeleteScalingPolicy", when=WHEN_OURS),
    }

    def identity(self, desired: Desired) -> str:
        return f"{resource_id(desired.cluster, desired.service)}|{desired.name}"

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, Observed | Unknown]]:
        return read_listed(_list, "ScalingPolicies", wanted, _found)

    def tags(self, observed: Sequence[Observed]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        return tags_of_targets([each.resource for each in observed])

    def state(self, desired: Desired, observed: Observed) -> State:
        return Settled()

    def diff(self, desired: Desired, observed: Observed) -> tuple[Difference, ...]:
        if observed.type != "TargetTrackingScaling":
            return (Difference("PolicyType", observed.type, "TargetTrackingScaling"),)
        return differences(
            (METRIC, dict(observed.metric), _metric(desired)),
            (VALUE, observed.value, float(desired.value)),
            (OUT, observed.out_s, desired.out_s),
            (IN, observed.in_s, desired.in_s),
        )

    def create(self, desired: Desired) -> Steps[None]:
        yield _put(desired)

    def update(self, desired: Desired, observed: Observed, drift: Sequence[Difference]) -> Steps[None]:
        if not drift:
            return
        if observed.type != "TargetTrackingScaling":  # a policy keeps its type for life
            yield from self.delete(observed)
        yield _put(desired)

    def delete(self, observed: Observed) -> Steps[None]:
        arguments = {**PLACE, "ResourceId": observed.resource, "PolicyName": observed.name}
        yield Call(_SERVICE, "DeleteScalingPolicy", arguments, repeat="safe")


def _list(arguments: Mapping[str, Any]) -> Call:
    return Call(_SERVICE, "DescribeScalingPolicies", arguments)


def _put(desired: Desired) -> Call:
    for arn in (desired.balancer_arn, desired.target_group_arn):
        known(arn)  # or it is a bug to ask for this now
    kind = "PredefinedMetricSpecification" if desired.metric in _PREDEFINED else "CustomizedMetricSpecification"
    configuration = {VALUE: float(desired.value), kind: _metric(desired), OUT: desired.out_s, IN: desired.in_s}
    return Call(
        _SERVICE,
        "PutScalingPolicy",
        {
            **PLACE,
            "ResourceId": resource_id(desired.cluster, desired.service),
            "PolicyName": desired.name,
            "PolicyType": "TargetTrackingScaling",
            _CONFIGURATION: configuration,
        },
        repeat="safe",
    )


def _metric(desired: Desired) -> dict[str, Any] | Ref:
    """The specification of the metric; a Ref while the load balancer or the target group is not known."""
    predefined = _PREDEFINED.get(desired.metric)
    if predefined is None:
        dimensions = [{"Name": CUSTOM_DIMENSION, "Value": desired.deployment}]
        return {
            "MetricName": desired.metric,
            "Namespace": CUSTOM_NAMESPACE,
            "Dimensions": dimensions,
            "Statistic": "Average",
        }
    if desired.metric != "requests":
        return {"PredefinedMetricType": predefined}
    balancer, group = desired.balancer_arn, desired.target_group_arn
    if isinstance(balancer, Ref):
        return balancer
    if isinstance(group, Ref):
        return group
    label = f"{balancer.partition(':loadbalancer/')[2]}/{group.rpartition(':')[2]}"
    return {"PredefinedMetricType": predefined, "ResourceLabel": label}


def _found(item: Reply) -> tuple[str, Observed]:
    seen = _seen(item)
    return f"{seen.resource}|{seen.name}", seen


def _seen(item: Reply) -> Observed:
    configuration: Mapping[str, Any] = item.get(_CONFIGURATION, {})
    predefined, custom = "PredefinedMetricSpecification", "CustomizedMetricSpecification"
    metric: Mapping[str, Any] = configuration.get(predefined, configuration.get(custom, {}))
    value = configuration.get(VALUE)
    return Observed(
        resource=item["ResourceId"],
        name=item["PolicyName"],
        type=item["PolicyType"],
        metric=metric,
        value=None if value is None else float(value),
        out_s=configuration.get(OUT),
        in_s=configuration.get(IN),
    )


KIND: Kind[Desired, Observed] = ScalingPolicy()
