"""The operator's work queue: one pass a key at a time, duplicates folded, edits ahead of events ahead of fleets and sweeps.

A key that is added while a pass of it runs is taken up again once that pass is done. Nothing here knows what a key is.
Source: Kubernetes client-go, util/workqueue; controller-runtime, priority queue.
"""

import heapq
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import count


class Priority(IntEnum):
    """What comes first is the smallest."""

    EDIT = 0  # a person waits
    EVENT = 1  # something may have moved
    FLEET = 2  # an edit of so many that nobody waits for one of them
    SWEEP = 3  # nothing says that anything moved


@dataclass(frozen=True, slots=True)
class Taken:
    """A key to work on, and how long it has waited, in seconds."""

    key: str
    priority: Priority
    waited_s: float


@dataclass(slots=True)
class Line:
    """The queue as a value of what was added and when: no threads, no clock. Times are seconds that never go back."""

    _due: dict[str, tuple[Priority, int, float]] = field(default_factory=dict[str, tuple[Priority, int, float]])
    _later: dict[str, tuple[float, Priority]] = field(default_factory=dict[str, tuple[float, Priority]])
    # By time: those of `_later` that are not busy, and some that have been taken out of it since.
    _alarms: "list[tuple[float, str]]" = field(default_factory=list[tuple[float, str]])
    _busy: set[str] = field(default_factory=set[str])
    _again: dict[str, Priority] = field(default_factory=dict[str, Priority])
    _order: "list[tuple[Priority, int, str]]" = field(default_factory=list[tuple[Priority, int, str]])
    _numbers: "count[int]" = field(default_factory=count)

    def add(self, key: str, priority: Priority, now: float) -> None:
        """Ask for a pass now. One that is due later is due now; one that is due already takes the higher priority."""
        if key in self._busy:
            self._again[key] = min(priority, self._again.get(key, priority))
            return
        self._later.pop(key, None)
        known = self._due.get(key)
        if known is not None and known[0] <= priority:
            return
        number = next(self._numbers)
        self._due[key] = (priority, number, known[2] if known else now)
        heapq.heappush(self._order, (priority, number, key))

    def add_later(self, key: str, at: float, priority: Priority) -> None:
        """Ask for a pass at that time; the earliest that is asked for counts. A busy key is not due before it is done."""
        if key in self._due:
            return
        known = self._later.get(key)
        if known is None or at < known[0]:
            self._later[key] = (at, priority)
            self._watch(key)

    def take(self, now: float, least: Priority = Priority.SWEEP) -> Taken | None:
        """The next key that is due, which is busy from now on; None while there is none of that priority or a higher one."""
        self._wake(now)
        while self._order:
            priority, number, key = self._order[0]
            is_moved = self._due.get(key, (None, -1, 0.0))[1] != number  # ahead, so that it stands there twice
            if not is_moved and priority > least:
                return None
            heapq.heappop(self._order)
            if is_moved:
                continue
            waited = now - self._due.pop(key)[2]
            self._busy.add(key)
            return Taken(key, priority, waited)
        return None

    def done(self, key: str, now: float) -> None:
        """The pass of that key is over."""
        self._busy.discard(key)
        if key in self._again:
            self.add(key, self._again.pop(key), now)
        else:
            self._watch(key)

    def next_at(self) -> float | None:
        """When the first that is due later is due; None: there is none."""
        while self._alarms and not self._rings(*self._alarms[0]):
            heapq.heappop(self._alarms)
        return self._alarms[0][0] if self._alarms else None

    @property
    def depth(self) -> int:
        """Keys that are due and not yet taken."""
        return len(self._due)

    @property
    def busy(self) -> frozenset[str]:
        return frozenset(self._busy)

    def _wake(self, now: float) -> None:
        while self._alarms and self._alarms[0][0] <= now:
            at, key = heapq.heappop(self._alarms)
            if self._rings(at, key):
                self.add(key, self._later[key][1], now)

    def _watch(self, key: str) -> None:
        if key in self._later and key not in self._busy:
            heapq.heappush(self._alarms, (self._later[key][0], key))

    def _rings(self, at: float, key: str) -> bool:
        """Whether that is still when the key is due."""
        return key not in self._busy and self._later.get(key, (None,))[0] == at


class WorkQueue:
    """A Line that threads share. clock: seconds that never go back. pause: wait for a change, at most so many of them.

    All that wait are told of each change: the key may be too little urgent for some.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        pause: Callable[[threading.Condition, float | None], object] = threading.Condition.wait,
    ) -> None:
        self._clock, self._pause = clock, pause
        self._line = Line()
        self._changed = threading.Condition()
        self._closed = False

    def add(self, key: str, priority: Priority) -> None:
        with self._changed:
            self._line.add(key, priority, self._clock())
            self._changed.notify_all()

    def add_after(self, key: str, seconds: float, priority: Priority = Priority.EVENT) -> None:
        """Ask for a pass that many seconds from now."""
        with self._changed:
            self._line.add_later(key, self._clock() + seconds, priority)
            self._changed.notify_all()

    def take(self, least: Priority = Priority.SWEEP) -> Taken | None:
        """Wait for a key of that priority or a higher one to work on; None once the queue is closed."""
        with self._changed:
            while not self._closed:
                now = self._clock()
                if found := self._line.take(now, least):
                    return found
                at = self._line.next_at()
                self._pause(self._changed, None if at is None else max(0.0, at - now))
            return None

    def done(self, key: str) -> None:
        with self._changed:
            self._line.done(key, self._clock())
            self._changed.notify_all()

    def close(self) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def depth(self) -> int:
        with self._changed:
            return self._line.depth

    @property
    def busy(self) -> frozenset[str]:
        with self._changed:
            return self._line.busy


@dataclass(slots=True)
class BackOff:
    """How long to leave a key alone after it failed again: doubling, per key, until it is forgotten.

    limits: (first, longest) seconds by what kind of failure it was.
    """

    limits: Mapping[str, tuple[float, float]]
    _failed: dict[str, tuple[str, int]] = field(default_factory=dict[str, tuple[str, int]])

    def after(self, key: str, what: str) -> float:
        """Seconds until the next try, after one more failure of that kind."""
        kind, times = self._failed.get(key, (what, 0))
        times = times if kind == what else 0
        self._failed[key] = (what, times + 1)
        first, longest = self.limits[what]
        return min(longest, first * 2.0 ** min(times, 32))

    def forget(self, key: str) -> None:
        """It went well."""
        self._failed.pop(key, None)
