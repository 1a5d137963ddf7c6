"""Tasks as units of the executor: started, watched, registered with their target groups, drained and stopped.

PROVISIONING, PENDING, RUNNING; then DEACTIVATING while targets drain, STOPPING once the units have been told, STOPPED.
Nothing here advances because somebody reads: only `observe`, called by the tick, moves a task on.
"""

import hashlib
import ipaddress
import shutil
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from trimtab.local.ecs_decide import Seen
from trimtab.local.ecs_events import story, task_changed
from trimtab.local.ecs_logs import Tail
from trimtab.local.ecs_records import Book, Container, Document, Service, Tags, Task, TaskDefinition
from trimtab.local.overlay import Exited, Preparing, Running, Unit, World

ADDRESSES = ipaddress.ip_network("127.32.0.0/11")
SETTLE_S = 0.3  # a unit counts as RUNNING once it has been up so long: one that exits at once never was
STOP_TIMEOUT_S = 30.0  # Fargate's default between SIGTERM and SIGKILL
KEEP_STOPPED = timedelta(hours=1)  # as AWS: at least an hour
SICK = "Task failed ELB health checks in (target-group {group})"
EXITED = "Essential container in task exited"


class Tasks:
    """The tasks of all clusters. Called under the cloud's lock."""

    def __init__(self, world: World, book: Book) -> None:
        self.world, self.book = world, book
        self._tails: dict[str, Tail] = {}  # by unit id
        self._told = {task.id: story(task) for task in book.tasks}  # what EventBridge has heard of each

    # Starting

    def create(
        self,
        definition: TaskDefinition,
        cluster: str,
        *,
        group: str,
        settings: Document,
        now: datetime,
        balancers: Sequence[Document] = (),
        started_by: str = "",
        service: str = "",
        deployment: str = "",
        tags: Tags | None = None,
    ) -> Task:
        """A new task, kept and started. One whose image is missing is kept too, and stops at once."""
        id = uuid.uuid4().hex
        place = f"arn:aws:ecs:{self.world.region}:{self.world.account}"
        targets = [(each["targetGroupArn"], each["containerPort"]) for each in balancers if "targetGroupArn" in each]
        containers = [
            Container(
                arn=f"{place}:container/{cluster}/{id}/{uuid.uuid4()}",
                name=each["name"],
                image=each["image"],
                unit=f"task/{cluster}/{id}/{each['name']}",
                essential=each.get("essential", True),
                digest=self.world.executor.image_digest(each["image"]) or "",
            )
            for each in definition.containers
        ]
        attachment = attached(settings.get("networkConfiguration", {}), address := self._free_address(id), id)
        task = Task(
            arn=f"{place}:task/{cluster}/{id}",
            id=id,
            cluster=cluster,
            definition=definition.arn,
            group=group,
            address=address,
            settings=settings | {"attachments": attachment},
            containers=containers,
            created=now,
            started_by=started_by,
            service=service,
            deployment=deployment,
            targets=targets,
            tags=dict(tags or {}),
        )
        self._keep(task, now)  # before it is started: a crash between the two leaves no unit that nobody knows
        self._start(task, definition, now)
        return task

    def _start(self, task: Task, definition: TaskDefinition, now: datetime) -> None:
        missing = [each for each in task.containers if not each.digest]
        for container in missing:
            container.reason = f"CannotPullContainerError: failed to resolve ref {container.image}: not found"
        if missing:
            for container in task.containers:
                container.ended = True
            self.halt(task, "TaskFailedToStart", missing[0].reason, now)
            return
        overrides = {each["name"]: each for each in task.settings.get("overrides", {}).get("containerOverrides", [])}
        for container, described in zip(task.containers, definition.containers, strict=True):
            override = overrides.get(container.name, {})
            self.world.executor.start(
                Unit(
                    id=container.unit,
                    image=container.image,
                    command=tuple(override.get("command", described.get("command", ()))),
                    entrypoint=tuple(described.get("entryPoint", ())),
                    environment=self._environment(described, override),
                    log=self._log(task, container),
                    address=task.address,
                    mounts=self._mounts(task, definition, described),
                )
            )
        task.status, task.pull_started = "PENDING", now
        self._keep(task, now)

    def _environment(self, described: Document, override: Document) -> Mapping[str, str]:
        given = [*described.get("environment", []), *override.get("environment", [])]
        platform = {"AWS_REGION": self.world.region, "AWS_DEFAULT_REGION": self.world.region}
        return platform | {"AWS_EXECUTION_ENV": "AWS_ECS_FARGATE"} | {each["name"]: each["value"] for each in given}

    def _mounts(self, task: Task, definition: TaskDefinition, described: Document) -> Mapping[str, Path]:
        """The task's own folders, for volumes that are nothing but a name."""
        folders: dict[str, Path] = {}
        for volume in definition.document.get("volumes", []):
            folder = self.folder(task) / "volumes" / hashlib.sha256(volume["name"].encode()).hexdigest()[:16]
            folder.mkdir(parents=True, exist_ok=True)
            folders[volume["name"]] = folder
        return {each["containerPath"]: folders[each["sourceVolume"]] for each in described.get("mountPoints", [])}

    def folder(self, task: Task) -> Path:
        return self.world.folder / "ecs" / task.id

    def _log(self, task: Task, container: Container) -> Path:
        folder = self.folder(task)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder / f"{container.name}.log"

    def _free_address(self, id: str) -> str:
        taken = {each.address for each in self.book.tasks if each.status != "STOPPED"}
        start = int(id[:12], 16)
        addresses = (str(ADDRESSES[1 + (start + step) % (ADDRESSES.num_addresses - 2)]) for step in range(len(taken) + 1))
        return next(address for address in addresses if address not in taken)

    # Watching

    def observe(self, task: Task, now: datetime) -> None:
        """Look at a task's units and its targets, and move it on."""
        before = (task.status, task.desired, task.killed, [(each.started, each.ended) for each in task.containers])
        for container in task.containers:
            self._look(container, now)
            self._tail(task, container, now, last=container.ended)
        if task.desired == "RUNNING":
            self._run(task, now)
        if task.desired == "STOPPED":
            self._wind_up(task, now)
        if before != (task.status, task.desired, task.killed, [(each.started, each.ended) for each in task.containers]):
            self._keep(task, now)

    def _keep(self, task: Task, now: datetime) -> None:
        """Keep a task, and say what of it has changed. Said first: a crash repeats an event, and loses none."""
        heard, told = self._told.get(task.id), story(task)
        if heard != told:
            task.version += heard is not None
            definition = self.book.definitions.get(task.definition.rsplit("/", 1)[1])
            assert definition is not None  # one in use stays describable
            self.world.signals.emit("aws.ecs", *task_changed(task, definition, now), now)
            self._told[task.id] = told
        self.book.tasks.put(task)

    def _look(self, container: Container, now: datetime) -> None:
        if container.ended:
            return
        state = self.world.executor.state(container.unit)
        if isinstance(state, Running):
            container.started = container.started or now  # as this cloud counts time: the process does not
        elif isinstance(state, Exited):
            container.ended, container.exit_code = True, state.code
            container.reason = state.because
        elif state is None:
            container.ended, container.reason = True, "The process was lost with the local cloud that ran it"
        else:
            assert isinstance(state, Preparing)

    def _run(self, task: Task, now: datetime) -> None:
        if dead := next((each for each in task.containers if each.ended and each.essential), None):
            if dead.exit_code == 125 and dead.reason:
                said = dead.reason if dead.reason.startswith("Cannot") else f"CannotStartContainerError: {dead.reason}"
                self.halt(task, "TaskFailedToStart", said, now)
            else:
                self.halt(task, "EssentialContainerExited", EXITED, now)
            return
        if task.status == "RUNNING":
            return
        running = [each for each in task.containers if not each.ended]
        if all(each.started is not None for each in running):
            task.pull_stopped = task.pull_stopped or now
            if all(each.started and (now - each.started).total_seconds() >= SETTLE_S for each in running):
                task.status, task.started = "RUNNING", now
                self._enrol(task)

    def _enrol(self, task: Task) -> None:
        balancing: Any = self.world.overlays.get("elbv2")
        for group, port in task.targets:
            if balancing.attached(group) is not None:
                balancing.enrol(group, task.address, port)
        task.enrolled = bool(task.targets)

    def seen(self, task: Task, service: Service, now: datetime) -> Seen:
        """A task with the health that its service acts on."""
        if task.status != "RUNNING" or not task.live:
            return Seen(task, healthy=False)
        balancing: Any = self.world.overlays.get("elbv2")
        grace_s = service.settings.get("healthCheckGracePeriodSeconds", 0)
        over = task.started is not None and (now - task.started).total_seconds() >= grace_s
        healthy, sick = True, ""
        for group, port in task.targets:
            state = balancing.health_of(group, task.address, port)["State"]
            healthy = healthy and state == "healthy"
            if state == "unhealthy" and over:
                sick = SICK.format(group=group)
        return Seen(task, healthy, sick)

    def under_way(self, task: Task) -> str:
        """What real thing is being waited for, in words; "" for a task that runs, drains or is over."""
        if task.status in ("PROVISIONING", "PENDING", "ACTIVATING"):
            return f"task {task.id} is starting"
        if task.status == "STOPPING":
            return f"task {task.id} is stopping"
        if task.status == "RUNNING" and task.live and task.enrolled:
            balancing: Any = self.world.overlay("elbv2")
            states = [balancing.health_of(group, task.address, port)["State"] for group, port in task.targets]
            return f"task {task.id} awaits its first health check" if "initial" in states else ""
        return ""

    # Stopping

    def halt(self, task: Task, code: str, reason: str, now: datetime) -> None:
        """Begin to stop a task: out of rotation first, then SIGTERM, then SIGKILL. Repeats change nothing."""
        if task.desired == "STOPPED":
            return
        task.desired, task.stop_code, task.stop_reason, task.stopping = "STOPPED", code, reason, now
        if task.enrolled:
            balancing: Any = self.world.overlay("elbv2")
            for group, port in task.targets:
                balancing.withdraw(group, task.address, port)
            task.status = "DEACTIVATING"
        self._keep(task, now)
        self.world.wake.set()

    def _wind_up(self, task: Task, now: datetime) -> None:
        ended = all(each.ended for each in task.containers)
        if not ended and not task.killed and self._drained(task):
            for container in task.containers:
                if not container.ended:
                    timeout_s = self._described(task, container).get("stopTimeout", STOP_TIMEOUT_S)
                    self.world.executor.stop(container.unit, float(timeout_s))
            task.killed, task.status = True, "STOPPING"
        if ended:
            task.status, task.stopped, task.executed = "STOPPED", now, task.executed or now
            for container in task.containers:
                self._tails.pop(container.unit, None)
                self.world.executor.forget(container.unit)

    def _drained(self, task: Task) -> bool:
        # When a container has died by itself there is nothing to wait for: its target is gone.
        if not task.enrolled or any(each.ended and each.essential for each in task.containers):
            return True
        balancing: Any = self.world.overlay("elbv2")
        return all(balancing.drained(group, task.address, port) for group, port in task.targets)

    def prune(self, now: datetime) -> None:
        """Forget tasks that stopped long ago, with their files."""
        for task in self.book.tasks:
            if task.stopped is not None and now - task.stopped > KEEP_STOPPED:
                shutil.rmtree(self.folder(task), ignore_errors=True)
                self.book.tasks.drop(task.id)
                self._told.pop(task.id, None)

    def _described(self, task: Task, container: Container) -> Document:
        """A container's definition."""
        definition = self.book.definitions.get(task.definition.rsplit("/", 1)[1])
        empty: Document = {}
        return (
            next((each for each in definition.containers if each["name"] == container.name), empty) if definition else empty
        )

    # Logs

    def _tail(self, task: Task, container: Container, now: datetime, last: bool) -> None:
        tail = self._tails.get(container.unit)
        if tail is None:
            options = awslogs(self._described(task, container))
            if options is None:
                return
            stream = f"{options['awslogs-stream-prefix']}/{container.name}/{task.id}"
            tail = self._tails[container.unit] = Tail(self._log(task, container), options["awslogs-group"], stream)
        tail.pump(self.world.logs, now, last)


def awslogs(container: Document) -> Mapping[str, str] | None:
    """Options of a container's awslogs driver, None when it has another driver or none."""
    configuration = container.get("logConfiguration", {})
    return configuration.get("options", {}) if configuration.get("logDriver") == "awslogs" else None


def attached(network: Document, address: str, id: str) -> list[Document]:
    """The task's network interface, as DescribeTasks answers it."""
    subnets = network.get("awsvpcConfiguration", {}).get("subnets", [])
    digits = hashlib.sha256(id.encode()).hexdigest()
    details = {
        "subnetId": subnets[int(digits[:4], 16) % len(subnets)] if subnets else "",
        "networkInterfaceId": f"eni-{digits[:17]}",
        "macAddress": "02:" + ":".join(digits[20 + 2 * step : 22 + 2 * step] for step in range(5)),
        "privateDnsName": f"ip-{address.replace('.', '-')}.ec2.internal",
        "privateIPv4Address": address,
    }
    return [
        {
            "id": str(uuid.UUID(digits[:32])),
            "type": "ElasticNetworkInterface",
            "details": [{"name": name, "value": value} for name, value in details.items() if value],
        }
    ]
