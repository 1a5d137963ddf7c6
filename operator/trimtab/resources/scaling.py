"""What the kinds of Application Auto Scaling share: how a service is named there, and whose its scalable target is."""

from collections.abc import Mapping, Sequence
from typing import Any

from trimtab.core.kind import Call, Failure, Steps, Unknown
from trimtab.resources.shared import ask, chunks, unknown

PLACE: Mapping[str, Any] = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}
TARGET_ARN = "arn:{partition}:application-autoscaling:{region}:{account}:scalable-target/*"


def resource_id(cluster: str, service: str) -> str:
    """ "service/trimtab-local/vision-digits-0a1b2c": how a service of ECS is called here."""
    return f"service/{cluster}/{service}"


def describe_targets(resources: Sequence[str]) -> list[Call]:
    """The calls that read targets, fifty at a time."""
    return [
        Call("application-autoscaling", "DescribeScalableTargets", {**PLACE, "ResourceIds": list(part)})
        for part in chunks(dict.fromkeys(resources), 50)
    ]


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
