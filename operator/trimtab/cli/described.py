"""What `status` shows, as JSON values; the keys are documented in docs/reference/status.md, and a test holds them."""

from typing import Any


def describe(found: Any, ledger: Any) -> dict[str, Any]:
    """The status of a deployment as JSON values, looked at now."""
    from trimtab.cli.context import remembered
    from trimtab.core.times import rfc3339
    from trimtab.engine.report import head_of, status_of

    at = {"at": rfc3339(found.clock.now())}
    if ledger.deleting:
        left = found.reconciler.left(ledger.namespace, ledger.name)
        because = [each.because for each in ledger.troubles]
        return {**head_of(ledger), **at, "deleting": True, "left": _shown(left), "because": because}
    if ledger.retained:
        return {**head_of(ledger), **at, "retained": ledger.retained, "left": _shown(ledger.resources)}
    view = found.reconciler.look(remembered(ledger))
    return status_of(ledger, view, view.plan, found.endpoint(view)) | at


def _shown(resources: Any) -> list[str]:
    return [f"{each.kind} {each.identity}" for each in resources]


def listed(ledgers: Any) -> list[dict[str, Any]]:
    """One row a deployment, from its ledger alone: Ready and Serving as the last pass left them, and since when."""
    from trimtab.engine.remember import serving_revision

    rows: list[dict[str, Any]] = []
    for ledger in ledgers:
        serving = serving_revision(ledger)
        last = ledger.revisions[-1] if ledger.revisions else None
        fate = "Deleting" if ledger.deleting else "Retained" if ledger.retained else ""
        ready, serves = (None if fate else ledger.conditions.get(name) for name in ("Ready", "Serving"))
        rows.append(
            {
                "deployment": f"{ledger.namespace}/{ledger.name}",
                "generation": ledger.generation,
                "revision": serving.number if serving else None,
                "outcome": fate or (last.outcome if last else "Progressing"),
                "ready": ready.status if ready else "Unknown",
                "reason": fate or (ready.reason if ready else "") or "Progressing",
                "serving": serves.status if serves else "Unknown",
                "since": ready.at if ready else None,
            }
        )
    return rows
