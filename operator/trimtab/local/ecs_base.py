"""What the operations of ECS share: lookups by name or ARN, refusals, paging and tags."""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from trimtab.local.ecs_controller import Controller
from trimtab.local.ecs_records import Book, Cluster, Document, Service, Tags, Task, TaskDefinition
from trimtab.local.ecs_tasks import Tasks
from trimtab.local.overlay import Arguments, ServiceError, World

T = TypeVar("T")
NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")


class Base:
    """State and shared words; the operations are mixed in."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.book = Book(world)
        self.tasks = Tasks(world, self.book)
        self.controller = Controller(world, self.book, self.tasks)

    def arn(self, rest: str) -> str:
        return f"arn:aws:ecs:{self.world.region}:{self.world.account}:{rest}"

    def cluster(self, arguments: Arguments, active: bool = False) -> Cluster:
        """The cluster that a call names, or "default". Raises ServiceError; with `active`, for an INACTIVE one too."""
        found = self.book.clusters.get(last_part(arguments.get("cluster") or "default"))
        if found is None:
            raise ServiceError("ClusterNotFoundException", "Cluster not found.")
        if active and found.status != "ACTIVE":
            raise ServiceError("InvalidParameterException", "The referenced cluster was inactive.")
        return found

    def service_named(self, arguments: Arguments, key: str = "service") -> Service:
        """The service that a call names, in any state. Raises ServiceError."""
        cluster = self.cluster(arguments)
        found = self.book.services.get(f"{cluster.name}/{last_part(arguments[key])}")
        if found is None:
            raise ServiceError("ServiceNotFoundException", "Service not found.")
        return found

    def definition(self, name: str) -> TaskDefinition | None:
        """A revision by ARN or `family:revision`; by `family`, its newest ACTIVE one."""
        name = last_part(name)
        if ":" in name:
            return self.book.definitions.get(name)
        active = [each for each in self.book.definitions if each.family == name and each.status == "ACTIVE"]
        return max(active, key=lambda each: each.revision, default=None)

    def active_definition(self, name: str) -> TaskDefinition:
        found = self.definition(name)
        if found is None:
            raise ServiceError("ClientException", "TaskDefinition not found.")
        if found.status != "ACTIVE":
            raise ServiceError("ClientException", "TaskDefinition is inactive")
        return found

    def task(self, arguments: Arguments) -> Task:
        cluster = self.cluster(arguments)
        found = self.book.tasks.get(last_part(arguments["task"]))
        if found is None or found.cluster != cluster.name:
            raise ServiceError("InvalidParameterException", "The referenced task was not found.")
        return found


def last_part(name: str) -> str:
    """The name at the end of an ARN, or the name itself."""
    return name.rsplit("/", 1)[-1] if name.startswith("arn:") else name


def listed(arguments: Mapping[str, Any], key: str) -> list[Any]:
    """A list argument; empty when it was not given."""
    return list(arguments.get(key) or ())


def wants_tags(arguments: Arguments) -> bool:
    return "TAGS" in listed(arguments, "include")


def bounded(items: Sequence[Any], most: int, what: str) -> None:
    if len(items) > most:
        raise ServiceError("InvalidParameterException", f"{what} cannot have more than {most} elements.")


def page(arguments: Arguments, items: Sequence[T], name: str, size: int, shown: Callable[[T], Any]) -> Document:
    """One page of a list; the token says where the next begins. size: the default, AWS allows 1 to 100."""
    size = arguments.get("maxResults") or size
    if not 1 <= size <= 100:
        raise ServiceError("InvalidParameterException", "maxResults must be between 1 and 100.")
    start = 0
    if token := arguments.get("nextToken"):
        try:
            start = int(base64.urlsafe_b64decode(token.encode()).decode().removeprefix("at:"))
        except ValueError:
            raise ServiceError("InvalidParameterException", "Invalid token.") from None
    reply: Document = {name: [shown(each) for each in items[start : start + size]]}
    if start + size < len(items):
        reply["nextToken"] = base64.urlsafe_b64encode(f"at:{start + size}".encode()).decode()
    return reply


def missing(arn: str) -> Document:
    """An entry of `failures`."""
    return {"arn": arn, "reason": "MISSING"}


def tags_in(arguments: Arguments, besides: Tags | None = None) -> Tags:
    """Tags of a call. Raises ServiceError for a key given twice, a reserved one, or too many of them."""
    given = listed(arguments, "tags")
    tags = {each["key"]: each.get("value", "") for each in given}
    if len(tags) < len(given):
        raise ServiceError("InvalidParameterException", "Duplicate keys found in tags list.")
    if any(key.lower().startswith("aws:") for key in tags):
        raise ServiceError("InvalidParameterException", "Tag keys that start with 'aws:' are reserved.")
    if len({**(besides or {}), **tags}) > 50:
        raise ServiceError("InvalidParameterException", "The maximum number of tags is 50.")
    return tags


def check_name(name: str, what: str) -> None:
    if not NAME.fullmatch(name):
        raise ServiceError(
            "InvalidParameterException", f"{what} name must be 1 to 255 letters, numbers, underscores and hyphens."
        )
