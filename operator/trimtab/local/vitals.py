"""What this cloud measures of itself, published to CloudWatch once a minute: tasks from /proc, load balancers from requests.

A service's CPUUtilization and MemoryUtilization are one value a task and minute, of what its task definition reserves; as
nothing is enforced here, they may exceed 100. A measurement takes a second of real time: the minutes of a time that was
skipped get the last one. Metrics of load balancers are published without AvailabilityZone: loopback has none.
Source: Amazon ECS Developer Guide, "Amazon ECS service utilization metrics"; Elastic Load Balancing User Guide, "CloudWatch
metrics for your Application Load Balancer" (dimensions, and when each is reported).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.local.cloudwatch_series import Bucket, Metric
from trimtab.local.ecs_records import Task
from trimtab.local.elbv2_tally import Counts
from trimtab.local.overlay import Running, World
from trimtab.local.usage import Usage, usage_of

Publish = Callable[[Metric, str, Bucket], None]
_LEAST_S = 1.0  # of real time between two looks at a task: the kernel counts in hundredths
_MIB = 2**20


@dataclass(slots=True)
class Measured:
    """The last measurement of a task, and what its CPU use came to."""

    at_s: float  # monotonic
    usage: Usage
    cpus: float | None = None  # in use on average between the last two; None before there are two


class Vitals:
    def __init__(self, world: World, publish: Publish) -> None:
        self._world, self._publish = world, publish
        self._tasks: dict[str, Measured] = {}  # by id

    def publish(self, at: int) -> None:
        """Publish what was measured in the minute that began at a Unix time."""
        if ecs := self._world.overlays.get("ecs"):
            self._of_services(ecs, at)
        if balancing := self._world.overlays.get("elbv2"):
            self._of_balancers(balancing, at)

    # Tasks

    def _of_services(self, ecs: Any, at: int) -> None:
        running: list[Task] = [each for each in ecs.book.tasks if each.status == "RUNNING" and each.service]
        self._measure(running)
        by_service: dict[str, list[Task]] = {}
        for task in running:
            by_service.setdefault(task.service, []).append(task)
        for key, tasks in by_service.items():
            names = tuple(zip(("ClusterName", "ServiceName"), key.split("/"), strict=True))
            cpu, memory = Bucket(at), Bucket(at)
            for task in tasks:
                self._add(ecs, task, cpu, memory)
            for name, bucket in (("CPUUtilization", cpu), ("MemoryUtilization", memory)):
                if bucket.count:
                    self._publish(Metric("AWS/ECS", name, names), "Percent", bucket)

    def _measure(self, tasks: Sequence[Task]) -> None:
        pids: dict[str, int] = {}
        for task in tasks:
            for container in task.containers:
                if isinstance(state := self._world.executor.state(container.unit), Running):
                    pids[container.unit] = state.pid
        now, found = time.monotonic(), usage_of(pids)
        before, self._tasks = self._tasks, {}
        for task in tasks:
            parts = [found[each.unit] for each in task.containers if each.unit in found]
            if parts:
                usage = Usage(sum(each.cpu_s for each in parts), sum(each.memory_bytes for each in parts))
                self._tasks[task.id] = _measured(before.get(task.id), usage, now)

    def _add(self, ecs: Any, task: Task, cpu: Bucket, memory: Bucket) -> None:
        definition, measured = ecs.definition(task.definition), self._tasks.get(task.id)
        if definition is None or measured is None:
            return
        if measured.cpus is not None:
            cpu.add(100 * measured.cpus / (int(definition.document["cpu"]) / 1024))
        memory.add(100 * measured.usage.memory_bytes / (int(definition.document["memory"]) * _MIB))

    # Load balancers

    def _of_balancers(self, balancing: Any, at: int) -> None:
        for (balancer, group), counts in balancing.balancer.tally.take(at).items():
            self._of_requests(balancer, group, counts, at)
        for group in balancing.book.groups:
            for balancer in balancing.book.balancers_of(group.arn):
                self._of_targets(balancing, balancer, group.arn, at)

    def _of_requests(self, balancer: str, group: str, counts: Counts, at: int) -> None:
        both = _dimensions(balancer, group) if group else None
        for name, bucket, unit in counts.published():
            places = (_dimensions(balancer), both) if both and "_ELB_" not in name else (_dimensions(balancer),)
            for dimensions in places:
                self._publish(Metric("AWS/ApplicationELB", name, dimensions), unit, bucket)

    def _of_targets(self, balancing: Any, balancer: str, group: str, at: int) -> None:
        states = balancing.pool(group).states()
        if not states:
            return
        healthy, both = states.count("healthy"), _dimensions(balancer, group)
        for name, count in (("HealthyHostCount", healthy), ("UnHealthyHostCount", states.count("unhealthy"))):
            self._publish(Metric("AWS/ApplicationELB", name, both), "Count", _one(at, count))
        requests = balancing.balancer.tally.last(balancer, group)
        each = requests / (healthy or len(states))  # none healthy: requests go to all
        for dimensions in (both, _dimensions("", group)):
            self._publish(Metric("AWS/ApplicationELB", "RequestCountPerTarget", dimensions), "None", _one(at, each))


def _measured(before: Measured | None, usage: Usage, now: float) -> Measured:
    if before is None:
        return Measured(now, usage)
    gone = now - before.at_s
    if gone < _LEAST_S:
        return Measured(before.at_s, Usage(before.usage.cpu_s, usage.memory_bytes), before.cpus)
    return Measured(now, usage, max(usage.cpu_s - before.usage.cpu_s, 0.0) / gone)


def _one(at: int, value: float) -> Bucket:
    bucket = Bucket(at)
    bucket.add(float(value))
    return bucket


def _dimensions(balancer: str, group: str = "") -> tuple[tuple[str, str], ...]:
    """As CloudWatch names them: the ends of the ARNs."""
    names = {"LoadBalancer": balancer.partition(":loadbalancer/")[2], "TargetGroup": group.rpartition(":")[2]}
    return tuple((name, value) for name, value in names.items() if value)
