"""Health by thresholds, and which target takes the next request.

Sources, Elastic Load Balancing User Guide for Application Load Balancers: "Health checks for Application Load
Balancer target groups" (states, reasons, thresholds, matcher), "Edit target group attributes" (round robin,
fail-open, deregistration delay).
"""

import pytest

from trimtab.local.elbv2_targets import HealthCheck, Outcome, Pool, Target, codes_in

CHECK = HealthCheck(path="/", port=None, interval_s=5, timeout_s=2, passes=3, failures=2, codes=frozenset({200}))
PASS, FAIL = Outcome(), Outcome("Target.Timeout", "Request timed out")


def states(target: Target, outcomes: list[Outcome]) -> list[str]:
    return [(target.note(outcome, CHECK), target.state)[1] for outcome in outcomes]


def test_a_new_target_needs_one_pass_and_a_sick_one_as_many_as_configured() -> None:
    target = Target("127.0.0.1", 1)
    assert states(target, [PASS]) == ["healthy"]
    assert states(target, [FAIL, PASS, FAIL, FAIL]) == ["healthy", "healthy", "healthy", "unhealthy"]
    assert states(target, [PASS, PASS, FAIL, PASS, PASS, PASS]) == ["unhealthy"] * 5 + ["healthy"]


def test_a_new_target_stays_initial_until_it_has_failed_often_enough() -> None:
    target = Target("127.0.0.1", 1)
    assert (states(target, [FAIL]), target.reason) == (["initial"], "Elb.InitialHealthChecking")
    assert (states(target, [FAIL]), target.reason) == (["unhealthy"], "Target.Timeout")


def test_the_reason_of_an_unhealthy_target_is_that_of_its_last_check() -> None:
    target = Target("127.0.0.1", 1, state="unhealthy")
    target.note(Outcome("Target.ResponseCodeMismatch", "Health checks failed with these codes: [503]"), CHECK)
    assert target.reason == "Target.ResponseCodeMismatch"


def pool(**by_state: str) -> Pool:
    made = Pool("arn", CHECK)
    for id, state in by_state.items():
        made.add(Target(id, 80, state=state))  # type: ignore[arg-type]
    return made


def picks(given: Pool, count: int) -> list[str]:
    found = [given.pick() for _ in range(count)]
    return [each.id for each in found if each is not None]


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        pytest.param(pool(a="healthy", b="healthy", c="unhealthy", d="initial"), {"a", "b"}, id="the healthy only"),
        pytest.param(pool(a="unhealthy", b="unhealthy", c="initial"), {"a", "b"}, id="all unhealthy: it fails open"),
        pytest.param(pool(a="initial", b="draining"), set[str](), id="none that can take one"),
    ],
)
def test_requests_go_to_the_healthy_or_to_all_the_unhealthy(given: Pool, chosen: set[str]) -> None:
    assert set(picks(given, 8)) == chosen


def test_requests_go_round() -> None:
    counts = picks(pool(a="healthy", b="healthy", c="healthy"), 9)
    assert {id: counts.count(id) for id in "abc"} == {"a": 3, "b": 3, "c": 3}


def test_a_target_that_was_tried_is_not_picked_again() -> None:
    given = pool(a="healthy", b="healthy")
    first = given.pick()
    assert first is not None
    second = given.pick({first.key})
    assert second is not None
    assert given.pick({first.key, second.key}) is None


def test_a_withdrawn_target_is_idle_once_its_requests_have_ended() -> None:
    given = pool(a="healthy")
    target = given.pick()
    assert target is not None
    assert not given.idle(target.key)
    given.withdraw(target.key)
    assert not given.idle(target.key)
    assert given.pick() is None
    given.release(target)
    assert given.idle(target.key)


@pytest.mark.parametrize(
    ("matcher", "codes"), [("200", {200}), ("200,204", {200, 204}), ("200-202,301", {200, 201, 202, 301})]
)
def test_matchers_name_codes_lists_and_ranges(matcher: str, codes: set[int]) -> None:
    assert codes_in(matcher) == codes


@pytest.mark.parametrize("matcher", ["", "abc", "99", "200-", "300-200", "200-600"])
def test_other_matchers_are_refused(matcher: str) -> None:
    with pytest.raises(ValueError):
        codes_in(matcher)
