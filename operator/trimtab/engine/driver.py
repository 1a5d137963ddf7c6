"""Drives the generators of kinds: makes their calls, hands transfers to the pool, counts, and crashes where a test says."""

from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import copy_context
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
            return steps.send(self._together(step))
        try:
            reply = self.make(step)
        except Failure as failure:
            return steps.throw(failure)
        return steps.send(reply)

    def _together(self, batch: Batch) -> list[Reply | Failure]:
        """Make reads in parallel, replies in order; writes one by one, so that crash points have an order."""
        if any(call.repeat != "read" for call in batch.calls) or len(batch.calls) == 1:
            return [self._guarded(call) for call in batch.calls]
        # A call made in a pool loses its trace's parent unless the context goes with it.
        waiting = [self._threads.submit(copy_context().run, self._guarded, call) for call in batch.calls]
        return [each.result() for each in waiting]

    def _guarded(self, call: Call) -> Reply | Failure:
        try:
            return self.make(call)
        except Failure as failure:
            return failure
