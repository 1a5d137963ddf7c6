"""The last words of a release are those of a task that died, not of one that the service stopped when it gave up."""

from datetime import UTC, datetime
from typing import Any

import pytest

from trimtab.resources.ecs_last_words import last_words
from unit.resources.support import drive


def task(number: int, code: str, reason: str, exit_code: int) -> dict[str, Any]:
    return {
        "taskArn": f"arn:aws:ecs:eu-west-1:123456789012:task/c/{number}",
        "createdAt": datetime(2026, 1, 1, 0, number, tzinfo=UTC),
        "stopCode": code,
        "stoppedReason": reason,
        "containers": [{"name": "model", "exitCode": exit_code}],
    }


DIED = task(1, "EssentialContainerExited", "Essential container in task exited", 1)
DIED_AGAIN = task(2, "EssentialContainerExited", "Essential container in task exited", 3)
SCALED = task(5, "ServiceSchedulerInitiated", "Scaling activity", 143)


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        ([SCALED, DIED], "Essential container in task exited; exit code 1; it wrote last: of 1"),
        ([DIED, DIED_AGAIN, SCALED], "Essential container in task exited; exit code 3; it wrote last: of 2"),
        ([SCALED], "Scaling activity; exit code 143; it wrote last: of 5"),
        ([], ""),
    ],
)
def test_a_task_that_died_by_itself_tells_most(tasks, said):
    def lines(asked: Any) -> dict[str, Any]:
        return {"events": [{"timestamp": 1, "message": f"of {asked['logStreamName'].rpartition('/')[2]}\n"}]}

    answers = {
        "ListTasks": {"taskArns": [each["taskArn"] for each in tasks]},
        "DescribeTasks": {"tasks": tasks},
        "GetLogEvents": lines,
    }
    assert drive(last_words("c", "family", "/logs", "serving", "model"), answers)[1] == said
