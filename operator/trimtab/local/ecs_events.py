"""What ECS says on EventBridge: (detail-type, resources, detail) of each event. Pure.

Source: Amazon ECS Developer Guide, "Amazon ECS task state change events", "Amazon ECS service action events" and "Amazon ECS
service deployment state change events".
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from trimtab.local.ecs_records import Deployment, Document, Service, Task, TaskDefinition
from trimtab.local.ecs_shown import shown_task
from trimtab.local.signals import exact, stamp

Said = tuple[str, list[str], Document]
DeploymentEvent = Literal["SERVICE_DEPLOYMENT_IN_PROGRESS", "SERVICE_DEPLOYMENT_COMPLETED", "SERVICE_DEPLOYMENT_FAILED"]
ServiceEvent = Literal["SERVICE_STEADY_STATE", "SERVICE_TASK_START_IMPAIRED"]
_TYPES: Mapping[str, str] = {"SERVICE_DEPLOYMENT_FAILED": "ERROR", "SERVICE_TASK_START_IMPAIRED": "WARN"}


def story(task: Task) -> tuple[Any, ...]:
    """What of a task changes with an event: its status, and that of its containers and its network interface."""
    containers = tuple((each.started is not None, each.ended, each.exit_code) for each in task.containers)
    return task.status, task.desired, task.pull_started is not None, containers


def task_changed(task: Task, definition: TaskDefinition, now: datetime) -> Said:
    """As DescribeTasks answers it, without tags."""
    shown = shown_task(task, definition)
    del shown["tags"]
    return "ECS Task State Change", [task.arn], shown | {"updatedAt": exact(now)}


def deployment_changed(service: Service, deployment: Deployment, name: DeploymentEvent) -> Said:
    detail = {
        "eventType": _TYPES.get(name, "INFO"),
        "eventName": name,
        "deploymentId": deployment.id,
        "updatedAt": stamp(deployment.updated),
        "reason": deployment.reason or f"ECS deployment {deployment.id} in progress.",
    }
    return "ECS Deployment State Change", [service.arn], detail


def service_acted(service: Service, name: ServiceEvent, now: datetime) -> Said:
    cluster = f"{service.arn.partition(':service/')[0]}:cluster/{service.cluster}"
    detail = {
        "eventType": _TYPES.get(name, "INFO"),
        "eventName": name,
        "clusterArn": cluster,
        "createdAt": exact(now),
    }
    return "ECS Service Action", [service.arn], detail
