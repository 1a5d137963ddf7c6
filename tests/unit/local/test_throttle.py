"""AWS's token buckets on the local cloud: a burst, then so many a second, in the words of the service."""

from collections.abc import Callable

import pytest

from trimtab.local.overlay import ServiceError
from trimtab.local.throttle import Throttle


class Time:
    at = 1000.0


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def throttle(time: Time) -> Throttle:
    made = Throttle(lambda: time.at)
    made.turn(on=True)
    return made


def answer(throttle: Throttle, service: str, operation: str) -> ServiceError | None:
    try:
        throttle.strike(service, operation)
    except ServiceError as error:
        return error
    return None


def taken(throttle: Throttle, service: str, operation: str, times: int) -> int:
    """How many of so many calls in one moment are let through."""
    return sum(answer(throttle, service, operation) is None for _ in range(times))


def row(throttle: Throttle, name: str) -> dict:
    (found,) = [each for each in throttle.shown() if each["class"] == name]
    return found


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
def test_a_class_is_given_its_burst_and_then_its_rate(throttle, time, service, operations, burst, rate):
    assert sum(taken(throttle, service, operation, burst) for operation in operations) == burst  # all of them together
    for _ in range(3):
        time.at += 1
        assert taken(throttle, service, operations[0], 100) == rate
    time.at += 3600
    assert taken(throttle, service, operations[0], 200) == burst


def test_it_tells_how_low_a_bucket_was_and_what_it_refused(throttle, time):
    taken(throttle, "ecs", "RegisterTaskDefinition", 25)
    time.at += 10
    taken(throttle, "ecs", "RegisterTaskDefinition", 1)
    named = {"class": "ecs: definitions written", "burst": 20, "rate": 1}
    assert row(throttle, "ecs: definitions written") == {**named, "lowest": 0.0, "taken": 21, "refused": 5}


def test_it_is_off_until_it_is_turned_on_and_full_again_each_time():
    throttle = Throttle(lambda: 0.0)
    assert (taken(throttle, "logs", "DescribeLogGroups", 100), throttle.shown()) == (100, [])
    for _ in range(2):
        throttle.turn(on=True)
        assert throttle.shown() == []
        assert taken(throttle, "logs", "DescribeLogGroups", 100) == 5
    throttle.turn(on=False)
    assert (taken(throttle, "logs", "DescribeLogGroups", 100), throttle.shown()) == (100, [])


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
def test_a_refusal_is_in_the_words_of_its_service(throttle, service, operation, code, status):
    taken(throttle, service, operation, 100)
    refused = answer(throttle, service, operation)
    assert refused is not None
    assert (refused.code, refused.message, refused.status) == (code, "Rate exceeded", status)


def test_what_is_refused_by_one_bucket_takes_nothing_of_the_total(throttle):
    assert taken(throttle, "apigateway", "CreateRestApi", 10) == 1
    assert (row(throttle, "apigateway: apis made")["refused"], row(throttle, "apigateway: all")["taken"]) == (9, 1)


def test_all_operations_of_a_service_share_its_total(throttle):
    operations: list[Callable[[], int]] = [
        lambda: taken(throttle, "elbv2", "DescribeRules", 30),
        lambda: taken(throttle, "elbv2", "CreateRule", 30),
    ]
    assert [each() for each in operations] == [30, 10]


def test_what_has_no_published_limit_is_let_through(throttle):
    assert taken(throttle, "s3", "GetObject", 1000) == 1000


def test_a_clock_that_goes_back_fills_nothing(throttle, time):
    taken(throttle, "ecs", "RegisterTaskDefinition", 20)
    time.at -= 60
    assert taken(throttle, "ecs", "RegisterTaskDefinition", 1) == 0
