"""Alarms of others, by name or ARN: found, or found to be missing; never written."""

from datetime import UTC, datetime
from typing import Any

import pytest

from trimtab.core.kind import Batch, Broken, Failure, Settled, Unknown, run_steps
from trimtab.resources.deployment_alarm import KIND, Desired, Observed, name_in

ARN = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:errors"
AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ITEM = {
    "AlarmName": "errors", "AlarmArn": ARN, "StateValue": "ALARM", "StateReason": "too many",
    "StateTransitionedTimestamp": AT,
}  # fmt: skip
SEEN, MISSING = Observed("errors", "ALARM", "too many", AT), Observed("errors", "")


@pytest.mark.parametrize(
    ("wanted", "reply", "seen"),
    [
        pytest.param("errors", [ITEM], SEEN, id="by name"),
        pytest.param(ARN, [ITEM], SEEN, id="by ARN"),
        pytest.param("errors", [], MISSING, id="missing"),
        pytest.param(ARN.replace("us-east-1", "eu-west-1"), [ITEM], MISSING, id="a namesake in another region"),
        pytest.param(ARN.replace("1234", "9999"), [ITEM], MISSING, id="a namesake in another account"),
    ],
)
def test_it_is_found_or_found_to_be_missing(wanted: str, reply: list[Any], seen: Observed):
    run = run_steps(KIND.observe([wanted]), [[{"MetricAlarms": reply}]])
    assert run.result == {wanted: seen}
    (batch,) = run.calls
    assert isinstance(batch, Batch)
    assert [each.arguments for each in batch.calls] == [{"AlarmNames": ["errors"], "MaxRecords": 100}]


def test_what_cannot_be_read_is_not_missing():
    denied = Failure("denied", "cloudwatch:DescribeAlarms: no")
    assert run_steps(KIND.observe(["errors"]), [[denied]]).result == {"errors": Unknown(denied.reason, "denied")}


def test_a_missing_one_is_told_with_what_to_do_and_any_state_of_another_is_well():
    state = KIND.state(Desired("errors"), MISSING)
    assert isinstance(state, Broken)
    assert (state.reason, state.because) == (
        "AlarmMissing",
        "there is no metric alarm errors in this account and region; make it, or take it out of the document",
    )
    assert KIND.state(Desired("errors"), SEEN) == Settled()


def test_nothing_is_ever_written():
    for steps in (KIND.create(Desired("errors")), KIND.update(Desired("errors"), SEEN, ()), KIND.delete(SEEN)):
        assert run_steps(steps).calls == ()


def test_a_name_may_hold_colons():
    assert name_in(f"{ARN}:5xx: too many") == "errors:5xx: too many"
    assert name_in("errors: 5xx") == "errors: 5xx"
