"""The gate fails for every reason there is, and says which."""

from dataclasses import replace

import pytest

from trimtab.core.kind import Broken, Call, Settled, run_steps
from trimtab.resources.gate import KIND, Champion, Desired, Threshold, judge

DESIRED = Desired("key", "sha256:new", (Threshold("test:accuracy", "atLeast", 0.96),), None, {}, {"test:accuracy": 0.97})
CHAMPION = Champion("test:accuracy", 0.005, 0.975, "sha256:old", same_test=True)


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        pytest.param({}, "", id="met"),
        pytest.param({"evaluation": {"test:accuracy": 0.95}}, "test:accuracy is 0.95, below 0.96", id="below"),
        pytest.param(
            {"thresholds": (Threshold("test:loss", "atMost", 0.1),), "evaluation": {"test:loss": 0.2}},
            "test:loss is 0.2, above 0.1",
            id="above",
        ),
        pytest.param({"evaluation": {"test:accuracy": float("nan")}}, "test:accuracy is not a number", id="NaN"),
        pytest.param(
            {"evaluation": {}},
            "test:accuracy is missing: the job and its evaluation.json gave no metric at all",
            id="missing",
        ),
        pytest.param({"evaluation": {}, "problem": "unreadable"}, "test:accuracy is missing: unreadable", id="unreadable"),
        pytest.param({"evaluation": {}, "job_metrics": {"test:accuracy": 0.99}}, "", id="a metric of the job"),
        pytest.param({"champion": CHAMPION}, "", id="within the tolerated loss"),
        pytest.param(
            {"champion": replace(CHAMPION, value=0.98)},
            "test:accuracy is 0.97, more than 0.005 below the champion's 0.98",
            id="worse",
        ),
        pytest.param({"champion": replace(CHAMPION, value=0.99, same_test=False)}, "", id="other test data"),
    ],
)
def test_a_verdict_names_what_is_missed(changes, because):
    verdict = judge(replace(DESIRED, **changes))
    assert verdict.passed is (because == "")
    assert verdict.because == (because or "every gate is met")


def test_a_comparison_that_was_not_made_is_noted():
    (note,) = [
        each for each in judge(replace(DESIRED, champion=replace(CHAMPION, same_test=False))).notes if "not compared" in each
    ]
    assert "sha256:old" in note


def test_a_passing_candidate_is_found_again_once_it_is_the_champion():
    calls = run_steps(KIND.create(replace(DESIRED, champion=CHAMPION))).calls
    keys = [call.arguments["Key"] for call in calls if isinstance(call, Call)]
    assert keys == [KIND.identity(replace(DESIRED, champion=CHAMPION)), KIND.identity(DESIRED)]


def test_a_failing_verdict_is_an_outcome_and_no_error():
    verdict = judge(replace(DESIRED, evaluation={}))
    assert isinstance(KIND.state(DESIRED, verdict), Broken)
    assert KIND.state(DESIRED, judge(DESIRED)) == Settled()
