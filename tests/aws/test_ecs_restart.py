"""After the gateway's death and a new start: what ran is adopted, what was lost is said and replaced."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from ecs_world import MiniCloud, Network, eventually, network

from .test_ecs_services import Line
from .test_elbv2 import Maker, fixed, forward, health

pytestmark = pytest.mark.slow


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[MiniCloud]:
    made = MiniCloud(tmp_path)
    for version in "12":
        made.server(f"web:{version}", f"v{version}")
    yield made
    made.close()


@pytest.fixture
def place(cloud: MiniCloud) -> Network:
    return network(cloud)


def answer(line: Line) -> str:
    with urlopen(f"http://{line.host}:{line.port}/", timeout=5) as response:
        return response.read().decode()


def test_running_tasks_are_adopted_and_go_on_serving(cloud: MiniCloud, place: Network) -> None:
    line = Line(cloud, place)
    line.stable()
    before = line.tasks()
    pids = [cloud.executor.pid(each["taskArn"]) for each in before]
    assert cloud.restart() == []
    eventually(lambda: {each["State"] for each in states(line)} == {"healthy"})
    assert answer(line) == "v1"
    assert line.tasks() == before
    assert [cloud.executor.pid(each["taskArn"]) for each in line.tasks()] == pids
    line.update(taskDefinition=line.definition("web:2"))
    line.stable()
    assert answer(line) == "v2"
    line.delete()


def test_a_task_that_died_meanwhile_is_replaced(cloud: MiniCloud, place: Network) -> None:
    line = Line(cloud, place)
    line.stable()
    victim = line.tasks()[0]["taskArn"]

    def lose() -> None:
        """The process dies, and the executor knows nothing of it any more."""
        os.kill(cloud.executor.pid(victim), signal.SIGKILL)
        unit = next(unit for unit in cloud.executor.running if victim.rsplit("/", 1)[1] in unit)
        cloud.executor.running.pop(unit)[0].wait()

    lost = cloud.restart(meanwhile=lose)
    assert len(lost) == 1
    assert "its service starts another" in lost[0]
    line.stable()
    eventually(lambda: victim not in {each["taskArn"] for each in line.tasks()})
    assert line.stable()["runningCount"] == 2
    line.delete()


def test_a_rollout_goes_on_where_it_was(cloud: MiniCloud, place: Network) -> None:
    line = Line(cloud, place)
    line.stable()
    arn = line.definition("web:2")
    line.update(taskDefinition=arn)
    assert cloud.restart() == []
    service = line.stable()
    assert (service["taskDefinition"], service["runningCount"]) == (arn, 2)
    assert answer(line) == "v2"
    line.delete()


def states(line: Line) -> list[dict[str, Any]]:
    found = line.elb.describe_target_health(TargetGroupArn=line.group)["TargetHealthDescriptions"]
    return [each["TargetHealth"] for each in found]


def test_load_balancing_records_are_the_same_and_listeners_answer(cloud: MiniCloud, place: Network) -> None:
    elb = cloud.client("elbv2")
    make = Maker(elb, place)
    group = make.group()
    listener = make.listener(actions=forward(group))
    make.rule(listener["ListenerArn"], 1, "/fixed", fixed("still here"))
    elb.register_targets(TargetGroupArn=group, Targets=[{"Id": "127.34.0.3"}])
    before = picture(elb)
    assert cloud.restart() == []
    assert picture(elb) == before
    assert set(health(elb, group)) == {("127.34.0.3", 8080)}
    host, port = cloud.world.overlay("elbv2").route(listener["ListenerArn"])
    with urlopen(f"http://{host}:{port}/fixed", timeout=5) as response:
        assert response.read() == b"still here"


def picture(elb: Any) -> list[Any]:
    eventually(lambda: all(each["State"]["Code"] == "active" for each in elb.describe_load_balancers()["LoadBalancers"]))
    balancers = elb.describe_load_balancers()["LoadBalancers"]
    arns = [each["LoadBalancerArn"] for each in balancers]
    listeners = [each for arn in arns for each in elb.describe_listeners(LoadBalancerArn=arn)["Listeners"]]
    rules = [elb.describe_rules(ListenerArn=each["ListenerArn"])["Rules"] for each in listeners]
    return [balancers, elb.describe_target_groups()["TargetGroups"], listeners, rules]
