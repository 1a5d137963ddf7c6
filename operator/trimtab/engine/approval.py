"""A plan that a person has read and saved: what it stood on, and what has moved since.

Once its apply has begun, the ledger has its fingerprint, so that an interrupted apply of it goes on: what it made itself is
no reason to call it stale.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import trimtab
from trimtab.core.canonical import digest_of
from trimtab.core.errors import UserError
from trimtab.core.kind import AnyKind
from trimtab.engine.ledger import Ledger
from trimtab.engine.view import View
from trimtab.engine.wanted import Wanted
from trimtab.model.environment import Environment
from trimtab.plan.basis import basis, moved
from trimtab.plan.changes import leaves, path_text

_NAMED = 12  # of what moved


@dataclass(frozen=True, slots=True)
class Approval:
    """What a saved plan stood on, as JSON values: trimtab, document, contents, environment, ledger, pins and world."""

    stood_on: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        return digest_of(self.stood_on)

    def check_document(self, wanted: Wanted, environment: Environment) -> None:
        """Raise UserError when document, files, environment or trimtab are others than they were."""
        now = _declared(wanted, environment)
        _refuse([each for part in now for each in _differing(part, self.stood_on[part], now[part])])

    def check_world(self, view: View, kinds: Mapping[str, AnyKind]) -> None:
        """Raise UserError when the ledger or what is live moved."""
        now = _seen(view, kinds)
        found = [each for part in ("ledger", "pins") for each in _differing(part, self.stood_on[part], now[part])]
        _refuse([*found, *moved(self.stood_on["world"], now["world"])])


def stood_on(view: View, wanted: Wanted, environment: Environment, kinds: Mapping[str, AnyKind]) -> dict[str, Any]:
    """What a plan made of this view stands on."""
    return {**_declared(wanted, environment), **_seen(view, kinds)}


def _declared(wanted: Wanted, environment: Environment) -> dict[str, Any]:
    digests = {name: each for name, each in asdict(wanted.digests).items() if name != "channels"}  # they are the dataset
    return {
        "trimtab": trimtab.__version__,
        "document": {"namespace": wanted.namespace, "name": wanted.name, "spec": dict(wanted.declared)},
        "contents": digests,
        "environment": {
            "name": environment.metadata.name,
            "spec": environment.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True),
        },
    }


def _seen(view: View, kinds: Mapping[str, AnyKind]) -> dict[str, Any]:
    world = basis(view.graph, view.snapshot, view.plan, kinds, view.rules)
    return {
        "ledger": _asked(view.ledger),
        "pins": {name: dict(pin) for name, pin in view.ledger.pins.items()},
        "world": world,
    }


def _asked(ledger: Ledger) -> dict[str, Any]:
    """What was declared last, and what a person or the platform decided since."""
    return {
        "generation": ledger.generation,
        "holds": list(ledger.holds),
        "quarantine": list(ledger.quarantine),
        "retrainings": dict(ledger.ordinals),
        "retries": dict(ledger.attempts),
    }


def _differing(part: str, before: Any, now: Any) -> Iterator[str]:
    absent = "(the default)" if part in ("document", "environment") else "(none)"
    for steps, old, new in leaves(before, now):
        yield f"{path_text(part, steps)}: {_text(old, absent)} -> {_text(new, absent)}"


def _text(value: object, absent: str) -> str:
    text = absent if value in (None, "") else str(value)
    return text[:19] if text.startswith("sha256:") else text


def _refuse(found: list[str]) -> None:
    if not found:
        return
    more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    raise UserError(
        f"the plan is stale: {'; '.join(found[:_NAMED])}{more}",
        code="TT6005",
        reason="PlanStale",
        fix="plan again, read what it says now, and apply that",
    )
