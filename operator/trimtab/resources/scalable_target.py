"""The bounds between which an autoscaler sets a service's desired count.

Identity: "service/<cluster>/<service>". Create: same settings (RegisterScalableTarget overwrites: observe first); tags go
into the call. Cost of observe: 1 call per 50 targets; tags are read singly. A target that is deregistered takes its
policies along, and must go before its service does.
Source: Application Auto Scaling API, RegisterScalableTarget, DescribeScalableTargets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trimtab.core.kind import (
    Call,
    Difference,
    Failure,
    Kind,
    Right,
    Settled,
    State,
    Steps,
    Unknown,
    Verb,
    differences,
)
from trimtab.resources.scaling import PLACE, TARGET_ARN, describe_targets, read_tags, resource_id
from trimtab.resources.shared import (
    WHEN_OURS,
    WHEN_TAGGED_SO,
    allow,
    ask,
    chunks,
    paths,
    service_linked,
    tag_changes,
    unknown,
)

LEAST, MOST = "MinCapacity", "MaxCapacity"
_SERVICE = "application-autoscaling"


@dataclass(frozen=True, slots=True)
class Desired:
    cluster: str  # name
    service: str  # name
    least: int
    most: int
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Observed:
    resource: str  # "service/<cluster>/<service>"
    arn: str
    least: int
    most: int


class ScalableTarget:
    name = "autoscaling.ScalableTarget"
    rank = 110  # before the service
    rights: Mapping[Verb, tuple[Right, ...]] = {
        "observe": allow("*", f"{_SERVICE}:DescribeScalableTargets") + allow(TARGET_ARN, f"{_SERVICE}:ListTagsForResource"),
        "create": allow(TARGET_ARN, f"{_SERVICE}:RegisterScalableTarget", f"{_SERVICE}:TagResource", when=WHEN_TAGGED_SO)
        + service_linked("ecs.application-autoscaling.amazonaws.com"),
        "update": allow(
            TARGET_ARN,
            f"{_SERVICE}:RegisterScalableTarget",
            f"{_SERVICE}:TagResource",
            f"{_SERVICE}:UntagResource",
            when=WHEN_OURS,
        ),
        "delete": allow(TARGET_ARN, f"{_SERVICE}:DeregisterScalableTarget", when=WHEN_OURS),
    }

    def identity(self, desired: Desired) -> str:
        return resource_id(desired.cluster, desired.service)

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, Observed | Unknown]]:
        replies = yield from ask(describe_targets(wanted))
        seen: dict[str, Observed | Unknown] = {}
        for part, reply in zip(chunks(dict.fromkeys(wanted), 50), replies, strict=True):
            if isinstance(reply, Failure):
                seen |= {resource: unknown(reply) for resource in part}
                continue
            for item in reply.get("ScalableTargets", ()):
                found = Observed(item["ResourceId"], item["ScalableTargetARN"], item[LEAST], item[MOST])
                seen[found.resource] = found
        return {resource: found for resource, found in seen.items() if resource in wanted}

    def tags(self, observed: Sequence[Observed]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        return read_tags([each.arn for each in observed])

    def state(self, desired: Desired, observed: Observed) -> State:
        return Settled()

    def diff(self, desired: Desired, observed: Observed) -> tuple[Difference, ...]:
        return differences((LEAST, observed.least, desired.least), (MOST, observed.most, desired.most))

    def create(self, desired: Desired) -> Steps[None]:
        yield _register(desired, {"Tags": dict(desired.tags)})

    def update(self, desired: Desired, observed: Observed, drift: Sequence[Difference]) -> Steps[None]:
        if paths(drift) & {LEAST, MOST}:
            yield _register(desired, {})
        added, removed = tag_changes(drift)
        arn = {"ResourceARN": observed.arn}
        if added:
            yield Call(_SERVICE, "TagResource", {**arn, "Tags": added}, repeat="safe")
        if removed:
            yield Call(_SERVICE, "UntagResource", {**arn, "TagKeys": removed}, repeat="safe")

    def delete(self, observed: Observed) -> Steps[None]:
        yield Call(_SERVICE, "DeregisterScalableTarget", {**PLACE, "ResourceId": observed.resource}, repeat="safe")


def _register(desired: Desired, more: Mapping[str, object]) -> Call:
    bounds = {"ResourceId": resource_id(desired.cluster, desired.service), LEAST: desired.least, MOST: desired.most}
    return Call(_SERVICE, "RegisterScalableTarget", {**PLACE, **bounds, **more}, repeat="safe")


KIND: Kind[Desired, Observed] = ScalableTarget()
