"""The benches of the operator's loop: what they make of a journal, of a load and of an edit."""

import pytest

from bench.commits import beyond_s
from bench.drift import between
from bench.edits import Step
from bench.parts import goals
from bench.rollout import Rollout, Slice

ANA, US = "arn:aws:iam::123456789012:user/ana", "arn:aws:iam::123456789012:user/trimtab"


def entry(number: int, who: str, service: str, *, write: bool = True, status: int = 200) -> dict[str, object]:
    at = f"2026-11-26T12:00:{number:02}.500000+00:00"
    return {"number": number, "at": at, "principal": who, "service": service, "write": write, "status": status}


JOURNAL = [
    entry(1, US, "ecs"),  # an earlier repair
    entry(2, ANA, "ecs", write=False),
    entry(3, ANA, "ecs"),
    entry(4, US, "iam"),
    entry(5, US, "ecs", write=False),
    entry(6, US, "ecs", status=400),
    entry(7, US, "ecs"),
    entry(8, US, "ecs"),
]


def test_a_repair_is_the_operators_first_write_to_that_service_after_the_persons():
    assert between(JOURNAL, "ecs") == 4.0
    assert between(JOURNAL[:6], "ecs") is None


def test_of_a_load_only_what_fell_into_a_rollout_counts():
    load = [Slice(at, at + 0.9, [0.001], 0) for at in (9.5, 10.0, 11.0, 12.5)]
    rollout = Rollout(10.0, 3.0, start=1.0, health=10.0, drain=4.0)
    assert rollout.loaded(load) == load[1:3]
    assert rollout.ratio == pytest.approx(0.2)


def test_what_a_commit_takes_beyond_its_rollout_ends_with_the_word_to_ecs():
    assert beyond_s(Step("commit", 90.0, 112.0, 0.0, [], [], rolled=93.5, steady=111.0)) == 3.5


def test_a_goal_that_was_missed_says_why():
    missed = {"value": 3.0, "at_most": 1.0, "met": False, "because": "the slowest was the tag"}
    result = {"drift": {"goals": {"p50_s": missed, "p99_s": missed | {"met": True}}}}
    assert goals(result) == [
        "MISSED drift p50_s: 3.0 (at most 1.0): the slowest was the tag",
        "met    drift p99_s: 3.0 (at most 1.0)",
    ]
