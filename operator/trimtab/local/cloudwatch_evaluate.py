"""The state of a metric alarm: a pure function of its settings, its state and the latest data points.

Source: Amazon CloudWatch User Guide, "Evaluating an alarm", "How alarm state is evaluated when data is missing" and
"Avoiding premature transitions to alarm state".
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
SPARE = 2  # data points that are looked at beyond the evaluation periods, as in the guide's examples

_EXCEEDS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanOrEqualToThreshold": (lambda value, bound: value >= bound, "greater than or equal to"),
    "GreaterThanThreshold": (lambda value, bound: value > bound, "greater than"),
    "LessThanThreshold": (lambda value, bound: value < bound, "less than"),
    "LessThanOrEqualToThreshold": (lambda value, bound: value <= bound, "less than or equal to"),
}
OPERATORS = tuple(_EXCEEDS)
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")


@dataclass(frozen=True, slots=True)
class Rule:
    """What an alarm watches for."""

    operator: str  # of OPERATORS
    threshold: float
    periods: int  # N: how many data points are evaluated
    to_alarm: int  # M of them breaching make an alarm
    missing: str = "missing"  # of TREATMENTS

    @property
    def range(self) -> int:
        """How many of the most recent data points are looked at."""
        return self.periods + SPARE

    def breaches(self, value: float) -> bool:
        return _EXCEEDS[self.operator][0](value, self.threshold)


@dataclass(frozen=True, slots=True)
class Verdict:
    state: State
    reason: str
    points: tuple[float, ...] = ()  # that were evaluated, oldest first


def evaluate(rule: Rule, state: State, points: Sequence[float | None], label: Callable[[int], str] = str) -> Verdict:
    """Judge the most recent data points, oldest first, None for a missing one.

    points: `rule.range` of them. label: names a point, given how many periods before the last one it is.
    """
    real = [(len(points) - 1 - at, value) for at, value in enumerate(points) if value is not None][-rule.periods :]
    lacking = rule.periods - len(real)
    breaching = sum(rule.breaches(value) for _, value in real)
    shown = tuple(value for _, value in real)
    if lacking <= 0:
        return _told(rule, state, breaching >= rule.to_alarm, real, label)
    if rule.missing == "breaching":
        return _told(rule, state, breaching + lacking >= rule.to_alarm, real, label, lacking)
    if not real:
        if rule.missing == "notBreaching":
            return _told(rule, state, False, real, label, lacking)
        return _unknown(lacking) if rule.missing == "missing" else Verdict(state, "", shown)
    if breaching >= rule.to_alarm:
        return _told(rule, state, True, real, label, lacking)
    if rule.missing == "notBreaching" or breaching < len(real):
        return _told(rule, state, False, real, label, lacking)
    if rule.missing == "ignore":
        return Verdict(state, "", shown)
    # All that is there is breaching, and it is too little: an alarm once the oldest is as old as M data points.
    if real[0][0] + 1 >= min(rule.to_alarm, rule.periods):
        return _told(rule, state, True, real, label, lacking)
    return Verdict(state, "", shown)


def _told(
    rule: Rule,
    state: State,
    alarmed: bool,
    real: Sequence[tuple[int, float]],
    label: Callable[[int], str],
    lacking: int = 0,
) -> Verdict:
    """A verdict in CloudWatch's words."""
    became: State = "ALARM" if alarmed else "OK"
    points = ", ".join(f"{value} ({label(age)})" for age, value in reversed(real))
    count = sum(rule.breaches(value) == alarmed for _, value in real)
    verb = "was" if count == 1 else "were"
    needed = rule.to_alarm if alarmed else rule.periods - rule.to_alarm + 1
    noun = "datapoint" if needed == 1 else "datapoints"
    missing = f"{lacking} missing datapoint{'s' if lacking > 1 else ''} treated as {_AS[rule.missing]}" if lacking else ""
    found = (
        f"{count} out of the last {len(real)} datapoints [{points}] {verb} {'' if alarmed else 'not '}"
        f"{_EXCEEDS[rule.operator][1]} the threshold ({rule.threshold})"
    )
    said = ", and ".join(each for each in (found if real else "", missing) if each)
    return Verdict(
        became,
        f"Threshold Crossed: {said} (minimum {needed} {noun} for {state} -> {became} transition).",
        tuple(value for _, value in real),
    )


_AS = {"missing": "[Missing]", "ignore": "[Ignored]", "breaching": "[Breaching]", "notBreaching": "[NonBreaching]"}


def _unknown(lacking: int) -> Verdict:
    noun = "datapoint was" if lacking == 1 else "datapoints were"
    return Verdict("INSUFFICIENT_DATA", f"Insufficient Data: {lacking} {noun} unknown.")
