"""Task definitions: registered, numbered once and for ever, deregistered, deleted."""

import re
from typing import Any

from trimtab.local.ecs_base import Base, bounded, listed, missing, page, tags_in, wants_tags
from trimtab.local.ecs_records import Document, TaskDefinition
from trimtab.local.ecs_shown import given, shown_tags
from trimtab.local.overlay import Arguments, Context, Reply, ServiceError

FAMILY = re.compile(r"[A-Za-z0-9_-]{1,255}")
MOST_DELETED = 10  # of one DeleteTaskDefinitions
# CPU units -> (least MiB, most MiB, step); 256 units are special. Source: RegisterTaskDefinition, `cpu` and `memory`.
FARGATE = {
    512: (1024, 4096, 1024),
    1024: (2048, 8192, 1024),
    2048: (4096, 16384, 1024),
    4096: (8192, 30720, 1024),
    8192: (16384, 61440, 4096),
    16384: (32768, 122880, 8192),
}
SMALLEST = (512, 1024, 2048)  # MiB that go with 256 units
CONTAINER_DEFAULTS: Document = {
    "cpu": 0,
    "portMappings": [],
    "essential": True,
    "environment": [],
    "mountPoints": [],
    "volumesFrom": [],
    "systemControls": [],
}


class Definitions(Base):
    def register_task_definition(self, arguments: Arguments, context: Context) -> Reply:
        tags = tags_in(arguments)
        document = checked({key: value for key, value in arguments.items() if key != "tags"})
        family = document["family"]
        revision = self.book.next_revision(family)
        definition = TaskDefinition(
            arn=self.arn(f"task-definition/{family}:{revision}"),
            family=family,
            revision=revision,
            document=document,
            registered=context.now,
            registered_by=context.principal,
            tags=tags,
        )
        self.book.definitions.put(definition)
        return {"taskDefinition": shown_definition(definition), "tags": shown_tags(tags)}

    def describe_task_definition(self, arguments: Arguments, context: Context) -> Reply:
        found = self.definition(arguments["taskDefinition"])
        if found is None:
            raise ServiceError("ClientException", "Unable to describe task definition.")
        tags = {"tags": shown_tags(found.tags)} if wants_tags(arguments) else {}
        return {"taskDefinition": shown_definition(found), **tags}

    def deregister_task_definition(self, arguments: Arguments, context: Context) -> Reply:
        name = arguments["taskDefinition"]
        if ":" not in name.rsplit("/", 1)[-1]:
            raise ServiceError("ClientException", "The task definition must be given with its revision.")
        found = self.definition(name)
        if found is None or found.status == "DELETE_IN_PROGRESS":
            raise ServiceError("ClientException", "The specified task definition does not exist.")
        if found.status == "ACTIVE":
            found.status, found.deregistered = "INACTIVE", context.now
            self.book.definitions.put(found)
        return {"taskDefinition": shown_definition(found)}

    def delete_task_definitions(self, arguments: Arguments, context: Context) -> Reply:
        """They stay describable as DELETE_IN_PROGRESS, as in AWS, which gives no time for their end."""
        names = listed(arguments, "taskDefinitions")
        bounded(names, MOST_DELETED, "Task definitions")
        deleted: list[Document] = []
        failures: list[Document] = []
        for name in names:
            found = self.definition(name) if ":" in name.rsplit("/", 1)[-1] else None
            if found is None:
                failures.append(missing(name))
            elif found.status == "ACTIVE":
                detail = (
                    "The specified task definition is still in ACTIVE status. Please deregister the target and try again."
                )
                failures.append({"arn": found.arn, "reason": detail})
            else:
                if found.status == "INACTIVE":
                    found.status, found.delete_requested = "DELETE_IN_PROGRESS", context.now
                    self.book.definitions.put(found)
                deleted.append(shown_definition(found))
        return {"taskDefinitions": deleted, "failures": failures}

    def list_task_definitions(self, arguments: Arguments, context: Context) -> Reply:
        status, family = arguments.get("status", "ACTIVE"), arguments.get("familyPrefix")
        chosen = [each for each in self.book.definitions if each.status == status and family in (None, each.family)]
        chosen.sort(key=lambda each: (each.family, each.revision), reverse=arguments.get("sort") == "DESC")
        return page(arguments, chosen, "taskDefinitionArns", 100, lambda each: each.arn)

    def list_task_definition_families(self, arguments: Arguments, context: Context) -> Reply:
        status, prefix = arguments.get("status", "ACTIVE"), arguments.get("familyPrefix", "")
        wanted = ("ACTIVE", "INACTIVE") if status == "ALL" else (status,)
        active = {each.family for each in self.book.definitions if each.status == "ACTIVE"}
        families = sorted({each.family for each in self.book.definitions if each.family.startswith(prefix)})
        chosen = [each for each in families if ("ACTIVE" if each in active else "INACTIVE") in wanted]
        return page(arguments, chosen, "families", 100, lambda each: each)


def checked(document: Document) -> Document:
    """A definition as AWS keeps it. Raises ServiceError for what Fargate, or the local cloud, refuses."""
    if not FAMILY.fullmatch(document["family"]):
        raise invalid("Family contains invalid characters.")
    if set(listed(document, "requiresCompatibilities")) != {"FARGATE"}:
        raise invalid("The local cloud runs FARGATE task definitions only: requiresCompatibilities must be ['FARGATE'].")
    if document.get("networkMode") != "awsvpc":
        raise invalid("Fargate only supports network mode 'awsvpc'.")
    size = check_size(document)
    containers = [checked_container(each) for each in document["containerDefinitions"]]
    check_containers(containers)
    volumes = listed(document, "volumes")
    check_volumes(volumes, containers)
    return (
        document
        | size
        | {
            "containerDefinitions": containers,
            "volumes": volumes,
            "placementConstraints": listed(document, "placementConstraints"),
            "compatibilities": ["EC2", "FARGATE"],
        }
    )


def check_size(document: Document) -> dict[str, str]:
    """CPU and memory in units and MiB, as AWS keeps them. Raises ServiceError for a pair that Fargate does not have."""
    if "cpu" not in document or "memory" not in document:
        raise invalid("Fargate requires task definition to have 'cpu' and 'memory' at task level.")
    cpu, memory = amount(document["cpu"], "vcpu"), amount(document["memory"], "gb")
    if cpu == 256:
        valid = memory in SMALLEST
    else:
        least, most, step = FARGATE.get(cpu, (0, -1, 1))
        valid = least <= memory <= most and memory % step == 0
    if not valid:
        raise invalid(
            f"No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. "
            "See the Amazon ECS documentation for the valid values."
        )
    return {"cpu": str(cpu), "memory": str(memory)}


def amount(text: str, unit: str) -> int:
    """Units of CPU or MiB in "1024", "1 vCPU", "0.5 vcpu", "2 GB"."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    if match is None or match[2].lower() not in ("", unit):
        raise invalid(f"Invalid 'cpu' or 'memory' setting for task: {text!r}.")
    return round(float(match[1]) * 1024) if match[2] else int(float(match[1]))


def checked_container(container: Document) -> Document:
    for key in ("name", "image"):
        if not container.get(key):
            raise invalid(f"Container.{key} should not be null or empty.")
    name = container["name"]
    if not FAMILY.fullmatch(name):
        raise invalid("Container.name contains invalid characters.")
    if container.get("secrets") or container.get("environmentFiles"):
        raise invalid(
            f"The local cloud cannot give container {name} `secrets` or `environmentFiles` yet: use `environment`."
        )
    for other in listed(container, "dependsOn"):
        if other["condition"] != "START":
            raise invalid(
                f"The local cloud starts all containers of a task at once: container {name} cannot wait for {other}."
            )
    check_logs(container)
    ports = [full_port(name, each) for each in listed(container, "portMappings")]
    return CONTAINER_DEFAULTS | container | {"portMappings": ports}


def check_logs(container: Document) -> None:
    configuration = container.get("logConfiguration", {})
    if configuration.get("logDriver", "awslogs") != "awslogs":
        raise invalid("The local cloud has the log driver awslogs only.")
    options = configuration.get("options", {})
    for key in ("awslogs-group", "awslogs-region", "awslogs-stream-prefix") if configuration else ():
        if not options.get(key):
            raise invalid(f"Log driver awslogs requires options: {key}")


def full_port(name: str, mapping: Document) -> Document:
    if "containerPort" not in mapping:
        raise invalid(f"The local cloud needs a containerPort in the port mappings of container {name}.")
    port = mapping["containerPort"]
    if not 1 <= port <= 65535:
        raise invalid(f"Invalid container port {port} in container {name}.")
    if mapping.get("hostPort", port) not in (0, port):
        raise invalid("When networkMode=awsvpc, the host ports and container ports in port mappings must match.")
    return {"protocol": "tcp"} | mapping | {"hostPort": port}


def check_containers(containers: list[Document]) -> None:
    names = [each["name"] for each in containers]
    if not containers:
        raise invalid("Container list cannot be empty.")
    if len(names) != len(set(names)):
        raise invalid("Container names in a task definition must be unique.")
    if not any(each["essential"] for each in containers):
        raise invalid("At least one container in the task definition must be marked as essential.")


def check_volumes(volumes: list[Document], containers: list[Document]) -> None:
    for volume in volumes:
        host: Document = volume.get("host", {})
        elsewhere = host.get("sourcePath") or volume.get("configuredAtLaunch")
        if elsewhere or set(volume) - {"name", "host", "configuredAtLaunch"}:
            raise invalid(
                f"The local cloud has volumes of the task's own only: volume {volume.get('name')} must have a name alone."
            )
    names: set[Any] = {volume.get("name") for volume in volumes}
    for container in containers:
        for mount in container["mountPoints"]:
            if mount.get("sourceVolume") not in names:
                raise invalid(f"Unknown volume '{mount.get('sourceVolume')}'.")


def invalid(message: str) -> ServiceError:
    return ServiceError("ClientException", message)


def shown_definition(definition: TaskDefinition) -> Document:
    return definition.document | given(
        {
            "taskDefinitionArn": definition.arn,
            "revision": definition.revision,
            "status": definition.status,
            "registeredAt": definition.registered,
            "registeredBy": definition.registered_by,
            "deregisteredAt": definition.deregistered,
            "deleteRequestedAt": definition.delete_requested,
        }
    )
