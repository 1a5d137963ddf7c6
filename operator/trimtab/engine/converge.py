"""Pass after pass until a document is true, is stuck, or time is up: what `apply`, `delete` and `wait` do.

Between passes nothing is held: an interrupted one is continued by the next.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from trimtab.clients.clock import SystemClock
from trimtab.core.errors import Conflict, Superseded
from trimtab.engine.reconcile import Reconciler
from trimtab.engine.view import Outcome
from trimtab.engine.wanted import Wanted

Ended: TypeAlias = Literal["converged", "stuck", "timeout", "gone"]
Tell: TypeAlias = Callable[[Outcome], None]

_SOONEST_S = 0.2
_GROWTH = 1.5
_LATEST_S = 2.0  # a person watches: one deployment is looked at more often than a sweep would
_CONFLICTS = 20  # in a row: somebody else really is at work on it


@dataclass(frozen=True, slots=True)
class End:
    how: Ended
    outcome: Outcome | None  # of the last pass; None for what is gone
    passes: int


def converge(reconciler: Reconciler, wanted: Wanted, clock: SystemClock, tell: Tell, timeout_s: float) -> End:
    """Make passes until converged or stuck. Raises what a pass raises; Superseded when a later document took over."""
    deadline = clock.monotonic() + timeout_s
    generation: int | None = None
    pause, passes, conflicts = _SOONEST_S, 0, 0
    while True:
        reconciler.transfers.changed.clear()
        try:
            outcome = reconciler.pass_(wanted, expected_generation=generation)
        except Superseded:
            raise
        except Conflict:  # another apply wrote the ledger between our read and our write: look again
            conflicts += 1
            if conflicts > _CONFLICTS:
                raise
            clock.wait(reconciler.transfers.changed, _SOONEST_S * conflicts)
            continue
        passes, conflicts = passes + 1, 0
        if not outcome.held_by:
            generation = outcome.ledger.generation
        tell(outcome)
        if outcome.is_converged:
            return End("converged", outcome, passes)
        if outcome.is_stuck:
            return End("stuck", outcome, passes)
        if clock.monotonic() > deadline:
            return End("timeout", outcome, passes)
        pause = (
            _SOONEST_S
            if outcome.plan.writes and not outcome.troubles and not outcome.held_by
            else min(pause * _GROWTH, outcome.plan.look_again_s or _LATEST_S, _LATEST_S)
        )
        if not outcome.plan.writes or outcome.troubles or outcome.held_by:
            clock.wait(reconciler.transfers.changed, min(pause, max(0.0, deadline - clock.monotonic())))


def remove(reconciler: Reconciler, namespace: str, name: str, clock: SystemClock, tell: Tell, timeout_s: float) -> End:
    """Delete, wave by wave, until nothing is left. Stuck when no wave can go on and the reason will not pass by itself."""
    deadline = clock.monotonic() + timeout_s
    pause, passes = _SOONEST_S, 0
    while True:
        outcome = reconciler.remove(namespace, name)
        passes += 1
        if outcome is None:
            return End("gone", None, passes)
        tell(outcome)
        if outcome.is_stuck:
            return End("stuck", outcome, passes)
        if clock.monotonic() > deadline:
            return End("timeout", outcome, passes)
        pause = min(pause * _GROWTH, 2.0)
        clock.wait(reconciler.transfers.changed, pause)
