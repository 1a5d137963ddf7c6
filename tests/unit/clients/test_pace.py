"""Calls wait for tokens of our share of AWS's limits: those that somebody waits for first, then as they came."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from trimtab.clients.clock import FollowingClock
from trimtab.clients.pace import SHARE, SHARES, SHY_S, Pace, ours, urgent
from trimtab.core.kind import Failure
from trimtab.core.limits import LIMITS, Bucket, Limit

FEW = {"ecs: made": (Limit(2, 40), frozenset({"CreateThing"})), "apigateway: all": (Limit(2, 40), frozenset({"*"}))}


@pytest.mark.parametrize("name", LIMITS)
def test_no_second_holds_more_than_our_share_of_what_aws_allows(name):
    limit, share = LIMITS[name][0], SHARES.get(name, SHARE)
    bucket, now, made = Bucket(ours(name, limit), ours(name, limit).burst, 0.0), 0.0, 0
    while now < 20.0:
        bucket, wait_s = bucket.taken(now)
        now += wait_s
        made += not wait_s
    assert made <= max(1, limit.burst * share) + 20 * limit.rate * share + 1


def test_only_task_definitions_are_written_at_more_than_half():
    assert SHARE == 0.5
    assert {name: ours(name, limit).rate for name, (limit, _) in LIMITS.items() if name in SHARES} == {
        "ecs: definitions written": 0.95
    }


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


def test_a_larger_share_is_given_back_for_a_while_when_aws_refuses():
    now = [0.0]
    pace = Pace(lambda: now[0])
    here = pace._classes["ecs: definitions written"]

    def goes_out_in(seconds: float) -> int:
        """Calls that need not wait, asked for each quarter of a second."""
        went = 0
        for _ in range(int(seconds * 4)):
            now[0] += 0.25
            went += pace._wait_s(here, here.waiting[0]) == 0.0
        return went

    assert here.bucket.tokens == 19.0
    here.waiting.append((0, 0))
    goes_out_in(100)
    assert 190 <= goes_out_in(200) <= 191
    pace.refused("ecs", "RegisterTaskDefinition")
    assert goes_out_in(1) <= 1
    assert goes_out_in(SHY_S - 1) == (SHY_S - 1) // 2
    assert 190 <= goes_out_in(200) <= 191
    pace.refused("ecs", "RegisterTaskDefinition")
    now[0] += SHY_S / 2
    pace.refused("ecs", "DeregisterTaskDefinition")  # of the same class: the while begins anew
    assert 28 <= goes_out_in(SHY_S - 1) <= 30


def test_once_it_is_closed_nobody_waits():
    pace = Pace(lambda: 0.0, table=FEW)
    pace.pay("ecs", "CreateThing")
    end = waiting(pace, [0, 0])
    pace.close()
    assert end() == [0, 0]
    pace.pay("ecs", "CreateThing")


def test_a_call_waits_no_longer_than_it_may_and_says_for_what():
    pace = Pace(time.monotonic, table={"ecs: made": (Limit(2, 0.02), frozenset({"CreateThing"}))}, most_s=0.05)
    pace.pay("ecs", "CreateThing")
    for _ in range(2):  # the one that gave up stands in nobody's way
        with pytest.raises(Failure, match=r"ecs:CreateThing: waited 0\.05 s .* of which 0\.01 a second") as refused:
            pace.pay("ecs", "CreateThing")
        assert refused.value.meaning == "throttled"
    assert pace._classes["ecs: made"].waiting == []


def test_a_call_waits_by_the_clock_that_it_is_given():
    clock = FollowingClock()
    pace = Pace(clock.monotonic, pause=clock.pause, table={"ecs: made": (Limit(2, 0.02), frozenset({"CreateThing"}))})
    pace.pay("ecs", "CreateThing")
    end = waiting(pace, [0])
    clock.follow(clock.now() + timedelta(minutes=2))  # the next token comes in 100 s
    assert end() == [0]


def test_what_a_service_counts_by_class_and_in_all_is_paid_twice():
    pace = Pace(lambda: 0.0)
    for _ in range(5):
        pace.pay("elbv2", "CreateRule")
        pace.pay("elbv2", "DescribeRules")
        pace.pay("apigatewayv2", "GetVpcLinks")  # one account, and one quota, with apigateway
        pace.pay("apigateway", "GetStages")
    left = {name: here.bucket.tokens for name, here in pace._classes.items()}
    assert (left["elbv2: written"], left["elbv2: all"], left["apigateway: all"]) == (5.0, 10.0, 10.0)
