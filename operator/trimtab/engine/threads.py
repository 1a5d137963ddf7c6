"""Threads for calls that a pass makes beside one another."""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar
from weakref import WeakSet

P = ParamSpec("P")
T = TypeVar("T")


class OwnThreads(Executor):
    """So many threads for each thread that asks: whatever the calls of one wait for, no other waits for them.

    With one pool for all, two passes whose calls hang would hold up the reads of every other.
    """

    def __init__(self, each: int, name: str) -> None:
        self._each = each
        self._name = name
        self._own = threading.local()
        self._pools: WeakSet[ThreadPoolExecutor] = WeakSet()  # those of a thread that has ended go with it
        self._lock = threading.Lock()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        pool: ThreadPoolExecutor | None = getattr(self._own, "pool", None)
        if pool is None:
            pool = self._own.pool = ThreadPoolExecutor(self._each, thread_name_prefix=self._name)
            with self._lock:
                self._pools.add(pool)
        return pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        with self._lock:
            pools = list(self._pools)
        for pool in pools:
            pool.shutdown(wait, cancel_futures=cancel_futures)
