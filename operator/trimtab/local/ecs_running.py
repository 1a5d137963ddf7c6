"""Tasks as the API offers them: list, describe, run and stop."""

from trimtab.local.ecs_base import Base, bounded, last_part, listed, missing, page, tags_in, wants_tags
from trimtab.local.ecs_records import Document, Task
from trimtab.local.ecs_services import Services, invalid, placed
from trimtab.local.ecs_shown import shown_task
from trimtab.local.overlay import Arguments, Context, Reply, ServiceError

MOST_RUN = 10  # tasks of one RunTask


class Running(Services, Base):
    def list_tasks(self, arguments: Arguments, context: Context) -> Reply:
        cluster, desired = self.cluster(arguments), arguments.get("desiredStatus", "RUNNING")
        if "containerInstance" in arguments:
            raise invalid("The local cloud has no container instances.")
        chosen = [each for each in self.book.tasks if each.cluster == cluster.name and each.desired == desired]
        if "serviceName" in arguments:
            service = self.service_named(arguments, "serviceName")
            chosen = [each for each in chosen if each.service == service.key]
        if "family" in arguments:
            chosen = [each for each in chosen if last_part(each.definition).rsplit(":", 1)[0] == arguments["family"]]
        if "startedBy" in arguments:
            chosen = [each for each in chosen if each.started_by == arguments["startedBy"]]
        if arguments.get("launchType", "FARGATE") != "FARGATE":
            chosen = []
        return page(arguments, chosen, "taskArns", 100, lambda each: each.arn)

    def describe_tasks(self, arguments: Arguments, context: Context) -> Reply:
        cluster, names = self.cluster(arguments), listed(arguments, "tasks")
        if not names:
            raise invalid("Tasks cannot be empty.")
        bounded(names, 100, "Tasks")
        found = {name: self.book.tasks.get(last_part(name)) for name in names}
        here = {name: each for name, each in found.items() if each is not None and each.cluster == cluster.name}
        absent = [
            name if name.startswith("arn:") else self.arn(f"task/{cluster.name}/{name}")
            for name in names
            if name not in here
        ]
        return {
            "tasks": [self.shown_task(each, wants_tags(arguments)) for each in here.values()],
            "failures": [missing(arn) for arn in absent],
        }

    def run_task(self, arguments: Arguments, context: Context) -> Reply:
        cluster = self.cluster(arguments, active=True)
        definition = self.active_definition(arguments["taskDefinition"])
        count = arguments.get("count", 1)
        if not 1 <= count <= MOST_RUN:
            raise invalid(f"Count must be between 1 and {MOST_RUN}.")
        kept = ("launchType", "platformVersion", "enableExecuteCommand", "capacityProviderStrategy", "overrides")
        settings = placed({key: arguments[key] for key in kept if key in arguments}, cluster)
        network, tags = arguments.get("networkConfiguration", {}), tags_in(arguments)
        self._check_network(network)
        if (token := arguments.get("clientToken")) and (twins := self._of_token(cluster.name, token)):
            return {"tasks": [self.shown_task(each, True) for each in twins], "failures": []}
        if arguments.get("propagateTags") == "TASK_DEFINITION":
            tags = definition.tags | tags
        tasks = [
            self.tasks.create(
                definition,
                cluster.name,
                group=arguments.get("group", f"family:{definition.family}"),
                settings=settings | {"networkConfiguration": network, "clientToken": token},
                now=context.now,
                started_by=arguments.get("startedBy", ""),
                tags=tags,
            )
            for _ in range(count)
        ]
        self.world.wake.set()
        return {"tasks": [self.shown_task(each, True) for each in tasks], "failures": []}

    def _of_token(self, cluster: str, token: str) -> list[Task]:
        return [each for each in self.book.tasks if each.cluster == cluster and each.settings.get("clientToken") == token]

    def stop_task(self, arguments: Arguments, context: Context) -> Reply:
        task = self.task(arguments)
        if task.status != "STOPPED":
            reason = arguments.get("reason") or "Task stopped by user"
            self.tasks.halt(task, "UserInitiated", reason, context.now)
        return {"task": self.shown_task(task)}

    def shown_task(self, task: Task, tags: bool = False) -> Document:
        definition = self.definition(task.definition)
        if definition is None:
            raise ServiceError("ServerException", f"The task definition of {task.arn} is gone.", status=500)
        return shown_task(task, definition, tags)
