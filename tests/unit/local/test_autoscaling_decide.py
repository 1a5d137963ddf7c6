"""How far a service is scaled, as tables of the Application Auto Scaling User Guide."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from trimtab.local.autoscaling_decide import (
    AT_DESIRED,
    AT_MAX,
    AT_MIN,
    COOLING,
    SUSPENDED,
    UNSCALABLE,
    Decision,
    Standing,
    bounded,
    scale_in,
    scale_out,
    stepped,
    tracked,
)

STANDING = Standing(current=4, least=2, most=10)


# "Target tracking scaling policies": out in proportion to the metric; rounded up, so that neither adds too little nor
# removes too much.
@pytest.mark.parametrize(
    ("current", "value", "target", "wanted"),
    [(2, 90, 60, 3), (2, 61, 60, 3), (4, 60, 60, 4), (4, 30, 60, 2), (4, 40, 60, 3), (3, 0, 60, 0), (10, 66, 60, 11)],
)
def test_tracking_keeps_the_metric_at_its_target(current: int, value: float, target: float, wanted: int):
    assert tracked(value, target)(current) == wanted


@given(some.integers(1, 1000), some.floats(0.1, 1000), some.floats(0.1, 1000))
def test_what_tracking_asks_for_would_hold_the_target(current: int, value: float, target: float):
    wanted = tracked(value, target)(current)
    assert value * current / max(wanted, 1) <= target * (1 + 1e-6)
    assert wanted == 0 or value * current > target * (wanted - 1) * (1 - 1e-6)


# "Step scaling policies", the example: threshold 50, a capacity of 10.
OUT = {
    "AdjustmentType": "PercentChangeInCapacity",
    "StepAdjustments": [
        {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 10, "ScalingAdjustment": 0},
        {"MetricIntervalLowerBound": 10, "MetricIntervalUpperBound": 20, "ScalingAdjustment": 10},
        {"MetricIntervalLowerBound": 20, "ScalingAdjustment": 30},
    ],
}
IN = {
    "AdjustmentType": "PercentChangeInCapacity",
    "StepAdjustments": [
        {"MetricIntervalLowerBound": -10, "MetricIntervalUpperBound": 0, "ScalingAdjustment": 0},
        {"MetricIntervalLowerBound": -20, "MetricIntervalUpperBound": -10, "ScalingAdjustment": -10},
        {"MetricIntervalUpperBound": -20, "ScalingAdjustment": -30},
    ],
}


@pytest.mark.parametrize(
    ("policy", "current", "metric", "wanted"),
    [
        (OUT, 10, 55, 10),
        (OUT, 10, 60, 11),
        (OUT, 11, 70, 14),
        (IN, 14, 45, 14),
        (IN, 14, 40, 13),
        (IN, 13, 30, 10),
        (IN, 14, 40.1, 14),
    ],
)
def test_steps_as_the_guide_has_them(policy: dict, current: int, metric: float, wanted: int):
    assert stepped(policy, metric - 50)(current) == wanted


# The same, "Scaling adjustment types".
@pytest.mark.parametrize(
    ("kind", "amount", "least", "current", "wanted"),
    [
        ("ChangeInCapacity", 5, 0, 3, 8),
        ("ChangeInCapacity", -1, 0, 3, 2),
        ("ExactCapacity", 5, 0, 3, 5),
        ("PercentChangeInCapacity", 10, 0, 10, 11),
        ("PercentChangeInCapacity", 10, 0, 3, 4),  # 0.3 is rounded to 1
        ("PercentChangeInCapacity", -10, 0, 3, 2),  # -0.3 to -1
        ("PercentChangeInCapacity", 90, 0, 3, 5),  # 2.7 to 2
        ("PercentChangeInCapacity", -90, 0, 3, 1),  # -2.7 to -2
        ("PercentChangeInCapacity", 25, 2, 4, 6),
    ],
)
def test_adjustments_are_rounded_as_the_guide_has_it(kind: str, amount: int, least: int, current: int, wanted: int):
    step = {"MetricIntervalLowerBound": 0, "ScalingAdjustment": amount}
    policy = {"AdjustmentType": kind, "StepAdjustments": [step], "MinAdjustmentMagnitude": least}
    assert stepped(policy, 1)(current) == wanted


def test_a_breach_that_no_step_covers_changes_nothing():
    assert stepped(IN, 5)(4) == 4


@pytest.mark.parametrize(
    ("standing", "decision"),
    [
        pytest.param(STANDING, Decision(6), id="out"),
        pytest.param(replace(STANDING, most=5), Decision(5), id="no further than the maximum"),
        pytest.param(replace(STANDING, most=4), Decision(None, AT_MAX), id="at the maximum"),
        pytest.param(replace(STANDING, current=4, base=2), Decision(None, COOLING), id="what was added counts"),
        pytest.param(replace(STANDING, current=4, base=4), Decision(6), id="more than what was added"),
        pytest.param(replace(STANDING, deploying=True, cooling=True), Decision(6), id="whatever else goes on"),
        pytest.param(replace(STANDING, out_suspended=True), Decision(None, SUSPENDED), id="suspended"),
    ],
)
def test_scaling_out(standing: Standing, decision: Decision):
    assert scale_out(standing, tracked(90, 60)) == decision


def test_scaling_out_of_what_needs_no_more():
    assert scale_out(STANDING, tracked(60, 60)) == Decision(None, AT_DESIRED)


@pytest.mark.parametrize(
    ("standing", "decision"),
    [
        pytest.param(STANDING, Decision(2), id="in"),
        pytest.param(replace(STANDING, least=3), Decision(3), id="no further than the minimum"),
        pytest.param(replace(STANDING, least=4), Decision(None, AT_MIN), id="at the minimum"),
        pytest.param(replace(STANDING, cooling=True), Decision(None, COOLING), id="a moment after another"),
        pytest.param(replace(STANDING, deploying=True), Decision(None, UNSCALABLE), id="while a deployment is under way"),
        pytest.param(replace(STANDING, in_suspended=True), Decision(None, SUSPENDED), id="suspended"),
    ],
)
def test_scaling_in(standing: Standing, decision: Decision):
    assert scale_in(standing, tracked(20, 60)) == decision


@pytest.mark.parametrize(
    ("current", "capacity"), [(1, 2), (2, None), (5, None), (10, None), (12, 10)], ids=lambda value: str(value)
)
def test_new_bounds_ask_for_the_nearest_of_them(current: int, capacity: int | None):
    assert bounded(replace(STANDING, current=current)).capacity == capacity
