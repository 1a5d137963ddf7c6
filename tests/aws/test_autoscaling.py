"""Application Auto Scaling on the local cloud through unmodified boto3: services of real tasks are really scaled."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ecs_world import MiniCloud, Network, eventually, network
from heard import Ear
from trimtab.core.kind import Call
from unit.resources.support import faults_of_reply

from .test_ecs_services import Line

PLACE = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}
NONE = "service/main/none"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniCloud]:
    made = MiniCloud(tmp_path_factory.mktemp("cloud"))
    made.server("web:1", "v1")
    made.server("web:2", "v2")
    made.server("sick:1", "sick", ping=500)
    yield made
    made.close()


@pytest.fixture(scope="module")
def place(cloud: MiniCloud) -> Network:
    return network(cloud)


@pytest.fixture
def line(cloud: MiniCloud, place: Network) -> Iterator[Line]:
    made = Line(cloud, place, desired=1)
    eventually(lambda: made.service()["deployments"][0]["rolloutState"] == "COMPLETED", 30)
    yield made
    made.ecs.delete_service(cluster="main", service=made.name, force=True)


class Scaling:
    """Application Auto Scaling for one service, with every reply held against its service model."""

    def __init__(self, line: Line) -> None:
        self.line, self.client = line, line.cloud.client("application-autoscaling")
        self.watch = line.cloud.client("cloudwatch")
        self.resource = f"service/main/{line.name}"

    def __call__(self, operation: str, **arguments: Any) -> dict[str, Any]:
        method = next(name for name, api in self.client.meta.method_to_api_mapping.items() if api == operation)
        reply = getattr(self.client, method)(**{**PLACE, "ResourceId": self.resource, **arguments})
        reply.pop("ResponseMetadata")
        assert faults_of_reply(Call("application-autoscaling", operation, {}), reply) == []
        return reply

    def register(self, least: int = 1, most: int = 4, **given: Any) -> str:
        return self("RegisterScalableTarget", MinCapacity=least, MaxCapacity=most, **given)["ScalableTargetARN"]

    def track(self, name: str = "busy", target: float = 60.0, **given: Any) -> list[str]:
        """Follow a metric of one's own; returns the names of the alarms, high and low."""
        metric = {"Namespace": self.line.name, "MetricName": name, "Statistic": "Average"}
        configuration = {"TargetValue": target, "CustomizedMetricSpecification": metric, **given}
        made = self(
            "PutScalingPolicy",
            PolicyName=name,
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=configuration,
        )
        return sorted(each["AlarmName"] for each in made["Alarms"])

    def minutes(self, count: int, **values: float) -> None:
        """Let minutes go by in which metrics have these values."""
        for _ in range(count):
            for name, value in values.items():
                data = [{"MetricName": name, "Value": value}]
                self.watch.put_metric_data(Namespace=self.line.name, MetricData=data)
            assert self.line.cloud.cloud.advance(60) == ""

    @property
    def desired(self) -> int:
        return self.line.service()["desiredCount"]

    def activities(self, **given: Any) -> list[dict[str, Any]]:
        return self("DescribeScalingActivities", **given)["ScalingActivities"]


@pytest.fixture
def scaling(line: Line) -> Scaling:
    return Scaling(line)


def refused(scaling: Scaling, operation: str, **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        scaling(operation, **arguments)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def test_a_tracked_service_grows_with_its_metric_and_shrinks_again(scaling: Scaling):
    """Source: Application Auto Scaling User Guide, "Target tracking scaling policies" and "Scaling activities"."""
    scaling.register(1, 4)
    high, low = scaling.track(ScaleOutCooldown=60, ScaleInCooldown=60)
    shown = {each["AlarmName"]: each for each in scaling.watch.describe_alarms(AlarmNames=[high, low])["MetricAlarms"]}
    assert (shown[high]["EvaluationPeriods"], shown[high]["Threshold"]) == (3, 60)
    assert (shown[low]["EvaluationPeriods"], shown[low]["Threshold"]) == (15, 54)
    scaling.minutes(2, busy=150)
    assert scaling.desired == 1  # two of three minutes
    scaling.minutes(1, busy=150)
    assert scaling.desired == 3  # ceil(1 x 150 / 60)
    eventually(lambda: scaling.line.service()["runningCount"] == 3, 30)
    scaling.minutes(1, busy=50)
    (done,) = scaling.activities()
    assert done["Description"] == "Setting desired count to 3."
    assert done["Cause"] == f"monitor alarm {high} in state ALARM triggered policy busy"
    assert done["StatusMessage"] == "Successfully set desired count to 3. Change successfully fulfilled by ecs."
    assert done["StatusCode"] == "Successful"
    scaling.minutes(14, busy=15)
    assert scaling.desired == 3  # the busy minutes are still among the last fifteen
    scaling.minutes(2, busy=15)
    assert scaling.desired < 3
    scaling.minutes(5, busy=15)
    assert scaling.desired == 1
    eventually(lambda: scaling.line.service()["runningCount"] == 1, 30)


def test_what_reaches_its_most_is_told_on_eventbridge(scaling: Scaling):
    """Source: Application Auto Scaling User Guide, "Monitor Application Auto Scaling events using Amazon EventBridge"."""
    ear = Ear(scaling.line.cloud.client, {"source": ["aws.application-autoscaling"]})
    scaling.register(1, 3)
    scaling.register(2, 3)  # brought inside its bounds: out, but not to its most
    eventually(lambda: [each["StatusCode"] for each in scaling.activities()] == ["Successful"], 30)
    assert ear.take() == []
    scaling.register(3, 3)
    (event,) = ear.until(bool)
    assert (event["detail-type"], event["resources"]) == ("Application Auto Scaling Scaling Activity State Change", [])
    done = event["detail"]
    assert done.pop("startTime") <= done.pop("endTime")
    assert done == {
        "newDesiredCapacity": 3,
        "oldDesiredCapacity": 2,
        "minCapacity": 3,
        "maxCapacity": 3,
        "resourceId": scaling.resource,
        "scalableDimension": "ecs:service:DesiredCount",
        "serviceNamespace": "ecs",
        "statusCode": "Successful",
        "scaledToMax": True,
        "direction": "scale-out",
    }
    scaling.register(1, 1)
    eventually(lambda: scaling.activities()[0]["StatusCode"] == "Successful", 30)
    assert ear.take() == []  # its most, and scaled in


def test_a_cool_down_counts_what_was_added(scaling: Scaling):
    """Source: TargetTrackingScalingPolicyConfiguration, ScaleOutCooldown: only what is missing beyond that is added."""
    scaling.register(1, 6)
    scaling.track(ScaleOutCooldown=600)
    scaling.minutes(3, busy=110)
    assert scaling.desired == 2
    scaling.minutes(3, busy=110)  # the new task has not relieved it yet
    assert scaling.desired == 2
    scaling.minutes(1, busy=170)  # three times of what there was before
    assert scaling.desired == 3
    scaling.minutes(11, busy=110)  # the cool-down is over
    assert scaling.desired > 3


def test_what_is_not_scaled_is_said_when_it_is_asked_for(scaling: Scaling):
    """Source: User Guide, "Including not scaled activities"."""
    scaling.register(1, 1)
    scaling.track()
    scaling.minutes(5, busy=200)
    assert (scaling.desired, scaling.activities()) == (1, [])
    (tried,) = scaling.activities(IncludeNotScaledActivities=True)  # once, although the alarm lasts
    assert tried["NotScaledReasons"] == [{"Code": "AlreadyAtMaxCapacity", "MaxCapacity": 1}]


def test_nothing_is_scaled_in_while_a_deployment_is_under_way(scaling: Scaling):
    """Source: Amazon ECS Developer Guide, "Service auto scaling": scale-in is turned off meanwhile, scale-out goes on."""
    scaling.register(1, 6)
    scaling.track(ScaleInCooldown=0, ScaleOutCooldown=0)
    scaling.line.update(desiredCount=3)
    eventually(lambda: scaling.line.service()["runningCount"] == 3, 30)
    scaling.minutes(14, busy=10)
    scaling.line.update(taskDefinition=scaling.line.definition("sick:1"), healthCheckGracePeriodSeconds=86_400)
    eventually(lambda: not scaling.line.cloud.cloud.held(), 30)
    scaling.minutes(3, busy=10)
    assert scaling.desired == 3
    reasons = [each["NotScaledReasons"][0]["Code"] for each in scaling.activities(IncludeNotScaledActivities=True)]
    assert "TargetServicePutResourceAsUnscalable" in reasons
    scaling.minutes(3, busy=70)
    assert scaling.desired > 3


def test_of_two_policies_the_one_that_needs_more_decides(scaling: Scaling):
    """Source: User Guide, "Multiple scaling policies": out if any is ready, in only if all are."""
    scaling.register(1, 4)
    scaling.track("busy", ScaleInCooldown=0)
    scaling.track("full", ScaleInCooldown=0)
    scaling.minutes(3, busy=120, full=10)
    assert scaling.desired == 2
    scaling.minutes(17, busy=10, full=58)
    assert scaling.desired == 2  # full is not low
    scaling.minutes(16, busy=10, full=10)
    assert scaling.desired == 1


def test_steps_are_taken_by_an_alarm_of_ones_own(scaling: Scaling):
    scaling.register(1, 5)
    steps = [
        {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 20, "ScalingAdjustment": 1},
        {"MetricIntervalLowerBound": 20, "ScalingAdjustment": 3},
    ]
    configuration = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": steps, "Cooldown": 0}
    policy = scaling(
        "PutScalingPolicy", PolicyName="steps", PolicyType="StepScaling", StepScalingPolicyConfiguration=configuration
    )
    scaling.watch.put_metric_alarm(
        AlarmName=f"{scaling.line.name}-queue",
        Namespace=scaling.line.name,
        MetricName="queue",
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=50,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        AlarmActions=[policy["PolicyARN"]],
    )
    scaling.minutes(1, queue=55)
    assert scaling.desired == 2
    scaling.minutes(1, queue=75)
    assert scaling.desired == 5
    (shown,) = scaling("DescribeScalingPolicies")["ScalingPolicies"]
    assert [each["AlarmName"] for each in shown["Alarms"]] == [f"{scaling.line.name}-queue"]


def test_new_bounds_are_kept_at_once(scaling: Scaling):
    """Source: User Guide, "Scaling activities": also when the maximum or minimum of a target is changed."""
    scaling.register(2, 4)
    assert scaling.desired == 2
    eventually(lambda: scaling.line.service()["runningCount"] == 2, 30)
    scaling("RegisterScalableTarget", MinCapacity=1, MaxCapacity=1)
    assert scaling.desired == 1
    causes = [each["Cause"] for each in scaling.activities()]
    assert causes == ["maximum capacity was set to 1", "minimum capacity was set to 2"]


def test_a_schedule_moves_the_bounds(scaling: Scaling):
    scaling.register(1, 4)
    at = (scaling.line.cloud.world.clock.now() + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%S")
    action = {"MinCapacity": 3, "MaxCapacity": 6}
    scaling("PutScheduledAction", ScheduledActionName="morning", Schedule=f"at({at})", ScalableTargetAction=action)
    scaling.minutes(4)
    assert scaling.desired == 1
    scaling.minutes(2)
    assert scaling.desired == 3
    (target,) = scaling.client.describe_scalable_targets(**PLACE, ResourceIds=[scaling.resource])["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (3, 6)
    (shown,) = scaling("DescribeScheduledActions")["ScheduledActions"]
    assert shown["ScalableTargetAction"] == action
    scaling("DeleteScheduledAction", ScheduledActionName="morning")
    assert scaling("DescribeScheduledActions")["ScheduledActions"] == []


def test_a_suspended_target_is_left_alone(scaling: Scaling):
    scaling.register(1, 4, SuspendedState={"DynamicScalingOutSuspended": True})
    scaling.track()
    scaling.minutes(4, busy=200)
    assert (scaling.desired, scaling.activities(IncludeNotScaledActivities=True)) == (1, [])
    scaling("RegisterScalableTarget", SuspendedState={"DynamicScalingOutSuspended": False})
    scaling.minutes(1, busy=200)
    assert scaling.desired == 4


def test_a_target_takes_its_policies_and_alarms_with_it(scaling: Scaling):
    arn = scaling.register(1, 2, Tags={"team": "a"})
    names = scaling.track()
    tags = {"ResourceARN": arn}
    scaling.client.tag_resource(**tags, Tags={"tier": "1"})
    scaling.client.untag_resource(**tags, TagKeys=["team"])
    assert scaling.client.list_tags_for_resource(**tags)["Tags"] == {"tier": "1"}
    scaling("DeregisterScalableTarget")
    assert scaling("DescribeScalingPolicies")["ScalingPolicies"] == []
    assert scaling.watch.describe_alarms(AlarmNames=names)["MetricAlarms"] == []
    assert refused(scaling, "DeregisterScalableTarget")[0] == "ObjectNotFoundException"


def test_what_cannot_be_is_refused(scaling: Scaling):
    tracking = {
        "PolicyName": "p",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": 60,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "ALBRequestCountPerTarget"},
        },
    }
    code, said = refused(scaling, "PutScalingPolicy", **tracking)
    assert code == "ObjectNotFoundException"
    assert said.startswith("No scalable target registered for service namespace: ecs")
    bounds = {"MinCapacity": 1, "MaxCapacity": 2}
    assert refused(scaling, "RegisterScalableTarget", ResourceId=NONE, **bounds) == (
        "ValidationException",
        f"ECS service doesn't exist: {NONE}",
    )
    assert refused(scaling, "RegisterScalableTarget", MinCapacity=3, MaxCapacity=2)[0] == "ValidationException"
    scaling.register(1, 2)
    assert "ResourceLabel" in refused(scaling, "PutScalingPolicy", **tracking)[1]
    gap = [
        {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 5, "ScalingAdjustment": 1},
        {"MetricIntervalLowerBound": 10, "ScalingAdjustment": 2},
    ]
    steps = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": gap}
    assert "gap" in refused(scaling, "PutScalingPolicy", PolicyName="s", StepScalingPolicyConfiguration=steps)[1]


def test_everything_is_there_after_a_restart(scaling: Scaling):
    scaling.register(1, 4)
    scaling.track()
    scaling.minutes(3, busy=110)
    scaling.line.cloud.restart()
    assert len(scaling.activities()) == 1
    (policy,) = scaling("DescribeScalingPolicies")["ScalingPolicies"]
    assert len(policy["Alarms"]) == 2
    assert scaling.desired == 2
