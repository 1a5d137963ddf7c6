"""How many tasks a service should have: pure functions of a policy, a metric's value and how the service stands.

Source: Application Auto Scaling User Guide, "Target tracking scaling policies", "Step scaling policies" (adjustment types,
rounding, cool-down) and "Scaling activities" (why nothing was scaled); Amazon ECS Developer Guide, "Service auto scaling"
(no scale-in while a deployment is in progress).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Propose = Callable[[int], int]  # a capacity, from the one that counts as current

AT_MAX, AT_MIN = "AlreadyAtMaxCapacity", "AlreadyAtMinCapacity"
AT_DESIRED, UNSCALABLE = "AlreadyAtDesiredCapacity", "TargetServicePutResourceAsUnscalable"
COOLING, SUSPENDED = "cooling down", "suspended"  # which AWS makes no activity of


@dataclass(frozen=True, slots=True)
class Standing:
    """How a scalable target stands."""

    current: int
    least: int
    most: int
    base: int | None = None  # what it had before the scale-out whose cool-down lasts
    cooling: bool = False  # the cool-down of a scale-in lasts
    deploying: bool = False
    out_suspended: bool = False
    in_suspended: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The capacity to set, or None and why it stays."""

    capacity: int | None
    why: str = ""


def tracked(value: float, target: float) -> Propose:
    """Target tracking: in proportion to the metric, rounded up either way, so that neither adds or leaves too little."""
    return lambda current: math.ceil(round(current * value / target, 9))


def stepped(configuration: Mapping[str, Any], breach: float) -> Propose:
    """Step scaling. breach: the metric's value less the alarm's threshold. No step that fits changes nothing."""
    step = _step(configuration.get("StepAdjustments", ()), breach)
    if step is None:
        return lambda current: current
    amount, kind = step["ScalingAdjustment"], configuration["AdjustmentType"]
    if kind == "ExactCapacity":
        return lambda current: amount  # noqa: ARG005 - whatever there is
    if kind == "ChangeInCapacity":
        return lambda current: current + amount
    least = configuration.get("MinAdjustmentMagnitude", 0)
    return lambda current: current + _at_least(_whole(current * amount / 100), least)


def _step(steps: Sequence[Mapping[str, Any]], breach: float) -> Mapping[str, Any] | None:
    """Above the threshold the lower bound counts in, below it the upper."""
    for step in steps:
        low, high = step.get("MetricIntervalLowerBound", -math.inf), step.get("MetricIntervalUpperBound", math.inf)
        if (low <= breach < high) if breach >= 0 else (low < breach <= high):
            return step
    return None


def _whole(change: float) -> int:
    """Towards zero, but never to zero."""
    return math.trunc(change) if abs(change) >= 1 or change == 0 else int(math.copysign(1, change))


def _at_least(change: int, magnitude: int) -> int:
    return change if abs(change) >= magnitude or change == 0 else int(math.copysign(magnitude, change))


def scale_out(standing: Standing, propose: Propose) -> Decision:
    """Add what is missing. What an earlier scale-out has added counts, while its cool-down lasts."""
    if standing.out_suspended:
        return Decision(None, SUSPENDED)
    if standing.current >= standing.most:
        return Decision(None, AT_MAX)
    wanted = min(propose(standing.current if standing.base is None else standing.base), standing.most)
    if wanted <= standing.current:
        return Decision(None, AT_DESIRED if standing.base is None else COOLING)
    return Decision(max(wanted, standing.least))


def scale_in(standing: Standing, propose: Propose) -> Decision:
    """Remove what is too much, unless a deployment is under way or the last scale-in was a moment ago."""
    if standing.in_suspended:
        return Decision(None, SUSPENDED)
    if standing.deploying:
        return Decision(None, UNSCALABLE)
    if standing.current <= standing.least:
        return Decision(None, AT_MIN)
    if standing.cooling:
        return Decision(None, COOLING)
    wanted = max(propose(standing.current), standing.least)
    return Decision(wanted) if wanted < standing.current else Decision(None, AT_DESIRED)


def bounded(standing: Standing) -> Decision:
    """What new bounds ask for at once."""
    wanted = min(max(standing.current, standing.least), standing.most)
    return Decision(wanted) if wanted != standing.current else Decision(None)
