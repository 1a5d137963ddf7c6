"""`trimtab status`: where a deployment stands, read from the world now."""

import time
from typing import Any

import click

from trimtab.cli import interrupts
from trimtab.cli.output import output_option, print_data, print_table


@click.command(name="status")
@click.argument("name", required=False)
@click.option("--environment", default="local", show_default=True, help="The environment it is in.")
@click.option("--watch", is_flag=True, help="Print again whenever it changes, until interrupted.")
@output_option
def command(name: str | None, environment: str, watch: bool, output: str) -> int:
    """Show the deployment NAME ([namespace/]name), or list all of the environment.

    \b
    Example: trimtab status
             trimtab status vision/digits --watch
    """
    from trimtab.cli.context import environment_named, ledger_of, session

    with session(environment_named(environment)) as found:
        if name is None:
            _list(found, output)
            return 0
        shown = None
        while True:
            interrupts.check()
            value = describe(found, ledger_of(found, name))
            if value != shown:
                _show(value, output)
            shown = value
            if not watch:
                return 0
            time.sleep(1.0)  # the pace of a person's eye: nothing here can be awaited but the world


def describe(found: Any, ledger: Any) -> dict[str, Any]:
    """The status of a deployment as JSON values; documented in docs/reference/status.md."""
    from trimtab.cli.context import remembered
    from trimtab.engine.amend import held_number
    from trimtab.engine.remember import conditions_of, serving_revision
    from trimtab.plan.status import stage_rows

    serving = serving_revision(ledger)
    head = {
        "deployment": f"{ledger.namespace}/{ledger.name}",
        "environment": ledger.environment,
        "observedGeneration": ledger.generation,
        "revision": serving.number if serving else None,
        "held": held_number(ledger),
    }
    if ledger.deleting:
        left = [f"{each.kind} {each.identity}" for each in ledger.resources]
        return {**head, "deleting": True, "left": left, "because": [each.because for each in ledger.troubles]}
    view = found.reconciler.look(remembered(ledger))
    rows = stage_rows(view.graph, view.plan)
    return {
        **head,
        "endpoint": {"url": found.endpoint(view)},
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
            for each in conditions_of(ledger, view.graph, view.plan, view.snapshot)
        ],
        "stages": [
            {"stage": row.stage, "is": row.standing.is_, "node": row.node, "because": row.standing.because} for row in rows
        ],
    }


def _proof(view: Any) -> dict[str, Any] | None:
    """What proves the release that runs: None while something is not as declared."""
    from trimtab.engine.claim import release_in

    if view.rotated is None:
        return None
    found = {"rotation": ("unreached" if view.rotated.unproven else "proven", view.rotated.said)}
    known = view.ledger.proof
    if known and known.release == release_in(view.graph):
        found |= {"version": (known.version.is_, known.version.said), "golden": (known.golden.is_, known.golden.said)}
    return {name: {"is": is_, "said": said} for name, (is_, said) in found.items()}


def _show(value: dict[str, Any], output: str) -> None:
    if output != "table":
        print_data(value, output)
        return
    click.echo(f"{value['deployment']} in {value['environment']}, generation {value['observedGeneration']}")
    if value.get("deleting"):
        click.echo("being deleted; left:")
        for each in value["left"]:
            click.echo(f"  {each}")
        for each in value["because"]:
            click.echo(f"because: {each}")
        return
    if value["revision"]:
        held = " (held by a rollback: `trimtab release` ends it)" if value["held"] else ""
        click.echo(f"revision {value['revision']} serves at {value['endpoint']['url']}{held}")
    proof: dict[str, dict[str, str]] = value["proof"] or {}
    for name, each in proof.items():
        click.echo(f"proof by {name}: {each['is']}: {each['said']}")
    click.echo("")
    print_table(("STAGE", "IS", "DETAIL"), [(row["stage"], row["is"], _detail(row)) for row in value["stages"]])
    click.echo("")
    rows = [(each["type"], each["status"], each["reason"], each["message"]) for each in value["conditions"]]
    print_table(("CONDITION", "STATUS", "REASON", "MESSAGE"), rows)


def _detail(row: dict[str, Any]) -> str:
    return f"{row['node']}: {row['because']}" if row["node"] else ""


def _list(found: Any, output: str) -> None:
    from trimtab.engine.remember import serving_revision

    rows: list[tuple[str, str, str, str]] = []
    for ledger in found.ledgers.all():
        serving = serving_revision(ledger)
        last = ledger.revisions[-1] if ledger.revisions else None
        outcome = "Deleting" if ledger.deleting else last.outcome if last else "Progressing"
        rows.append(
            (f"{ledger.namespace}/{ledger.name}", str(ledger.generation), str(serving.number) if serving else "-", outcome)
        )
    if output == "table":
        print_table(("DEPLOYMENT", "GENERATION", "SERVING", "LAST OUTCOME"), rows)
    else:
        print_data(
            [dict(zip(("deployment", "generation", "revision", "outcome"), row, strict=True)) for row in rows], output
        )
