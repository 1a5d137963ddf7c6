"""The bench of edits: what it makes of a step's times and calls."""

import pytest

from bench.edits import Step, by_service, spread
from bench.outside import Answer


def call(service: str, operation: str, *, write: bool = False) -> dict[str, object]:
    return {"service": service, "operation": operation, "write": write}


CALLS = [
    call("s3", "GetObject"),
    call("ecs", "DescribeServices"),
    call("ecs", "UpdateService", write=True),
    call("ecs", "DescribeServices"),
]
ANSWERS = [
    Answer(99.9, 100.0, 200, "old"),
    Answer(104.9, 105.0, 200, "old"),
    Answer(105.9, 106.0, 502, "new"),  # no answer to a person
    Answer(107.9, 108.0, 200, "new"),
    Answer(109.9, 110.0, 200, "old"),
]


def test_the_platforms_part_of_an_edit_is_taken_off():
    step = Step("model_edit", 90.0, 112.0, 1.5, CALLS, ANSWERS, training_s=9.0, rolled=105.0, steady=111.0)
    figures = step.figures()
    assert figures["seconds_to_served"] == pytest.approx(108.0 - 90.0)
    assert figures["start_up_s"] == pytest.approx(108.0 - 105.0)
    assert figures["ours_s"] == pytest.approx(18.0 - 9.0 - 3.0)
    assert figures["told_after_s"] == pytest.approx(112.0 - 111.0)
    assert (figures["reads"], figures["writes"]) == (3, 1)


def test_an_edit_without_another_release_is_served_when_ecs_is_done():
    same = [each for each in ANSWERS if each.release == "old"]
    assert Step("replicas_edit", 90.0, 112.0, 1.5, CALLS, same, rolled=105.0, steady=111.0).served == 111.0


def test_a_command_that_rolls_nothing_is_ours_alone():
    figures = Step("no_change", 90.0, 112.0, 1.5, CALLS, ANSWERS).figures()
    assert (figures["seconds_to_served"], figures["ours_s"], figures["told_after_s"]) == (22.0, 22.0, 0.0)


def test_calls_are_counted_by_service():
    assert by_service(CALLS) == {"ecs": {"reads": 2, "writes": 1}, "s3": {"reads": 1, "writes": 0}}


def test_the_slowest_hundredth_is_p99():
    answers = [Answer(0.0, number / 1000, 200, "") for number in range(1, 201)]
    assert spread(answers) == {"requests": 200, "failed": 0, "p50_ms": 101.0, "p99_ms": 198.0}
    assert spread([*answers, Answer(0.0, 0.001, 0, "")])["failed"] == 1
