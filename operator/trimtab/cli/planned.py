"""What `plan` shows: one row an action, with its inputs and where it stands in the order. Values in, JSON values out.

The keys are documented in docs/reference/plan.md; a test holds them.
"""

from collections.abc import Sequence, Set
from typing import Any

from trimtab.core.kind import refs_in
from trimtab.engine.former import Changes
from trimtab.plan.causes import Cause, Input
from trimtab.plan.changes import ContentEdit, shown_difference
from trimtab.plan.forecast import Forecast
from trimtab.plan.plan import Action, Plan

FORMAT = "trimtab.plan/v1"
# What is made anew under another generation key. The one before stays, for the history.
_RENEWED = {"sagemaker.TrainingJob": "retrain", "ecr.Image": "rebuild", "s3.Content": "upload", "trimtab.Gate": "judge"}
_ANEW = "renew"
DOES = ("create", "upload", "retrain", "judge", "rebuild", "renew", "adopt", "update", "replace", "delete")


def plan_body(
    name: str,
    environment: str,
    generation: int,
    foreseen: Forecast,
    changes: Changes,
    made: Set[str],
    fingerprint: str,
    blocked: Sequence[dict[str, Any]] = (),
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """The plan as JSON values.

    generation: of the ledger, before this document. made: ids of nodes for which something was made before. blocked: see
    `blocked_rows`. notes: what a person should know of it before it is applied.
    """
    waves = (foreseen.first.actions, *foreseen.later)
    rows = [_row(action, wave, changes, made) for wave, actions in enumerate(waves) for action in actions]
    is_edited = bool(changes.edits or changes.contents)
    return {
        "format": FORMAT,
        "deployment": name,
        "environment": environment,
        "generation": generation + (1 if is_edited or not generation else 0),
        "summary": {does: sum(row["does"] == does for row in rows) for does in DOES},
        "edits": [_input(each) for each in (*changes.contents, *changes.edits)],
        "withoutEffect": [_input(each) for each in changes.causes.without_effect],
        "actions": rows,
        "blocked": list(blocked),
        "notes": list(notes),
        "fingerprint": fingerprint,
    }


def blocked_rows(decided: Plan) -> list[dict[str, Any]]:
    """Nodes that nothing is done about, and why: what could not be read, and what ended badly."""
    acted = {action.node for action in decided.actions}
    return [
        {"node": node, "is": each.is_, "reason": each.reason, "because": each.because}
        for node, each in decided.standings.items()
        if each.is_ in ("unknown", "broken", "refused") and node not in acted
    ]


def unread_rows(decided: Plan) -> list[dict[str, Any]]:
    """Those of `blocked_rows` that could not be read: whether they differ is not known."""
    return [row for row in blocked_rows(decided) if row["is"] == "unknown"]


def _row(action: Action, wave: int, changes: Changes, made: Set[str]) -> dict[str, Any]:
    cause = changes.causes.of(action.node)
    after = _known_after(action.because)
    return {
        "verb": action.verb,
        "does": _does(action, made),
        "node": action.node,
        "name": action.identity or name_of(action.desired),
        "wave": wave,
        "because": _because(action, cause, after),
        "drift": action.is_drift,
        "knownAfter": after,
        "causedBy": cause.above or None,
        "inputs": [_input(each) for each in cause.inputs],
        "differences": [row for each in action.differences for row in shown_difference(each)],
    }


def _does(action: Action, made: Set[str]) -> str:
    """The verb as a person would say it: a new model is trained again, not created."""
    if action.verb != "create":
        return action.verb
    kind = action.node.partition("/")[0]
    if kind == "s3.Content":
        return _RENEWED[kind]
    return _RENEWED.get(kind, _ANEW) if action.node in made else "create"


def _because(action: Action, cause: Cause, after: str | None) -> str:
    if action.verb in ("adopt", "refuse") and not after:
        return action.because  # whatever leads to it: whose it is counts
    if cause.inputs or cause.above:
        return " and ".join(["its inputs changed"] * bool(cause.inputs) + [f"{cause.above} changes"] * bool(cause.above))
    if action.verb == "update" and not after and not action.is_drift:
        return "it is not as declared: changed outside, or the environment was edited"
    return "" if after or action.because == "it does not exist" else action.because


def _known_after(because: str) -> str | None:
    head, _, node = because.partition("known after ")
    return node if not head and node else None


def _input(each: Input) -> dict[str, Any]:
    if isinstance(each, ContentEdit):
        files = {"added": list(each.added), "changed": list(each.changed), "removed": list(each.removed)}
        return {"content": each.name, "from": each.before or None, "to": each.after or None, "files": files}
    return {"path": each.path, "from": each.before, "to": each.after}


def name_of(desired: Any) -> str:
    """What it will be called, as far as that is known."""
    refs = refs_in(desired) if desired is not None else ()
    for field in ("family", "name", "tag", "prefix", "host", "stage"):
        value = getattr(desired, field, None)
        if isinstance(value, str) and value:
            return value
    return str(refs[0]) if refs else ""
