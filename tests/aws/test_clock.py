"""Time on a local cloud: waiting is skipped, what is real is waited for, and only signed callers move it."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from click.testing import CliRunner

from clouds import RunningCloud, running_cloud
from ecs_world import MiniCloud, eventually, network
from trimtab.cli.main import program
from trimtab.local.protocol import Request

from .test_ecs_services import Line

HOUR = timedelta(hours=1)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[MiniCloud]:
    made = MiniCloud(tmp_path)
    made.server("web:1", "v1")
    yield made
    made.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with running_cloud(tmp_path_factory.mktemp("clock") / "state") as made:
        yield made


def asked(cloud: MiniCloud, verb: str, body: Any = None, sign: bool = True) -> Any:
    key, url = cloud.cloud.settings.key, f"{cloud.cloud.settings.endpoint}/_trimtab/clock"
    data = b"" if body is None else json.dumps(body).encode()
    request = AWSRequest(verb, url, data=data, headers={"host": url.split("/")[2]})
    if sign:
        SigV4Auth(Credentials(key.id, key.secret), "trimtab", "us-east-1").add_auth(request)
    headers = {name.lower(): str(value) for name, value in request.headers.items()}
    return cloud.cloud.handle(Request(verb, "/_trimtab/clock", headers, data))


def test_a_deregistration_delay_goes_by_at_once(cloud: MiniCloud):
    """Source: Elastic Load Balancing, "Deregistration delay": an instance is draining until the delay is over."""
    line = Line(cloud, network(cloud), desired=1)
    eventually(lambda: line.service()["runningCount"] == 1)
    target = line.elb.describe_target_health(TargetGroupArn=line.group)["TargetHealthDescriptions"][0]["Target"]
    line.elb.deregister_targets(TargetGroupArn=line.group, Targets=[target])
    assert cloud.cloud.advance(29) == ""
    (left,) = line.elb.describe_target_health(TargetGroupArn=line.group)["TargetHealthDescriptions"]
    assert left["TargetHealth"]["State"] == "draining"
    assert cloud.cloud.advance(2) == ""
    assert line.elb.describe_target_health(TargetGroupArn=line.group)["TargetHealthDescriptions"] == []


def test_time_runs_on_the_wall_while_a_task_starts(cloud: MiniCloud):
    line = Line(cloud, network(cloud), desired=1)
    before = datetime.now(UTC)
    assert cloud.cloud.advance(HOUR.total_seconds()) == ""
    (task,) = line.tasks()
    assert task["lastStatus"] == "RUNNING"
    assert task["startedAt"] - before < HOUR  # it ran before the hour was skipped
    assert cloud.world.clock.now() - before >= HOUR
    assert task["createdAt"] <= task["pullStartedAt"] <= task["startedAt"]


def test_no_time_comes_twice_after_a_restart(cloud: MiniCloud):
    cloud.cloud.advance(7200)
    last = cloud.world.clock.now()
    cloud.restart()
    assert cloud.world.clock.now() >= last


def test_the_page_moves_time_for_signed_callers_alone(cloud: MiniCloud):
    before = cloud.world.clock.now()
    assert asked(cloud, "POST", {"advanceSeconds": 3600}, sign=False).status == 403
    assert cloud.world.clock.now() - before < HOUR
    answer = asked(cloud, "POST", {"advanceSeconds": 3600, "speed": 20})
    shown = json.loads(answer.body)
    assert (answer.status, shown["speed"], shown["leftSeconds"], shown["heldBy"]) == (200, 20, 0, "")
    assert datetime.fromisoformat(shown["now"]) - before >= HOUR


@pytest.mark.parametrize(
    "body", [{"speed": 0}, {"speed": 101}, {"advanceSeconds": -1}, {"advanceSeconds": "x"}, {"at": 1}, []]
)
def test_the_page_refuses_what_no_clock_does(cloud: MiniCloud, body: Any):
    answer = asked(cloud, "POST", body)
    assert (answer.status, json.loads(answer.body)["__type"]) == (400, "ValidationException")


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(program, arguments, catch_exceptions=False, standalone_mode=False)
    return done.return_value or 0, done.stdout


def test_commands_show_and_move_the_clock(running: RunningCloud, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TRIMTAB_LOCAL_STATE", str(running.folder))
    before = datetime.fromisoformat(json.loads(run("local", "clock", "-o", "json")[1])["now"])
    code, shown = run("local", "clock", "--advance", "1h30m", "--speed", "50", "-o", "json")
    moved = json.loads(shown)
    assert (code, moved["speed"]) == (0, 50)
    assert datetime.fromisoformat(moved["now"]) - before >= timedelta(hours=1.5)
    assert run("local", "clock", "--speed", "1")[1].rstrip().endswith("at 1x")
    with closing(HTTPConnection("127.0.0.1", running.ports[0])) as connection:  # signatures go by real time
        connection.request("GET", "/_trimtab/clock")
        assert connection.getresponse().status == 403
    assert running.client("ecs").list_clusters()["clusterArns"] == []
