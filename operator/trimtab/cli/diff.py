"""`trimtab diff`: a document against what is live, field by field, whoever changed it. Exit code 2 when they differ."""

from collections.abc import Iterator
from typing import Any

import click

from trimtab.cli import words
from trimtab.cli.output import clipped, output_option, paint, print_data, talk

_SIGNS = {"missing": ("+", "green"), "differs": ("~", "yellow"), "extra": ("-", "red")}


@click.command(name="diff")
@click.argument("files", nargs=-1, required=True, shell_complete=words.files)
@click.option("--no-digest-cache", is_flag=True, help="Hash every file again.")
@output_option
def command(files: tuple[str, ...], no_digest_cache: bool, output: str) -> int:
    """Compare FILES (documents, folders of them, or - for stdin) with what is live, as it is now.

    Unlike `plan` it tells no causes and no order; unlike `drift` it counts edits of the document too. While a rollback
    holds, what serves is compared with the revision that is held, and that is said.
    Exit codes: 0 equal, 2 different, 1 an error, or something could not be read.

    \b
    Example: trimtab diff digits/deployment.yaml
             trimtab diff digits -o json | jq '.differences[].node'
    """
    from trimtab.cli.context import deployment_in, environment_named, resolved, session
    from trimtab.cli.planned import unread_rows
    from trimtab.engine.amend import held_number

    document, folder, environments = deployment_in(files)
    wanted = resolved(document, folder, environments, digests=not no_digest_cache)
    environment = environment_named(wanted.deployment.spec.environment_ref.name, environments)
    with session(environment, dict(wanted.contents)) as found:
        view = found.reconciler.look(wanted)
    rows = list(_rows(view))
    held = held_number(view.ledger) if view.facts.held else None
    unread = unread_rows(view.plan)
    body = {
        "deployment": f"{wanted.namespace}/{wanted.name}",
        "held": held,
        "differences": rows,
        "unread": unread,
    }
    if output != "table":
        print_data(body, output)
        return 1 if unread else 2 if rows else 0
    if held is not None:
        click.echo(f"{body['deployment']} is held at revision {held}")
    if not rows and not unread:
        click.echo(f"{body['deployment']}: no differences")
    for row in rows:
        sign, colour = _SIGNS[row["is"]]
        text = f"{row['path']}: {row['have']} -> {row['want']}" if row["is"] == "differs" else row["is"]
        click.echo(clipped(f"{paint(sign, colour)} {row['node']}  {text}"))
    for row in unread:
        talk(f"{row['node']} could not be read: {row['because']}")
    return 1 if unread else 2 if rows else 0


def _rows(view: Any) -> Iterator[dict[str, Any]]:
    from trimtab.plan.changes import shown_difference
    from trimtab.plan.snapshot import Absent, Found

    acting = {action.node: action for action in view.plan.actions}
    for node in view.graph:
        action = acting.get(node.id)
        standing = view.plan.standings[node.id]
        if isinstance(view.snapshot.seen[node.id], Absent):
            yield {"node": node.id, "is": "missing"}
        for each in action.differences if action else standing.drift:
            yield from ({"node": node.id, "is": "differs", **row} for row in shown_difference(each))
    for stale in view.snapshot.stale:
        if isinstance(stale.seen, Found):
            yield {"node": stale.id, "is": "extra"}
