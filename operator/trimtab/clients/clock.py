"""Clocks and waiting, arguments of everything that needs time: this machine's, and one that follows a cloud's."""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

LOOK_S = 0.25  # between two looks at a clock that is followed: how late it is seen that it jumped


class SystemClock:
    def now(self) -> datetime:
        """Now, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean something."""
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until the event is set, at most that long. Answers whether it was set."""
        return event.wait(seconds)

    def pause(self, changed: threading.Condition, seconds: float | None) -> None:
        """Wait for a notification, at most that long, or shorter; None: for as long as it takes."""
        changed.wait(seconds)


class FollowingClock(SystemClock):
    """Time as another clock has it, which runs as this machine's but for jumps ahead: a local cloud's, in tests.

    What is kept is how far that one is ahead. It never shrinks, so no time comes twice; between two looks, and while the
    other is silent, time goes on as on the wall. real: this machine's.
    """

    def __init__(self, real: SystemClock | None = None) -> None:
        self._real = real or SystemClock()
        self._ahead = timedelta(0)

    def follow(self, theirs: datetime) -> None:
        """Take in what the other has just answered."""
        self._ahead = max(self._ahead, theirs - self._real.now())

    def now(self) -> datetime:
        return self._real.now() + self._ahead

    def monotonic(self) -> float:
        return self._real.monotonic() + self._ahead.total_seconds()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        deadline = self.monotonic() + seconds
        while (left := deadline - self.monotonic()) > 0:
            if self._real.wait(event, min(left, LOOK_S)):
                return True
        return event.is_set()

    def pause(self, changed: threading.Condition, seconds: float | None) -> None:
        self._real.pause(changed, None if seconds is None else min(seconds, LOOK_S))


@contextmanager
def following(read: Callable[[], datetime | None]) -> Generator[FollowingClock]:
    """A clock that looks at another some times a second. read: what that one says; None while it does not answer."""
    clock, over = FollowingClock(), threading.Event()

    def look() -> None:
        if (theirs := read()) is not None:
            clock.follow(theirs)

    def watch() -> None:
        while not over.wait(LOOK_S):
            look()

    look()
    watching = threading.Thread(target=watch, name="clock", daemon=True)
    watching.start()
    try:
        yield clock
    finally:
        over.set()
        watching.join()
