"""A CloudWatch alarm on one metric, and what it sets off.

Identity: its name. Create: same settings (PutMetricAlarm overwrites, and its tags count only when it makes the alarm).
Cost of observe: 1 call per 100 alarms; tags are read singly. Its state is not compared: that is what it is for.
Source: Amazon CloudWatch API, PutMetricAlarm, DescribeAlarms.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.core.kind import (
    Call,
    Difference,
    Failure,
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
    refs_in,
    tag_list,
    tag_map,
)
from trimtab.resources.shared import WHEN_OURS, WHEN_TAGGED_SO, allow, ask, chunks, known, paths, tag_changes, unknown

_ARN = "arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}"


@dataclass(frozen=True, slots=True)
class Desired:
    name: str  # at most 255 characters
    namespace: str  # "AWS/ApplicationELB"
    metric: str
    dimensions: Mapping[str, str | Ref]
    statistic: str  # Average, Sum, Minimum, Maximum, SampleCount, or a percentile: "p99"
    comparison: str  # as AWS spells it: "GreaterThanThreshold"
    threshold: float
    tags: Mapping[str, str]
    period_s: int = 60
    periods: int = 1
    to_alarm: int = 1  # of the periods
    missing: str = "missing"  # missing, ignore, breaching, notBreaching
    description: str = ""
    actions: tuple[str | Ref, ...] = ()  # ARNs of what it sets off


@dataclass(frozen=True, slots=True)
class Observed:
    name: str
    arn: str
    settings: Mapping[str, Any]  # as `_settings` spells them


class CloudWatchAlarm:
    name = "cloudwatch.Alarm"
    rank = 110  # a service may name it
    rights: Mapping[Verb, tuple[Right, ...]] = {
        "observe": allow("*", "cloudwatch:DescribeAlarms") + allow(_ARN, "cloudwatch:ListTagsForResource"),
        "create": allow(_ARN, "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource", when=WHEN_TAGGED_SO),
        "update": allow(
            _ARN, "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource", "cloudwatch:UntagResource", when=WHEN_OURS
        ),
        "delete": allow(_ARN, "cloudwatch:DeleteAlarms", when=WHEN_OURS),
    }

    def identity(self, desired: Desired) -> str:
        return desired.name

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, Observed | Unknown]]:
        parts = chunks(dict.fromkeys(wanted), 100)
        replies = yield from ask(
            Call("cloudwatch", "DescribeAlarms", {"AlarmNames": list(part), "MaxRecords": 100}) for part in parts
        )
        seen: dict[str, Observed | Unknown] = {}
        for part, reply in zip(parts, replies, strict=True):
            if isinstance(reply, Failure):
                seen |= {name: unknown(reply) for name in part}
            else:
                seen |= {item["AlarmName"]: _seen(item) for item in reply.get("MetricAlarms", ())}
        return {name: found for name, found in seen.items() if name in wanted}

    def tags(self, observed: Sequence[Observed]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        replies = yield from ask(Call("cloudwatch", "ListTagsForResource", {"ResourceARN": each.arn}) for each in observed)
        return [unknown(reply) if isinstance(reply, Failure) else tag_map(reply.get("Tags", ())) for reply in replies]

    def state(self, desired: Desired, observed: Observed) -> State:
        return Settled()

    def diff(self, desired: Desired, observed: Observed) -> tuple[Difference, ...]:
        wanted = _settings(desired)
        return differences(*((path, observed.settings.get(path), want) for path, want in wanted.items()))

    def create(self, desired: Desired) -> Steps[None]:
        yield _put(desired, {"Tags": tag_list(desired.tags)})

    def update(self, desired: Desired, observed: Observed, drift: Sequence[Difference]) -> Steps[None]:
        if paths(drift) - {"tags"}:
            yield _put(desired, {})
        added, removed = tag_changes(drift)
        arn = {"ResourceARN": observed.arn}
        if added:
            yield Call("cloudwatch", "TagResource", {**arn, "Tags": tag_list(added)}, repeat="safe")
        if removed:
            yield Call("cloudwatch", "UntagResource", {**arn, "TagKeys": removed}, repeat="safe")

    def delete(self, observed: Observed) -> Steps[None]:
        yield Call("cloudwatch", "DeleteAlarms", {"AlarmNames": [observed.name]}, repeat="safe")


def _put(desired: Desired, more: Mapping[str, Any]) -> Call:
    for each in (*desired.dimensions.values(), *desired.actions):
        known(each)  # or it is a bug to ask for this now
    return Call("cloudwatch", "PutMetricAlarm", {"AlarmName": desired.name, **_settings(desired), **more}, repeat="safe")


def _settings(desired: Desired) -> dict[str, Any]:
    """What we own, by PutMetricAlarm's argument names."""
    percentile, dimensions = desired.statistic.startswith("p"), desired.dimensions
    settings: dict[str, Any] = {
        "Namespace": desired.namespace,
        "MetricName": desired.metric,
        "Dimensions": _or_ref([{"Name": name, "Value": dimensions[name]} for name in sorted(dimensions)]),
        "ExtendedStatistic" if percentile else "Statistic": desired.statistic,
        "ComparisonOperator": desired.comparison,
        "Threshold": float(desired.threshold),
        "Period": desired.period_s,
        "EvaluationPeriods": desired.periods,
        "DatapointsToAlarm": desired.to_alarm,
        "TreatMissingData": desired.missing,
        "ActionsEnabled": True,
        "AlarmActions": _or_ref(list(desired.actions)),
    }
    return settings | ({"AlarmDescription": desired.description} if desired.description else {})


def _or_ref(value: object) -> object:
    """The value; a Ref that is in it while that is not known."""
    return next(iter(refs_in(value)), value)


def _seen(item: Reply) -> Observed:
    dimensions = sorted(item.get("Dimensions", ()), key=lambda each: each["Name"])
    defaults: dict[str, Any] = {
        "DatapointsToAlarm": item["EvaluationPeriods"],
        "TreatMissingData": "missing",
        "ActionsEnabled": True,
        "AlarmActions": [],
    }
    settings = {**defaults, **item, "Dimensions": [dict(each) for each in dimensions]}
    return Observed(item["AlarmName"], item["AlarmArn"], settings)


KIND: Kind[Desired, Observed] = CloudWatchAlarm()
