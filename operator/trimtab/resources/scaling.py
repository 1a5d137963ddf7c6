"""What the kinds of Application Auto Scaling share: how a service is named there, and whose its scalable target is."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from trimtab.core.kind import Call, Failure, Reply, Steps, Unknown
from trimtab.resources.shared import ask, chunks, grouped, unknown

T = TypeVar("T")
PLACE: Mapping[str, Any] = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}
TARGET_ARN = "arn:{partition}:application-autoscaling:{region}:{account}:scalable-target/*"
_REGION: Mapping[str, Any] = {"ServiceNamespace": PLACE["ServiceNamespace"]}
_SINGLY = 10  # services that are asked for one by one


def resource_id(cluster: str, service: str) -> str:
    """ "service/trimtab-local/vision-digits-0a1b2c": how a service of ECS is called here."""
    return f"service/{cluster}/{service}"


def describe_targets(resources: Sequence[str]) -> list[Call]:
    """The calls that read targets, fifty at a time."""
    return [
        Call("application-autoscaling", "DescribeScalableTargets", {**PLACE, "ResourceIds": list(part)})
        for part in chunks(dict.fromkeys(resources), 50)
    ]


def read_listed(
    ask_for: Callable[[Mapping[str, Any]], Call], key: str, wanted: Sequence[str], seen: Callable[[Reply], tuple[str, T]]
) -> Steps[dict[str, T | Unknown]]:
    """Those of `wanted` ("<resource>|<name>") that a list gives: one call a service for up to ten, or one for the region.

    ask_for: the list with those arguments. key: of its reply. seen: (identity, what is seen) of an item.
    """
    resources = list(grouped(wanted))
    # A dimension without a resource is refused.
    asked = [{**PLACE, "ResourceId": each} for each in resources] if len(resources) <= _SINGLY else [_REGION]
    replies = yield from ask(map(ask_for, asked))
    found: dict[str, T | Unknown] = {}
    for each, reply in zip(asked, replies, strict=True):
        if isinstance(reply, Failure):
            resource = each.get("ResourceId")
            found |= {one: unknown(reply) for one in wanted if resource in (None, one.rpartition("|")[0])}
        else:
            found |= dict(map(seen, reply.get(key, ())))
    return {identity: each for identity, each in found.items() if identity in wanted}


def tags_of_targets(resources: Sequence[str]) -> Steps[list[Mapping[str, str] | Unknown]]:
    """The tags of the scalable target of each, in order: what hangs on a target has none of its own."""
    replies = yield from ask(describe_targets(resources))
    arns: dict[str, str] = {}
    for reply in replies:
        if isinstance(reply, Failure):
            return [unknown(reply) for _ in resources]
        arns |= {item["ResourceId"]: item["ScalableTargetARN"] for item in reply.get("ScalableTargets", ())}
    tags = dict(zip(arns, (yield from read_tags(list(arns.values()))), strict=True))
    return [tags.get(each, {}) for each in resources]


def read_tags(arns: Sequence[str]) -> Steps[list[Mapping[str, str] | Unknown]]:
    """The tags of each scalable target, in order. One that is gone has none."""
    replies = yield from ask(Call("application-autoscaling", "ListTagsForResource", {"ResourceARN": arn}) for arn in arns)
    none: Mapping[str, str] = {}
    return [
        (none if reply.meaning == "absent" else unknown(reply))
        if isinstance(reply, Failure)
        else dict(reply.get("Tags", {}))
        for reply in replies
    ]
