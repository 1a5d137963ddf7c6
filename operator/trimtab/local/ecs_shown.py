"""Services, deployments and tasks as the API answers them."""

from collections.abc import Mapping, Sequence
from typing import Any

from trimtab.local.ecs_records import Deployment, Document, Service, Tags, Task, TaskDefinition

PLATFORM = "1.4.0"
STARTING = ("PROVISIONING", "PENDING", "ACTIVATING")


def shown_service(service: Service, tasks: Sequence[Task], region: str, account: str) -> Document:
    """tasks: those of the service that are not STOPPED."""
    primary, place = service.primary, f"arn:aws:ecs:{region}:{account}"
    revisions = [] if service.status == "INACTIVE" else service.deployments
    return service.settings | {
        "serviceArn": service.arn,
        "serviceName": service.name,
        "clusterArn": f"{place}:cluster/{service.cluster}",
        "status": service.status,
        "desiredCount": service.desired,
        "runningCount": sum(each.status == "RUNNING" for each in tasks),
        "pendingCount": sum(each.status in STARTING and each.live for each in tasks),
        "taskDefinition": primary.definition,
        "loadBalancers": primary.balancers,
        "serviceRegistries": [],
        "networkConfiguration": full_network(primary.network),
        "platformFamily": "Linux",
        "deployments": [shown_deployment(service, each, tasks) for each in revisions],
        "events": [{"id": each.id, "createdAt": each.at, "message": each.message} for each in service.events],
        "createdAt": service.created,
        "createdBy": service.created_by,
        "currentServiceDeployment": service_deployment_arn(service, current(service)),
        "currentServiceRevisions": [
            {
                "arn": revision_arn(service, each),
                "requestedTaskCount": desired_of(service, each, tasks),
                "runningTaskCount": running_of(each, tasks),
                "pendingTaskCount": pending_of(each, tasks),
            }
            for each in revisions
        ],
    }


def current(service: Service) -> Deployment:
    """The deployment under way: while one is rolled back, the failed one."""
    rolling = (each for each in service.deployments if each.rolled_back_to == service.primary.id)
    return next(rolling, service.primary) if service.primary.state == "IN_PROGRESS" else service.primary


def shown_deployment(service: Service, deployment: Deployment, tasks: Sequence[Task]) -> Document:
    kept = ("launchType", "capacityProviderStrategy", "platformVersion")
    return {key: service.settings[key] for key in kept if key in service.settings} | given(
        {
            "id": deployment.id,
            "status": deployment.status,
            "taskDefinition": deployment.definition,
            "desiredCount": desired_of(service, deployment, tasks),
            "pendingCount": pending_of(deployment, tasks),
            "runningCount": running_of(deployment, tasks),
            "failedTasks": deployment.failed,
            "createdAt": deployment.created,
            "updatedAt": deployment.updated,
            "platformFamily": "Linux",
            "networkConfiguration": full_network(deployment.network),
            "rolloutState": deployment.state,
            "rolloutStateReason": deployment.reason or f"ECS deployment {deployment.id} in progress.",
        }
    )


def desired_of(service: Service, deployment: Deployment, tasks: Sequence[Task]) -> int:
    if deployment.status == "PRIMARY" and deployment.state != "FAILED":
        return service.desired
    return sum(each.live for each in tasks if each.deployment == deployment.id)


def running_of(deployment: Deployment, tasks: Sequence[Task]) -> int:
    return sum(each.status == "RUNNING" for each in tasks if each.deployment == deployment.id)


def pending_of(deployment: Deployment, tasks: Sequence[Task]) -> int:
    return sum(each.status in STARTING and each.live for each in tasks if each.deployment == deployment.id)


def full_network(network: Document) -> Document:
    given: Document = network.get("awsvpcConfiguration", {})
    return {"awsvpcConfiguration": {"securityGroups": [], "assignPublicIp": "DISABLED"} | given}


def service_deployment_arn(service: Service, deployment: Deployment) -> str:
    return service.arn.replace(":service/", ":service-deployment/") + f"/{deployment.number}"


def revision_arn(service: Service, deployment: Deployment) -> str:
    return service.arn.replace(":service/", ":service-revision/") + f"/{deployment.number}"


def shown_task(task: Task, definition: TaskDefinition, tags: bool = False) -> Document:
    attachments: list[Document] = task.settings["attachments"]
    state = "DELETED" if task.status == "STOPPED" else "ATTACHED" if task.pull_started else "PRECREATED"
    place, _, _ = task.arn.partition(":task/")
    return given(
        {
            "taskArn": task.arn,
            "clusterArn": f"{place}:cluster/{task.cluster}",
            "taskDefinitionArn": task.definition,
            "group": task.group,
            "startedBy": task.started_by,
            "lastStatus": task.status,
            "desiredStatus": task.desired,
            "version": task.version,
            "cpu": definition.document["cpu"],
            "memory": definition.document["memory"],
            "launchType": "FARGATE",
            "capacityProviderName": next(iter(providers(task)), None),
            "platformVersion": PLATFORM,
            "platformFamily": "Linux",
            "availabilityZone": task.settings.get("availabilityZone"),
            "connectivity": "CONNECTED" if task.pull_started else None,
            "connectivityAt": task.pull_started,
            "enableExecuteCommand": task.settings.get("enableExecuteCommand", False),
            "healthStatus": "UNKNOWN",
            "createdAt": task.created,
            "pullStartedAt": task.pull_started,
            "pullStoppedAt": task.pull_stopped,
            "startedAt": task.started,
            "stoppingAt": task.stopping,
            "executionStoppedAt": task.executed,
            "stoppedAt": task.stopped,
            "stopCode": task.stop_code,
            "stoppedReason": task.stop_reason,
            "attachments": [each | {"status": state} for each in attachments],
            "attributes": [{"name": "ecs.cpu-architecture", "value": "x86_64"}],
            "containers": shown_containers(task, definition, attachments[0]["id"]),
            "overrides": {"containerOverrides": [{"name": each.name} for each in task.containers]}
            | task.settings.get("overrides", {}),
            "ephemeralStorage": {"sizeInGiB": 20},
            "inferenceAccelerators": [],
            "tags": shown_tags(task.tags) if tags else [],
        }
    )


def providers(task: Task) -> list[str]:
    return [each["capacityProvider"] for each in task.settings.get("capacityProviderStrategy", [])]


def shown_containers(task: Task, definition: TaskDefinition, attachment: str) -> list[Document]:
    described = {each["name"]: each for each in definition.containers}
    return [
        given(
            {
                "containerArn": each.arn,
                "taskArn": task.arn,
                "name": each.name,
                "image": each.image,
                "imageDigest": each.digest,
                "runtimeId": f"{task.id}-{index:010d}" if task.pull_started else None,
                "lastStatus": "STOPPED" if each.ended else "RUNNING" if each.started else "PENDING",
                "exitCode": each.exit_code,
                "reason": each.reason,
                "networkBindings": [],
                "networkInterfaces": [{"attachmentId": attachment, "privateIpv4Address": task.address}],
                "healthStatus": "UNKNOWN",
                "cpu": str(described[each.name].get("cpu", 0)),
            }
        )
        for index, each in enumerate(task.containers)
    ]


def shown_tags(tags: Tags) -> list[Document]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def given(document: Mapping[str, Any]) -> Document:
    """A document without what is None or an empty text, which AWS does not answer either."""
    return {key: value for key, value in document.items() if value is not None and value != ""}
