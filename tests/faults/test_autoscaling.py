"""An autoscaler and the operator share a service for over an hour of the cloud's time, without a write of the latter."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from clouds import RunningCloud
from faults.operating import running
from quick_rollout import Calls, apply, delete, name_of
from trimtab.core.kind import Call
from trimtab.local.commands import clock

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("autoscaling")]

SCALED = "serving: {replicas: {min: 1, max: 4, target: {metric: requests, value: 20}}}"
# (minutes, requests a minute): at 20 for each replica that is 1, 3, 4, then 1, 3 and 1 again.
LOAD = ((6, 15), (8, 55), (8, 75), (24, 8), (8, 55), (24, 8))
EVERY = 4  # minutes, within which the operator looks at least once
LOOK = "DescribeTargetHealth"  # by nobody but the operator
BY_THE_CLOCK = (  # by the minute of the hour, so that one hour has both
    "serving: {replicas: {min: 1, max: 2, target: {metric: requests, value: 20}, schedule: ["
    "{name: day, cron: 0 * * * ? *, min: 3, max: 4}, {name: night, cron: 30 * * * ? *, timezone: Europe/Berlin}]}}"
)
BY_STEPS = (
    "serving: {replicas: {min: 1, max: 5, steps: {metric: queue,"
    " above: [{at: 20, add: 1}, {at: 50, add: 3}], below: [{at: 5, remove: 1}]}}}"
)
THEIRS = ("ecs", "elbv2", "application-autoscaling", "cloudwatch")


class Sent(Calls):
    """Keeps the writes to the service and what scales it."""

    def __init__(self) -> None:
        self.made: list[tuple[str, Mapping[str, Any]]] = []

    def before(self, call: Call) -> None:
        if call.repeat != "read" and call.service in THEIRS:
            self.made.append((call.operation, call.arguments))


class Shared:
    """The service that both have, and clients that load it."""

    def __init__(self, cloud: RunningCloud, project: Path) -> None:
        self.cloud, name = cloud, name_of(project)
        self.ecs, elb = cloud.client("ecs"), cloud.client("elbv2")
        (self.cluster,) = self.ecs.list_clusters()["clusterArns"]
        (self.arn,) = [arn for arn in self.ecs.list_services(cluster=self.cluster)["serviceArns"] if name in arn]
        (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
        (listener,) = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
        rules = elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
        (self.host,) = [
            value
            for rule in rules
            for condition in rule["Conditions"]
            if condition["Field"] == "host-header"
            for value in condition["Values"]
            if name in value
        ]
        self.address, self.port = balancer["DNSName"], listener["Port"] + (8000 if listener["Port"] < 1024 else 0)

    @property
    def desired(self) -> int:
        return self.ecs.describe_services(cluster=self.cluster, services=[self.arn])["services"][0]["desiredCount"]

    @property
    def bounds(self) -> tuple[int, int]:
        targets = self.cloud.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="ecs")
        (target,) = targets["ScalableTargets"]
        return target["MinCapacity"], target["MaxCapacity"]

    @property
    def now(self) -> datetime:
        return datetime.fromisoformat(clock(self.cloud.folder)["now"])

    @property
    def last_number(self) -> int:
        return self.cloud.journal()[-1]["number"]

    def asked(self, since: int) -> set[str]:
        """Operations that were asked for after that number."""
        return {each["operation"] for each in self.cloud.journal(since)}

    def minute(self, requests: int) -> None:
        """A minute of the cloud's time with so many requests."""
        with closing(HTTPConnection(self.address, self.port, timeout=30)) as connection:
            for _ in range(requests):
                connection.request("GET", "/ping", headers={"Host": self.host})
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 200
        left = 60.0
        while left > 0:
            left = clock(self.cloud.folder, advanceSeconds=left)["leftSeconds"]

    def activities(self) -> list[dict[str, Any]]:
        """Scalings that are done, oldest first."""
        scaling = self.cloud.client("application-autoscaling")
        pages = scaling.get_paginator("describe_scaling_activities").paginate(ServiceNamespace="ecs")
        return [each for page in pages for each in page["ScalingActivities"]][::-1]


@pytest.fixture
def shared(cloud: RunningCloud, project: Path, request: pytest.FixtureRequest) -> Iterator[Shared]:
    serving = getattr(request, "param", SCALED)
    project.write_text(project.read_text().replace("serving: {replicas: {min: 1}}", serving))
    assert apply(project).how == "converged"
    yield Shared(cloud, project)
    assert delete(project).how == "gone"
    left = cloud.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
    assert (left, cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]) == ([], [])


def test_an_autoscaler_and_the_operator_share_a_service_for_more_than_an_hour(
    shared: Shared, project: Path, tmp_path_factory: pytest.TempPathFactory
):
    options = ("--clock", shared.cloud.info.endpoint)
    with running(project.parent, tmp_path_factory.mktemp("operator"), *options) as operator:
        operator.until(lambda: operator.is_ready(project), "never ready")
        since, began = shared.last_number, shared.now
        for number, requests in enumerate(each for minutes, each in LOAD for _ in range(minutes)):
            shared.minute(requests)
            if number % EVERY == 0:
                last = shared.last_number
                operator.until(lambda last=last: LOOK in shared.asked(last), "it looks no more")
        operator.until(lambda: operator.is_ready(project), "ready no more")
        assert [each for each in operator.lines() if each["event"].startswith(("drift.", "pass.failed"))] == []
    assert shared.now - began >= timedelta(minutes=60)
    scalings = [int(each["Description"].rstrip(".").rpartition(" ")[2]) for each in shared.activities()]
    assert len(scalings) >= 4
    assert (scalings[0] > 1, max(scalings), scalings[-1]) == (True, 4, 1)  # out, as far as it may, and back in
    assert {each["StatusCode"] for each in shared.activities()} == {"Successful"}
    # By the cloud's own account: nobody writes there but the autoscaler, which is inside it.
    assert [each for each in shared.cloud.journal(since) if each["write"] and each["service"] in THEIRS] == []


def test_a_release_keeps_the_count_that_was_chosen(shared: Shared, project: Path):
    while shared.desired == 1:
        shared.minute(55)
    chosen, sent = shared.desired, Sent()
    assert apply(project, sent).how == "converged"
    assert sent.made == []
    # And so does an edit of the bounds that it is inside of.
    project.write_text(
        project.read_text().replace(SCALED, SCALED.replace("max: 4", "max: 5")[:-1] + ", env: {COLOUR: red}}")
    )
    assert apply(project, sent).how == "converged"
    assert shared.desired == chosen
    updates = [arguments for operation, arguments in sent.made if operation == "UpdateService"]
    assert len(updates) == 1
    assert "desiredCount" not in json.dumps(updates, default=str)
    assert "RegisterScalableTarget" in [operation for operation, _ in sent.made]


def test_a_count_that_a_hand_moves_out_of_the_range_comes_back_to_its_bound(shared: Shared, project: Path):
    shared.ecs.update_service(cluster=shared.cluster, service=shared.arn, desiredCount=6)
    sent = Sent()
    assert apply(project, sent).how == "converged"
    assert [(name, arguments["desiredCount"]) for name, arguments in sent.made] == [("UpdateService", 4)]
    shared.ecs.update_service(cluster=shared.cluster, service=shared.arn, desiredCount=2)  # inside: nobody's drift
    assert apply(project, sent).how == "converged"
    assert (shared.desired, len(sent.made)) == (2, 1)


@pytest.mark.parametrize("shared", [BY_THE_CLOCK], indirect=True)
def test_a_schedule_and_apply_share_a_service_through_a_day_and_a_night(shared: Shared, project: Path):
    sent, seen = Sent(), dict[tuple[int, int], set[int]]()
    since = shared.cloud.journal()[-1]["number"]
    began = shared.now
    while shared.now - began < timedelta(minutes=95):
        shared.minute(5)
        seen.setdefault(shared.bounds, set()).add(shared.desired)
        if shared.now.minute % EVERY == 0:
            assert apply(project, sent).how == "converged"
    assert seen.keys() == {(1, 2), (3, 4)}
    assert seen[3, 4] == {3}
    assert 1 in seen[1, 2]  # what is held between the bounds goes on
    assert sent.made == []
    written = [each for each in shared.cloud.journal(since) if each["write"] and each["service"] in THEIRS]
    assert written == []

    # By day, bounds that nothing sets come back to those of the day, and so they do when the day's are edited.
    while shared.bounds != (3, 4):
        shared.minute(0)
    scaling = shared.cloud.client("application-autoscaling")
    place = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
    scaling.register_scalable_target(**place, ResourceId=target["ResourceId"], MinCapacity=4, MaxCapacity=5)
    assert apply(project, sent).how == "converged"
    assert shared.bounds == (3, 4)
    day = BY_THE_CLOCK.replace("min: 3, max: 4", "min: 4, max: 5")
    project.write_text(project.read_text().replace(BY_THE_CLOCK, day))
    assert apply(project, sent).how == "converged"
    assert shared.bounds == (4, 5)
    assert shared.desired == 4
    assert [name for name, _ in sent.made] == ["RegisterScalableTarget"] * 2 + ["PutScheduledAction"]

    # Without a schedule the bounds are the document's again.
    project.write_text(project.read_text().replace(day, SCALED.replace("max: 4", "max: 2")))
    assert apply(project, sent).how == "converged"
    assert shared.bounds == (1, 2)
    assert scaling.describe_scheduled_actions(ServiceNamespace="ecs")["ScheduledActions"] == []


@pytest.mark.parametrize("shared", [BY_STEPS], indirect=True)
def test_steps_and_apply_share_a_service_whose_queue_fills_and_empties(shared: Shared, project: Path):
    sent, counts = Sent(), list[int]()
    watch, dimensions = shared.cloud.client("cloudwatch"), [{"Name": "Deployment", "Value": f"crash/{name_of(project)}"}]
    since = shared.cloud.journal()[-1]["number"]
    # A queue of 10 is nobody's step; 30 is the first, 60 the second; 2 is the one back in, each some minutes after the last.
    filling = [each for minutes, each in ((4, 10), (3, 30), (5, 10), (4, 60)) for _ in range(minutes)]
    for number, queue in enumerate([*filling, *[2] * 60]):
        datum = {"MetricName": "queue", "Dimensions": dimensions, "Value": queue}
        watch.put_metric_data(Namespace="trimtab", MetricData=[datum])
        shared.minute(0)
        counts.append(shared.desired)
        if number % EVERY == EVERY - 1:
            assert apply(project, sent).how == "converged"
        if number >= len(filling) and counts[-1] == 1:
            break
    steps = [count for at, count in enumerate(counts) if at == 0 or count != counts[at - 1]]
    assert steps == [1, 2, 5, 4, 3, 2, 1]
    assert sent.made == []
    mine = [each for each in shared.cloud.journal(since) if each["write"] and each["service"] in THEIRS]
    assert {each["operation"] for each in mine} == {"PutMetricData"}

    # An alarm that a hand has silenced is repaired; a target in place of the steps takes them and their alarms away.
    (above,) = [each for each in watch.describe_alarms()["MetricAlarms"] if each["AlarmName"].endswith("-above")]
    watch.disable_alarm_actions(AlarmNames=[above["AlarmName"]])
    assert apply(project, sent).how == "converged"
    assert [name for name, _ in sent.made] == ["PutMetricAlarm"]
    project.write_text(project.read_text().replace(BY_STEPS, SCALED))
    assert apply(project, sent).how == "converged"
    (policy,) = shared.cloud.client("application-autoscaling").describe_scaling_policies(ServiceNamespace="ecs")[
        "ScalingPolicies"
    ]
    assert policy["PolicyType"] == "TargetTrackingScaling"
    theirs = {each["AlarmName"] for each in policy["Alarms"]}
    assert {each["AlarmName"] for each in watch.describe_alarms()["MetricAlarms"]} == theirs
