"""What a person asks of a deployment without editing its document: changes of the ledger that later passes act on. Pure.

Each takes a ledger and returns the changed one; UserError says why it cannot be.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, TypeAlias

from trimtab.core.errors import UserError
from trimtab.core.times import time_in
from trimtab.engine.ledger import Ledger, Revision
from trimtab.engine.remember import SERVED, held_revision, serving_revision
from trimtab.plan.drifts import lifted
from trimtab.plan.fights import fights

Deletion: TypeAlias = Literal["delete", "retain"]
PINS = ("training", "serving", "launcher")


def rolled_back(ledger: Ledger, number: int | None) -> Ledger:
    """Hold an earlier revision: the given one, or the last that served before the one that serves now.

    What runs is that revision's container template; replicas, gateway and the rest stay as the document has them. The hold
    ends with `release`, or when the document changes.
    """
    target = _target(ledger, number)
    return replace(ledger, holds=(target.release[:12],))


def _target(ledger: Ledger, number: int | None) -> Revision:
    serving = serving_revision(ledger)
    able = [each for each in ledger.revisions if each.outcome in SERVED and each.document and each.pins.get("image")]
    others = [each for each in able if serving is None or each.release != serving.release]
    if number is None:
        if not others:
            raise _no(f"{_name(ledger)} has no earlier revision that served", "`trimtab history` lists them")
        return others[-1]
    found = next((each for each in ledger.revisions if each.number == number), None)
    if found is None:
        there = ", ".join(str(each.number) for each in able) or "none"
        raise _no(f"{_name(ledger)} has no revision {number}; those that have served: {there}", "name one of them")
    if found not in able:
        raise _no(f"revision {number} never served: {found.outcome}", "name one that did; `trimtab history` lists them")
    if serving and found.release == serving.release and not ledger.holds:
        raise _no(f"revision {number} serves already", "name another")
    return found


def released(ledger: Ledger) -> Ledger:
    """End the hold: the document's own release runs again."""
    if not ledger.holds:
        raise _no(f"{_name(ledger)} is not held at a revision", "nothing needs releasing")
    return replace(ledger, holds=())


def retried(ledger: Ledger, at: str) -> Ledger:
    """Lift the quarantine of the latest release that the platform gave up, and ask for it once more; and repair again
    what is left alone since somebody changed it after each repair. at: RFC 3339.
    """
    is_fought = bool(fights(ledger.drifts, time_in(at)))
    ledger = replace(ledger, drifts=lifted(ledger.drifts))
    if not ledger.quarantine:
        if is_fought:
            return ledger
        raise _no(
            f"{_name(ledger)} has no release in quarantine, and nothing of it is fought over",
            "apply a changed document instead",
        )
    key = ledger.quarantine[-1]
    full = next((each.release for each in reversed(ledger.revisions) if each.release[:12] == key), key)
    attempts = {**ledger.attempts, full: ledger.attempts.get(full, 0) + 1}
    return replace(ledger, quarantine=ledger.quarantine[:-1], attempts=attempts, baking=None)


def retrained(ledger: Ledger, plain_key: str) -> Ledger:
    """Train once more from the same inputs. plain_key: the training key of the document without any such request."""
    if "model" in ledger.document:
        raise _no(f"{_name(ledger)} serves a model that it does not train", "train it where it comes from")
    ordinal = 1 + ledger.ordinals.get(plain_key, 0)
    return replace(ledger, ordinals={**ledger.ordinals, plain_key: ordinal})


def refreshed(ledger: Ledger, only: str | None) -> Ledger:
    """Forget what moving names were resolved to, so that the next pass resolves them anew. only: one of PINS."""
    kept = {name: pin for name, pin in ledger.pins.items() if only is not None and name != only}
    return replace(ledger, pins=kept)


def suspended(ledger: Ledger, at: str) -> Ledger:
    """Leave it alone until it is resumed: nothing is made or repaired; what serves goes on serving. at: RFC 3339."""
    if ledger.suspended:
        raise _no(f"{_name(ledger)} is suspended since {ledger.suspended}", "`trimtab resume` ends that")
    return replace(ledger, suspended=at)


def resumed(ledger: Ledger) -> Ledger:
    """Look after it again."""
    if not ledger.suspended:
        by_document = bool(ledger.document.get("suspend"))
        fix = "its document says suspend: true; change that" if by_document else "nothing needs resuming"
        raise _no(f"{_name(ledger)} is not suspended by a person", fix)
    return replace(ledger, suspended="")


def let_go(ledger: Ledger, at: str) -> Ledger:
    """Deleted, and all that exists stays as it is: `policy.deletion: retain`. at: RFC 3339.

    The uid stays in the ledger and in the tags, so that a document of the same name takes everything up again.
    """
    return replace(ledger, retained=ledger.retained or at, lease=None)


def deletion_of(ledger: Ledger) -> Deletion:
    """What a deletion does with what exists, by the document as declared last; one that was begun goes to its end."""
    policy: Mapping[str, Any] = ledger.document.get("policy", {})
    return "delete" if ledger.deleting else policy.get("deletion", "delete")


def held_number(ledger: Ledger) -> int | None:
    """The number of the revision that is held, or None."""
    revision = held_revision(ledger)
    return revision.number if revision else None


def _name(ledger: Ledger) -> str:
    return f"{ledger.namespace}/{ledger.name}"


def _no(message: str, fix: str) -> UserError:
    return UserError(message, code="TT3009", reason="NothingToDo", fix=fix)
