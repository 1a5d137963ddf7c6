"""The target group that a service's tasks are registered in, by address.

Identity: its name. Create: same settings; how long a leaving target drains is an attribute, set by a second call, and a
crash between the two is seen as drift. Cost of observe: 1 call per 400 target groups of the region (by name,
DescribeTargetGroups fails whole when one is missing) and 1 DescribeTargetGroupAttributes each. Target health is not read
here: it has no bulk read.
Source: Elastic Load Balancing v2 API, CreateTargetGroup, ModifyTargetGroupAttributes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.core.kind import (
    Call,
    Difference,
    Failure,
    Kind,
    Reply,
    Right,
    Settled,
    State,
    Steps,
    Unknown,
    Verb,
    differences,
    tag_list,
    tag_map,
)
from trimtab.resources.balancing import read_tags, retag
from trimtab.resources.shared import WHEN_OURS, WHEN_TAGGED_SO, allow, ask, paths, unknown

DRAIN = "deregistration_delay.timeout_seconds"
_ARN = "arn:{partition}:elasticloadbalancing:{region}:{account}:targetgroup/{name}/*"


@dataclass(frozen=True, slots=True)
class Desired:
    """AWS's own health check and draining defaults cost 450 s a rollout; these cost 40."""

    name: str  # at most 32 characters, no hyphen at either end
    vpc: str
    tags: Mapping[str, str]
    port: int = 8080
    health_path: str = "/ping"
    interval_s: int = 5
    timeout_s: int = 3  # less than the interval
    healthy: int = 2
    unhealthy: int = 2
    matcher: str = "200"
    drain_s: int = 30


@dataclass(frozen=True, slots=True)
class Observed:
    name: str
    arn: str
    fixed: Mapping[str, Any]  # what a target group keeps for life
    health: Mapping[str, Any]
    drain_s: int
    load_balancer_arns: tuple[str, ...] = ()
    tags: Mapping[str, str] | None = None

    @property
    def arn_suffix(self) -> str:
        """ "targetgroup/vision-digits-0a1b2c/2123456789abcdef": how CloudWatch calls it."""
        return self.arn.rpartition(":")[2]


class TargetGroup:
    name = "elbv2.TargetGroup"
    rank = 90
    rights: Mapping[Verb, tuple[Right, ...]] = {
        "observe": allow(
            "*",
            "elasticloadbalancing:DescribeTargetGroups",
            "elasticloadbalancing:DescribeTargetGroupAttributes",
            "elasticloadbalancing:DescribeTags",
        ),
        "create": allow(_ARN, "elasticloadbalancing:CreateTargetGroup", "elasticloadbalancing:AddTags", when=WHEN_TAGGED_SO)
        + allow(_ARN, "elasticloadbalancing:ModifyTargetGroupAttributes", when=WHEN_OURS),
        "update": allow(
            _ARN,
            "elasticloadbalancing:ModifyTargetGroup",
            "elasticloadbalancing:ModifyTargetGroupAttributes",
            "elasticloadbalancing:AddTags",
            "elasticloadbalancing:RemoveTags",
            when=WHEN_OURS,
        ),
        "delete": allow(_ARN, "elasticloadbalancing:DeleteTargetGroup", when=WHEN_OURS),
    }

    def identity(self, desired: Desired) -> str:
        return desired.name

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, Observed | Unknown]]:
        try:
            listed = yield Call("elbv2", "DescribeTargetGroups", {"PageSize": 400})
        except Failure as failure:
            return {name: unknown(failure) for name in wanted}
        items = [item for item in listed.get("TargetGroups", ()) if item["TargetGroupName"] in set(wanted)]
        replies = yield from ask(
            Call("elbv2", "DescribeTargetGroupAttributes", {"TargetGroupArn": item["TargetGroupArn"]}) for item in items
        )
        seen: dict[str, Observed | Unknown] = {}
        for item, reply in zip(items, replies, strict=True):
            if not isinstance(reply, Failure):
                seen[item["TargetGroupName"]] = _seen(item, reply)
            elif reply.meaning != "absent":  # deleted between the two reads
                seen[item["TargetGroupName"]] = unknown(reply)
        return seen

    def tags(self, observed: Sequence[Observed]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        return read_tags([each.arn for each in observed])

    def state(self, desired: Desired, observed: Observed) -> State:
        return Settled()

    def diff(self, desired: Desired, observed: Observed) -> tuple[Difference, ...]:
        fixed = tuple(
            Difference(path, observed.fixed.get(path), want, remedy="replace")
            for path, want in _fixed(desired).items()
            if observed.fixed.get(path) != want
        )
        health = ((path, observed.health.get(path), want) for path, want in _health(desired).items())
        return fixed + differences(*health, (DRAIN, observed.drain_s, desired.drain_s))

    def create(self, desired: Desired) -> Steps[None]:
        arguments = {"Name": desired.name, **_fixed(desired), **_arguments(desired), "Tags": tag_list(desired.tags)}
        reply = yield Call("elbv2", "CreateTargetGroup", arguments, repeat="safe")
        yield _drain(reply["TargetGroups"][0]["TargetGroupArn"], desired)

    def update(self, desired: Desired, observed: Observed, drift: Sequence[Difference]) -> Steps[None]:
        changed = paths(drift)
        if changed & _health(desired).keys():
            arguments = {"TargetGroupArn": observed.arn, **_arguments(desired)}
            yield Call("elbv2", "ModifyTargetGroup", arguments, repeat="safe")
        if DRAIN in changed:
            yield _drain(observed.arn, desired)
        yield from retag(observed.arn, drift)

    def delete(self, observed: Observed) -> Steps[None]:
        yield Call("elbv2", "DeleteTargetGroup", {"TargetGroupArn": observed.arn}, repeat="safe")


def _fixed(desired: Desired) -> dict[str, Any]:
    return {"Protocol": "HTTP", "Port": desired.port, "VpcId": desired.vpc, "TargetType": "ip"}


def _health(desired: Desired) -> dict[str, Any]:
    return {
        "HealthCheckEnabled": True,
        "HealthCheckProtocol": "HTTP",
        "HealthCheckPort": "traffic-port",
        "HealthCheckPath": desired.health_path,
        "HealthCheckIntervalSeconds": desired.interval_s,
        "HealthCheckTimeoutSeconds": desired.timeout_s,
        "HealthyThresholdCount": desired.healthy,
        "UnhealthyThresholdCount": desired.unhealthy,
        "Matcher.HttpCode": desired.matcher,
    }


def _arguments(desired: Desired) -> dict[str, Any]:
    health = _health(desired)
    matcher = health.pop("Matcher.HttpCode")
    return {**health, "Matcher": {"HttpCode": matcher}}


def _drain(arn: str, desired: Desired) -> Call:
    attributes = [{"Key": DRAIN, "Value": str(desired.drain_s)}]
    return Call("elbv2", "ModifyTargetGroupAttributes", {"TargetGroupArn": arn, "Attributes": attributes}, repeat="safe")


def _seen(item: Reply, attributes: Reply) -> Observed:
    values = tag_map(attributes.get("Attributes", ()))
    health = {name: item.get(name) for name in item if name.startswith(("HealthCheck", "Healthy", "Unhealthy"))}
    return Observed(
        name=item["TargetGroupName"],
        arn=item["TargetGroupArn"],
        fixed={name: item.get(name) for name in ("Protocol", "Port", "VpcId", "TargetType")},
        health={**health, "Matcher.HttpCode": item.get("Matcher", {}).get("HttpCode")},
        drain_s=int(values.get(DRAIN, "300")),
        load_balancer_arns=tuple(item.get("LoadBalancerArns", ())),
    )


KIND: Kind[Desired, Observed] = TargetGroup()
