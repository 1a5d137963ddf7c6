"""CloudWatch on the local cloud through unmodified boto3: metrics of what really runs, and alarms that evaluate."""

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ecs_world import MiniCloud, Network, eventually, network
from heard import Ear
from trimtab.core.kind import Call
from unit.resources.support import faults_of_reply

from .test_ecs_services import Line

NUMBERS = itertools.count(1)
SPINNER = """
import os, threading, http.server
def spin():
    while True: pass
threading.Thread(target=spin, daemon=True).start()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *arguments): pass
http.server.ThreadingHTTPServer((os.environ["TRIMTAB_BIND_ADDRESS"], 8080), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniCloud]:
    made = MiniCloud(tmp_path_factory.mktemp("cloud"))
    made.server("web:1", "v1")
    made.program("spin:1", SPINNER)
    yield made
    made.close()


@pytest.fixture(scope="module")
def place(cloud: MiniCloud) -> Network:
    return network(cloud)


class Watch:
    """CloudWatch, with every reply held against its service model."""

    def __init__(self, cloud: MiniCloud) -> None:
        self.cloud, self.client = cloud, cloud.client("cloudwatch")

    def __call__(self, operation: str, **arguments: Any) -> dict[str, Any]:
        method = next(name for name, api in self.client.meta.method_to_api_mapping.items() if api == operation)
        reply = getattr(self.client, method)(**arguments)
        reply.pop("ResponseMetadata")
        assert faults_of_reply(Call("cloudwatch", operation, {}), reply) == []
        return reply

    @property
    def now(self) -> datetime:
        return self.cloud.world.clock.now()

    def put(self, name: str, value: float, namespace: str = "Test") -> None:
        self("PutMetricData", Namespace=namespace, MetricData=[{"MetricName": name, "Value": value}])

    def minute(self) -> None:
        """Let one minute go by."""
        assert self.cloud.cloud.advance(60) == ""

    def alarm(self, metric: str, **given: Any) -> str:
        name = f"alarm-{next(NUMBERS)}"
        arguments = {
            "AlarmName": name,
            "Namespace": "Test",
            "MetricName": metric,
            "Statistic": "Average",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 50.0,
            "ComparisonOperator": "GreaterThanThreshold",
            **given,
        }
        self("PutMetricAlarm", **{key: value for key, value in arguments.items() if value is not None})
        return arguments["AlarmName"]

    def described(self, name: str) -> dict[str, Any]:
        (found,) = self("DescribeAlarms", AlarmNames=[name])["MetricAlarms"]
        return found

    def values(self, namespace: str, name: str, stat: str, minutes: int = 10, **dimensions: str) -> list[float]:
        """Values a minute, oldest first."""
        metric = {
            "Namespace": namespace,
            "MetricName": name,
            "Dimensions": [{"Name": each, "Value": value} for each, value in dimensions.items()],
        }
        query = {"Id": "m1", "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}}
        (found,) = self(
            "GetMetricData",
            MetricDataQueries=[query],
            StartTime=self.now - timedelta(minutes=minutes),
            EndTime=self.now,
            ScanBy="TimestampAscending",
        )["MetricDataResults"]
        return found["Values"]


@pytest.fixture
def watch(cloud: MiniCloud) -> Watch:
    return Watch(cloud)


def refused(watch: Watch, operation: str, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        watch(operation, **arguments)
    return caught.value.response["Error"]["Code"]


def test_values_are_answered_with_their_statistics_and_percentiles(watch: Watch):
    data = {"MetricName": "latency", "Values": [1.0, 2.0, 3.0, 100.0], "Counts": [50, 40, 9, 1], "Unit": "Milliseconds"}
    watch("PutMetricData", Namespace="Stats", MetricData=[data])
    shown = watch(
        "GetMetricStatistics",
        Namespace="Stats",
        MetricName="latency",
        StartTime=watch.now - timedelta(minutes=5),
        EndTime=watch.now + timedelta(minutes=5),
        Period=300,
        Statistics=["Average", "SampleCount", "Maximum"],
        ExtendedStatistics=["p50", "p99", "p100"],
    )
    (point,) = shown["Datapoints"]
    assert (shown["Label"], point["Unit"]) == ("latency", "Milliseconds")
    assert (point["SampleCount"], point["Average"], point["Maximum"]) == (100, 2.57, 100)
    assert point["ExtendedStatistics"] == {"p50": 1, "p99": 3, "p100": 100}


def test_metrics_are_listed_by_namespace_name_and_dimension(watch: Watch):
    for stage in ("a", "b"):
        dimensions = [{"Name": "stage", "Value": stage}]
        data = {"MetricName": "errors", "Value": 1.0, "Dimensions": dimensions}
        watch("PutMetricData", Namespace="Listed", MetricData=[data])
    assert len(watch("ListMetrics", Namespace="Listed")["Metrics"]) == 2
    found = watch("ListMetrics", MetricName="errors", Dimensions=[{"Name": "stage", "Value": "b"}])["Metrics"]
    assert found == [{"Namespace": "Listed", "MetricName": "errors", "Dimensions": [{"Name": "stage", "Value": "b"}]}]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"MetricName": "m"}, "InvalidParameterCombination"),
        ({"MetricName": "m", "Value": 1.0, "Values": [1.0]}, "InvalidParameterCombination"),
        ({"MetricName": "m", "Values": [1.0], "Counts": [1.0, 2.0]}, "InvalidParameterValue"),
        ({"MetricName": "m", "Value": 1.0, "Timestamp": datetime(2020, 1, 1, tzinfo=UTC)}, "InvalidParameterValue"),
        ({"MetricName": "m", "Value": 1.0, "StorageResolution": 30}, "InvalidParameterValue"),
        ({"MetricName": "m", "Value": 1.0, "Unit": "Furlongs"}, "ValidationError"),
    ],
)
def test_data_that_cannot_be_kept_is_refused_whole(watch: Watch, data: dict[str, Any], code: str):
    good = {"MetricName": "good", "Value": 1.0}
    assert refused(watch, "PutMetricData", Namespace="Refused", MetricData=[good, data]) == code
    assert watch("ListMetrics", Namespace="Refused")["Metrics"] == []


def test_namespaces_of_aws_are_reserved(watch: Watch):
    given = {"MetricData": [{"MetricName": "m", "Value": 1.0}]}
    assert refused(watch, "PutMetricData", Namespace="AWS/ECS", **given) == "InvalidParameterValue"


def test_an_alarm_goes_through_its_states(watch: Watch):
    """Source: CloudWatch User Guide, "Metric alarm states": it begins as INSUFFICIENT_DATA."""
    name = watch.alarm("load")
    first = watch.described(name)
    assert (first["StateValue"], first["StateReason"]) == ("INSUFFICIENT_DATA", "Unchecked: Initial alarm creation")
    for value, state in ((90.0, "ALARM"), (10.0, "OK"), (50.0, "OK"), (51.0, "ALARM")):
        watch.put("load", value)
        watch.minute()
        found = watch.described(name)
        assert (found["StateValue"], value) == (state, value)
    assert "1 out of the last 1 datapoints [51.0 (" in found["StateReason"]
    for _ in range(3):  # no more data than that: it lasts while there is a point in the evaluation range
        watch.minute()
    assert watch.described(name)["StateValue"] == "INSUFFICIENT_DATA"
    summaries = [each["HistorySummary"] for each in watch("DescribeAlarmHistory", AlarmName=name)["AlarmHistoryItems"]]
    assert summaries == [
        "Alarm updated from ALARM to INSUFFICIENT_DATA",
        "Alarm updated from OK to ALARM",
        "Alarm updated from ALARM to OK",
        "Alarm updated from INSUFFICIENT_DATA to ALARM",
        f'Alarm "{name}" created',
    ]


def test_a_period_of_minutes_is_looked_at_each_minute(watch: Watch):
    """Source: CloudWatch User Guide, "Evaluating an alarm": the window moves on by a minute, not by a period."""
    name = watch.alarm("slow", Period=300, Statistic="Sum", Threshold=9.0)
    watch.put("slow", 5.0)
    watch.minute()
    assert watch.described(name)["StateValue"] == "OK"
    watch.put("slow", 5.0)
    watch.minute()
    assert watch.described(name)["StateValue"] == "ALARM"


def test_an_alarm_of_ten_seconds_needs_no_minute(watch: Watch):
    name = watch.alarm("fast", Period=10)
    data = {"MetricName": "fast", "Value": 99.0, "StorageResolution": 1}
    watch("PutMetricData", Namespace="Test", MetricData=[data])
    assert watch.cloud.cloud.advance(12) == ""
    assert watch.described(name)["StateValue"] == "ALARM"


def test_a_percentile_can_be_watched(watch: Watch):
    name = watch.alarm("tail", ExtendedStatistic="p90", Statistic=None, Threshold=5.0)
    for rare, state in ((5, "OK"), (20, "ALARM")):
        data = {"MetricName": "tail", "Values": [1.0, 9.0], "Counts": [100 - rare, rare]}
        watch("PutMetricData", Namespace="Test", MetricData=[data])
        watch.minute()
        assert watch.described(name)["StateValue"] == state


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"DatapointsToAlarm": 2}, "ValidationError"),
        ({"Period": 45}, "ValidationError"),
        ({"Period": 3600, "EvaluationPeriods": 200}, "ValidationError"),
        ({"TreatMissingData": "never"}, "ValidationError"),
        ({"ExtendedStatistic": "p90"}, "InvalidParameterCombination"),
        ({"ComparisonOperator": "LessThanLowerThreshold"}, "InvalidParameterValue"),
    ],
)
def test_alarms_that_no_service_would_take(watch: Watch, given: dict[str, Any], code: str):
    with pytest.raises(ClientError) as caught:
        watch.alarm("m", **given)
    assert caught.value.response["Error"]["Code"] == code


def test_an_update_leaves_the_state_and_a_set_state_lasts_until_it_is_looked_at(watch: Watch):
    """Source: PutMetricAlarm ("its state is left unchanged"); SetAlarmState ("returns to its actual state quickly")."""
    name = watch.alarm("held")
    watch("SetAlarmState", AlarmName=name, StateValue="ALARM", StateReason="a drill")
    watch("PutMetricAlarm", **{**_given(watch.described(name)), "Threshold": 70.0})
    found = watch.described(name)
    assert (found["StateValue"], found["StateReason"], found["Threshold"]) == ("ALARM", "a drill", 70.0)
    watch.minute()
    assert watch.described(name)["StateValue"] == "INSUFFICIENT_DATA"


def _given(shown: dict[str, Any]) -> dict[str, Any]:
    names = ("AlarmName", "Namespace", "MetricName", "Statistic", "Period", "EvaluationPeriods", "ComparisonOperator")
    return {name: shown[name] for name in names}


def test_an_action_that_is_not_carried_out_is_said_to_be_none(watch: Watch):
    topic = "arn:aws:sns:us-east-1:123456789012:people"
    name = watch.alarm("page", AlarmActions=[topic])
    watch("DisableAlarmActions", AlarmNames=[name])
    watch("SetAlarmState", AlarmName=name, StateValue="ALARM", StateReason="a drill")
    assert watch("DescribeAlarmHistory", AlarmName=name, HistoryItemType="Action")["AlarmHistoryItems"] == []
    watch("EnableAlarmActions", AlarmNames=[name])
    watch("SetAlarmState", AlarmName=name, StateValue="OK", StateReason="over")
    watch("SetAlarmState", AlarmName=name, StateValue="ALARM", StateReason="again")
    (item,) = watch("DescribeAlarmHistory", AlarmName=name, HistoryItemType="Action")["AlarmHistoryItems"]
    assert item["HistorySummary"].startswith(f"Failed to execute action {topic}")


def test_each_change_of_state_is_told_on_eventbridge(watch: Watch):
    """Source: CloudWatch User Guide, "Alarm events and EventBridge"."""
    ear = Ear(watch.cloud.client, {"source": ["aws.cloudwatch"], "detail": {"alarmName": ["told"]}})
    dimensions = [{"Name": "stage", "Value": "live"}]
    name = watch.alarm("told", AlarmName="told", AlarmDescription="it is hot", Dimensions=dimensions, Unit="Percent")
    assert ear.take() == []  # it begins in a state, which is no change
    data = {"MetricName": "told", "Value": 90.0, "Unit": "Percent", "Dimensions": dimensions}
    watch("PutMetricData", Namespace="Test", MetricData=[data])
    watch.minute()
    crossed = watch.described(name)
    watch("SetAlarmState", AlarmName=name, StateValue="ALARM", StateReason="still")
    watch("SetAlarmState", AlarmName=name, StateValue="OK", StateReason="a drill", StateReasonData='{"by": "hand"}')
    first, second, *_ = ear.take()  # a minute that ends now would be told as well
    assert (first["detail-type"], first["resources"]) == ("CloudWatch Alarm State Change", [crossed["AlarmArn"]])
    id = first["detail"]["configuration"]["metrics"][0]["id"]
    metric = {"namespace": "Test", "name": "told", "dimensions": {"stage": "live"}}
    statistic = {"metric": metric, "period": 60, "stat": "Average", "unit": "Percent"}
    assert first["detail"]["alarmName"] == name
    assert first["detail"]["configuration"] == {
        "description": "it is hot",
        "metrics": [{"id": id, "metricStat": statistic, "returnData": True}],
    }
    before, after = first["detail"]["previousState"], first["detail"]["state"]
    assert (before["value"], before["reason"]) == ("INSUFFICIENT_DATA", "Unchecked: Initial alarm creation")
    assert "reasonData" not in before
    assert (after["value"], after["reason"]) == ("ALARM", crossed["StateReason"])
    assert json.loads(after["reasonData"])["recentDatapoints"] == [90.0]
    assert datetime.strptime(after["timestamp"], "%Y-%m-%dT%H:%M:%S.%f%z") == crossed["StateUpdatedTimestamp"]
    assert (second["detail"]["previousState"]["reason"], second["detail"]["configuration"]["metrics"][0]["id"]) == (
        "still",
        id,
    )
    state = second["detail"]["state"]
    assert (state["value"], state["reason"], state["reasonData"]) == ("OK", "a drill", '{"by": "hand"}')


def test_alarms_are_found_by_prefix_state_and_action_a_page_at_a_time(watch: Watch):
    names = [watch.alarm("many", AlarmName=f"many-{number}") for number in range(3)]
    watch("SetAlarmState", AlarmName="many-1", StateValue="OK", StateReason="so")
    first = watch("DescribeAlarms", AlarmNamePrefix="many-", MaxRecords=2)
    second = watch("DescribeAlarms", AlarmNamePrefix="many-", MaxRecords=2, NextToken=first["NextToken"])
    assert [each["AlarmName"] for each in (*first["MetricAlarms"], *second["MetricAlarms"])] == names
    found = watch("DescribeAlarms", AlarmNamePrefix="many-", StateValue="OK")["MetricAlarms"]
    assert [each["AlarmName"] for each in found] == ["many-1"]
    assert len(watch("DescribeAlarmsForMetric", Namespace="Test", MetricName="many")["MetricAlarms"]) == len(names)
    assert refused(watch, "DeleteAlarms", AlarmNames=["many-0", "missing"]) == "ResourceNotFound"
    watch("DeleteAlarms", AlarmNames=names)
    assert watch("DescribeAlarms", AlarmNamePrefix="many-")["MetricAlarms"] == []


def test_tags_of_alarms(watch: Watch):
    name = watch.alarm("tagged", Tags=[{"Key": "team", "Value": "a"}])
    arn = watch.described(name)["AlarmArn"]
    watch("TagResource", ResourceARN=arn, Tags=[{"Key": "tier", "Value": "1"}])
    watch("UntagResource", ResourceARN=arn, TagKeys=["team"])
    assert watch("ListTagsForResource", ResourceARN=arn)["Tags"] == [{"Key": "tier", "Value": "1"}]
    assert refused(watch, "ListTagsForResource", ResourceARN=f"{arn}-none") == "ResourceNotFoundException"


def test_what_was_acknowledged_is_there_after_a_restart(watch: Watch):
    name = watch.alarm("kept")
    watch.put("kept", 77.0, namespace="Kept")
    watch("SetAlarmState", AlarmName=name, StateValue="ALARM", StateReason="before")
    watch.cloud.restart()
    assert watch.described(name)["StateReason"] == "before"
    assert watch.cloud.cloud.advance(60) == ""
    assert watch.values("Kept", "kept", "Maximum") == [77.0]


def test_a_service_is_measured_in_its_processes(watch: Watch, place: Network):
    """Source: Amazon ECS Developer Guide, "Service utilization": in percent of what its task definition reserves."""
    busy = Line(watch.cloud, place, "spin:1", desired=1)
    eventually(lambda: busy.service()["deployments"][0]["rolloutState"] == "COMPLETED", 30)
    names = {"ClusterName": "main", "ServiceName": busy.name}

    def cpu() -> list[float]:
        watch.minute()
        return watch.values("AWS/ECS", "CPUUtilization", "Average", **names)

    values = eventually(cpu, 30)
    assert values[-1] > 25  # a core that spins is 400 % of a quarter, however busy this machine is
    (memory, *_) = watch.values("AWS/ECS", "MemoryUtilization", "Average", **names)
    assert 0.5 < memory < 50  # of 512 MiB
    busy.update(desiredCount=0)


def test_a_load_balancer_counts_its_requests(watch: Watch, place: Network):
    """Source: Elastic Load Balancing, "CloudWatch metrics for your Application Load Balancer"."""
    line = Line(watch.cloud, place, desired=2)
    eventually(lambda: line.service()["deployments"][0]["rolloutState"] == "COMPLETED", 30)
    watch.minute()
    for _ in range(10):
        connection = HTTPConnection(line.host, line.port, timeout=10)
        connection.request("POST", "/invocations", b"x")
        assert connection.getresponse().status == 200
        connection.close()
    watch.minute()
    balancer = line.elb.describe_load_balancers(Names=[line.name])["LoadBalancers"][0]["LoadBalancerArn"]
    lb = {"LoadBalancer": balancer.partition(":loadbalancer/")[2]}
    both = {**lb, "TargetGroup": line.group.rpartition(":")[2]}
    for dimensions in (lb, both):
        assert sum(watch.values("AWS/ApplicationELB", "RequestCount", "Sum", **dimensions)) == 10
        assert sum(watch.values("AWS/ApplicationELB", "HTTPCode_Target_2XX_Count", "Sum", **dimensions)) == 10
        assert 0 < watch.values("AWS/ApplicationELB", "TargetResponseTime", "p90", **dimensions)[-1] < 10
    each = watch.values("AWS/ApplicationELB", "RequestCountPerTarget", "Sum", **both)
    assert (sum(each), each[-1]) == (5, 5)
    assert watch.values("AWS/ApplicationELB", "HealthyHostCount", "Average", **both)[-1] == 2
    line.update(desiredCount=0)
