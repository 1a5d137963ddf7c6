"""What is in rotation behind many services is read cluster by cluster."""

from collections.abc import Mapping
from typing import Any

import pytest

from trimtab.core.kind import Failure, Unknown
from trimtab.resources.ecs_rotation import Place, Rotation, Task, rotation, rotations
from unit.resources.support import drive

PLACES = [Place("main", f"s{number}", f"arn:tg:{number}", "model") for number in range(100)]


def answers(**other: Any) -> Mapping[str, Any]:
    """Two tasks of each service, both healthy."""
    return {
        "DescribeTargetHealth": lambda given: {
            "TargetHealthDescriptions": [
                {
                    "Target": {"Id": f"10.0.{given['TargetGroupArn'].rpartition(':')[2]}.{host}"},
                    "TargetHealth": {"State": is_},
                }
                for host, is_ in ((1, "healthy"), (2, "healthy"), (3, "draining"))
            ]
        },
        "ListTasks": {"taskArns": [f"arn:task/{number}/{host}" for number in range(100) for host in (1, 2)]},
        "DescribeTasks": lambda given: {"tasks": [task(arn) for arn in given["tasks"]]},
    } | other


def task(arn: str) -> dict[str, Any]:
    _, number, host = arn.split("/")
    return {
        "taskArn": arn,
        "group": f"service:s{number}",
        "taskDefinitionArn": f"arn:def:{number}",
        "attachments": [{"details": [{"name": "privateIPv4Address", "value": f"10.0.{number}.{host}"}]}],
        "containers": [{"name": "sidecar"}, {"name": "model", "imageDigest": f"sha256:{number}"}],
    }


def test_many_are_read_with_one_list_and_a_describe_for_each_hundred_tasks():
    calls, found = drive(rotations(PLACES), answers())
    assert [call.operation for call in calls if call.service == "ecs"] == ["ListTasks", "DescribeTasks", "DescribeTasks"]
    assert sum(call.operation == "DescribeTargetHealth" for call in calls) == 100
    tasks = {f"10.0.7.{host}": Task(f"10.0.7.{host}", "arn:def:7", "sha256:7") for host in (1, 2)}
    assert found[7] == Rotation(("10.0.7.1", "10.0.7.2"), tasks)


def test_one_is_read_the_same_way():
    one = {"ListTasks": {"taskArns": ["arn:task/7/1", "arn:task/7/2"]}}
    _, found = drive(rotation(PLACES[7]), answers(**one))
    assert found == drive(rotations(PLACES), answers())[1][7]


@pytest.mark.parametrize(
    ("operation", "unread"),
    [
        pytest.param("ListTasks", 100, id="no task of the cluster"),
        pytest.param("DescribeTasks", 100, id="not all tasks of the cluster"),
        pytest.param("DescribeTargetHealth", 100, id="no target"),
    ],
)
def test_what_cannot_be_read_is_unknown(operation, unread):
    _, found = drive(rotations(PLACES), answers(**{operation: Failure("denied", "no")}))
    assert sum(isinstance(each, Unknown) for each in found) == unread


def test_targets_of_one_that_cannot_be_read_leave_the_others_known():
    health = answers()["DescribeTargetHealth"]
    refused = Failure("throttled", "slow down")
    some = {"DescribeTargetHealth": lambda given: refused if given["TargetGroupArn"] == "arn:tg:3" else health(given)}
    _, found = drive(rotations(PLACES), answers(**some))
    assert [number for number, each in enumerate(found) if isinstance(each, Unknown)] == [3]
    assert found[3].meaning == "throttled"
