"""What Application Auto Scaling keeps: scalable targets, policies, scheduled actions and activities."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeVar

from trimtab.local.overlay import Arguments, ServiceError, World
from trimtab.local.shelf import Shelf

T = TypeVar("T")
Document = dict[str, Any]
Tags = dict[str, str]

DIMENSION = "ecs:service:DesiredCount"
MOST_ACTIVITIES = 100  # of a target; AWS keeps those of six weeks
SUSPENSIONS = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")


@dataclass(slots=True)
class Target:
    arn: str
    resource: str  # "service/<cluster>/<name>"
    least: int
    most: int
    role: str
    created: datetime
    suspended: dict[str, bool]  # by SUSPENSIONS
    tags: Tags = field(default_factory=Tags)

    @property
    def place(self) -> tuple[str, str]:
        """(cluster, service)."""
        _, cluster, name = self.resource.split("/")
        return cluster, name


@dataclass(slots=True)
class Policy:
    arn: str
    name: str
    resource: str
    type: Literal["TargetTrackingScaling", "StepScaling"]
    configuration: Document
    created: datetime
    alarms: list[str] = field(default_factory=list[str])  # names of those that are made for it: high, then low


@dataclass(slots=True)
class Scheduled:
    arn: str
    name: str
    resource: str
    schedule: str
    created: datetime
    zone: str = ""
    start: datetime | None = None
    end: datetime | None = None
    least: int | None = None
    most: int | None = None


@dataclass(slots=True)
class Activity:
    id: str
    resource: str
    description: str
    cause: str
    started: datetime
    status: str  # InProgress, Successful, Overridden, Failed
    message: str = ""
    ended: datetime | None = None
    before: int = 0
    after: int = 0
    base: int = 0  # what counted as current: with a cool-down of an earlier scale-out, what that began from
    cooldown_s: float = 0.0  # 0 for what no policy asked for
    reasons: list[Document] = field(default_factory=list[Document])  # why nothing was scaled


class Base:
    """State and shared words; the operations are mixed in."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.targets = Shelf(world.store, "autoscaling.target", Target, lambda each: each.resource)
        self.policies = Shelf(world.store, "autoscaling.policy", Policy, lambda each: each.arn)
        self.scheduled = Shelf(world.store, "autoscaling.scheduled", Scheduled, lambda each: each.arn)
        self.activities = Shelf(world.store, "autoscaling.activity", Activity, lambda each: each.id)

    def target(self, arguments: Arguments) -> Target:
        """The target that a call names. Raises ServiceError."""
        check_place(arguments)
        if (found := self.targets.get(arguments["ResourceId"])) is None:
            raise ServiceError(
                "ObjectNotFoundException",
                f"No scalable target registered for service namespace: ecs, resource ID: {arguments['ResourceId']}, "
                f"scalable dimension: {DIMENSION}",
            )
        return found

    def arn(self, rest: str, service: str = "autoscaling") -> str:
        return f"arn:aws:{service}:{self.world.region}:{self.world.account}:{rest}"


def check_place(arguments: Arguments) -> None:
    """Services of ECS are what is scaled here. Raises ServiceError."""
    if arguments["ServiceNamespace"] != "ecs":
        raise invalid(f"The local cloud scales ecs only, not {arguments['ServiceNamespace']}.")
    if arguments.get("ScalableDimension", DIMENSION) != DIMENSION:
        raise invalid(f"Unsupported scalable dimension for service namespace ecs: {arguments['ScalableDimension']}")
    resource = arguments.get("ResourceId")
    if resource is None and "ScalableDimension" in arguments and "ResourceIds" not in arguments:
        raise invalid("If you specify a scalable dimension, you must also specify a resource ID.")
    if resource is not None and [bool(part) for part in resource.split("/")] != [True] * 3:
        raise invalid(f"Unsupported resource ID: {resource}. It must be service/<cluster>/<service>.")


def place_of(resource: str) -> Document:
    return {"ServiceNamespace": "ecs", "ResourceId": resource, "ScalableDimension": DIMENSION}


def chosen(arguments: Arguments, items: Sequence[Any]) -> list[Any]:
    """Those of the resource that a call names, or all."""
    return [each for each in items if arguments.get("ResourceId") in (None, each.resource)]


def page(arguments: Arguments, items: Sequence[T], name: str, most: int, shown: Callable[[T], Document]) -> Document:
    """One page of a list; the token is the index of the next item."""
    size, token = arguments.get("MaxResults") or most, str(arguments.get("NextToken") or "0")
    if not 1 <= size <= most:
        raise invalid(f"MaxResults must be between 1 and {most}.")
    if not token.isdecimal():
        raise ServiceError("InvalidNextTokenException", "The next token supplied was invalid.")
    start = int(token)
    more = {"NextToken": str(start + size)} if start + size < len(items) else {}
    return {name: [shown(each) for each in items[start : start + size]], **more}


def check_tags(tags: Tags) -> Tags:
    if len(tags) > 50:
        raise ServiceError("TooManyTagsException", "The limit is 50 tags per resource.")
    return tags


def invalid(message: str) -> ServiceError:
    return ServiceError("ValidationException", message)


def limited(message: str) -> ServiceError:
    return ServiceError("LimitExceededException", message)
