"""`trimtab drift`: what was changed outside since the deployment was last as declared. Exit code 2 when something was."""

from collections.abc import Iterator
from typing import Any

import click

from trimtab.cli import words
from trimtab.cli.output import clipped, output_option, print_data, talk


@click.command(name="drift")
@click.argument("name", shell_complete=words.deployments)
@words.environment_option()
@output_option
def command(name: str, environment: str, output: str) -> int:
    """Show what was changed outside in the deployment NAME ([namespace/]name), and what the next apply does about it.

    Only fields that the document owns count: a count inside what an autoscaler may choose, or a listener's weights during
    a rollout, are no drift. Exit codes: 0 none, 2 some, 1 an error, or something could not be read.

    \b
    Example: trimtab drift vision/digits
             trimtab drift vision/digits -o json
    """
    from trimtab.cli.context import environment_named, ledger_of, remembered, session
    from trimtab.cli.planned import unread_rows

    with session(environment_named(environment)) as found:
        ledger = ledger_of(found, name)
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


def drifted(plan: Any) -> Iterator[dict[str, Any]]:
    """One row a field: node, path, have, want, policy (what is done about it: "correct" or "report")."""
    from trimtab.plan.changes import shown_difference

    found = [(action.node, action.differences, "correct") for action in plan.actions if action.is_drift]
    found += [(node, standing.drift, "report") for node, standing in plan.standings.items() if standing.drift]
    gone = [(node, each) for node, each in plan.standings.items() if each.reason == "Drifted" and not each.drift]
    for node, differences, policy in found:
        if not differences:
            yield {"node": node, "path": "", "have": "deleted", "want": "present", "policy": policy}
        for each in differences:
            yield from ({"node": node, **row, "policy": policy} for row in shown_difference(each))
    for node, _ in gone:
        yield {"node": node, "path": "", "have": "deleted", "want": "present", "policy": "report"}
