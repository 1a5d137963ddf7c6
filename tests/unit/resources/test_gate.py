"""The gate fails for every reason there is, and says which."""

from dataclasses import replace

import pytest

from trimtab.core.kind import Broken, Call, Ref, Settled, run_steps
from trimtab.resources.gate import KIND, Champion, Desired, Threshold, judge

DESIRED = Desired("key", "sha256:new", (Threshold("test:accuracy", "atLeast", 0.96),), None, {}, {"test:accuracy": 0.97})
CHAMPION = Champion("test:accuracy", 0.005, "sha256:old", 0.975)
AGAIN = Champion("test:accuracy", 0.005, "sha256:old", evaluation="e" * 64, report={"metrics": {"accuracy": 0.975}})
LOST = Champion("test:accuracy", 0.005, "sha256:old", uncompared="it was evaluated on other test data")


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
        pytest.param({"champion": LOST}, "", id="not comparable"),
        pytest.param({"champion": AGAIN}, "", id="evaluated again, within the tolerated loss"),
        pytest.param(
            {"champion": replace(AGAIN, report={"metrics": {"test": {"accuracy": 0.98}}})},
            "test:accuracy is 0.97, more than 0.005 below the champion's 0.98, evaluated again on this test data",
            id="evaluated again, worse",
        ),
        pytest.param(
            {"champion": replace(AGAIN, report={"metrics": {"loss": 0.1}})},
            "nothing to compare with: the champion's evaluation has no test:accuracy: it gave test:loss",
            id="evaluated again by another metric",
        ),
        pytest.param(
            {"champion": replace(AGAIN, report={"metrics": {"accuracy": float("nan"), "loss": 1}})},
            "nothing to compare with: the champion's evaluation has no test:accuracy: it is not a number",
            id="evaluated again, NaN",
        ),
        pytest.param(
            {"champion": replace(AGAIN, report=None, problem="job-a1 left no evaluation.json")},
            "nothing to compare with: the champion's evaluation has no test:accuracy: job-a1 left no evaluation.json",
            id="evaluated again, without a report",
        ),
        pytest.param(
            {"champion": CHAMPION, "evaluation": {"loss": 0.1}, "thresholds": ()},
            "test:accuracy is missing: the job and its evaluation.json gave loss",
            id="a candidate without the champion's metric",
        ),
    ],
)
def test_a_verdict_names_what_is_missed(changes, because):
    verdict = judge(replace(DESIRED, **changes))
    assert verdict.passed is (because == "")
    assert verdict.because == (because or "every gate is met")


def test_a_comparison_that_was_not_made_is_said_apart():
    verdict = judge(replace(DESIRED, champion=LOST))
    assert verdict.uncompared == "not compared with the champion sha256:old: it was evaluated on other test data"
    assert judge(replace(DESIRED, champion=CHAMPION)).uncompared == ""


def test_another_evaluation_of_the_champion_is_another_verdict():
    identities = {
        KIND.identity(replace(DESIRED, champion=each)) for each in (CHAMPION, AGAIN, replace(AGAIN, evaluation="f"))
    }
    assert len(identities) == 3
    waits = replace(AGAIN, report=Ref("sagemaker.ProcessingJob/champion", "report"))  # known before the job has ended
    assert KIND.identity(replace(DESIRED, champion=waits)) == KIND.identity(replace(DESIRED, champion=AGAIN))


def test_a_verdict_is_read_as_it_was_written():
    (call,) = run_steps(KIND.create(replace(DESIRED, champion=None))).calls
    assert isinstance(call, Call)
    written = {"Verdicts": {call.arguments["Key"]: call.arguments["Verdict"]}}
    assert run_steps(KIND.observe([call.arguments["Key"]]), [written]).result == {call.arguments["Key"]: judge(DESIRED)}


def test_a_passing_candidate_is_found_again_once_it_is_the_champion():
    calls = run_steps(KIND.create(replace(DESIRED, champion=CHAMPION))).calls
    keys = [call.arguments["Key"] for call in calls if isinstance(call, Call)]
    assert keys == [KIND.identity(replace(DESIRED, champion=CHAMPION)), KIND.identity(DESIRED)]


def test_a_failing_verdict_is_an_outcome_and_no_error():
    verdict = judge(replace(DESIRED, evaluation={}))
    assert isinstance(KIND.state(DESIRED, verdict), Broken)
    assert KIND.state(DESIRED, judge(DESIRED)) == Settled()
