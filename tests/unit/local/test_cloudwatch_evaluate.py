"""The state of an alarm, as tables of the Amazon CloudWatch User Guide."""

import pytest

from trimtab.local.cloudwatch_evaluate import OPERATORS, Rule, State, evaluate

RETAIN = "retain"
VALUES = {"0": 10.0, "X": 90.0, "-": None}


def rule(periods: int, to_alarm: int, missing: str = "missing") -> Rule:
    return Rule("GreaterThanThreshold", 50.0, periods, to_alarm, missing)


def states(points: str, periods: int, to_alarm: int, state: State = "OK") -> list[str]:
    """The state for each treatment of missing data, in the order of the guide's columns; "retain" where it is kept."""
    values = [VALUES[each] for each in points.split()]
    found: list[str] = []
    for missing in ("missing", "ignore", "breaching", "notBreaching"):
        became = {evaluate(rule(periods, to_alarm, missing), was, values).state for was in ("OK", "ALARM")}
        found.append(became.pop() if len(became) == 1 else RETAIN)
    return found


# "How alarm state is evaluated when data is missing", first table: 3 out of 3, the five most recent data points.
@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ("0 - X - X", ["OK", "OK", "OK", "OK"]),
        ("0 - - - -", ["OK", "OK", "OK", "OK"]),
        ("- - - - -", ["INSUFFICIENT_DATA", RETAIN, "ALARM", "OK"]),
        ("0 X X - X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
        ("- - X - -", ["ALARM", RETAIN, "ALARM", "OK"]),
    ],
)
def test_three_out_of_three_as_the_guide_has_it(points: str, expected: list[str]):
    assert states(points, 3, 3) == expected


# The same, second table: 2 out of 3.
@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ("0 - X - X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
        ("0 0 X 0 X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
        ("0 - X - -", ["OK", "OK", "ALARM", "OK"]),
        ("- - - - 0", ["OK", "OK", "ALARM", "OK"]),
        ("- - - X -", ["ALARM", RETAIN, "ALARM", "OK"]),
    ],
)
def test_two_out_of_three_as_the_guide_has_it(points: str, expected: list[str]):
    assert states(points, 3, 2) == expected


# "Avoiding premature transitions to alarm state": with 3 out of 3 neither goes into ALARM at once.
@pytest.mark.parametrize("points", ["- - - - X", "- - - X -"])
def test_one_breaching_point_after_none_is_no_alarm_yet(points: str):
    assert states(points, 3, 3)[0] == RETAIN


def test_an_alarm_that_has_just_begun_needs_its_data_points():
    one = [None, None, None, None, 90.0]
    assert evaluate(rule(3, 3), "INSUFFICIENT_DATA", one).state == "INSUFFICIENT_DATA"
    assert evaluate(rule(3, 3), "INSUFFICIENT_DATA", [None, None, 90.0, 90.0, 90.0]).state == "ALARM"
    assert evaluate(rule(1, 1), "INSUFFICIENT_DATA", [None, None, 90.0]).state == "ALARM"


# "Evaluating an alarm", the figure: threshold 3, three out of three.
@pytest.mark.parametrize(
    ("last", "state"),
    [([1, 2, 4, 4, 4], "ALARM"), ([2, 4, 4, 4, 2], "OK"), ([2, 2, 2, 2, 4], "OK")],
    ids=["above for three periods", "back below", "above for one period"],
)
def test_the_figure_of_the_guide(last: list[float], state: str):
    assert evaluate(Rule("GreaterThanThreshold", 3.0, 3, 3), "OK", last).state == state


@pytest.mark.parametrize(
    ("operator", "below", "at", "above"),
    [
        ("GreaterThanOrEqualToThreshold", "OK", "ALARM", "ALARM"),
        ("GreaterThanThreshold", "OK", "OK", "ALARM"),
        ("LessThanThreshold", "ALARM", "OK", "OK"),
        ("LessThanOrEqualToThreshold", "ALARM", "ALARM", "OK"),
    ],
)
def test_operators(operator: str, below: str, at: str, above: str):
    assert operator in OPERATORS
    judged = [evaluate(Rule(operator, 5.0, 1, 1), "OK", [None, None, value]).state for value in (4.0, 5.0, 6.0)]
    assert judged == [below, at, above]


def test_reasons_are_in_the_words_of_cloudwatch():
    alarm = evaluate(rule(1, 1), "OK", [None, None, 90.0], lambda age: f"{age} ago")
    assert alarm.reason == (
        "Threshold Crossed: 1 out of the last 1 datapoints [90.0 (0 ago)] was greater than the threshold (50.0) "
        "(minimum 1 datapoint for OK -> ALARM transition)."
    )
    fine = evaluate(rule(2, 2), "ALARM", [None, None, 10.0, 20.0], lambda age: f"{age} ago")
    assert fine.reason == (
        "Threshold Crossed: 2 out of the last 2 datapoints [20.0 (0 ago), 10.0 (1 ago)] were not greater than the "
        "threshold (50.0) (minimum 1 datapoint for ALARM -> OK transition)."
    )
    assert evaluate(rule(3, 3), "OK", [None] * 5).reason == "Insufficient Data: 3 datapoints were unknown."
