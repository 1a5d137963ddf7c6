"""AWS's rates on a running cloud: what unmodified clients meet, what a person reads, and that the operator's calls fit."""

import contextlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from clouds import RunningCloud, running_cloud
from trimtab.cli.main import program
from trimtab.clients.aws import Account, Aws
from trimtab.clients.pace import Pace
from trimtab.core.kind import Call
from trimtab.local.commands import clock, down, throttle, up

DEFINITION = {
    "family": "f",
    "requiresCompatibilities": ["FARGATE"],
    "networkMode": "awsvpc",
    "containerDefinitions": [{"name": "web", "image": "web:1"}],
    "cpu": "256",
    "memory": "512",
}
COPIES = 18


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with running_cloud(tmp_path_factory.mktemp("throttle") / "state") as made:
        yield made


@pytest.fixture(autouse=True)
def full(cloud):
    throttle(cloud.folder, on=True)


def row(cloud: RunningCloud, name: str) -> dict[str, Any]:
    (found,) = [each for each in throttle(cloud.folder)["buckets"] if each["class"] == name]
    return found


def refused(call: Callable[[], Any]) -> str:
    """The code with which a client is refused in the end."""
    with contextlib.ExitStack() as stack:
        failed = stack.enter_context(pytest.raises(ClientError))
        for _ in range(60):
            call()
    return failed.value.response["Error"]["Code"]


@pytest.mark.parametrize(
    ("service", "method", "arguments", "code", "name"),
    [
        ("ecs", "register_task_definition", DEFINITION, "ThrottlingException", "ecs: definitions written"),
        ("sagemaker", "list_training_jobs", {}, "ThrottlingException", "sagemaker: jobs listed"),
        ("logs", "describe_log_groups", {}, "ThrottlingException", "logs: groups read"),
        ("cloudwatch", "describe_alarms", {}, "ThrottlingException", "cloudwatch: alarms read"),
        ("elbv2", "describe_target_groups", {}, "Throttling", "elbv2: all"),
        ("apigateway", "create_rest_api", {"name": "a"}, "TooManyRequestsException", "apigateway: apis made"),
    ],
)
def test_a_client_is_refused_in_the_services_own_words_and_the_journal_tells(cloud, service, method, arguments, code, name):
    client, since = cloud.client(service), len(cloud.journal())
    assert refused(lambda: getattr(client, method)(**arguments)) == code
    assert row(cloud, name)["throttled"] == 1
    assert cloud.journal()[since:][-1]["code"] == code


def test_what_the_cloud_asks_itself_takes_no_token(cloud):
    """A service registers its tasks with the target group, and reads its definition, by itself."""
    cloud.client("ecs").create_cluster(clusterName="own")
    clock(cloud.folder, advanceSeconds=60)  # ticks go by
    assert [each["class"] for each in throttle(cloud.folder)["buckets"]] == ["ecs: clusters written"]


def test_buckets_fill_by_the_clouds_clock(cloud):
    refused(lambda: cloud.client("apigateway").create_rest_api(name="a"))
    clock(cloud.folder, advanceSeconds=4)
    cloud.client("apigateway").create_rest_api(name="a")


def test_a_throttled_request_is_in_the_event_history(cloud):
    """Source: CloudTrail record contents, errorCode."""
    refused(lambda: cloud.client("ecs").register_task_definition(**DEFINITION))
    clock(cloud.folder, advanceSeconds=600)
    name = {"AttributeKey": "EventName", "AttributeValue": "RegisterTaskDefinition"}
    (newest, *_) = cloud.client("cloudtrail").lookup_events(LookupAttributes=[name])["Events"]
    assert json.loads(newest["CloudTrailEvent"])["errorCode"] == "ThrottlingException"


def test_the_operators_calls_are_never_refused(cloud):
    """Six threads ask as fast as they may; nobody else does."""
    info, pace = cloud.info, Pace(time.monotonic)
    aws = Aws(Account(info.region, info.endpoint, info.access_key_id, info.secret_access_key), pace=pace)

    def ask() -> None:
        for _ in range(COPIES // 6):
            aws.make(Call("logs", "DescribeLogGroups", {}, pages="one"))
            aws.make(Call("elbv2", "DescribeTargetGroups", {}, pages="one"))

    began, threads = time.monotonic(), [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asked = row(cloud, "logs: groups read")
    assert (asked["calls"], asked["throttled"], row(cloud, "elbv2: all")["throttled"]) == (COPIES, 0, 0)
    assert asked["lowest"] >= 5 / 2 - 1  # half of its burst, less what is on its way
    assert time.monotonic() - began >= (COPIES - 2.5) / 2.5 - 0.1


def test_a_person_turns_it_on_reads_it_and_turns_it_off(cloud):
    def say(*words: str) -> str:
        result = CliRunner().invoke(program, ["local", *words, "--state", str(cloud.folder)])
        assert result.exit_code == 0, result.output
        return result.output

    cloud.client("logs").describe_log_groups()
    table = say("throttle")
    assert table.splitlines()[0].split(maxsplit=3)[:3] == ["CLASS", "REGION", "BURST"]
    assert "logs: groups read" in table
    (shown,) = json.loads(say("throttle", "-o", "json"))["buckets"]
    assert (shown["class"], shown["burst"], shown["perSecond"], shown["calls"]) == ("logs: groups read", 5, 5, 1)
    say("up", "--no-throttle")
    assert "no rate is held" in say("throttle")
    for _ in range(20):
        cloud.client("logs").describe_log_groups()
    say("up", "--throttle")
    assert throttle(cloud.folder) == {"on": True, "buckets": []}


def test_it_is_off_by_default_and_a_restart_keeps_it(tmp_path):
    with running_cloud(tmp_path / "state") as cloud:
        assert throttle(cloud.folder) == {"on": False, "buckets": []}
        throttle(cloud.folder, on=True)
        down(cloud.folder)
        up(cloud.folder, *cloud.ports)
        assert throttle(cloud.folder)["on"]
