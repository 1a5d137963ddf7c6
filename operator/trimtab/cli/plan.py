"""`trimtab plan`: what apply would do, and why. Exit code 2 when there is something to do."""

from collections.abc import Iterator
from typing import Any

import click

from trimtab.cli.output import clipped, output_option, paint, print_data

_SIGNS = {
    "create": ("+", "green"),
    "upload": ("+", "green"),
    "retrain": ("±", "yellow"),
    "judge": ("±", "yellow"),
    "rebuild": ("±", "yellow"),
    "renew": ("±", "yellow"),
    "update": ("~", "yellow"),
    "replace": ("+/-", "magenta"),
    "delete": ("-", "red"),
    "wait": ("…", "cyan"),
    "refuse": ("!", "red"),
}
_ALWAYS_SUMMED = ("create", "retrain", "update", "delete")
_FILES_NAMED = 4
_MARGIN = " " * 13


@click.command(name="plan")
@click.argument("files", nargs=-1, required=True)
@click.option("--no-digest-cache", is_flag=True, help="Hash every file again.")
@output_option
def command(files: tuple[str, ...], no_digest_cache: bool, output: str) -> int:
    """Show what `apply` would do with FILES (documents, folders of them, or - for stdin), and why.

    \b
      + create, upload    made for the first time        ± retrain, rebuild, judge, renew   made anew
      ~ update            changed in place               +/- replace   the new one first    - delete

    Exit codes: 0 nothing to do, 2 something to do, 1 an error.

    \b
    Example: trimtab plan digits/deployment.yaml
             trimtab plan digits -o json | jq '.summary'
    """
    from trimtab.cli.context import deployment_in, environment_named, resolved, session
    from trimtab.cli.planned import plan_body
    from trimtab.engine.former import changes
    from trimtab.engine.remember import GATE
    from trimtab.plan.plan import fingerprint

    document, folder, environments = deployment_in(files)
    wanted = resolved(document, folder, digests=not no_digest_cache)
    environment = environment_named(wanted.deployment.spec.environment_ref.name, environments)
    with session(environment, dict(wanted.contents)) as found:
        view = found.reconciler.look(wanted)
        foreseen = found.reconciler.foresee(view)
        acted = [action.node for action in foreseen.actions]
        since = changes(view, wanted, environment, found.reconciler.driver, acted)
    made = {each.node for each in view.ledger.resources} | ({GATE} if view.ledger.verdicts else set[str]())
    name = f"{wanted.namespace}/{wanted.name}"
    body = plan_body(
        name,
        environment.metadata.name,
        view.ledger.generation,
        foreseen,
        since,
        made,
        fingerprint(view.graph, view.snapshot),
    )
    if output == "table":
        for line in lines(body):
            click.echo(clipped(line))
        if body["actions"]:
            click.echo(f"\n{summary(body['summary'])}")
    else:
        print_data(body, output)
    return 2 if body["actions"] else 0


def lines(body: dict[str, Any]) -> Iterator[str]:
    """The plan for a person."""
    where = f"{body['deployment']} in {body['environment']}"
    if not body["actions"]:
        yield f"{where}: no changes"
        yield from _idle(body)
        return
    yield f"{where}, generation {body['generation']}"
    for (wave, after), rows in _waves(body["actions"]).items():
        yield ""
        if wave:
            yield f"Known after {after}:" if after else "Later:"
        for row in rows:
            yield from _action(row)
    yield from _idle(body)


def _waves(actions: list[dict[str, Any]]) -> dict[tuple[int, str | None], list[dict[str, Any]]]:
    """Rows of one wave that wait for one node stand together."""
    waves: dict[tuple[int, str | None], list[dict[str, Any]]] = {}
    for row in actions:
        waves.setdefault((row["wave"], row["knownAfter"] if row["wave"] else None), []).append(row)
    return waves


def _action(row: dict[str, Any]) -> Iterator[str]:
    sign, colour = _SIGNS[row["does"]]
    head = f"{sign:>3} {row['does']:<9}"
    is_content = row["node"].startswith("s3.Content/")  # its name is a digest, and its inputs stand at what they change
    name = row["name"] if not is_content and row["wave"] == 0 else ""
    yield f"{paint(head, colour)}{row['node']:<36}{name}".rstrip()
    if not is_content:
        yield from (f"{_MARGIN}{_input(each)}" for each in row["inputs"])
    because = f"{row['causedBy']} changes" if row["causedBy"] else row["because"]
    if row["causedBy"] or (because and not row["inputs"]):
        yield f"{_MARGIN}because {because}"
    yield from (f"{_MARGIN}{_difference(each)}" for each in row["differences"])


def _difference(each: dict[str, Any]) -> str:
    have, want = _text(each["have"]), _text(each["want"])
    if have == "(as it is)":
        return f"will point to the new {want.removeprefix('(known after ').rstrip(')')}"
    return f"{each['path']}: {have} -> {want}"


def _input(each: dict[str, Any]) -> str:
    if "content" not in each:
        return f"{each['path']}: {_text(each['from'])} -> {_text(each['to'])}"
    from trimtab.plan.changes import CONTENTS

    files = each["files"]
    counts = [f"{len(files[how])} {how}" for how in ("changed", "added", "removed") if files[how]]
    if not counts:
        return f"{CONTENTS[each['content']]}: {_digest(each['from'])} -> {_digest(each['to'])}"
    named = [path for how in ("changed", "added", "removed") for path in files[how]]
    more = f", and {len(named) - _FILES_NAMED} more" if len(named) > _FILES_NAMED else ""
    total = "1 file" if len(named) == 1 else f"{len(named)} files"
    return f"{CONTENTS[each['content']]}: {total}: {', '.join(counts)} ({', '.join(named[:_FILES_NAMED])}{more})"


def _idle(body: dict[str, Any]) -> Iterator[str]:
    if body["withoutEffect"]:
        yield ""
        yield "Noted; nothing is done by it now:"
        yield from (f"    {_input(each)}" for each in body["withoutEffect"])


def summary(counts: dict[str, int]) -> str:
    """ "Plan: 2 to create, 1 to retrain, 0 to update, 0 to delete."; a line that is wrapped rather than cut."""
    said = [f"{count} to {does}" for does, count in counts.items() if count or does in _ALWAYS_SUMMED]
    return f"Plan: {', '.join(said)}."


def _text(value: Any) -> str:
    if value is None:
        return "(not set)"
    if isinstance(value, (dict, list)):
        import json

        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _digest(digest: str | None) -> str:
    return digest.removeprefix("sha256:")[:12] if digest else "(none)"
