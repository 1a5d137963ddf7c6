"""Pass after pass until a document is true, is stuck, or time is up: what `apply`, `delete` and `wait` do.

Between passes nothing is held: an interrupted one is continued by the next.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from trimtab.clients.clock import SystemClock
from trimtab.core.errors import Conflict, Superseded
from trimtab.engine.amend import Deletion
from trimtab.engine.approval import Approval
from trimtab.engine.reconcile import Reconciler
from trimtab.engine.view import Outcome, View
from trimtab.engine.wanted import Wanted

Ended: TypeAlias = Literal["converged", "stuck", "suspended", "timeout", "gone", "retained"]
Tell: TypeAlias = Callable[[Outcome], None]

_SOONEST_S = 0.2
_LATEST_S = 2.0  # a person watches: one deployment is looked at more often than a sweep would
# How late the end of a wait may be seen, as a share of the wait: a look costs a call or two, a pass some thirty.
_LOOK_SHARE, _PASS_SHARE = 0.1, 0.5
_WHOLE_S = 5.0  # between whole passes: what nobody waits for moves as well (a later document, a hold, somebody's hands)
_SHOWN_S = 1.0  # the same while a transfer of ours runs, whose progress is shown; its end is told
_CONFLICTS = 20  # in a row: somebody else really is at work on it


@dataclass(frozen=True, slots=True)
class End:
    how: Ended
    outcome: Outcome | None  # of the last pass; None for what was gone before
    passes: int


def converge(
    reconciler: Reconciler,
    wanted: Wanted,
    clock: SystemClock,
    tell: Tell,
    timeout_s: float,
    approval: Approval | None = None,
) -> End:
    """Make passes until converged or stuck. Raises what a pass raises; Superseded when a later document took over.

    approval: the saved plan that this applies; nothing is done once what it stood on has moved.
    """
    deadline = clock.monotonic() + timeout_s
    generation: int | None = None
    since, passes, conflicts = clock.monotonic(), 0, 0
    while True:
        reconciler.transfers.changed.clear()
        try:
            outcome = reconciler.pass_(wanted, expected_generation=generation, approval=approval, is_guarded=False)
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
        if outcome.suspended:
            return End("suspended", outcome, passes)
        if outcome.is_converged:
            return End("converged", outcome, passes)
        if outcome.is_stuck:
            return End("stuck", outcome, passes)
        if clock.monotonic() > deadline:
            return End("timeout", outcome, passes)
        if outcome.plan.writes and not outcome.troubles and not outcome.held_by:
            since = clock.monotonic()  # what it waits for begins now
        else:
            _wait(reconciler, outcome, clock, since, deadline)


def _wait(reconciler: Reconciler, outcome: Outcome, clock: SystemClock, since: float, deadline: float) -> None:
    """Wait until what moves is judged otherwise, a transfer has ended, or a whole pass is due.

    since: when this wait began, which may be passes ago. A longer one is looked at less often.
    """
    view, changed, now = outcome.view, reconciler.transfers.changed, clock.monotonic()
    if view is None or not _is_only_waiting(outcome, view):
        latest = min(outcome.plan.look_again_s or _LATEST_S, _LATEST_S)
        pause = min(max(_SOONEST_S, (now - since) * _PASS_SHARE), latest)
        clock.wait(changed, min(pause, max(0.0, deadline - now)))
        return
    moving = [id for id, standing in outcome.plan.standings.items() if standing.is_ == "moving"]
    platforms = tuple(id for id in moving if id not in view.snapshot.transfers)
    whole = min(now + (_WHOLE_S if len(platforms) == len(moving) else _SHOWN_S), deadline)
    while now < whole:
        pause = min(max(_SOONEST_S, (now - since) * _LOOK_SHARE), _LATEST_S) if platforms else whole - now
        if clock.wait(changed, min(pause, whole - now)) or (platforms and reconciler.has_moved(view, platforms)):
            return
        now = clock.monotonic()


def _is_only_waiting(outcome: Outcome, view: View) -> bool:
    """Whether something moves, and looking at that alone tells when to go on."""
    if view.rotated or outcome.troubles or outcome.held_by or outcome.more:
        return False
    standings = {standing.is_ for standing in outcome.plan.standings.values()}
    return "moving" in standings and "unknown" not in standings


def remove(
    reconciler: Reconciler,
    namespace: str,
    name: str,
    clock: SystemClock,
    tell: Tell,
    timeout_s: float,
    deletion: Deletion | None = None,
) -> End:
    """Delete, wave by wave, until nothing is left. Stuck when no wave can go on and the reason will not pass by itself.

    deletion: what becomes of what exists; by default what the document says. Another deployment that takes the name
    meanwhile is left alone. Raises what a pass raises.
    """
    deadline = clock.monotonic() + timeout_s
    since, passes, left, conflicts, uid = clock.monotonic(), 0, 0, 0, ""
    while True:
        try:
            outcome = reconciler.remove(namespace, name, deletion, uid)
        except Conflict:  # an operator is at work on it, too
            conflicts += 1
            if conflicts > _CONFLICTS:
                raise
            clock.wait(reconciler.transfers.changed, _SOONEST_S * conflicts)
            continue
        passes, conflicts = passes + 1, 0
        if outcome is None:
            return End("gone", None, passes)
        uid = outcome.ledger.uid
        if outcome.ended:
            return End(outcome.ended, outcome, passes)
        tell(outcome)
        if outcome.is_stuck:
            return End("stuck", outcome, passes)
        if clock.monotonic() > deadline:
            return End("timeout", outcome, passes)
        before, left = left, len(outcome.plan.standings)
        if passes == 1 or left < before:
            since = clock.monotonic()  # a wave was begun, or is gone: see at once whether the next one can go
            continue
        pause = min(max(_SOONEST_S, (clock.monotonic() - since) * _PASS_SHARE), _LATEST_S)
        clock.wait(reconciler.transfers.changed, min(pause, max(0.0, deadline - clock.monotonic())))
