"""Step through a wave. Decides nothing: what to do stands in the plan, what an error means in the call's Failure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from trimtab.core.kind import AnyKind, Failure, Meaning
from trimtab.core.times import rfc3339
from trimtab.engine.driver import Driver
from trimtab.plan.adoption import adopting
from trimtab.plan.plan import Action
from trimtab.plan.status import Trouble

# Another pass finds the answer: the thing is there already, or not ready to be touched.
_LOOK_AGAIN: frozenset[Meaning] = frozenset({"exists", "busy", "conflict", "absent", "throttled", "transient"})
_REASONS: Mapping[Meaning, str] = {
    "denied": "AccessDenied",
    "quota": "QuotaExceeded",
    "invalid": "Rejected",
    "unlisted": "InternalError",
    "throttled": "Throttled",
}
_RIGHTS_SETTLE = timedelta(minutes=2)  # IAM is eventually consistent: a denial before that proves nothing


def apply(
    actions: Sequence[Action], kinds: Mapping[str, AnyKind], driver: Driver, *, rights_settle: bool = False
) -> tuple[Trouble, ...]:
    """Do each action in order. One that fails stops no other: they do not depend on one another within a wave.

    rights_settle: a denial may only mean that a right is not known everywhere yet.
    """
    troubles: list[Trouble] = []
    for action in actions:
        kind = kinds[action.node.partition("/")[0]]
        try:
            _do(action, kind, driver)
        except Failure as failure:
            troubles.append(_trouble(action.node, failure, rights_settle))
    return tuple(troubles)


def are_rights_settling(granted: str, now: datetime) -> bool:
    """Whether a role or policy was written so lately that it may not be known everywhere yet. granted: RFC 3339, or ""."""
    return rfc3339(now - _RIGHTS_SETTLE) < granted < rfc3339(now + _RIGHTS_SETTLE)


def _trouble(node: str, failure: Failure, rights_settle: bool) -> Trouble:
    passes = failure.meaning in _LOOK_AGAIN or (failure.meaning == "denied" and rights_settle)
    return Trouble(node, _REASONS.get(failure.meaning, "Retrying"), failure.reason, passes)


def _do(action: Action, kind: AnyKind, driver: Driver) -> None:
    if action.verb == "create" or (action.verb == "replace" and action.observed is None):
        driver.run(kind.create(action.desired), action.node)
    elif action.verb == "adopt":
        # Its tag first: rights to change it may hang on that, and what a crash leaves is known as ours.
        for part in adopting(action.differences):
            driver.run(kind.update(action.desired, action.observed, part), action.node)
    elif action.verb == "update":
        driver.run(kind.update(action.desired, action.observed, action.differences), action.node)
    elif action.verb in ("delete", "replace"):  # a replaced one is made again by the pass that sees it gone
        driver.run(kind.delete(action.observed), action.node)
