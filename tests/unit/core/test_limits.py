"""AWS's token buckets as values: how they fill, and which calls they are for."""

import botocore.session
import pytest

from trimtab.core.limits import LIMITS, SLOW, Bucket, Classes, Limit

LIMIT = Limit(burst=4, rate=2)
ALL = {**LIMITS, **SLOW}


@pytest.mark.parametrize(
    ("tokens", "after_s", "left", "wait_s"),
    [
        pytest.param(4.0, 0.0, 3.0, 0.0, id="full"),
        pytest.param(4.0, 100.0, 3.0, 0.0, id="never above its burst"),
        pytest.param(0.0, 0.0, 0.0, 0.5, id="empty"),
        pytest.param(0.0, 0.25, 0.5, 0.25, id="half a token"),
        pytest.param(0.0, 0.5, 0.0, 0.0, id="the very token"),
        pytest.param(1.0, -60.0, 0.0, 0.0, id="a clock that went back"),
        pytest.param(-1.0, 0.5, 0.0, 0.5, id="after a refusal"),
    ],
)
def test_a_bucket_fills_at_its_rate(tokens, after_s, left, wait_s):
    bucket, found = Bucket(LIMIT, tokens, 100.0).taken(100.0 + after_s)
    assert (bucket.tokens, bucket.at, found) == (left, max(100.0, 100.0 + after_s), wait_s)


@pytest.mark.parametrize("name", ALL)
def test_each_operation_of_a_class_is_one_of_its_service(name):
    model = botocore.session.get_session().get_service_model(name.partition(":")[0])
    assert ALL[name][1] - {"*"} <= set(model.operation_names)


def test_no_operation_is_of_two_classes_beside_the_total_of_its_service():
    named = [(name.partition(":")[0], each) for name, (_, operations) in ALL.items() for each in operations]
    assert len(named) == len(set(named))


@pytest.mark.parametrize(
    ("service", "operation", "classes"),
    [
        ("ecs", "UpdateService", ("ecs: services written",)),
        ("elbv2", "CreateRule", ("elbv2: written", "elbv2: all")),
        ("elbv2", "DescribeRules", ("elbv2: all",)),
        ("apigateway", "CreateRestApi", ("apigateway: apis made", "apigateway: all")),
        ("apigatewayv2", "CreateVpcLink", ("apigatewayv2: links made", "apigateway: all")),
        ("apigateway", "CreateVpcLink", ("apigateway: all",)),
        ("s3", "GetObject", ()),
    ],
)
def test_a_call_is_of_its_class_and_of_the_total_of_its_service(service, operation, classes):
    assert Classes(ALL).of(service, operation) == classes
