"""`trimtab plan`: what apply would do, and why. Exit code 2 when there is something to do."""

from typing import Any

import click

from trimtab.cli.output import output_option, print_data
from trimtab.core.kind import Ref, refs_in

SIGNS = {"create": "+", "update": "~", "replace": "-/+", "delete": "-", "wait": "…", "refuse": "!"}


@click.command(name="plan")
@click.argument("files", nargs=-1, required=True)
@click.option("--no-digest-cache", is_flag=True, help="Hash every file again.")
@output_option
def command(files: tuple[str, ...], no_digest_cache: bool, output: str) -> int:
    """Show what `apply` would do with FILES (documents, folders of them, or - for stdin).

    Exit codes: 0 nothing to do, 2 something to do, 1 an error.
    """
    from trimtab.cli.context import deployment_in, environment_named, resolved, session

    document, folder, environments = deployment_in(files)
    wanted = resolved(document, folder, digests=not no_digest_cache)
    environment = environment_named(wanted.deployment.spec.environment_ref.name, environments)
    with session(environment, dict(wanted.contents)) as found:
        view = found.reconciler.look(wanted)
        foreseen = found.reconciler.foresee(view)
    rows = [_row(action) for action in foreseen.actions]
    because = list(_changes(view.ledger, wanted))
    if output == "table":
        _print(rows, because, f"{wanted.namespace}/{wanted.name}", environment.metadata.name)
    else:
        name = f"{wanted.namespace}/{wanted.name}"
        body = {"format": "trimtab.plan/v1", "deployment": name, "changed": because, "actions": rows}
        print_data({**body, "fingerprint": view.plan.fingerprint}, output)
    return 2 if rows else 0


def _row(action: Any) -> dict[str, Any]:
    differences = [{"path": each.path, "have": _plain(each.have), "want": _plain(each.want)} for each in action.differences]
    name = action.identity or _name(action.desired)
    return {"verb": action.verb, "node": action.node, "name": name, "because": action.because, "differences": differences}


def _name(desired: Any) -> str:
    """What it will be called, as far as that is known."""
    refs = refs_in(desired) if desired is not None else ()
    for field in ("family", "name", "tag", "prefix", "host", "stage"):
        value = getattr(desired, field, None)
        if isinstance(value, str) and value:
            return value
    return str(refs[0]) if refs else ""


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Ref) else value


def _changes(ledger: Any, wanted: Any) -> Any:
    from dataclasses import asdict

    from trimtab.plan.changes import changed_contents, changed_fields

    if ledger.generation:
        yield from changed_fields(ledger.document, wanted.declared)
        yield from changed_contents(ledger.contents, asdict(wanted.digests))


def _print(rows: list[dict[str, Any]], because: list[str], name: str, environment: str) -> None:
    if not rows:
        click.echo(f"{name} in {environment}: no changes")
        return
    click.echo(f"{name} in {environment}:")
    for line in because:
        click.echo(f"  edited  {line}")
    for row in rows:
        known = row["because"] if row["because"] != "it does not exist" else ""
        click.echo(f"  {SIGNS[row['verb']]:>3} {row['node']}  {row['name']}{f'  ({known})' if known else ''}")
        for each in row["differences"]:
            click.echo(f"        {each['path']}: {each['have']} -> {each['want']}")
    verbs = {verb: sum(row["verb"] == verb for row in rows) for verb in ("create", "update", "replace", "delete")}
    click.echo(", ".join(f"{count} to {verb}" for verb, count in verbs.items() if count) or "nothing to write now")
