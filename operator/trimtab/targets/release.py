"""What every target is told: the container template that is to run, and where. A plain value made by compile."""

from collections.abc import Mapping
from dataclasses import dataclass

from trimtab.core.kind import Ref

PORT = 8080


@dataclass(frozen=True, slots=True)
class Tracking:
    """What an autoscaler holds."""

    metric: str
    value: float


@dataclass(frozen=True, slots=True)
class Stepping:
    """What an autoscaler adds and removes."""

    metric: str
    above: tuple[tuple[float, int], ...]  # (from which value on, how many to add)
    below: tuple[tuple[float, int], ...]  # (from which value down, how many to remove)


@dataclass(frozen=True, slots=True)
class ScheduledBounds:
    """Other bounds of the count, from a time on."""

    name: str
    cron: str
    timezone: str
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Release:
    """One release of one deployment in one environment."""

    key: str | None  # release key; None while the model is not known yet
    known_after: str | None  # id of the node that decides the key
    is_held: bool  # it has served before, and is to serve again
    after: tuple[str, ...]  # nodes that must be as declared first: the gate, the image
    names: Mapping[str, str]  # by role: "family", "service", "cluster", "targets", "balancer", "host", "above", "below"
    repository_uri: str | Ref
    image_digest: str | Ref
    execution_role: str | Ref
    task_role: str | Ref
    cpu_millicores: int
    memory_mib: int
    environment: Mapping[str, str]
    log_group: str
    region: str
    account: str
    vpc: str
    subnets: tuple[str, ...]
    task_security_groups: tuple[str, ...]
    balancer_security_groups: tuple[str, ...]
    balancer_port: int
    min_replicas: int
    max_replicas: int
    scaling: Tracking | Stepping | None  # None when min is always max
    schedule: tuple[ScheduledBounds, ...]
    alarms: tuple[str, ...]  # names or ARNs of those that roll it back while it takes over
    deployment: str  # "vision/digits"
    tags: Mapping[str, str]  # of what lives through generations
    release_tags: Mapping[str, str]  # of what the release key names
    version: str  # of the document that declared it, as its source calls it; "" where that has no name for it
    attempt: int  # above 1: a person asked for the same release again
    shared_tags: Mapping[str, str]  # of what the environment shares
