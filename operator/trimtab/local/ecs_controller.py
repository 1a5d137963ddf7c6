"""Carries out what `decide` says, and says in events what happened."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from trimtab.local.ecs_decide import (
    Bake,
    Close,
    Complete,
    Fail,
    Halt,
    Launch,
    Seen,
    Steady,
    Step,
    alarms_of,
    decide,
    is_watched,
    pause,
)
from trimtab.local.ecs_events import Said, deployment_changed, service_acted
from trimtab.local.ecs_records import MOST_EVENTS, Book, Deployment, Event, Service, Tags, Task
from trimtab.local.ecs_tasks import Tasks
from trimtab.local.overlay import World

MOST_HISTORY = 20  # finished deployments kept for ListServiceDeployments
UNABLE = "is unable to consistently start tasks successfully. For more information, see the Troubleshooting section."
STUMBLES_SAID = 10  # failed tasks in a row before an event says so


class Controller:
    """Keeps services at their desired state. Called under the cloud's lock."""

    def __init__(self, world: World, book: Book, tasks: Tasks) -> None:
        self.world, self.book, self.tasks = world, book, tasks

    def tick(self, now: datetime) -> None:
        by_service: dict[str, list[Task]] = {}
        for task in self.book.tasks:
            if task.status == "STOPPED":
                continue
            was = (task.status, task.desired)
            self.tasks.observe(task, now)
            if task.service:
                by_service.setdefault(task.service, []).append(task)
                self._note(task, *was, now)
        for service in self.book.services:
            if service.status != "INACTIVE":
                self._step(service, by_service.get(service.key, []), now)

    def _step(self, service: Service, tasks: Sequence[Task], now: datetime) -> None:
        seen = [self.tasks.seen(task, service, now) for task in tasks if task.status != "STOPPED"]
        self._prove(service, seen)
        ringing = self.ringing(alarms_of(service)) if is_watched(service.primary) else ()
        for step in decide(service, seen, now, ringing):
            self._carry_out(service, step, now)

    def ringing(self, names: Sequence[str]) -> Sequence[str]:
        """Those of the alarms that are in ALARM."""
        return self.world.overlay("cloudwatch").ringing(names) if names else ()

    def _prove(self, service: Service, seen: Sequence[Seen]) -> None:
        """Remember which tasks have been healthy, and what that means to the count of failures."""
        for each in seen:
            if not each.healthy or each.task.proven:
                continue
            each.task.proven = True
            self.book.tasks.put(each.task)
            deployment = service.deployment(each.task.deployment)
            if deployment is None:
                continue
            deployment.stumbles, deployment.hold_until = 0, None
            breaker = service.settings["deploymentConfiguration"].get("deploymentCircuitBreaker", {})
            if breaker.get("resetOnHealthyTask", True):
                deployment.failed = 0
            self.book.services.put(service)

    def _note(self, task: Task, status: str, desired: str, now: datetime) -> None:
        """Events, and the count of failures, for what a task has just done."""
        service = self.book.services.get(task.service)
        if service is None:
            return
        if status != "RUNNING" and task.status == "RUNNING" and task.targets:
            for group, _ in task.targets:
                self.say(service, f"registered 1 targets in (target-group {group})", now)
        if desired == "RUNNING" and task.desired == "STOPPED":  # it ended by itself
            self._failed(service, task, now)
        if task.status == "STOPPED":
            service.steady = False
            self.book.services.put(service)

    def _failed(self, service: Service, task: Task, now: datetime) -> None:
        deployment = service.deployment(task.deployment)
        if deployment is None:
            return
        deployment.failed += 1
        deployment.stumbles += 1
        deployment.hold_until, deployment.updated = now + pause(deployment.stumbles), now
        service.steady = False
        if deployment.stumbles == STUMBLES_SAID:
            self.say(service, UNABLE, now, service_acted(service, "SERVICE_TASK_START_IMPAIRED", now))
        self.book.services.put(service)

    def _carry_out(self, service: Service, step: Step, now: datetime) -> None:
        match step:
            case Launch():
                self._launch(service, step, now)
            case Halt():
                self._halt(service, step, now)
            case Bake():
                longest = self.world.overlay("cloudwatch").longest(alarms_of(service))
                service.primary.baked_at, service.primary.updated = now + longest, now
                self.book.services.put(service)
            case Complete():
                self._complete(service, now)
            case Fail():
                self._fail(service, step, now)
            case Steady():
                service.steady = True
                self.say(service, "has reached a steady state.", now, service_acted(service, "SERVICE_STEADY_STATE", now))
            case Close():
                service.status, service.closed = "INACTIVE", now
                self.book.services.put(service)

    def _launch(self, service: Service, step: Launch, now: datetime) -> None:
        deployment = service.primary
        definition = self.book.definitions.get(deployment.definition.rsplit("/", 1)[1])
        if definition is None:  # cannot be: a definition in use stays describable
            return
        tags = propagated(service, definition.tags)
        kept = ("launchType", "platformVersion", "enableExecuteCommand", "capacityProviderStrategy")
        settings = {key: service.settings[key] for key in kept if key in service.settings}
        started = [
            self.tasks.create(
                definition,
                service.cluster,
                group=f"service:{service.name}",
                settings=settings | {"networkConfiguration": deployment.network},
                now=now,
                balancers=deployment.balancers,
                started_by=deployment.id,
                service=service.key,
                deployment=deployment.id,
                tags=tags,
            )
            for _ in range(step.count)
        ]
        service.steady = False
        for task in started:
            if task.desired == "STOPPED":  # its image is missing
                self._failed(service, task, now)
        listed = " ".join(f"(task {task.id})" for task in started)
        self.say(service, f"has started {len(started)} tasks: {listed}.", now)

    def _halt(self, service: Service, step: Halt, now: datetime) -> None:
        task = self.book.tasks.get(step.task)
        if task is None:
            return
        if step.failed:
            self._say_sick(service, task, now)
            self._failed(service, task, now)
        service.steady = False
        for group, _ in task.targets if task.enrolled else []:
            self.say(service, f"deregistered 1 targets in (target-group {group})", now)
        if task.enrolled:
            self.say(service, "has begun draining connections on 1 tasks.", now)
        self.tasks.halt(task, "ServiceSchedulerInitiated", step.reason, now)
        self.say(service, f"has stopped 1 running tasks: (task {task.id}).", now)

    def _say_sick(self, service: Service, task: Task, now: datetime) -> None:
        balancing: Any = self.world.overlay("elbv2")
        for group, port in task.targets:
            health = balancing.health_of(group, task.address, port)
            if health["State"] == "unhealthy":
                because = f"(reason {health.get('Description', '')})"
                self.say(
                    service, f"(task {task.id}) (port {port}) is unhealthy in (target-group {group}) due to {because}", now
                )

    def _complete(self, service: Service, now: datetime) -> None:
        deployment = service.primary
        deployment.state, deployment.was_completed = "COMPLETED", True
        deployment.reason = f"ECS deployment {deployment.id} completed."
        deployment.updated = deployment.finished = now
        gone = [each for each in service.deployments if each.id != deployment.id]
        service.deployments = [deployment]
        for each in gone:
            each.status, each.finished = "INACTIVE", each.finished or now
        service.history = [*gone, *service.history][:MOST_HISTORY]
        said = deployment_changed(service, deployment, "SERVICE_DEPLOYMENT_COMPLETED")
        self.say(service, f"(deployment {deployment.id}) deployment completed.", now, said)

    def _fail(self, service: Service, step: Fail, now: datetime) -> None:
        failing, good = service.primary, service.deployment(step.back_to)
        method = "alarms" if step.alarms else "circuit breaker"
        because = "alarm detected." if step.alarms else "tasks failed to start."
        failing.state, failing.reason = "FAILED", f"ECS deployment {method}: {because}"
        failing.alarmed = list(step.alarms)
        failing.updated = failing.finished = now
        said = deployment_changed(service, failing, "SERVICE_DEPLOYMENT_FAILED")
        self.say(service, f"(deployment {failing.id}) deployment failed: {because}", now, said)
        if good is None:
            return
        failing.status, failing.rolled_back_to, failing.rollback_started = "ACTIVE", good.id, now
        good.status, good.state, good.updated, good.hold_until = "PRIMARY", "IN_PROGRESS", now, None
        good.reason = f"ECS deployment {method}: rolling back to deploymentId {good.id}"
        said = deployment_changed(service, good, "SERVICE_DEPLOYMENT_IN_PROGRESS")
        self.say(service, f"rolling back to deployment {good.id}.", now, said)

    def say(self, service: Service, message: str, now: datetime, said: Said | None = None) -> None:
        """Add an event, and keep the service. said: what EventBridge hears of it, before: a crash repeats it."""
        if said is not None:
            self.world.signals.emit("aws.ecs", *said, now)
        service.events.insert(0, Event(str(uuid.uuid4()), now, f"(service {service.name}) {message}"))
        del service.events[MOST_EVENTS:]
        self.book.services.put(service)


def propagated(service: Service, definition_tags: Tags) -> Tags:
    """Tags that a service's new task carries."""
    source = service.settings.get("propagateTags", "NONE")
    tags = dict(service.tags if source == "SERVICE" else definition_tags if source == "TASK_DEFINITION" else {})
    if service.settings.get("enableECSManagedTags"):
        tags |= {"aws:ecs:clusterName": service.cluster, "aws:ecs:serviceName": service.name}
    return tags


def begin(service: Service, deployment: Deployment) -> None:
    """Make a deployment the primary one of its service."""
    for each in service.deployments:
        if each.status == "PRIMARY":
            each.status, deployment.source = "ACTIVE", each.id
    service.deployments.insert(0, deployment)
    service.steady = False
