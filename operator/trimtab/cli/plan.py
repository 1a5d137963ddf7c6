"""`trimtab plan`: what apply would do, and why. Exit code 2 when there is something to do."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from trimtab.cli import words
from trimtab.cli.output import clipped, output_option, paint, print_data, talk

_SIGNS = {
    "create": ("+", "green"),
    "upload": ("+", "green"),
    "retrain": ("±", "yellow"),
    "judge": ("±", "yellow"),
    "rebuild": ("±", "yellow"),
    "renew": ("±", "yellow"),
    "adopt": ("=", "green"),
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
@click.argument("files", nargs=-1, required=True, shell_complete=words.files)
@click.option("--no-digest-cache", is_flag=True, help="Hash every file again.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Save the plan, for `apply` to do just this.")
@output_option
def command(files: tuple[str, ...], no_digest_cache: bool, out: Path | None, output: str) -> int:
    """Show what `apply` would do with FILES (documents, folders of them, or - for stdin), and why.

    With --out the plan is saved too: `trimtab apply PLAN` does it, or refuses and says what has moved since.

    \b
      + create, upload    made for the first time        ± retrain, rebuild, judge, renew   made anew
      ~ update            changed in place               +/- replace   the new one first    - delete
      = adopt             there already: ours from then on, and the fields named are set

    Exit codes: 0 nothing to do, 2 something to do, 1 an error, or something could not be read.

    \b
    Example: trimtab plan digits/deployment.yaml
             trimtab plan digits --out digits.plan; trimtab apply digits.plan
             trimtab plan digits -o json | jq '.summary'
    """
    from trimtab.cli import saved
    from trimtab.cli.context import deployment_in, environment_named, resolved, session
    from trimtab.cli.planned import blocked_rows, plan_body, unread_rows
    from trimtab.core.canonical import digest_of
    from trimtab.engine.approval import stood_on
    from trimtab.engine.former import changes
    from trimtab.engine.remember import GATE
    from trimtab.resources.gate import not_compared

    document, folder, environments = deployment_in(files)
    wanted = resolved(document, folder, environments, digests=not no_digest_cache)
    environment = environment_named(wanted.deployment.spec.environment_ref.name, environments)
    with session(environment, dict(wanted.contents)) as found:
        view = found.reconciler.look(wanted, is_guarded=False)
        foreseen = found.reconciler.foresee(view)
        acted = [action.node for action in foreseen.actions]
        since = changes(view, wanted, environment, found.reconciler.driver, acted)
        standing_on = stood_on(view, wanted, environment, found.reconciler.kinds)
    made = {each.node for each in view.ledger.resources} | ({GATE} if view.ledger.verdicts else set[str]())
    name = f"{wanted.namespace}/{wanted.name}"
    body = plan_body(
        name,
        environment.metadata.name,
        view.ledger.generation,
        foreseen,
        since,
        made,
        digest_of(standing_on),
        blocked_rows(view.plan),
        [note for note in (not_compared(view.graph.nodes[GATE].desired.champion),) if note],
    )
    unread = unread_rows(view.plan)
    if output == "table":
        for line in lines(body):
            click.echo(line)
        if body["actions"]:
            click.echo(f"\n{summary(body['summary'])}")
    else:
        print_data(body, output)
    if unread:
        talk(f"{name}: {len(unread)} could not be read, so the plan is not whole{' and is not saved' if out else ''}")
        return 1
    if out:
        saved.write(out, files, body, standing_on)
    return 2 if body["actions"] else 0


def lines(body: dict[str, Any]) -> Iterator[str]:
    """The plan for a person. Rows are cut to the terminal; why something cannot go on, and notes, are whole."""
    where = f"{body['deployment']} in {body['environment']}"
    if not body["actions"]:
        yield f"{where}: no changes" if not body["blocked"] else f"{where}: nothing can be done"
        yield from _blocked(body)
        yield from _idle(body)
        return
    yield f"{where}, generation {body['generation']}"
    for (wave, after), rows in _waves(body["actions"]).items():
        yield ""
        if wave:
            yield f"Known after {after}:" if after else "Later:"
        for row in rows:
            yield from _action(row) if row["does"] == "refuse" else map(clipped, _action(row))
    yield from _blocked(body)
    yield from _idle(body)
    for note in body["notes"]:
        yield ""
        yield f"Note: {note}"


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
    is_whose = row["does"] in ("adopt", "refuse") and bool(row["because"])  # then that counts, whatever leads to it
    because = f"{row['causedBy']} changes" if row["causedBy"] and not is_whose else row["because"]
    if is_whose or row["causedBy"] or (because and not row["inputs"]):
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


def _blocked(body: dict[str, Any]) -> Iterator[str]:
    """What keeps the rest from going on; an action that refuses says so itself."""
    if body["blocked"]:
        yield ""
    for row in body["blocked"]:
        sign = paint("  ?" if row["is"] == "unknown" else "  ✗", "magenta" if row["is"] == "unknown" else "red")
        yield f"{sign} {row['reason']:<9} {row['node']:<36}"
        yield f"{_MARGIN}{row['because']}"


def _idle(body: dict[str, Any]) -> Iterator[str]:
    if body["withoutEffect"]:
        yield ""
        yield "Noted; nothing is done by it now:"
        yield from (clipped(f"    {_input(each)}") for each in body["withoutEffect"])


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
