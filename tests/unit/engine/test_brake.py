"""The brake on documents that vanish from a source."""

from datetime import UTC, datetime, timedelta

import pytest

from trimtab.engine.brake import Vanished, confirmed, judge

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def names(count: int, first: int = 0) -> list[str]:
    return [f"n/d{number}" for number in range(first, first + count)]


@pytest.mark.parametrize(
    ("gone", "there", "goes"),
    [
        pytest.param(1, 0, True, id="the only one"),
        pytest.param(3, 0, True, id="three are few"),
        pytest.param(4, 0, False, id="four of four"),
        pytest.param(20, 80, True, id="a fifth of a hundred"),
        pytest.param(21, 79, False, id="more than a fifth"),
        pytest.param(200, 0, False, id="a source that is empty all of a sudden"),
    ],
)
def test_many_at_once_stop_and_ask(gone, there, goes):
    verdict = judge(Vanished(), names(gone), there, NOW)
    assert verdict.doomed == frozenset(names(gone) if goes else [])
    assert verdict.held == frozenset([] if goes else names(gone))
    assert ("confirm-deletes" in verdict.because) is not goes


def test_one_after_the_other_counts_for_an_hour():
    memory, now = Vanished(), NOW
    for number in range(3):
        verdict = judge(memory, names(1, number), 10, now)
        assert verdict.doomed == frozenset(names(1, number))
        memory, now = verdict.memory, now + timedelta(minutes=10)
    fourth = judge(memory, names(1, 3), 10, now)
    assert (fourth.doomed, fourth.held) == (frozenset(), frozenset(names(1, 3)))
    assert judge(fourth.memory, names(1, 3), 10, NOW + timedelta(minutes=61)).doomed == frozenset(names(1, 3))


def test_what_goes_already_goes_on_when_more_vanish():
    first = judge(Vanished(), names(3), 10, NOW)
    more = judge(first.memory, names(9), 4, NOW + timedelta(seconds=5))
    assert more.doomed == frozenset(names(3))
    assert more.held == frozenset(names(6, 3))


def test_a_persons_word_lets_just_those_go_and_counts_for_nothing_later():
    held = judge(Vanished(), names(50), 0, NOW)
    memory = confirmed(held.memory, names(50))
    verdict = judge(memory, [*names(50), "n/other"], 5, NOW + timedelta(minutes=1))
    assert verdict.doomed == frozenset([*names(50), "n/other"])
    assert verdict.held == frozenset()


def test_what_is_back_is_forgotten():
    held = judge(Vanished(), names(50), 0, NOW)
    back = judge(confirmed(held.memory, names(50)), names(1), 49, NOW + timedelta(minutes=1))
    assert (back.memory.since.keys(), back.memory.confirmed) == ({"n/d0"}, frozenset(names(1)))
    later = judge(back.memory, names(50), 0, NOW + timedelta(minutes=2))
    assert later.held == frozenset(names(49, 1))
