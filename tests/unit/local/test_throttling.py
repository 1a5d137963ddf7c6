"""AWS's token buckets on the local cloud, by its clock."""

from datetime import UTC, datetime, timedelta

import pytest

from trimtab.local.overlay import ServiceError
from trimtab.local.throttling import Throttling

EAST, WEST = "us-east-1", "us-west-2"


class Shelf(dict):
    """A store of documents."""

    def get(self, kind, id):
        return super().get((kind, id))

    def put(self, kind, id, value):
        self[kind, id] = value


class Cloud:
    def __init__(self, shelf: Shelf | None = None) -> None:
        self.at = datetime(2026, 11, 26, tzinfo=UTC)
        self.shelf = Shelf() if shelf is None else shelf
        self.throttling = Throttling(self.shelf, lambda: self.at)  # type: ignore[arg-type]

    def asked(self, times: int, service: str, operation: str, region: str = EAST) -> int:
        """How many of so many requests in one moment are served."""
        answers = [self.answer(service, operation, region) for _ in range(times)]
        return sum(each is None for each in answers)

    def answer(self, service: str, operation: str, region: str = EAST) -> ServiceError | None:
        try:
            self.throttling.check(service, operation, region)
        except ServiceError as error:
            return error
        return None

    def row(self, name: str, region: str = EAST) -> dict:
        (found,) = [each for each in self.throttling.shown()["buckets"] if (each["class"], each["region"]) == (name, region)]
        return found


@pytest.fixture
def cloud() -> Cloud:
    made = Cloud()
    made.throttling.switch(on=True)
    return made


def test_nothing_is_refused_or_counted_unless_it_is_turned_on():
    cloud = Cloud()
    assert cloud.asked(500, "ecs", "RegisterTaskDefinition") == 500
    assert cloud.throttling.shown() == {"on": False, "buckets": []}


@pytest.mark.parametrize(
    ("service", "operations", "burst", "rate"),
    [
        ("ecs", ("RegisterTaskDefinition", "DeregisterTaskDefinition"), 20, 1),
        ("ecs", ("DescribeServices", "ListServices"), 100, 20),
        ("logs", ("DescribeLogGroups",), 5, 5),
        ("sagemaker", ("ListTrainingJobs",), 2, 2),
        ("elbv2", ("CreateRule", "ModifyRule"), 20, 3),
        ("apigateway", ("GetStages", "GetRestApis"), 40, 10),
    ],
)
def test_a_class_is_served_its_burst_and_then_its_rate(cloud, service, operations, burst, rate):
    served = sum(cloud.asked(burst, service, operation) for operation in operations)
    assert served == burst  # of all of them together
    for _ in range(3):
        cloud.at += timedelta(seconds=1)
        assert cloud.asked(100, service, operations[0]) == rate
    cloud.at += timedelta(hours=1)
    assert cloud.asked(200, service, operations[0]) == burst


@pytest.mark.parametrize(
    ("service", "operation", "code", "status"),
    [
        ("ecs", "RegisterTaskDefinition", "ThrottlingException", 400),
        ("sagemaker", "ListTrainingJobs", "ThrottlingException", 400),
        ("cloudwatch", "PutMetricAlarm", "ThrottlingException", 400),
        ("elbv2", "DescribeRules", "Throttling", 400),
        ("apigateway", "CreateRestApi", "TooManyRequestsException", 429),
        ("apigatewayv2", "CreateVpcLink", "TooManyRequestsException", 429),
    ],
)
def test_each_service_refuses_in_its_own_words(cloud, service, operation, code, status):
    cloud.asked(100, service, operation)
    refused = cloud.answer(service, operation)
    assert (refused.code, refused.message, refused.status) == (code, "Rate exceeded", status)


def test_low_water_marks_calls_and_refusals_are_counted_by_region(cloud):
    assert cloud.asked(25, "ecs", "RegisterTaskDefinition") == 20
    assert cloud.asked(3, "ecs", "RegisterTaskDefinition", WEST) == 3
    cloud.at += timedelta(seconds=4)
    row = cloud.row("ecs: definitions written")
    assert (row["calls"], row["throttled"], row["lowest"], row["left"]) == (20, 5, 0.0, 4.0)
    assert cloud.row("ecs: definitions written", WEST)["lowest"] == 17.0


def test_what_is_refused_by_one_bucket_takes_nothing_of_another(cloud):
    assert cloud.asked(10, "apigateway", "CreateRestApi") == 1
    assert cloud.row("apigateway: all")["left"] == 39.0
    assert (cloud.row("apigateway: apis made")["throttled"], cloud.row("apigateway: all")["throttled"]) == (9, 0)


def test_the_switch_fills_the_buckets_and_is_remembered(cloud):
    cloud.asked(25, "ecs", "RegisterTaskDefinition")
    cloud.throttling.switch(on=True)
    assert cloud.throttling.shown() == {"on": True, "buckets": []}
    assert Cloud(cloud.shelf).asked(25, "ecs", "RegisterTaskDefinition") == 20
    cloud.throttling.switch(on=False)
    assert Cloud(cloud.shelf).asked(25, "ecs", "RegisterTaskDefinition") == 25


def test_a_clock_that_goes_back_fills_nothing(cloud):
    cloud.asked(20, "ecs", "RegisterTaskDefinition")
    cloud.at -= timedelta(minutes=1)
    assert cloud.asked(1, "ecs", "RegisterTaskDefinition") == 0
