"""Drives the generators of kinds: makes their calls, hands transfers to the pool, counts, and crashes where a test says."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextvars import copy_context
from itertools import islice
from typing import Protocol, TypeVar

from trimtab.core.kind import Batch, Call, Caller, Failure, Reply, Steps, Transfer

T = TypeVar("T")


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
        return _resumed(steps, step, self._together(_calls_of(step)))

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


def beside(many: Sequence[Steps[T]]) -> Steps[list[T | Failure]]:
    """Several that only read as one, step by step beside one another: all that they ask next is one batch.

    Results in order; a Failure that one does not catch is its result. So no thread that makes calls waits for another, and
    any number may be driven at once.
    """
    results: dict[int, T | Failure] = {}
    under_way: dict[int, Call | Batch | Transfer | None] = dict.fromkeys(range(len(many)))  # None: it has not begun
    replies: list[Reply | Failure] = []
    while under_way:
        rest = iter(replies)
        for at, step in list(under_way.items()):
            own = list(islice(rest, len(_calls_of(step))))
            try:
                under_way[at] = _resumed(many[at], step, own) if step else next(many[at])
            except StopIteration as end:
                results[at] = end.value
                del under_way[at]
            except Failure as failure:
                results[at] = failure
                del under_way[at]
        calls = tuple(call for step in under_way.values() for call in _calls_of(step))
        replies = (yield Batch(calls)) if calls else []
    return [results[at] for at in range(len(many))]


def _calls_of(step: Call | Batch | Transfer | None) -> tuple[Call, ...]:
    assert not isinstance(step, Transfer), "a read sends nothing"
    return step.calls if isinstance(step, Batch) else (step,) if step else ()


def _resumed(steps: Steps[T], step: Call | Batch | Transfer, replies: list[Reply | Failure]) -> Call | Batch | Transfer:
    """The next step, once the calls of the last one are answered. Raises StopIteration at the end."""
    if isinstance(step, Batch):
        return steps.send(replies)
    (reply,) = replies
    return steps.throw(reply) if isinstance(reply, Failure) else steps.send(reply)
