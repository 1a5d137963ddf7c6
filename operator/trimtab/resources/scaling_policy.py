"""What an autoscaler goes by: one metric to hold at a value (target tracking), or steps that an alarm sets off.

Identity: "service/<cluster>/<service>|<policy>". Create: same settings (PutScalingPolicy overwrites); a policy has no tags:
it is whose its scalable target is. Cost of observe: one call a service, for up to ten; for more, one per 10 policies of the
region. The two alarms of target tracking are the service's own, and are not ours to look at; that of a step policy is
made beside it, and loses its action when the policy goes.
Source: Application Auto Scaling API, PutScalingPolicy, DescribeScalingPolicies; TargetTrackingScalingPolicyConfiguration,
StepScalingPolicyConfiguration.
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
_TRACKING, _STEPPING = "TargetTrackingScaling", "StepScaling"
_PREDEFINED_METRIC, _CUSTOM_METRIC = "PredefinedMetricSpecification", "CustomizedMetricSpecification"
_STEPS = "StepAdjustments"
_LOW, _HIGH = "MetricIntervalLowerBound", "MetricIntervalUpperBound"
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
    balancer: str | Ref  # as CloudWatch calls it: `arn_suffix`
    target_group: str | Ref  # as CloudWatch calls it: `arn_suffix`
    out_s: int = 60  # a scale-out that follows so soon counts what the last one added
    in_s: int = 300  # between two scale-ins


@dataclass(frozen=True, slots=True)
class Step:
    """What to add, between two distances from the alarm's threshold; None: without end."""

    low: float | None
    high: float | None
    add: int  # below 0: to remove


@dataclass(frozen=True, slots=True)
class Stepped:
    """The other kind of policy."""

    cluster: str  # name
    service: str  # name
    name: str  # of the policy
    steps: tuple[Step, ...]
    cooldown_s: int


@dataclass(frozen=True, slots=True)
class Observed:
    resource: str
    name: str
    arn: str
    type: str  # TargetTrackingScaling, StepScaling ...
    configuration: Mapping[str, Any]  # of that type


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

    def identity(self, desired: Desired | Stepped) -> str:
        return f"{resource_id(desired.cluster, desired.service)}|{desired.name}"

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, Observed | Unknown]]:
        return read_listed(_list, "ScalingPolicies", wanted, _seen)

    def tags(self, observed: Sequence[Observed]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        return tags_of_targets([each.resource for each in observed])

    def state(self, desired: Desired | Stepped, observed: Observed) -> State:
        return Settled()

    def diff(self, desired: Desired | Stepped, observed: Observed) -> tuple[Difference, ...]:
        if observed.type != _type(desired):
            return (Difference("PolicyType", observed.type, _type(desired)),)
        have = observed.configuration
        if isinstance(desired, Stepped):
            return differences(*((path, have.get(path), want) for path, want in _stepping(desired).items()))
        return differences(
            (METRIC, have.get(_PREDEFINED_METRIC, have.get(_CUSTOM_METRIC)), _metric(desired)),
            *((path, have.get(path), want) for path, want in _values(desired).items()),
        )

    def create(self, desired: Desired | Stepped) -> Steps[None]:
        yield _put(desired)

    def update(self, desired: Desired | Stepped, observed: Observed, drift: Sequence[Difference]) -> Steps[None]:
        if not drift:
            return
        if observed.type != _type(desired):  # a policy keeps its type for life
            yield from self.delete(observed)
        yield _put(desired)

    def delete(self, observed: Observed) -> Steps[None]:
        arguments = {**PLACE, "ResourceId": observed.resource, "PolicyName": observed.name}
        yield Call(_SERVICE, "DeleteScalingPolicy", arguments, repeat="safe")


def _list(arguments: Mapping[str, Any]) -> Call:
    return Call(_SERVICE, "DescribeScalingPolicies", arguments)


def _put(desired: Desired | Stepped) -> Call:
    return Call(
        _SERVICE,
        "PutScalingPolicy",
        {
            **PLACE,
            "ResourceId": resource_id(desired.cluster, desired.service),
            "PolicyName": desired.name,
            "PolicyType": _type(desired),
            f"{_type(desired)}PolicyConfiguration": (
                _stepping(desired) if isinstance(desired, Stepped) else _tracking(desired)
            ),
        },
        repeat="safe",
    )


def _type(desired: Desired | Stepped) -> str:
    return _STEPPING if isinstance(desired, Stepped) else _TRACKING


def _stepping(desired: Stepped) -> dict[str, Any]:
    return {
        "AdjustmentType": "ChangeInCapacity",
        _STEPS: sorted(map(_step, desired.steps), key=_from),
        "Cooldown": desired.cooldown_s,
        "MetricAggregationType": "Average",
    }


def _step(step: Step) -> dict[str, Any]:
    bounds = {_LOW: step.low, _HIGH: step.high}
    return {**{name: round(at, 9) for name, at in bounds.items() if at is not None}, "ScalingAdjustment": step.add}


def _tracking(desired: Desired) -> dict[str, Any]:
    for each in (desired.balancer, desired.target_group):
        known(each)  # or it is a bug to ask for this now
    specification = _PREDEFINED_METRIC if desired.metric in _PREDEFINED else _CUSTOM_METRIC
    return {**_values(desired), specification: _metric(desired)}


def _values(desired: Desired) -> dict[str, Any]:
    return {VALUE: float(desired.value), OUT: desired.out_s, IN: desired.in_s}


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
    balancer, group = desired.balancer, desired.target_group
    if isinstance(balancer, Ref):
        return balancer
    if isinstance(group, Ref):
        return group
    return {"PredefinedMetricType": predefined, "ResourceLabel": f"{balancer}/{group}"}


def _seen(item: Reply) -> tuple[str, Observed]:
    resource, name, type_ = item["ResourceId"], item["PolicyName"], item["PolicyType"]
    configuration: Mapping[str, Any] = item.get(f"{type_}PolicyConfiguration", {})
    if _STEPS in configuration:
        configuration = {**configuration, _STEPS: sorted(configuration[_STEPS], key=_from)}
    return f"{resource}|{name}", Observed(resource, name, item["PolicyARN"], type_, configuration)


def _from(step: Mapping[str, Any]) -> float:
    return step.get(_LOW, float("-inf"))


KIND: Kind[Desired | Stepped, Observed] = ScalingPolicy()
