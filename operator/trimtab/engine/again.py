"""When to look at a deployment again, by how its pass ended. Pure.

Source: house style, section 4: the class of an error says what comes next. Nothing is terminal for ever.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from trimtab.core.errors import Conflict, Denied, NotOurs, Throttled, Transient, UserError
from trimtab.core.kind import Failure, Meaning
from trimtab.core.times import time_in
from trimtab.engine.view import Outcome

Growing: TypeAlias = Literal["conflict", "transient", "throttled", "bug"]

LASTING_S = 600.0  # what a person must act on may have been acted on elsewhere: a role granted, a name freed
LIMITS: Mapping[str, tuple[float, float]] = {  # (first, longest) seconds; each failure in a row doubles
    "conflict": (0.2, 30.0),
    "transient": (1.0, 900.0),
    "throttled": (5.0, 900.0),
    "bug": (5.0, 3600.0),
}
_LASTING: frozenset[Meaning] = frozenset({"denied", "quota", "invalid"})
_HELD_S = 5.0
_SOONEST_S, _LATEST_S = 0.2, 5.0
_NAMING_S, _NAMING_SHARE = 30.0, 0.5  # as a share of how long it has been waited for


@dataclass(frozen=True, slots=True)
class Again:
    """What an error means for the next look."""

    what: Literal["document", "lasting"] | Growing
    errors: tuple[BaseException, ...]

    @property
    def because(self) -> str:
        return "; ".join(f"{type(each).__name__}: {each}" if self.what == "bug" else str(each) for each in self.errors)


def after_error(error: BaseException) -> Again:
    """What is raised by a pass, groups flattened: the worst that is in it counts."""
    errors = tuple(flat(error))
    if all(isinstance(each, UserError) for each in errors):
        return Again("document", errors)
    worst = next((each for each in errors if _kind(each) == "bug"), None) or errors[0]
    return Again(_kind(worst), errors)


def fault(error: Exception) -> str:
    """What is told of an error that nobody expected, where the loop goes on without what it ended."""
    return f"a fault of trimtab's own: {type(error).__name__}: {error}"


def _kind(error: BaseException) -> Literal["document", "lasting"] | Growing:
    if isinstance(error, Failure):
        if error.meaning in _LASTING:
            return "lasting"
        if error.meaning == "unlisted":
            return "bug"
        return "throttled" if error.meaning == "throttled" else "transient"
    for kind, classes in _CLASSES.items():
        if isinstance(error, classes):
            return cast(Growing, kind)
    return "bug"


_CLASSES: Mapping[str, tuple[type[BaseException], ...]] = {
    "document": (UserError,),
    "conflict": (Conflict,),
    "lasting": (Denied, NotOurs),
    "throttled": (Throttled,),
    "transient": (Transient, OSError),
}


def after_outcome(outcome: Outcome) -> float | None:
    """Seconds until something may have moved by itself; None: a sweep is soon enough."""
    if outcome.suspended:
        return None
    waits = (_moved_after(outcome), _named_after(outcome))
    return min((each for each in waits if each is not None), default=None)


def _moved_after(outcome: Outcome) -> float | None:
    if outcome.is_converged:
        return outcome.plan.look_again_s  # of a repair that the flap guard puts off
    if outcome.held_by:
        return _HELD_S
    if outcome.is_stuck:
        return LASTING_S
    if outcome.plan.writes or outcome.more:
        return _SOONEST_S
    return min(outcome.plan.look_again_s or _LATEST_S, _LATEST_S)


def _named_after(outcome: Outcome) -> float | None:
    """Where a drift waits for the name of its author: nothing tells when the trail delivers, within a quarter of an hour.

    Seven looks and a last one, ever further apart: whether anything is asked at each is the witness's to say.
    """
    if outcome.view is None:
        return None
    at = outcome.view.snapshot.at
    ages = [(at - time_in(each.first)).total_seconds() for each in outcome.ledger.drifts if not each.who]
    return max(_NAMING_S, min(ages) * _NAMING_SHARE) if ages else None


def flat(error: BaseException) -> Iterator[BaseException]:
    """The errors in a group, or the error itself."""
    if isinstance(error, BaseExceptionGroup):
        for each in cast("Sequence[BaseException]", error.exceptions):
            yield from flat(each)
    else:
        yield error
