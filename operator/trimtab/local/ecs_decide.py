"""What a service needs next: a pure function of its record, its tasks and the time.

Source: Amazon ECS Developer Guide, "Rolling update", "How the Amazon ECS deployment circuit breaker detects failures" and
"How CloudWatch alarms detect Amazon ECS deployment failures"; API Reference, DeploymentConfiguration,
DeploymentCircuitBreaker and DeploymentAlarms.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from trimtab.local.ecs_records import Deployment, Service, Task

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 15.0  # between starts that keep failing; AWS backs off to 27 minutes
LEAST_FAILURES, MOST_FAILURES = 3, 200


@dataclass(frozen=True, slots=True)
class Seen:
    """A task and how it is doing now."""

    task: Task
    healthy: bool  # RUNNING and, behind a load balancer, passing its health checks in every target group
    sick: str = ""  # why it has to be replaced: its target is unhealthy, and the grace period is over


@dataclass(frozen=True, slots=True)
class Launch:
    deployment: str
    count: int


@dataclass(frozen=True, slots=True)
class Halt:
    task: str  # id
    reason: str  # stoppedReason
    failed: bool = False  # counts as a failed task of its deployment


@dataclass(frozen=True, slots=True)
class Complete:
    deployment: str


@dataclass(frozen=True, slots=True)
class Bake:
    """It is steady, and is watched a while longer before it is complete."""

    deployment: str


@dataclass(frozen=True, slots=True)
class Fail:
    deployment: str
    back_to: str  # id of the deployment to return to, "" for none
    alarms: tuple[str, ...] = ()  # that failed it; none: the circuit breaker did


@dataclass(frozen=True, slots=True)
class Steady:
    """Nothing is left to do; said once."""


@dataclass(frozen=True, slots=True)
class Close:
    """A service that was deleted has no task left."""


Step = Launch | Halt | Bake | Complete | Fail | Steady | Close


def decide(service: Service, tasks: Sequence[Seen], now: datetime, ringing: Sequence[str] = ()) -> list[Step]:
    """The steps that bring a service nearer to its desired state; empty when it only has to wait, or is steady.

    tasks: all tasks of the service that are not STOPPED. ringing: names of its deployment alarms that are in ALARM.
    """
    if service.status == "DRAINING":
        return _drain(service, tasks)
    if service.status != "ACTIVE":
        return []
    primary = service.primary
    if tripped(service, primary):
        return [Fail(primary.id, _last_good(service, primary, "deploymentCircuitBreaker"))]
    if ringing and is_watched(primary) and any(each.task.status == "RUNNING" for each in tasks if _is_of(primary, each)):
        return [Fail(primary.id, _last_good(service, primary, "alarms"), tuple(ringing))]
    live = [each for each in tasks if each.task.live]
    mine = [each for each in live if each.task.deployment == primary.id]
    others = [each for each in live if each.task.deployment != primary.id]
    if primary.state == "FAILED":  # no rollback: nothing is started any more, and what still runs goes on
        return [halted(each) for each in live if each.sick and not each.task.proven]
    steps: list[Step] = [*_launches(service, primary, live, mine, now), *_halts(service, mine, others)]
    if steps:
        return steps
    healthy = sum(each.healthy for each in mine)
    if healthy != service.desired or len(mine) != service.desired or len(tasks) != len(mine):
        return []
    if primary.state == "IN_PROGRESS":
        if is_watched(primary) and (primary.baked_at is None or now < primary.baked_at):
            return [Bake(primary.id)] if primary.baked_at is None else []
        return [Complete(primary.id), Steady()]
    return [] if service.steady else [Steady()]


def _drain(service: Service, tasks: Sequence[Seen]) -> list[Step]:
    reason = f"Scaling activity initiated by (deployment {service.primary.id})"
    halts: list[Step] = [Halt(each.task.id, reason) for each in tasks if each.task.live]
    return halts if tasks else [Close()]


def _launches(
    service: Service, primary: Deployment, live: Sequence[Seen], mine: Sequence[Seen], now: datetime
) -> list[Step]:
    if primary.hold_until is not None and now < primary.hold_until:
        return []
    missing = service.desired - sum(not each.sick for each in mine)
    room = ceiling(service) - len(live)
    count = min(missing, room)
    return [Launch(primary.id, count)] if count > 0 else []


def _halts(service: Service, mine: Sequence[Seen], others: Sequence[Seen]) -> list[Step]:
    """Sick tasks, then surplus ones, then those of earlier deployments, as far as the healthy minimum allows."""
    steps: list[Step] = []
    healthy = sum(each.healthy for each in [*mine, *others])
    full = len(mine) + len(others) >= ceiling(service)
    for each in mine:
        # A task that served before is replaced first and stopped then, where the maximum leaves room for that.
        if each.sick and (not each.task.proven or full or healthy >= service.desired):
            steps.append(halted(each))
    well = [each for each in mine if not each.sick]
    reason = f"Scaling activity initiated by (deployment {service.primary.id})"
    for each in sorted(well, key=lambda seen: (seen.healthy, seen.task.created))[: max(0, len(well) - service.desired)]:
        steps.append(Halt(each.task.id, reason))
        healthy -= each.healthy
    for each in sorted(others, key=lambda seen: (seen.healthy, seen.task.created)):
        # One that served before and is not known to be sick may only be unknown yet: after a restart all targets are.
        hopeless = not each.healthy and (bool(each.sick) or not each.task.proven)
        if hopeless or healthy - each.healthy >= floor(service):
            steps.append(Halt(each.task.id, reason))
            healthy -= each.healthy
    return steps


def halted(seen: Seen) -> Halt:
    return Halt(seen.task.id, seen.sick, failed=True)


def settings_of(service: Service) -> Mapping[str, Any]:
    return service.settings["deploymentConfiguration"]


def floor(service: Service) -> int:
    """The fewest healthy tasks that a rollout may leave: minimumHealthyPercent of desired, rounded up."""
    return math.ceil(service.desired * settings_of(service)["minimumHealthyPercent"] / 100)


def ceiling(service: Service) -> int:
    """The most tasks that may run or start at once: maximumPercent of desired, rounded down."""
    return max(service.desired, service.desired * settings_of(service)["maximumPercent"] // 100)


def threshold(service: Service) -> int:
    """How many failed tasks trip the circuit breaker: half of desired, 3 to 200, unless it is configured."""
    given = settings_of(service).get("deploymentCircuitBreaker", {}).get("thresholdConfiguration", {})
    kind, value = given.get("type", "BOUNDED_PERCENT"), given.get("value", 50)
    if kind == "COUNT":
        return max(1, value)
    share = math.ceil(service.desired * value / 100)
    return max(1, share) if kind == "UNBOUNDED_PERCENT" else min(max(share, LEAST_FAILURES), MOST_FAILURES)


def tripped(service: Service, deployment: Deployment) -> bool:
    breaker = settings_of(service).get("deploymentCircuitBreaker", {})
    enabled = breaker.get("enable", False) and deployment.state == "IN_PROGRESS" and not deployment.was_completed
    return enabled and deployment.failed >= threshold(service)


def is_watched(deployment: Deployment) -> bool:
    """Whether an alarm may still fail it: while it goes on, and never where it is one to return to."""
    return deployment.watched and deployment.state == "IN_PROGRESS" and not deployment.was_completed


def alarms_of(service: Service) -> Sequence[str]:
    """Names of the alarms that a service's deployments are watched by."""
    alarms = settings_of(service).get("alarms", {})
    return alarms["alarmNames"] if alarms.get("enable", False) else ()


def _is_of(deployment: Deployment, seen: Seen) -> bool:
    return seen.task.deployment == deployment.id


def _last_good(service: Service, failing: Deployment, method: str) -> str:
    """What to return to, where the method that failed it says so: deploymentCircuitBreaker, or alarms."""
    if not settings_of(service).get(method, {}).get("rollback", False):
        return ""
    return next((each.id for each in service.deployments if each.id != failing.id and each.was_completed), "")


def pause(stumbles: int) -> timedelta:
    """How long to wait before the next start, after so many failed tasks in a row. The first retry is at once."""
    if stumbles <= 1:
        return timedelta(0)
    return timedelta(seconds=min(FIRST_PAUSE_S * 2 ** min(stumbles - 2, 16), LONGEST_PAUSE_S))
