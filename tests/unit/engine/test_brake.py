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
        pytest.param(2, 0, False, id="the last two"),
        pytest.param(3, 0, False, id="three of three"),
        pytest.param(3, 1, True, id="three are few where one is left"),
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


def test_the_last_ones_hold_though_files_are_deleted_one_by_one():
    first = judge(Vanished(), names(1), 1, NOW)
    last = judge(first.memory, names(2), 0, NOW + timedelta(seconds=12))
    assert (last.doomed, last.held) == (frozenset(names(1)), frozenset(names(1, 1)))
    assert "the last documents of its source vanished at once" in last.because


def test_the_last_one_goes_a_minute_after_the_one_before_it():
    first = judge(Vanished(), names(1), 1, NOW)
    last = judge(first.memory, names(1, 1), 0, NOW + timedelta(minutes=1))
    assert (last.doomed, last.held) == (frozenset(names(1, 1)), frozenset())


@pytest.mark.parametrize("later", [timedelta(seconds=10), timedelta(days=2)])
def test_of_an_emptied_source_that_is_put_back_in_part_nothing_goes(later):
    emptied = judge(Vanished(), names(3), 0, NOW)
    partly = judge(emptied.memory, names(2, 1), 1, NOW + later)
    assert (partly.doomed, partly.held) == (frozenset(), frozenset(names(2, 1)))
    assert "confirm-deletes" in partly.because
    another = judge(partly.memory, [*names(2, 1), "n/other"], 1, NOW + later)
    assert (another.doomed, another.held) == (frozenset(["n/other"]), frozenset(names(2, 1)))
    whole = judge(another.memory, [], 3, NOW + later)
    assert judge(whole.memory, names(1), 2, NOW + later + timedelta(hours=2)).doomed == frozenset(names(1))


def test_a_persons_word_lets_the_last_ones_go():
    emptied = judge(Vanished(), names(2), 0, NOW)
    assert emptied.memory.waiting == tuple(names(2))
    verdict = judge(confirmed(emptied.memory, names(2)), names(2), 0, NOW + timedelta(minutes=1))
    assert (verdict.doomed, verdict.held, verdict.because) == (frozenset(names(2)), frozenset(), "")
