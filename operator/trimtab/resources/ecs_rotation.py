"""What is in rotation behind a service: the proof that what answers is what was declared.

A health check proves that something answers. Which image it runs is proven by what ECS itself reports of the task behind
each healthy target, and which release by the task definition that it was started from.
Cost: 1 DescribeTargetHealth, 1 ListTasks and 1 DescribeTasks per 100 tasks, per deployment; of many at once, the last two
per cluster.
Source: Elastic Load Balancing API, DescribeTargetHealth; Amazon ECS API, Task and Container (imageDigest).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.core.kind import Call, Failure, Reply, Right, Steps, Unknown
from trimtab.resources.shared import allow, ask, chunks, unknown

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


@dataclass(frozen=True, slots=True)
class Place:
    """Where a release is in rotation."""

    cluster: str  # name
    service: str  # name
    target_group_arn: str
    container: str  # of the task, the one that answers


def rotation(place: Place) -> Steps[Rotation]:
    """Read one. Raises Failure."""
    targets = yield _health(place)
    listed = yield _listed({"cluster": place.cluster, "serviceName": place.service})
    tasks: dict[str, Task] = {}
    for arns in chunks(listed["taskArns"], 100):
        described = yield _described(place.cluster, arns)
        tasks |= {task.address: task for task in (_task(each, place.container) for each in described["tasks"])}
    return Rotation(_healthy(targets), tasks)


def rotations(places: Sequence[Place]) -> Steps[list[Rotation | Unknown]]:
    """Read many at once, tasks by cluster. In order."""
    clusters = list(dict.fromkeys(each.cluster for each in places))
    replies = yield from ask([*(_listed({"cluster": each}) for each in clusters), *map(_health, places)])
    listed, targets = dict(zip(clusters, replies, strict=False)), replies[len(clusters) :]
    unread = {cluster: unknown(reply) for cluster, reply in listed.items() if isinstance(reply, Failure)}
    parts = [
        (cluster, arns)
        for cluster, reply in listed.items()
        if not isinstance(reply, Failure)
        for arns in chunks(reply["taskArns"], 100)
    ]
    replies = yield from ask(_described(*part) for part in parts)
    items: dict[tuple[str, str], list[Reply]] = {}
    for (cluster, _), reply in zip(parts, replies, strict=True):
        if isinstance(reply, Failure):
            unread[cluster] = unknown(reply)
            continue
        for item in reply["tasks"]:
            items.setdefault((cluster, str(item.get("group", "")).removeprefix("service:")), []).append(item)
    return [
        unread.get(place.cluster) or _rotation(place, health, items.get((place.cluster, place.service), []))
        for place, health in zip(places, targets, strict=True)
    ]


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


def _health(place: Place) -> Call:
    return Call("elbv2", "DescribeTargetHealth", {"TargetGroupArn": place.target_group_arn})


def _listed(of: Mapping[str, str]) -> Call:
    return Call("ecs", "ListTasks", {**of, "desiredStatus": "RUNNING"})


def _described(cluster: str, arns: Sequence[str]) -> Call:
    return Call("ecs", "DescribeTasks", {"cluster": cluster, "tasks": list(arns)})


def _healthy(targets: Reply) -> tuple[str, ...]:
    healthy = (each for each in targets["TargetHealthDescriptions"] if each["TargetHealth"]["State"] == "healthy")
    return tuple(sorted(each["Target"]["Id"] for each in healthy))


def _rotation(place: Place, targets: Reply | Failure, items: Sequence[Reply]) -> Rotation | Unknown:
    if isinstance(targets, Failure):
        return unknown(targets)
    return Rotation(_healthy(targets), {task.address: task for task in (_task(each, place.container) for each in items)})


def _task(item: Mapping[str, Any], container: str) -> Task:
    details: Sequence[Mapping[str, str]] = [
        detail for attachment in item.get("attachments", ()) for detail in attachment.get("details", ())
    ]
    address = next((each["value"] for each in details if each["name"] == "privateIPv4Address"), "")
    digest = next((each.get("imageDigest", "") for each in item.get("containers", ()) if each["name"] == container), "")
    return Task(address, str(item["taskDefinitionArn"]), digest)
