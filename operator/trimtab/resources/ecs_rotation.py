"""What is in rotation behind a service: the proof that what answers is what was declared.

A health check proves that something answers. Which image it runs is proven by what ECS itself reports of the task behind
each healthy target, and which release by the task definition that it was started from.
Cost: 1 DescribeTargetHealth, 1 ListTasks and 1 DescribeTasks per 100 tasks, per deployment.
Source: Elastic Load Balancing API, DescribeTargetHealth; Amazon ECS API, Task and Container (imageDigest).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.core.kind import Call, Right, Steps
from trimtab.resources.shared import allow, chunks

RIGHTS: tuple[Right, ...] = allow("*", "elasticloadbalancing:DescribeTargetHealth", "ecs:ListTasks", "ecs:DescribeTasks")


@dataclass(frozen=True, slots=True)
class Task:
    """A running task: what the platform says of it."""

    address: str
    task_definition: str  # ARN with the revision
    image_digest: str  # "sha256:..."; "" when ECS does not say


@dataclass(frozen=True, slots=True)
class Rotation:
    healthy: tuple[str, ...]  # addresses that get requests
    tasks: Mapping[str, Task]  # by address


def rotation(cluster: str, service: str, target_group_arn: str, container: str) -> Steps[Rotation]:
    """Read it. Raises Failure."""
    targets = yield Call("elbv2", "DescribeTargetHealth", {"TargetGroupArn": target_group_arn})
    listed = yield Call("ecs", "ListTasks", {"cluster": cluster, "serviceName": service, "desiredStatus": "RUNNING"})
    tasks: dict[str, Task] = {}
    for arns in chunks(listed["taskArns"], 100):
        described = yield Call("ecs", "DescribeTasks", {"cluster": cluster, "tasks": list(arns)})
        tasks |= {task.address: task for task in (_task(each, container) for each in described["tasks"])}
    healthy = (each for each in targets["TargetHealthDescriptions"] if each["TargetHealth"]["State"] == "healthy")
    return Rotation(tuple(sorted(each["Target"]["Id"] for each in healthy)), tasks)


def unproven(seen: Rotation, image_digest: str, task_definition: str, least: int) -> str:
    """What keeps the declared release from being proven; "" when every healthy target is a task of it.

    least: how many tasks are declared. ECS calls a task running before the load balancer finds it healthy.
    """
    if not seen.healthy:
        return "no target is healthy"
    for address in seen.healthy:
        task = seen.tasks.get(address)
        if task is None:
            return f"target {address} answers and is no task of the service"
        if task.task_definition != task_definition:
            return f"target {address} runs {task.task_definition.rpartition('/')[2]}"
        if task.image_digest != image_digest:
            return f"target {address} runs image {task.image_digest or '(ECS does not say which)'}"
    if len(seen.healthy) < least:
        return f"{len(seen.healthy)} of {least} tasks are healthy targets"
    return ""


def _task(item: Mapping[str, Any], container: str) -> Task:
    details: Sequence[Mapping[str, str]] = [
        detail for attachment in item.get("attachments", ()) for detail in attachment.get("details", ())
    ]
    address = next((each["value"] for each in details if each["name"] == "privateIPv4Address"), "")
    digest = next((each.get("imageDigest", "") for each in item.get("containers", ()) if each["name"] == container), "")
    return Task(address, str(item["taskDefinitionArn"]), digest)
