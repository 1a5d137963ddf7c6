"""Step through a wave. Decides nothing: what to do stands in the plan, what an error means in the call's Failure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trimtab.core.kind import AnyKind, Failure, Meaning
from trimtab.engine.driver import Driver
from trimtab.plan.plan import Action

# Another pass finds the answer: the thing is there already, or not ready to be touched.
_LOOK_AGAIN: frozenset[Meaning] = frozenset({"exists", "busy", "conflict", "absent", "throttled", "transient"})


@dataclass(frozen=True, slots=True)
class Trouble:
    """An action that did not end well."""

    node: str
    failure: Failure

    @property
    def passes(self) -> bool:
        """Whether another look may find it gone."""
        return self.failure.meaning in _LOOK_AGAIN


def apply(actions: Sequence[Action], kinds: Mapping[str, AnyKind], driver: Driver) -> tuple[Trouble, ...]:
    """Do each action in order. One that fails stops no other: they do not depend on one another within a wave."""
    troubles: list[Trouble] = []
    for action in actions:
        kind = kinds[action.node.partition("/")[0]]
        try:
            _do(action, kind, driver)
        except Failure as failure:
            troubles.append(Trouble(action.node, failure))
    return tuple(troubles)


def _do(action: Action, kind: AnyKind, driver: Driver) -> None:
    if action.verb == "create" or (action.verb == "replace" and action.observed is None):
        driver.run(kind.create(action.desired), action.node)
    elif action.verb == "update":
        driver.run(kind.update(action.desired, action.observed, action.differences), action.node)
    elif action.verb in ("delete", "replace"):  # a replaced one is made again by the pass that sees it gone
        driver.run(kind.delete(action.observed), action.node)
