"""The one clock: what is skipped, what holds it, and that it never goes back."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from trimtab.cli import local as commands
from trimtab.local.clock import MOST_SPEED, STEP, VirtualClock, pass_time
from trimtab.local.store import SqliteStore

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class Wall:
    """Real time, as far as a test lets it go by."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at

    def wait(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "state.sqlite")


@pytest.fixture
def wall() -> Wall:
    return Wall()


def test_time_is_real_by_default(store: Any, wall: Wall):
    clock = VirtualClock(store, real=wall)
    wall.wait(5)
    clock.turn(held=False)
    assert clock.now() == wall.at


@pytest.mark.parametrize(
    ("speed", "waited_s", "held", "gone_s"),
    [
        pytest.param(60, 0.1, False, 6, id="sixty seconds in one"),
        pytest.param(60, 0.1, True, 0.1, id="on the wall, while something real is under way"),
        pytest.param(60, 5, False, 5 + STEP.total_seconds(), id="a step at most, so that what falls due is not passed over"),
        pytest.param(1, 0.1, False, 0.1, id="as on the wall"),
    ],
)
def test_a_speed_skips_what_goes_by_between_two_ticks(store: Any, wall: Wall, speed, waited_s, held, gone_s):
    clock = VirtualClock(store, speed, real=wall)
    wall.wait(waited_s)
    clock.turn(held=held)
    assert clock.now() == START + timedelta(seconds=gone_s)


def test_a_wall_clock_that_jumps_back_skips_nothing(store: Any, wall: Wall):
    clock = VirtualClock(store, 60, real=wall)
    wall.wait(-3600)
    clock.turn(held=False)
    assert clock.now() == wall.at


def test_what_was_skipped_is_kept(store: Any, wall: Wall):
    VirtualClock(store, real=wall).skip(timedelta(hours=2))
    assert VirtualClock(store, real=wall).now() == START + timedelta(hours=2)


def test_an_hour_goes_by_with_a_tick_at_each_step(store: Any, wall: Wall):
    clock, ticks = VirtualClock(store, real=wall), list[datetime]()
    assert pass_time(clock, timedelta(hours=1), lambda: ticks.append(clock.now()), lambda: "", 20) == ""
    assert clock.now() == START + timedelta(hours=1)
    assert max(after - before for before, after in pairwise(ticks)) == STEP


def test_time_waits_for_what_is_real_and_then_goes_on(store: Any, wall: Wall):
    clock, looks = VirtualClock(store, real=wall), list[datetime]()

    def held() -> str:
        looks.append(clock.now())
        wall.wait(0.5)  # as it does while a process starts
        return "a task is starting" if len(looks) < 4 else ""

    assert pass_time(clock, timedelta(minutes=1), lambda: None, held, patience_s=20) == ""
    assert looks[:4] == [START + timedelta(seconds=0.5 * look) for look in range(4)]  # at 1x
    assert clock.now() >= START + timedelta(minutes=1)


def test_what_holds_time_for_too_long_is_named(store: Any, wall: Wall):
    clock = VirtualClock(store, real=wall)
    assert pass_time(clock, timedelta(minutes=1), lambda: None, lambda: "job x is under way", 0) == "job x is under way"
    assert clock.now() == START


def test_the_command_line_takes_the_speeds_that_the_clock_keeps():
    assert commands._SPEED.max == MOST_SPEED
