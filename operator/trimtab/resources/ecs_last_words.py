"""Why the tasks of a release died: what ECS says of the one that tells most, and the last lines that it wrote.

Read once, when a release is given up: ECS forgets stopped tasks within the hour.
Source: Amazon ECS API, ListTasks and DescribeTasks; CloudWatch Logs API, GetLogEvents; the awslogs driver's stream names
"<prefix>/<container>/<task id>".
"""

from collections.abc import Mapping, Sequence
from typing import Any

from trimtab.core.kind import Call, Failure, Right, Steps
from trimtab.resources.shared import allow, chunks

LINES = 5
_BY_ITSELF = ("EssentialContainerExited", "TaskFailedToStart")  # with several replicas the service stops healthy ones too
_LONGEST = 240  # characters of a line: a status is read by people
RIGHTS: tuple[Right, ...] = allow("*", "ecs:ListTasks", "ecs:DescribeTasks") + allow(
    "arn:{partition}:logs:{region}:{account}:log-group:/trimtab/*", "logs:GetLogEvents"
)


def last_words(cluster: str, family: str, log_group: str, prefix: str, container: str) -> Steps[str]:
    """One text: the stop reason, the exit code, the last lines; "" where nothing is known. Never raises Failure."""
    try:
        task = yield from _stopped(cluster, family)
    except Failure:
        return ""
    if task is None:
        return ""
    said = [str(task.get("stoppedReason", ""))]
    said += [f"exit code {each['exitCode']}" for each in task.get("containers", ()) if each.get("exitCode")]
    stream = f"{prefix}/{container}/{task['taskArn'].rpartition('/')[2]}"
    lines = yield from _lines(log_group, stream)
    return "; ".join(each for each in said if each) + (f"; it wrote last: {' | '.join(lines)}" if lines else "")


def _stopped(cluster: str, family: str) -> Steps[Mapping[str, Any] | None]:
    listed = yield Call("ecs", "ListTasks", {"cluster": cluster, "family": family, "desiredStatus": "STOPPED"})
    tasks: list[Mapping[str, Any]] = []
    for arns in chunks(tuple(listed["taskArns"]), 100):
        described = yield Call("ecs", "DescribeTasks", {"cluster": cluster, "tasks": list(arns)})
        tasks += described["tasks"]
    return max(tasks, key=_tells, default=None)


def _tells(task: Mapping[str, Any]) -> tuple[bool, str]:
    """How much a task tells: one that ended by itself goes before one that the service stopped, then the newest."""
    return task.get("stopCode") in _BY_ITSELF, str(task.get("createdAt", ""))


def _lines(log_group: str, stream: str) -> Steps[Sequence[str]]:
    arguments = {"logGroupName": log_group, "logStreamName": stream, "limit": LINES, "startFromHead": False}
    try:
        reply = yield Call("logs", "GetLogEvents", arguments, pages="one")
    except Failure:
        return ()
    return tuple(str(each["message"]).strip()[:_LONGEST] for each in reply["events"])
