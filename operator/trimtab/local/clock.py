"""The one clock of a local cloud: real time, and whatever waiting was skipped.

Only waiting is virtual. While something real is under way (a job, a task that starts or stops, a target's first health
check) time runs as on the wall; `speed` and `pass_time` skip the rest, by at most STEP at a look, so that what falls due
on the way is done on the way. What was skipped is kept: after a restart no time comes twice. Signatures use `real`.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from trimtab.local.overlay import Store

STEP = timedelta(seconds=10)  # the most that is skipped between two looks at what moves
MOST_SPEED = 100.0  # STEP in the tenth of a second between two ticks
_LOOK_S = 0.02  # between two looks at something real, which nothing can be awaited for


def real_now() -> datetime:
    return datetime.now(UTC)


class VirtualClock:
    """Safe to use from several threads."""

    def __init__(self, store: Store, speed: float = 1.0, real: Callable[[], datetime] = real_now) -> None:
        self.speed = speed  # how many seconds go by in one, while nothing real is under way
        self.real = real
        self._store, self._lock = store, threading.Lock()
        self._skipped = timedelta(seconds=(store.get("clock", "skipped") or {"seconds": 0.0})["seconds"])
        self._turned = real()

    def now(self) -> datetime:
        return self.real() + self._skipped

    def skip(self, by: timedelta) -> None:
        """Let time go by at once. Durable before it is seen."""
        with self._lock:
            self._store.put("clock", "skipped", {"seconds": (self._skipped + by).total_seconds()})
            self._skipped += by

    def turn(self, *, held: bool) -> None:
        """At the end of each tick: skip what the speed adds to the time since the last one; nothing while held."""
        at = self.real()
        gone, self._turned = at - self._turned, at
        if self.speed > 1 and not held and gone > timedelta(0):
            self.skip(min(gone * (self.speed - 1), STEP))


def pass_time(
    clock: VirtualClock, by: timedelta, tick: Callable[[], None], held: Callable[[], str], patience_s: float
) -> str:
    """Let time go by, with a tick at every step. Answers "" when it has, else what has held it for `patience_s`."""
    goal, moved = clock.now() + by, time.monotonic()
    tick()
    while (left := goal - clock.now()) > timedelta(0):
        because = held()
        if not because:
            clock.skip(min(left, STEP))
            moved = time.monotonic()
        elif time.monotonic() - moved > patience_s:
            return because
        else:
            time.sleep(_LOOK_S)
        tick()
    return ""
