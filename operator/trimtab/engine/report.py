"""The status of a deployment as JSON values: the same for `trimtab status` and for whoever declared it. Pure.

The keys are documented in docs/reference/status.md, and a test holds them.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from trimtab.core.errors import UserError
from trimtab.core.times import rfc3339
from trimtab.engine.amend import held_number
from trimtab.engine.claim import release_in
from trimtab.engine.ledger import Ledger
from trimtab.engine.remember import conditions_of, serving_revision, standing_since
from trimtab.engine.view import View
from trimtab.plan.plan import Plan
from trimtab.plan.status import stage_rows


def head_of(ledger: Ledger) -> dict[str, Any]:
    """What its ledger alone tells."""
    serving = serving_revision(ledger)
    return {
        "deployment": f"{ledger.namespace}/{ledger.name}",
        "environment": ledger.environment,
        "observedGeneration": ledger.generation,
        "version": (ledger.provenance.version if ledger.provenance else "") or None,
        "revision": serving.number if serving else None,
        "held": held_number(ledger),
        "quarantine": list(ledger.quarantine),
    }


def status_of(ledger: Ledger, view: View, plan: Plan, url: str) -> dict[str, Any]:
    """What was seen of it. plan: as the pass left it, where there was one."""
    return {
        **head_of(ledger),
        "endpoint": {"url": url},
        "proof": _proof(view),
        "conditions": [
            {
                "type": each.type,
                "status": each.status,
                "reason": each.reason,
                "message": each.message,
                "observedGeneration": each.observed_generation,
                "lastTransitionTime": each.since,
            }
            for each in conditions_of(ledger, view.graph, plan, view.snapshot)
        ],
        "stages": stages_of(ledger, view, plan),
    }


def stages_of(ledger: Ledger, view: View, plan: Plan) -> list[dict[str, Any]]:
    """One row a stage: how it stands, by which node, since when, and what it waits for."""
    at = rfc3339(view.snapshot.at)
    rows: list[dict[str, Any]] = []
    for row in stage_rows(view.graph, plan):
        standing, progress = row.standing, row.standing.progress
        rows.append(
            {
                "stage": row.stage,
                "is": standing.is_,
                "reason": standing.reason or ("AsDeclared" if standing.is_ok else "Progressing"),
                "node": row.node,
                "because": standing.because,
                "since": standing_since(ledger, row, at).at,
                "waitsFor": standing.after or None,
                "progress": {"done": progress.done, "total": progress.total, "unit": progress.unit} if progress else None,
            }
        )
    return rows


def problem(mistakes: Sequence[UserError]) -> dict[str, Any]:
    """What is wrong with a document, as it is told to its source."""
    return {
        "mistakes": [{"code": each.code, "reason": each.reason, "message": str(each), "fix": each.fix} for each in mistakes]
    }


def awaited(key: str, generation: int, because: str, since: datetime) -> dict[str, Any]:
    """The status of what is not looked at yet: what is declared is not known so far, and why. generation: the last known."""
    rest = {"observedGeneration": generation, "lastTransitionTime": rfc3339(since), "message": because}
    told = (("Ready", "Unknown"), ("Reconciling", "True"))
    return {
        "deployment": key,
        "conditions": [{"type": type_, "status": status, "reason": "Progressing", **rest} for type_, status in told],
    }


def _proof(view: View) -> Mapping[str, Any] | None:
    """What proves the release that runs: None while something is not as declared."""
    if view.rotated is None:
        return None
    found = {"rotation": ("unreached" if view.rotated.unproven else "proven", view.rotated.said)}
    known = view.ledger.proof
    if known and known.release == release_in(view.graph):
        found |= {"version": (known.version.is_, known.version.said), "golden": (known.golden.is_, known.golden.said)}
    return {name: {"is": is_, "said": said} for name, (is_, said) in found.items()}
