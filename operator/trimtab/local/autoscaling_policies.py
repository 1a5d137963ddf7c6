"""Scaling policies: PutScalingPolicy and its kin, and what an alarm in ALARM makes of them.

Target tracking makes its two alarms as AWS does: above the target for 3 minutes, below nine tenths of it for 15.
Source: Application Auto Scaling API Reference, PutScalingPolicy; User Guide, "Target tracking scaling policies".
"""

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any

from trimtab.local.autoscaling_activities import Activities
from trimtab.local.autoscaling_base import Document, Policy, Target, check_place, chosen, invalid, limited, page, place_of
from trimtab.local.autoscaling_decide import Propose, scale_in, scale_out, stepped, tracked
from trimtab.local.overlay import Arguments, Context, Reply, ServiceError

HIGH_PERIODS, LOW_PERIODS, LOW_SHARE = 3, 15, 0.9
COOLDOWN_S = 300  # the default for services of ECS
MOST_POLICIES, MOST_STEPS = 50, 20
_TRACKING, _STEPS = "TargetTrackingScalingPolicyConfiguration", "StepScalingPolicyConfiguration"
_OF_SERVICE = {
    "ECSServiceAverageCPUUtilization": "CPUUtilization",
    "ECSServiceAverageMemoryUtilization": "MemoryUtilization",
}
_OF_BALANCER = "ALBRequestCountPerTarget"


class Policies(Activities):
    def put_scaling_policy(self, arguments: Arguments, context: Context) -> Reply:
        target, name = self.target(arguments), arguments["PolicyName"]
        kind = arguments.get("PolicyType", "StepScaling")
        found = self._policy(target.resource, name)
        if found is not None and found.type != kind:
            raise invalid(f"The type of scaling policy {name} is {found.type} and cannot be changed.")
        configuration = _checked(kind, arguments)
        if found is None:
            if len(chosen(arguments, list(self.policies))) >= MOST_POLICIES:
                raise limited(f"A scalable target has at most {MOST_POLICIES} scaling policies.")
            place = f"scalingPolicy:{uuid.uuid4()}:resource/ecs/{target.resource}:policyName/{name}"
            found = Policy(self.arn(place), name, target.resource, kind, configuration, context.now)
        found.configuration = configuration
        if kind == "TargetTrackingScaling":
            self._make_alarms(target, found, context.now)
        self.policies.put(found)
        return {"PolicyARN": found.arn, "Alarms": self._alarms(found)}

    def describe_scaling_policies(self, arguments: Arguments, context: Context) -> Reply:
        check_place(arguments)
        names = arguments.get("PolicyNames")
        found = [each for each in chosen(arguments, list(self.policies)) if not names or each.name in names]
        return page(arguments, found, "ScalingPolicies", 10, self._shown)

    def delete_scaling_policy(self, arguments: Arguments, context: Context) -> Reply:
        check_place(arguments)
        found = self._policy(arguments["ResourceId"], arguments["PolicyName"])
        if found is None:
            raise ServiceError("ObjectNotFoundException", f"No scaling policy found for {arguments['PolicyName']}.")
        self.drop_policy(found)
        return {}

    def drop_policy(self, policy: Policy) -> None:
        """With the alarms that were made for it."""
        for name in policy.alarms:
            self.world.overlay("cloudwatch").alarms.drop(name)
        self.policies.drop(policy.arn)

    def _policy(self, resource: str, name: str) -> Policy | None:
        return next((each for each in self.policies if (each.resource, each.name) == (resource, name)), None)

    def _shown(self, policy: Policy) -> Document:
        key = _TRACKING if policy.type == "TargetTrackingScaling" else _STEPS
        return {
            "PolicyARN": policy.arn,
            "PolicyName": policy.name,
            **place_of(policy.resource),
            "PolicyType": policy.type,
            key: policy.configuration,
            "Alarms": self._alarms(policy),
            "CreationTime": policy.created,
        }

    def _alarms(self, policy: Policy) -> list[Document]:
        """Those made for it, or that have a step policy as their action."""
        found = [
            each
            for each in self.world.overlay("cloudwatch").alarms
            if each.name in policy.alarms or policy.arn in each.settings["AlarmActions"]
        ]
        return [{"AlarmName": each.name, "AlarmARN": each.arn} for each in found]

    # Target tracking's own alarms

    def _make_alarms(self, target: Target, policy: Policy, now: datetime) -> None:
        configuration, cloudwatch = policy.configuration, self.world.overlay("cloudwatch")
        goal, id = float(configuration["TargetValue"]), uuid.uuid4()
        if not policy.alarms:
            policy.alarms = [f"TargetTracking-{target.resource}-Alarm{word}-{id}" for word in ("High", "Low")]
        metric = self._watched(target, configuration)
        high, low = policy.alarms
        above = ("GreaterThanThreshold", goal, HIGH_PERIODS)
        below = ("LessThanThreshold", goal * LOW_SHARE, LOW_PERIODS)
        for name, (operator, threshold, count) in ((high, above), (low, below)):
            if name == low and configuration.get("DisableScaleIn"):
                cloudwatch.alarms.drop(low)
                continue
            settings: Document = {
                "AlarmName": name,
                "AlarmDescription": f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy.arn}.",
                "ActionsEnabled": True,
                "OKActions": [],
                "AlarmActions": [policy.arn],
                "InsufficientDataActions": [],
                **metric,
                "Period": 60,
                "EvaluationPeriods": count,
                "Threshold": threshold,
                "ComparisonOperator": operator,
            }
            cloudwatch.keep_alarm(settings, {}, now)

    def _watched(self, target: Target, configuration: Document) -> Document:
        """The metric of a target tracking policy, as an alarm names it. Raises ServiceError."""
        if "CustomizedMetricSpecification" in configuration:
            given = configuration["CustomizedMetricSpecification"]
            named = {key: given[key] for key in ("MetricName", "Namespace", "Statistic", "Unit") if key in given}
            return {**named, "Dimensions": list(given.get("Dimensions", ()))}
        given = configuration["PredefinedMetricSpecification"]
        kind = given["PredefinedMetricType"]
        if kind == _OF_BALANCER:
            balancer, group = self._label(given.get("ResourceLabel", ""))
            return {
                "Namespace": "AWS/ApplicationELB",
                "MetricName": "RequestCountPerTarget",
                "Statistic": "Sum",
                "Dimensions": _pairs({"TargetGroup": group, "LoadBalancer": balancer}),
            }
        cluster, name = target.place
        return {
            "Namespace": "AWS/ECS",
            "MetricName": _OF_SERVICE[kind],
            "Statistic": "Average",
            "Unit": "Percent",
            "Dimensions": _pairs({"ClusterName": cluster, "ServiceName": name}),
        }

    def _label(self, label: str) -> tuple[str, str]:
        """(load balancer, target group) of a resource label. Raises ServiceError."""
        balancer, word, group = label.partition("/targetgroup/")
        known = [each.arn for each in self.world.overlay("elbv2").book.groups]
        if not word or not balancer.startswith("app/") or not any(arn.endswith(f":targetgroup/{group}") for arn in known):
            raise invalid(
                f"ResourceLabel {label!r} must name a target group, as app/<load balancer>/<id>/targetgroup/<group>/<id>."
            )
        return balancer, f"targetgroup/{group}"

    # Alarms

    def alarmed(self, action: str, alarm: Any, now: datetime) -> bool:
        """An alarm is in a state whose action is a policy; answers whether that scaled anything."""
        policy = self.policies.get(action)
        target = self.targets.get(policy.resource) if policy else None
        points: list[float] = json.loads(alarm.data).get("recentDatapoints", []) if alarm.data else []
        if policy is None or target is None or not points or (service := self.service_of(target)) is None:
            return False
        if policy.alarms and alarm.name not in policy.alarms:  # target tracking heeds its own alarms alone
            return False
        standing = self.standing(target, service, now)
        cause = f"monitor alarm {alarm.name} in state {alarm.state} triggered policy {policy.name}"
        if policy.type == "StepScaling":
            propose = stepped(policy.configuration, _aggregated(policy, points) - alarm.settings["Threshold"])
            grows, cooldown_s = propose(standing.current) >= standing.current, policy.configuration.get("Cooldown", 300)
        else:
            grows = alarm.name == policy.alarms[0]
            propose = self._tracked(policy, points[-1]) if grows else self._least(target, policy, max(points))
            if propose is None:
                return False
            cooldown_s = policy.configuration.get("ScaleOutCooldown" if grows else "ScaleInCooldown", COOLDOWN_S)
        decision = scale_out(standing, propose) if grows else scale_in(standing, propose)
        return self.carry_out(target, standing, decision, cause, float(cooldown_s))

    def _tracked(self, policy: Policy, value: float) -> Propose:
        return tracked(value, float(policy.configuration["TargetValue"]))

    def _least(self, target: Target, policy: Policy, value: float) -> Propose | None:
        """What all tracking policies agree to go down to: the most that any asks for. None: one of them is not ready.

        Each goes by the busiest of its last minutes.
        """
        proposals = [self._tracked(policy, value)]
        for other in self.policies:
            if other.resource != target.resource or other.arn == policy.arn or other.type != "TargetTrackingScaling":
                continue
            if other.configuration.get("DisableScaleIn"):
                continue
            low = self.world.overlay("cloudwatch").alarms.get(other.alarms[1])
            if low is None or low.state != "ALARM" or not low.data:
                return None
            proposals.append(self._tracked(other, max(json.loads(low.data)["recentDatapoints"])))
        return lambda current: max(propose(current) for propose in proposals)


def _aggregated(policy: Policy, points: list[float]) -> float:
    kind = policy.configuration.get("MetricAggregationType", "Average")
    return {"Average": sum(points) / len(points), "Minimum": min(points), "Maximum": max(points)}[kind]


def _pairs(names: Mapping[str, str]) -> list[Document]:
    return [{"Name": name, "Value": value} for name, value in names.items()]


def _checked(kind: str, arguments: Arguments) -> Document:
    """A policy's configuration. Raises ServiceError."""
    if kind == "StepScaling":
        return _checked_steps(arguments.get(_STEPS))
    if kind != "TargetTrackingScaling":
        raise invalid(f"The local cloud does not have policies of type {kind}.")
    if not (given := arguments.get(_TRACKING)):
        raise invalid(f"{_TRACKING} is required.")
    predefined, custom = given.get("PredefinedMetricSpecification"), given.get("CustomizedMetricSpecification")
    if bool(predefined) == bool(custom):
        raise invalid("Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be specified.")
    if given["TargetValue"] <= 0:
        raise invalid("TargetValue must be greater than 0.")
    if predefined and predefined["PredefinedMetricType"] not in (*_OF_SERVICE, _OF_BALANCER):
        raise invalid(f"{predefined['PredefinedMetricType']} is not a metric of services of ECS.")
    if custom and not all(custom.get(key) for key in ("MetricName", "Namespace", "Statistic")):
        raise invalid("The local cloud needs MetricName, Namespace and Statistic of a customized metric, and no math.")
    return dict(given)


def _checked_steps(given: Document | None) -> Document:
    if not given or not given.get("AdjustmentType") or not given.get("StepAdjustments"):
        raise invalid(f"{_STEPS} with AdjustmentType and StepAdjustments is required.")
    if len(given["StepAdjustments"]) > MOST_STEPS:
        raise limited(f"A policy has at most {MOST_STEPS} step adjustments.")
    low, high = "MetricIntervalLowerBound", "MetricIntervalUpperBound"
    steps = sorted(given["StepAdjustments"], key=lambda step: step.get(low, float("-inf")))
    for step, after in pairwise(steps):
        if step.get(high) is None or after.get(low) != step[high]:
            raise invalid("The intervals of step adjustments must not overlap or have a gap.")
    if any(low not in step and high not in step for step in steps):
        raise invalid("At least one of the bounds of a step adjustment must be specified.")
    return dict(given)
