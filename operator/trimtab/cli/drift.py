"""`trimtab drift`: what was changed outside since the deployment was last as declared. Exit code 2 when something was."""

from collections.abc import Iterator
from typing import Any

import click

from trimtab.cli import words
from trimtab.cli.output import clipped, output_option, print_data, print_table, talk


@click.command(name="drift")
@click.argument("name", shell_complete=words.deployments)
@words.environment_option()
@click.option("--history", is_flag=True, help="Show the last 50 times instead: what, when, by whom, what was done.")
@output_option
def command(name: str, environment: str, history: bool, output: str) -> int:
    """Show what was changed outside in the deployment NAME ([namespace/]name), and what the next apply does about it.

    Only fields that the document owns count: a count inside what an autoscaler may choose, or a listener's weights during
    a rollout, are no drift. Exit codes: 0 none, or --history, 2 some, 1 an error, or something could not be read.

    \b
    Example: trimtab drift vision/digits
             trimtab drift vision/digits -o json
             trimtab drift vision/digits --history
    """
    from trimtab.cli.context import environment_named, ledger_of, remembered, session
    from trimtab.cli.planned import unread_rows

    with session(environment_named(environment)) as found:
        ledger = ledger_of(found, name)
        if history:
            _show_history(ledger, output)
            return 0
        view = found.reconciler.look(remembered(ledger))
    rows, unread = list(drifted(view.plan)), unread_rows(view.plan)
    if output != "table":
        print_data({"deployment": f"{ledger.namespace}/{ledger.name}", "drift": rows, "unread": unread}, output)
    elif not rows and not unread:
        click.echo(f"{ledger.namespace}/{ledger.name}: no drift")
    for row in rows if output == "table" else ():
        click.echo(clipped(f"{row['node']}  {row['path']}: {row['have']} -> {row['want']}  ({row['policy']})"))
    for row in unread if output == "table" else ():
        talk(f"{row['node']} could not be read: {row['because']}")
    return 1 if unread else 2 if rows else 0


def _show_history(ledger: Any, output: str) -> None:
    rows = history_rows(ledger)
    if output != "table":
        print_data({"deployment": f"{ledger.namespace}/{ledger.name}", "history": rows}, output)
    elif not rows:
        click.echo(f"{ledger.namespace}/{ledger.name}: no drift was seen")
    else:
        cells = [(row["firstSeen"], _done(row), row["node"], _changes(row), _author(row)) for row in rows]
        print_table(("FIRST SEEN", "DONE", "NODE", "CHANGED", "BY"), cells)


def history_rows(ledger: Any) -> list[dict[str, Any]]:
    """Records as JSON values, newest last; the keys are documented in docs/reference/output.md."""
    return [
        {
            "node": each.node,
            "changes": [{"path": one.path, "have": one.have, "want": one.want} for one in each.changes],
            "firstSeen": each.first,
            "lastSeen": each.last,
            "done": each.done,
            "repairedAt": each.at or None,
            "endedAt": each.ended or None,
            "who": each.who,
            "event": each.event,
            "changedAt": each.changed or None,
        }
        for each in ledger.drifts
    ]


def _done(row: dict[str, Any]) -> str:
    return row["done"] or ("-" if row["endedAt"] else "repairing")


def _changes(row: dict[str, Any]) -> str:
    return "; ".join(f"{each['path'] or 'resource'}: {each['have']} -> {each['want']}" for each in row["changes"])


def _author(row: dict[str, Any]) -> str:
    from trimtab.plan.fights import name_of

    if not row["event"]:
        return row["who"] or "(not told yet)"
    return f"{name_of(row['who'])}, {row['event']} at {row['changedAt']}"


def drifted(plan: Any) -> Iterator[dict[str, Any]]:
    """One row a field: node, path, have, want, policy (what is done about it:
    correct, report, or by the flap guard waiting, held)."""
    from trimtab.plan.changes import shown_difference
    from trimtab.plan.fights import LEFT

    found = [(action.node, action.differences, "correct") for action in plan.actions if action.is_drift]
    standings = [(node, each, LEFT.get(each.reason, "report")) for node, each in plan.standings.items()]
    found += [(node, each.drift, policy) for node, each, policy in standings if each.drift]
    by_field = {(node, path): LEFT[one.reason] for node, each, _ in standings for one in each.fights for path in one.paths}
    gone = [(node, policy) for node, each, policy in standings if each.reason in ("Drifted", *LEFT) and not each.drift]
    for node, differences, policy in found:
        if not differences:
            yield {"node": node, "path": "", "have": "deleted", "want": "present", "policy": policy}
        for each in differences:
            for row in shown_difference(each):
                told = by_field.get((node, row["path"]), policy) if policy in LEFT.values() else policy
                yield {"node": node, **row, "policy": told}
    for node, policy in gone:
        yield {"node": node, "path": "", "have": "deleted", "want": "present", "policy": policy}
