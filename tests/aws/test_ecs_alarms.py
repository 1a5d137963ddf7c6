"""Deployment alarms of services that really run: what goes off rolls back, what stays OK lets it finish after the bake.

Source: Amazon ECS Developer Guide, "How CloudWatch alarms detect Amazon ECS deployment failures".
"""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ecs_world import MiniCloud, Network, eventually, network

from .test_ecs_services import Line

PERIOD_S = 60


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniCloud]:
    made = MiniCloud(tmp_path_factory.mktemp("cloud"))
    for version in "12":
        made.server(f"web:{version}", f"v{version}")
    yield made
    made.close()


@pytest.fixture(scope="module")
def place(cloud: MiniCloud) -> Network:
    return network(cloud)


class Watched(Line):
    """A service whose deployments are watched by an alarm of its own, with what it has rolled out by now."""

    def __init__(self, cloud: MiniCloud, place: Network) -> None:
        self.watch: Any = cloud.client("cloudwatch")
        super().__init__(cloud, place, desired=1)
        self.alarm = f"{self.name}-errors"
        self.watch.put_metric_alarm(
            AlarmName=self.alarm, Namespace="test", MetricName=self.name, Statistic="Sum", Period=PERIOD_S,
            EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold", TreatMissingData="ignore",
        )  # fmt: skip
        self.stable()
        alarms = {"alarmNames": [self.alarm], "enable": True, "rollback": True}
        shown = self.update(deploymentConfiguration={"alarms": alarms})
        assert shown["deploymentConfiguration"]["alarms"] == alarms
        assert len(shown["deployments"]) == 1  # it rolls nothing out

    def rings(self, state: str) -> None:
        self.watch.set_alarm_state(AlarmName=self.alarm, StateValue=state, StateReason="a test says so")

    def rollout(self) -> dict[str, Any]:
        newest = self.ecs.list_service_deployments(cluster="main", service=self.name)["serviceDeployments"][0]
        arns = [newest["serviceDeploymentArn"]]
        return self.ecs.describe_service_deployments(serviceDeploymentArns=arns)["serviceDeployments"][0]

    def baking(self) -> None:
        """Wait until the newest deployment alone runs, and is watched a while longer."""
        eventually(lambda: [each["startedBy"] for each in self.tasks()] == [self.service()["deployments"][0]["id"]])
        eventually(lambda: self.cloud.world.overlay("ecs").book.services.get(f"main/{self.name}").primary.baked_at)


def test_an_alarm_that_stays_ok_lets_a_deployment_finish_after_its_bake(cloud: MiniCloud, place: Network) -> None:
    line = Watched(cloud, place)
    line.update(taskDefinition=line.definition("web:2"))
    line.baking()
    shown = line.service()
    assert [each["rolloutState"] for each in shown["deployments"]] == ["IN_PROGRESS", "COMPLETED"]
    assert line.rollout()["alarms"] == {"status": "MONITORING", "alarmNames": [line.alarm], "triggeredAlarmNames": []}
    cloud.cloud.advance(PERIOD_S / 2)
    assert line.service()["deployments"][0]["rolloutState"] == "IN_PROGRESS"
    cloud.cloud.advance(PERIOD_S)
    line.stable()
    assert line.rollout()["alarms"]["status"] == "MONITORING_COMPLETE"
    line.rings("ALARM")  # it is over: nothing happens any more
    cloud.cloud.advance(PERIOD_S)
    assert line.service()["deployments"][0]["rolloutState"] == "COMPLETED"
    line.delete()


@pytest.mark.parametrize("moment", ["taking over", "baking"])
def test_an_alarm_that_goes_off_rolls_back_and_says_so(cloud: MiniCloud, place: Network, moment: str) -> None:
    line = Watched(cloud, place)
    first = line.service()["taskDefinition"]
    line.update(taskDefinition=line.definition("web:2"))
    if moment == "baking":
        line.baking()
    line.rings("ALARM")
    eventually(lambda: line.says("deployment failed: alarm detected."))
    assert line.says("rolling back to deployment")
    shown = line.stable()
    assert (shown["taskDefinition"], len(shown["deployments"])) == (first, 1)
    rollout = line.rollout()
    assert (rollout["status"], rollout["alarms"]["status"]) == ("ROLLBACK_SUCCESSFUL", "TRIGGERED")
    assert rollout["alarms"]["triggeredAlarmNames"] == [line.alarm]
    assert rollout["deploymentCircuitBreaker"]["status"] != "TRIGGERED"
    assert "alarm" in rollout["statusReason"]
    line.delete()


def test_an_alarm_that_was_off_when_a_deployment_began_does_not_hold_up_what_may_mend_it(
    cloud: MiniCloud, place: Network
) -> None:
    """Source: AWS Copilot documentation, `rollback_alarms`: in alarm at the beginning, ECS monitors none of them."""
    line = Watched(cloud, place)
    line.rings("ALARM")
    second = line.definition("web:2")
    line.update(taskDefinition=second)
    assert line.rollout()["alarms"]["status"] == "DISABLED"
    assert line.stable()["taskDefinition"] == second
    line.delete()


def test_alarms_without_a_name_are_refused(cloud: MiniCloud, place: Network) -> None:
    with pytest.raises(ClientError, match="alarmNames is empty"):
        Line(
            cloud, place, desired=0,
            deploymentConfiguration={"alarms": {"alarmNames": [], "enable": True, "rollback": True}},
        )  # fmt: skip
