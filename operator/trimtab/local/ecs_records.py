"""What ECS keeps: clusters, task definitions, services with their deployments, and tasks.

Settings that are only kept and answered stay in AWS's spelling (`settings`, `document`); what the code reads has a field of
its own. Times are aware, UTC.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from trimtab.local.overlay import World
from trimtab.local.shelf import Shelf

Document = dict[str, Any]
Tags = dict[str, str]
RolloutState = Literal["IN_PROGRESS", "COMPLETED", "FAILED"]
LastStatus = Literal["PROVISIONING", "PENDING", "ACTIVATING", "RUNNING", "DEACTIVATING", "STOPPING", "STOPPED"]
MOST_EVENTS = 100  # AWS keeps the newest hundred


@dataclass(slots=True)
class Cluster:
    arn: str
    name: str
    settings: Document  # settings, configuration, capacityProviders, defaultCapacityProviderStrategy, serviceConnectDefaults
    status: str = "ACTIVE"  # then "INACTIVE", still describable
    tags: Tags = field(default_factory=Tags)


@dataclass(slots=True)
class TaskDefinition:
    arn: str
    family: str
    revision: int
    document: Document  # all that RegisterTaskDefinition was given but tags, with AWS's defaults
    registered: datetime
    registered_by: str
    status: str = "ACTIVE"  # then "INACTIVE", then "DELETE_IN_PROGRESS"
    deregistered: datetime | None = None
    delete_requested: datetime | None = None
    tags: Tags = field(default_factory=Tags)

    @property
    def name(self) -> str:
        return f"{self.family}:{self.revision}"

    @property
    def containers(self) -> list[Document]:
        return self.document["containerDefinitions"]


@dataclass(slots=True)
class Event:
    id: str
    at: datetime
    message: str


@dataclass(slots=True)
class Deployment:
    """One rollout of a service, with what it was given: a rollback brings all of it back."""

    id: str  # "ecs-svc/1234567890123456789", which is startedBy of its tasks
    number: str  # the digits, which end the ARNs of the service deployment and revision
    definition: str  # ARN
    network: Document  # networkConfiguration
    balancers: list[Document]  # loadBalancers
    created: datetime
    updated: datetime
    status: Literal["PRIMARY", "ACTIVE", "INACTIVE"] = "PRIMARY"
    state: RolloutState = "IN_PROGRESS"
    reason: str = ""
    failed: int = 0  # failed tasks, as the circuit breaker counts them
    stumbles: int = 0  # failed tasks since one was last healthy: they space out the next starts
    hold_until: datetime | None = None  # no task is started before
    was_completed: bool = False  # it once was steady: what a rollback may return to
    finished: datetime | None = None
    rolled_back_to: str = ""  # id of the deployment that took over when this one failed
    rollback_started: datetime | None = None
    source: str = ""  # id of the deployment that was primary before
    watched: bool = False  # its alarms count: none of them was in ALARM when it began
    baked_at: datetime | None = None  # when its bake ends; None: it has not begun
    alarmed: list[str] = field(default_factory=list[str])  # names of the alarms that failed it


@dataclass(slots=True)
class Service:
    arn: str
    name: str
    cluster: str  # name
    settings: Document  # what CreateService and UpdateService were given, less what has a field here
    desired: int
    deployments: list[Deployment]  # newest first; the PRIMARY one among them
    created: datetime
    created_by: str
    token: str = ""
    request: str = ""  # digest of the CreateService call that made it
    status: str = "ACTIVE"  # then "DRAINING", then "INACTIVE"
    steady: bool = False  # its last event says that it is
    closed: datetime | None = None  # when it became INACTIVE
    history: list[Deployment] = field(default_factory=list[Deployment])  # finished ones, newest first
    events: list[Event] = field(default_factory=list[Event])  # newest first
    tags: Tags = field(default_factory=Tags)

    @property
    def key(self) -> str:
        return f"{self.cluster}/{self.name}"

    @property
    def primary(self) -> Deployment:
        return next(each for each in self.deployments if each.status == "PRIMARY")

    def deployment(self, id: str) -> Deployment | None:
        return next((each for each in self.deployments if each.id == id), None)


@dataclass(slots=True)
class Container:
    arn: str
    name: str
    image: str
    unit: str  # id of the executor's unit
    essential: bool
    digest: str = ""
    exit_code: int | None = None
    reason: str = ""
    ended: bool = False
    started: datetime | None = None


@dataclass(slots=True)
class Task:
    arn: str
    id: str
    cluster: str  # name
    definition: str  # ARN
    group: str  # "service:<name>" or "family:<family>"
    address: str  # its own loopback address
    settings: Document  # launchType, overrides, networkConfiguration, enableExecuteCommand ... kept and answered
    containers: list[Container]
    created: datetime
    started_by: str = ""
    service: str = ""  # key of the service that keeps it, "" for RunTask
    deployment: str = ""  # id
    targets: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])  # (target group ARN, port)
    status: LastStatus = "PROVISIONING"
    desired: Literal["RUNNING", "STOPPED"] = "RUNNING"
    version: int = 1
    stop_code: str = ""
    stop_reason: str = ""
    pull_started: datetime | None = None
    pull_stopped: datetime | None = None
    started: datetime | None = None
    stopping: datetime | None = None
    executed: datetime | None = None  # executionStoppedAt
    stopped: datetime | None = None
    enrolled: bool = False  # registered with its target groups
    killed: bool = False  # the executor was told to stop its units
    proven: bool = False  # has been healthy
    tags: Tags = field(default_factory=Tags)

    @property
    def live(self) -> bool:
        """Meant to run: neither stopped nor stopping."""
        return self.desired == "RUNNING" and self.status != "STOPPED"


class Book:
    """The records of the service."""

    def __init__(self, world: World) -> None:
        store = world.store
        self.clusters = Shelf(store, "ecs.cluster", Cluster, lambda each: each.name)
        self.definitions = Shelf(store, "ecs.definition", TaskDefinition, lambda each: each.name)
        self.services = Shelf(store, "ecs.service", Service, lambda each: each.key)
        self.tasks = Shelf(store, "ecs.task", Task, lambda each: each.id)
        self.revisions = {key: int(value["newest"]) for key, value in store.all("ecs.family").items()}
        self._store = store

    def next_revision(self, family: str) -> int:
        """A number that was never given out in the family, also not to a revision that has been deleted."""
        self.revisions[family] = self.revisions.get(family, 0) + 1
        self._store.put("ecs.family", family, {"newest": self.revisions[family]})
        return self.revisions[family]

    def tasks_of(self, service: Service) -> list[Task]:
        return [each for each in self.tasks if each.service == service.key and each.status != "STOPPED"]
