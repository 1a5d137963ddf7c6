"""Token buckets as AWS documents them: a burst, then so many a second."""

import pytest

from trimtab.clients import pace
from trimtab.local.overlay import ServiceError
from trimtab.local.throttle import CLASSES, Bucket, Limit, Throttle, full, take

LIMIT = Limit(burst=3, rate=2)


@pytest.mark.parametrize(
    ("tokens", "after_s", "left", "let"),
    [
        pytest.param(3.0, 0.0, 2.0, True, id="full"),
        pytest.param(1.0, 0.0, 0.0, True, id="the last one"),
        pytest.param(0.0, 0.0, 0.0, False, id="empty"),
        pytest.param(0.0, 0.25, 0.5, False, id="half a token"),
        pytest.param(0.0, 0.5, 0.0, True, id="one more"),
        pytest.param(0.0, 60.0, 2.0, True, id="never above its burst"),
        pytest.param(1.0, -5.0, 0.0, True, id="a clock that went back"),
    ],
)
def test_a_bucket_lets_through_what_it_has_tokens_for(tokens, after_s, left, let):
    bucket, is_let = take(Bucket(LIMIT, tokens, 100.0, 3.0), 100.0 + after_s)
    assert (bucket.tokens, is_let) == (left, let)
    assert (bucket.taken, bucket.refused) == ((1, 0) if let else (0, 1))


def test_it_tells_how_low_it_was():
    bucket = full(LIMIT, 0.0)
    for now in (0.0, 0.0, 5.0):
        bucket, _ = take(bucket, now)
    assert (bucket.lowest, bucket.tokens) == (1.0, 2.0)


def test_it_is_off_until_it_is_turned_on_and_full_again_each_time():
    throttle = Throttle(lambda: 0.0)
    for _ in range(100):
        throttle.strike("logs", "DescribeLogGroups")
    assert throttle.shown() == []
    for _ in range(2):
        throttle.turn(on=True)
        for _ in range(5):
            throttle.strike("logs", "DescribeLogGroups")
        with pytest.raises(ServiceError) as refused:
            throttle.strike("logs", "DescribeLogGroups")
        assert refused.value.code == "ThrottlingException"
    (row,) = throttle.shown()
    assert row == {"class": "logs: groups read", "burst": 5, "rate": 5, "lowest": 0.0, "taken": 5, "refused": 1}
    throttle.turn(on=False)
    throttle.strike("logs", "DescribeLogGroups")
    assert not throttle.is_on


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [("apigateway", "GetStages", "TooManyRequestsException"), ("elbv2", "DescribeRules", "Throttling")],
)
def test_a_refusal_is_in_the_words_of_its_service(service, operation, code):
    throttle = Throttle(lambda: 0.0)
    throttle.turn(on=True)
    for _ in range(40):
        throttle.strike(service, operation)
    with pytest.raises(ServiceError) as refused:
        throttle.strike(service, operation)
    assert refused.value.code == code


def test_what_has_no_published_limit_is_let_through():
    throttle = Throttle(lambda: 0.0)
    throttle.turn(on=True)
    for _ in range(1000):
        throttle.strike("s3", "GetObject")


def test_the_operator_keeps_to_half_of_the_same_limits():
    for name, (limit, operations) in pace.LIMITS.items():
        theirs, named = CLASSES[name]
        assert (limit.burst, limit.rate, operations) == (theirs.burst, theirs.rate, named), name
