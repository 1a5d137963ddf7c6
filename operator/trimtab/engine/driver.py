"""Drives the generators of kinds: makes their calls, hands transfers to the pool, counts, and crashes where a test says."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextvars import copy_context
from functools import partial
from typing import Protocol, TypeVar

from trimtab.core.kind import Batch, Call, Failure, Reply, Steps, Transfer

T = TypeVar("T")


class Caller(Protocol):
    """Makes one call; raises Failure."""

    def make(self, call: Call) -> Reply: ...


class Submit(Protocol):
    def submit(self, node: str, transfer: Transfer) -> None: ...


class Driver:
    """One for all kinds of one account and region.

    before: called with every Call before it is made (crash points, dry runs, leases); what it raises goes up.
    """

    def __init__(
        self,
        caller: Caller,
        transfers: Submit,
        threads: Executor,
        *,
        before: Callable[[Call], None] | None = None,
        after: Callable[[Call], None] | None = None,
    ) -> None:
        self._caller = caller
        self._transfers = transfers
        self._threads = threads
        self._before = before
        self._after = after

    def run(self, steps: Steps[T], node: str = "") -> T:
        """Drive to the end and return the result. A Failure that the kind does not catch goes up."""
        try:
            step = next(steps)
            while True:
                step = self._advance(steps, step, node)
        except StopIteration as end:
            return end.value

    def read_all(self, many: Sequence[Steps[T]]) -> list[T | Failure]:
        """Drive several that only read, step by step beside one another: results in order.

        What one does not catch is its result. No thread of the pool waits for another, so any number may be driven at once.
        """
        results: dict[int, T | Failure] = {}
        under_way: dict[int, Call | Batch] = {}
        for at, steps in enumerate(many):
            self._note(at, partial(next, steps), under_way, results)
        while under_way:
            batch = [(at, call) for at, step in under_way.items() for call in _calls_of(step)]
            replies: dict[int, list[Reply | Failure]] = {at: [] for at in under_way}
            for (at, _), reply in zip(batch, self._together([call for _, call in batch]), strict=True):
                replies[at].append(reply)
            for at, step in list(under_way.items()):
                said = (
                    partial(many[at].send, replies[at])
                    if isinstance(step, Batch)
                    else partial(_answer, many[at], *replies[at])
                )
                self._note(at, said, under_way, results)
        return [results[at] for at in range(len(many))]

    def _note(
        self,
        at: int,
        go_on: Callable[[], Call | Batch | Transfer],
        under_way: dict[int, Call | Batch],
        results: dict[int, T | Failure],
    ) -> None:
        """Take the next step of one, or its end."""
        under_way.pop(at, None)
        try:
            step = go_on()
        except StopIteration as end:
            results[at] = end.value
        except Failure as failure:
            results[at] = failure
        else:
            assert not isinstance(step, Transfer), "a read sends nothing"
            under_way[at] = step

    def make(self, call: Call) -> Reply:
        """Make one call outside any kind, with the same hooks. Raises Failure."""
        if self._before:
            self._before(call)
        reply = self._caller.make(call)
        if self._after:
            self._after(call)
        return reply

    def _advance(self, steps: Steps[T], step: Call | Batch | Transfer, node: str) -> Call | Batch | Transfer:
        if isinstance(step, Transfer):
            self._transfers.submit(node, step)
            return steps.send(None)
        if isinstance(step, Batch):
            return steps.send(self._together(step.calls))
        return _answer(steps, self._guarded(step))

    def _together(self, calls: Sequence[Call]) -> list[Reply | Failure]:
        """Make reads in parallel, replies in order; writes one by one, so that crash points have an order."""
        if any(call.repeat != "read" for call in calls) or len(calls) == 1:
            return [self._guarded(call) for call in calls]
        # A call made in a pool loses its trace's parent unless the context goes with it.
        waiting = [self._threads.submit(copy_context().run, self._guarded, call) for call in calls]
        return [each.result() for each in waiting]

    def _guarded(self, call: Call) -> Reply | Failure:
        try:
            return self.make(call)
        except Failure as failure:
            return failure


def _calls_of(step: Call | Batch) -> tuple[Call, ...]:
    return step.calls if isinstance(step, Batch) else (step,)


def _answer(steps: Steps[T], reply: Reply | Failure) -> Call | Batch | Transfer:
    return steps.throw(reply) if isinstance(reply, Failure) else steps.send(reply)
