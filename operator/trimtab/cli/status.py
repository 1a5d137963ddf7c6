"""`trimtab status`: where a deployment stands, read from the world now."""

import sys
import time
from datetime import UTC, datetime
from typing import Any, cast

import click

from trimtab.cli import interrupts, words
from trimtab.cli.described import describe, listed
from trimtab.cli.output import ago, output_option, print_data, print_one, print_table, talk
from trimtab.core.errors import UserError
from trimtab.core.kind import Failure

_PAUSE_S = 1.0  # the pace of a person's eye: nothing here can be awaited but the world
_TIMES = ("lastTransitionTime", "since")


@click.command(name="status")
@click.argument("name", required=False, shell_complete=words.deployments)
@words.environment_option()
@click.option("--watch", is_flag=True, help="Print again whenever it changes, until interrupted.")
@output_option
def command(name: str | None, environment: str, watch: bool, output: str) -> int:
    """Show the deployment NAME ([namespace/]name), or list all of the environment.

    Of NAME everything is looked at now; the list says what the last apply, or the last look by it, left. With --watch,
    -o json prints one object a line.

    \b
    Example: trimtab status
             trimtab status vision/digits --watch
             trimtab status vision/digits -o json | jq '.stages[] | select(.is != "ok")'
    """
    from trimtab.cli.context import environment_named, ledger_of, session

    with session(environment_named(environment)) as found:
        if watch:
            _follow(found, name, output)
        elif name is None:
            ledgers, mistakes = found.ledgers.readable()
            _show_list(listed(ledgers), output)
            if mistakes:
                raise ExceptionGroup("some ledgers cannot be read", mistakes)
        else:
            _show(describe(found, ledger_of(found, name)), output)
    return 0


def _follow(found: Any, name: str | None, output: str) -> None:
    """Print on change, until interrupted or gone. What cannot be reached for a while is waited out."""
    shown: Any = None
    while True:
        interrupts.check()
        try:
            value = steady(_looked(found, name), shown)
        except UserError as error:
            if shown is None or error.reason != "NotFound":
                raise
            talk(f"{name} is gone")
            return
        except Failure as failure:
            if failure.meaning not in ("transient", "throttled"):
                raise
            talk(f"not reached, trying again: {failure.reason}")
        else:
            if without_time(value) != without_time(shown):
                _again(value, output, first=shown is None)
            shown = value
        time.sleep(_PAUSE_S)


def _looked(found: Any, name: str | None) -> Any:
    from trimtab.cli.context import ledger_of

    return listed(found.ledgers.all()) if name is None else describe(found, ledger_of(found, name))


def _again(value: Any, output: str, *, first: bool) -> None:
    """On a terminal in place of what was there, elsewhere below it."""
    if output != "table":
        print_one(value, output)
        return
    if sys.stdout.isatty():
        click.clear()
    elif not first:
        click.echo("")
    if isinstance(value, list):
        _show_list(cast(list[dict[str, Any]], value), output)
    else:
        _show(value, output)


def steady(value: Any, shown: Any) -> Any:
    """The value, with the times of what stands as it did: what the ledger does not know yet would be new at every look."""
    status: Any = value
    if not isinstance(value, dict) or not isinstance(shown, dict):
        return status
    for part, name, is_ in (("conditions", "type", "status"), ("stages", "stage", "is")):
        known = {each[name]: each for each in cast(dict[str, Any], shown).get(part, ())}
        for row in status.get(part, ()):
            before = known.get(row[name])
            if before and before[is_] == row[is_]:
                row |= {time: min(row[time], before[time]) for time in _TIMES if time in row}
    return status


def without_time(value: Any) -> Any:
    """Without the time of the look itself."""
    if isinstance(value, dict):
        return {key: each for key, each in cast(dict[str, Any], value).items() if key != "at"}
    return value


def _show(value: dict[str, Any], output: str) -> None:
    if output != "table":
        print_data(value, output)
        return
    now = datetime.fromisoformat(value["at"].replace("Z", "+00:00"))
    click.echo(f"{value['deployment']} in {value['environment']}, generation {value['observedGeneration']}")
    if "left" in value:
        _show_left(value)
        return
    if value["revision"]:
        held = " (held by a rollback: `trimtab release` ends it)" if value["held"] else ""
        click.echo(f"revision {value['revision']} serves at {value['endpoint']['url']}{held}")
    proof: dict[str, dict[str, str]] = value["proof"] or {}
    for name, each in proof.items():
        click.echo(f"proof by {name}: {each['is']}: {each['said']}")
    click.echo("")
    stages = [(row["stage"], row["is"], ago(row["since"], now), row["reason"], _detail(row)) for row in value["stages"]]
    print_table(("STAGE", "IS", "FOR", "REASON", "DETAIL"), stages)
    click.echo("")
    rows = [
        (each["type"], each["status"], ago(each["lastTransitionTime"], now), each["reason"], each["message"])
        for each in value["conditions"]
    ]
    print_table(("CONDITION", "STATUS", "FOR", "REASON", "MESSAGE"), rows)


def _show_left(value: dict[str, Any]) -> None:
    name = value["deployment"]
    let_go = f"let go of at {value.get('retained')}; `trimtab delete {name} --deletion delete` deletes what stays:"
    click.echo("being deleted; left:" if value.get("deleting") else let_go)
    for each in value["left"]:
        click.echo(f"  {each}")
    for each in value.get("because", ()):
        click.echo(f"because: {each}")


def _detail(row: dict[str, Any]) -> str:
    if not row["node"]:
        return ""
    progress, waits = row["progress"], row["waitsFor"]
    share = f" ({progress['done']} of {progress['total']} {progress['unit']})" if progress and progress["total"] else ""
    return f"{row['node']} waits for {waits}" if waits else f"{row['node']}: {row['because']}{share}"


def _show_list(rows: list[dict[str, Any]], output: str) -> None:
    if output != "table":
        print_data(rows, output)
        return
    now = datetime.now(UTC)
    cells = [
        (
            row["deployment"],
            str(row["generation"]),
            str(row["revision"] or "-"),
            row["ready"],
            row["serving"],
            row["reason"],
            ago(row["since"], now) if row["since"] else "-",
            row["outcome"],
        )
        for row in rows
    ]
    print_table(("DEPLOYMENT", "GENERATION", "REVISION", "READY", "SERVING", "REASON", "SINCE", "LAST OUTCOME"), cells)
    if rows:
        talk("as the last apply left them; `trimtab status NAME` looks at one now")
