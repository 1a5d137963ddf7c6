"""ECS of the local cloud: Fargate services that keep real server processes running.

The records are in ecs_records, what a service needs next in ecs_decide, and the operations in ecs_clusters, ecs_definitions,
ecs_services, ecs_running and ecs_rollouts. A task is a unit of the executor with a loopback address of its own. Not enforced
in process mode, though kept and answered: readonlyRootFilesystem, user, cpu and memory limits, container health checks.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from trimtab.local.ecs_base import last_part, tags_in
from trimtab.local.ecs_clusters import Clusters
from trimtab.local.ecs_definitions import Definitions
from trimtab.local.ecs_records import Cluster, Service, Tags, Task, TaskDefinition
from trimtab.local.ecs_rollouts import Rollouts
from trimtab.local.ecs_running import Running
from trimtab.local.ecs_shown import shown_tags
from trimtab.local.overlay import Arguments, Context, Exited, Reply, ServiceError

KEEP_INACTIVE = timedelta(hours=1)  # how long a deleted service stays describable
PRUNE_EVERY = timedelta(minutes=1)


class Ecs(Clusters, Definitions, Running, Rollouts):
    service = "ecs"
    whole = True
    _prune_at = datetime.min.replace(tzinfo=UTC)

    def tick(self, now: datetime) -> None:
        self.controller.tick(now)
        if now >= self._prune_at:
            self._prune_at = now + PRUNE_EVERY
            self.tasks.prune(now)
            for service in self.book.services:
                if service.closed is not None and now - service.closed > KEEP_INACTIVE:
                    self.book.services.drop(service.key)

    def pending(self) -> str:
        """A task whose processes start or stop, or whose targets were not asked yet whether they are healthy."""
        return next((because for task in self.book.tasks if (because := self.tasks.under_way(task))), "")

    def recover(self) -> Sequence[str]:
        """Adopt the tasks whose processes live; the others are replaced by their services. Answers what was lost."""
        lost: list[str] = []
        for task in self.book.tasks:
            if task.status == "STOPPED":
                continue
            states = [self.world.executor.state(each.unit) for each in task.containers if not each.ended]
            gone = any(state is None or (isinstance(state, Exited) and state.because) for state in states)
            if gone and task.live:
                heir = "its service starts another" if task.service else "nothing replaces it"
                lost.append(f"Task {task.id} ({task.group}) was lost with its process: {heir}.")
        return lost

    # Tags

    def tag_resource(self, arguments: Arguments, context: Context) -> Reply:
        record = self._tagged(arguments["resourceArn"])
        record.tags |= tags_in(arguments, record.tags)
        self._keep(record)
        return {}

    def untag_resource(self, arguments: Arguments, context: Context) -> Reply:
        record = self._tagged(arguments["resourceArn"])
        for key in arguments["tagKeys"]:
            record.tags.pop(key, None)
        self._keep(record)
        return {}

    def tagged(self) -> Iterator[tuple[str, Tags]]:
        """(ARN, tags) of what is not deleted; a task definition is until it is, INACTIVE or not."""
        yield from ((each.arn, each.tags) for each in self.book.clusters if each.status != "INACTIVE")
        yield from ((each.arn, each.tags) for each in self.book.services if each.status != "INACTIVE")
        yield from ((each.arn, each.tags) for each in self.book.definitions)
        yield from ((each.arn, each.tags) for each in self.book.tasks if each.status != "STOPPED")

    def list_tags_for_resource(self, arguments: Arguments, context: Context) -> Reply:
        return {"tags": shown_tags(self._tagged(arguments["resourceArn"]).tags)}

    def _tagged(self, arn: str) -> "Cluster | TaskDefinition | Service | Task":
        kind, _, path = arn.split(":", 5)[-1].partition("/")
        found = None
        if kind == "cluster":
            found = self.book.clusters.get(path)
        elif kind == "task-definition":
            found = self.book.definitions.get(path)
        elif kind == "service":
            found = self.book.services.get(path)
        elif kind == "task":
            found = self.book.tasks.get(last_part(arn))
        if found is None:
            raise ServiceError("InvalidParameterException", f"The specified resource {arn} was not found.")
        return found

    def _keep(self, record: "Cluster | TaskDefinition | Service | Task") -> None:
        if isinstance(record, Cluster):
            self.book.clusters.put(record)
        elif isinstance(record, TaskDefinition):
            self.book.definitions.put(record)
        elif isinstance(record, Service):
            self.book.services.put(record)
        else:
            self.book.tasks.put(record)
