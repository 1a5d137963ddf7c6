"""A clock that follows another: it jumps with it, never goes back, and waits end once that much time has gone by there."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from trimtab.clients.clock import LOOK_S, FollowingClock, SystemClock, following
from trimtab.engine.queue import Priority, WorkQueue

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Wall(SystemClock):
    """Real time, which goes by in waits alone. meanwhile: what happens in each."""

    def __init__(self) -> None:
        self.gone_s, self.waits = 0.0, []
        self.meanwhile: Callable[[], object] = lambda: None

    def now(self) -> datetime:
        return START + timedelta(seconds=self.gone_s)

    def monotonic(self) -> float:
        return 1000.0 + self.gone_s

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.waits.append(seconds)
        self.gone_s += seconds
        self.meanwhile()
        return event.is_set()


@pytest.fixture
def wall() -> Wall:
    return Wall()


def test_both_its_times_jump_with_the_other_and_go_on_as_on_the_wall(wall: Wall):
    clock = FollowingClock(wall)
    assert (clock.now(), clock.monotonic()) == (START, 1000.0)
    clock.follow(START + HOUR)
    assert (clock.now(), clock.monotonic()) == (START + HOUR, 4600.0)
    wall.gone_s = 7.0
    assert (clock.now(), clock.monotonic()) == (START + HOUR + timedelta(seconds=7), 4607.0)


def test_it_never_goes_back(wall: Wall):
    clock = FollowingClock(wall)
    clock.follow(START + HOUR)
    for late in (START, START + HOUR - timedelta(milliseconds=3)):  # an answer that took its time, another cloud
        clock.follow(late)
        assert clock.now() == START + HOUR


def test_a_wait_ends_as_soon_as_its_time_is_jumped_over(wall: Wall):
    clock, event = FollowingClock(wall), threading.Event()
    wall.meanwhile = lambda: clock.follow(wall.now() + HOUR) if len(wall.waits) == 3 else None
    assert not clock.wait(event, 3000)
    assert wall.waits == [LOOK_S] * 3


def test_a_wait_lasts_its_time_where_nothing_jumps_and_no_longer_than_its_event(wall: Wall):
    clock, event = FollowingClock(wall), threading.Event()
    assert not clock.wait(event, 1.1)
    assert wall.gone_s == pytest.approx(1.1)
    wall.meanwhile = event.set
    assert clock.wait(event, 3000)
    assert wall.gone_s == pytest.approx(1.1 + LOOK_S)


def test_a_key_is_due_in_the_queue_once_the_other_clock_has_jumped():
    clock = FollowingClock()
    queue = WorkQueue(clock.monotonic, clock.pause)
    queue.add_after("a", 3600, Priority.EVENT)
    taken: list[object] = []
    worker = threading.Thread(target=lambda: taken.append(queue.take()))
    worker.start()
    clock.follow(clock.now() + HOUR)
    worker.join(20 * LOOK_S)
    queue.close()
    assert [each.key for each in taken if each] == ["a"]


def test_it_looks_again_and_again_and_a_silent_one_is_no_harm():
    says: list[datetime | None] = [None, datetime.now(UTC) + HOUR]
    jumped = threading.Event()

    def read() -> datetime | None:
        if len(says) == 1:
            jumped.set()
            return says[0]
        return says.pop(0)

    with following(read) as clock:
        assert clock.now() - datetime.now(UTC) < HOUR / 2
        assert jumped.wait(20 * LOOK_S)
        assert clock.wait(threading.Event(), 0.0) is False
    assert clock.now() - datetime.now(UTC) > HOUR / 2
