"""Resolves documents: at once where that is quick, else in the background, so that no pass waits for much to be hashed.

A pass finds how far it is, as it does with transfers. What was hashed stands in the cache of digests: another try, and
another start, go on from there.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeAlias

from trimtab.core.kind import Progress
from trimtab.engine.declared import Declared
from trimtab.engine.transfers import Cancelled, Report
from trimtab.engine.wanted import Wanted

AT_ONCE_S = 2.0  # no longer than the calls of a pass take
THREADS = 2

Resolve: TypeAlias = Callable[[Declared, Report], Wanted]


class Time(Protocol):
    def now(self) -> datetime: ...
    def monotonic(self) -> float: ...


class _Slow(Exception):
    """It is nothing for a pass."""


@dataclass(frozen=True, slots=True)
class Hashed:
    """How far a document is."""

    progress: Progress
    since: datetime

    def __str__(self) -> str:
        done, total = (f"{each / (1 << 30):.1f}" for each in (self.progress.done, self.progress.total))
        return f"hashing {self.progress.note}: {done} of {total} GiB" if self.progress.note else "waits to be hashed"


@dataclass(slots=True)
class _Job:
    mark: str  # of the document
    since: datetime
    progress: Progress = field(default_factory=lambda: Progress(0, 0, "bytes"))
    is_dropped: threading.Event = field(default_factory=threading.Event)
    future: "Future[Wanted]" = field(init=False)

    def report(self, progress: Progress) -> None:
        if self.is_dropped.is_set():
            raise Cancelled
        self.progress = progress


class Resolving:
    """One for all deployments. Safe to use from several threads, each key from one at a time.

    ended: is told the key of what has ended in the background.
    """

    def __init__(self, clock: Time, ended: Callable[[str], None]) -> None:
        self._clock = clock
        self._ended = ended
        self._jobs: dict[str, _Job] = {}
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="resolve")

    def take(self, declared: Declared, resolve: Resolve) -> Wanted | Hashed:
        """What it resolves to, or how far that is. Raises what `resolve` raises, which must raise what its Report does."""
        job = self._jobs.get(declared.key)
        if job is not None and job.mark != declared.mark:
            self.drop(declared.key)
            job = None
        if job is None:
            try:
                return resolve(declared, self._patience())
            except _Slow:
                job = self._begin(declared, resolve)
        if not job.future.done():
            return Hashed(job.progress, job.since)
        del self._jobs[declared.key]
        return job.future.result()

    def drop(self, key: str) -> None:
        """It is declared no more, or otherwise."""
        if job := self._jobs.pop(key, None):
            job.is_dropped.set()
            job.future.cancel()

    def stop(self) -> None:
        """End all, and wait for it."""
        for key in list(self._jobs):
            self.drop(key)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _patience(self) -> Report:
        deadline = self._clock.monotonic() + AT_ONCE_S

        def report(_: Progress) -> None:
            if self._clock.monotonic() > deadline:
                raise _Slow

        return report

    def _begin(self, declared: Declared, resolve: Resolve) -> _Job:
        job = self._jobs[declared.key] = _Job(declared.mark, self._clock.now())
        job.future = self._pool.submit(resolve, declared, job.report)
        job.future.add_done_callback(lambda _: job.is_dropped.is_set() or self._ended(declared.key))
        return job
