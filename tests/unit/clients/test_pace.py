"""Calls wait for tokens at half of AWS's limits: those that somebody waits for first, then as they came."""

import threading
import time
from collections.abc import Callable

import pytest

from trimtab.clients.pace import LIMITS, SHARE, Bucket, Limit, Pace, urgent

LIMIT = Limit(burst=4, rate=2)
FEW = {"ecs: made": (Limit(2, 40), frozenset({"CreateThing"})), "apigateway: all": (Limit(2, 40), frozenset({"*"}))}


@pytest.mark.parametrize(
    ("tokens", "after_s", "left", "wait_s"),
    [
        pytest.param(4.0, 0.0, 3.0, 0.0, id="full"),
        pytest.param(4.0, 100.0, 3.0, 0.0, id="never above its burst"),
        pytest.param(0.0, 0.0, 0.0, 0.5, id="empty"),
        pytest.param(0.0, 0.25, 0.5, 0.25, id="half a token"),
        pytest.param(0.0, 0.5, 0.0, 0.0, id="the very token"),
        pytest.param(-1.0, 0.5, 0.0, 0.5, id="after a refusal"),
    ],
)
def test_a_bucket_fills_at_its_rate(tokens, after_s, left, wait_s):
    bucket, found = Bucket(LIMIT, tokens, 100.0).taken(100.0 + after_s)
    assert (bucket.tokens, bucket.at, found) == (left, 100.0 + after_s, wait_s)


def test_no_second_holds_more_than_half_of_what_aws_allows():
    for limit, _ in LIMITS.values():
        bucket, now, made = Bucket(Limit(max(1, limit.burst * SHARE), limit.rate * SHARE), limit.burst * SHARE, 0.0), 0.0, []
        while now < 20.0:
            bucket, wait_s = bucket.taken(now)
            now += wait_s
            made += [] if wait_s else [now]
        assert len(made) <= max(1, limit.burst * SHARE) + 20 * limit.rate * SHARE + 1


def test_what_has_no_published_limit_does_not_wait():
    stopped = Pace(lambda: 0.0, table=FEW)  # time stands still: whatever waits, waits for ever
    for _ in range(100):
        stopped.pay("s3", "GetObject")
        stopped.pay("ecs", "DescribeThings")


@pytest.mark.parametrize(("service", "operation"), [("ecs", "CreateThing"), ("apigateway", "GetStages")])
def test_a_class_waits_once_its_burst_is_spent(service, operation):
    waits: list[tuple[str, float]] = []
    pace = Pace(time.monotonic, table=FEW, waited=lambda name, seconds: waits.append((name, seconds)))
    pace.pay(service, operation)  # half of two
    assert waits == []
    pace.pay(service, operation)
    ((name, seconds),) = waits
    assert name.startswith(service)
    assert seconds >= 0.04


def waiting(pace: Pace, urgencies: list[int]) -> Callable[[], list[int]]:
    """Callers that come one after another and wait together; answers the order in which they went, once all have."""
    went: list[int] = []

    def call(urgency: int) -> None:
        with urgent(urgency):
            pace.pay("ecs", "CreateThing")
        went.append(urgency)

    threads = []
    for urgency in urgencies:
        before = len(pace._classes["ecs: made"].waiting)
        thread = threading.Thread(target=call, args=(urgency,))
        thread.start()
        threads.append(thread)
        while len(pace._classes["ecs: made"].waiting) == before:
            assert thread.is_alive()

    def end() -> list[int]:
        for thread in threads:
            thread.join(10)
        return went

    return end


def test_an_edit_goes_ahead_of_a_fleet_that_came_first():
    now = [0.0]
    pace = Pace(lambda: now[0], table=FEW)
    pace.pay("ecs", "CreateThing")
    end = waiting(pace, [2, 2, 0, 1])
    here = pace._classes["ecs: made"]
    for left in (3, 2, 1, 0):
        with here.changed:
            now[0] += 0.1
            here.changed.notify_all()
        while len(here.waiting) > left:
            pass
    assert end() == [0, 1, 2, 2]


def test_a_refusal_of_awss_holds_the_whole_class():
    pace = Pace(lambda: 0.0, table={"ecs: made": (Limit(100, 40), frozenset({"CreateThing"}))})
    pace.refused("ecs", "CreateThing")
    assert pace._classes["ecs: made"].bucket.tokens == -19.0  # nothing for a second
    pace.refused("s3", "GetObject")  # of no class


def test_once_it_is_closed_nobody_waits():
    pace = Pace(lambda: 0.0, table=FEW)
    pace.pay("ecs", "CreateThing")
    end = waiting(pace, [0, 0])
    pace.close()
    assert end() == [0, 0]
    pace.pay("ecs", "CreateThing")
