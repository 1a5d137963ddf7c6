"""The bounds between which an autoscaler sets a service's desired count.

Identity: "service/<cluster>/<service>". Create: same settings (RegisterScalableTarget overwrites: observe first); tags go
into the call. Cost of observe: 1 call per 50 targets; tags are read singly. A target that is deregistered takes its
policies and scheduled actions along, and must go before its service does.

A scheduled action sets both bounds, and nobody is told when: bounds that one of them sets are the schedule's, and left.
Others are ours to repair, to the nearest that are declared: those that an edit of an action has moved are found by it.
Source: Application Auto Scaling API, RegisterScalableTarget, DescribeScalableTargets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

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
    scheduled: tuple[tuple[int, int], ...] = ()  # (least, most) as scheduled actions set them


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
        have, declared = (observed.least, observed.most), (desired.least, desired.most)
        if have in desired.scheduled:
            return _bounds(have, declared, "autoscaler")
        return _bounds(have, min((declared, *desired.scheduled), key=lambda each: _apart(have, each)), "spec")

    def create(self, desired: Desired) -> Steps[None]:
        yield _register(self.identity(desired), {LEAST: desired.least, MOST: desired.most, "Tags": dict(desired.tags)})

    def update(self, desired: Desired, observed: Observed, drift: Sequence[Difference]) -> Steps[None]:
        bounds = {each.path: each.want for each in drift if each.path in (LEAST, MOST)}
        if bounds:  # the other one too: AWS holds the two against each other
            yield _register(observed.resource, {LEAST: observed.least, MOST: observed.most, **bounds})
        added, removed = tag_changes(drift)
        arn = {"ResourceARN": observed.arn}
        if added:
            yield Call(_SERVICE, "TagResource", {**arn, "Tags": added}, repeat="safe")
        if removed:
            yield Call(_SERVICE, "UntagResource", {**arn, "TagKeys": removed}, repeat="safe")

    def delete(self, observed: Observed) -> Steps[None]:
        yield Call(_SERVICE, "DeregisterScalableTarget", {**PLACE, "ResourceId": observed.resource}, repeat="safe")


def _bounds(have: tuple[int, int], want: tuple[int, int], owner: Literal["spec", "autoscaler"]) -> tuple[Difference, ...]:
    found = differences((LEAST, have[0], want[0]), (MOST, have[1], want[1]))
    return tuple(replace(each, owner=owner) for each in found)


def _apart(one: tuple[int, int], other: tuple[int, int]) -> int:
    return abs(one[0] - other[0]) + abs(one[1] - other[1])


def _register(resource: str, more: Mapping[str, object]) -> Call:
    return Call(_SERVICE, "RegisterScalableTarget", {**PLACE, "ResourceId": resource, **more}, repeat="safe")


KIND: Kind[Desired, Observed] = ScalableTarget()
