"""`trimtab delete`: take away all that was made for a deployment, or let go of it, and say what is left and why."""

import sys
from collections.abc import Iterator
from typing import Any, Literal

import click

from trimtab.cli import words
from trimtab.cli.output import talk


@click.command(name="delete")
@click.argument("name", shell_complete=words.deployments)
@words.environment_option()
@click.option(
    "--deletion",
    type=click.Choice(["delete", "retain"]),
    help="What becomes of what exists: it goes too, or stays and is let go of. By default what the document says.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@words.timeout_option("30m", "Give up waiting after this long.")
def command(name: str, environment: str, deletion: Literal["delete", "retain"] | None, yes: bool, timeout: str) -> int:
    """Delete the deployment NAME ([namespace/]name) and all that was made for it.

    Under policy.deletion: retain, what was made stays as it is, serving included, and `trimtab orphans` lists it; a
    document of the same name takes it up again. An interrupted delete is continued by the next.
    Exit codes: 0 deleted or let go of, 1 an error or something is left, 3 timed out.

    \b
    Example: trimtab delete vision/digits
             trimtab delete vision/digits --yes --timeout 10m
             trimtab delete vision/digits --deletion retain
    """
    from trimtab.cli.context import environment_named, ledger_of, session
    from trimtab.cli.progress import Progress
    from trimtab.cli.sourced import warn_of_delete
    from trimtab.core.quantities import duration_s
    from trimtab.engine.amend import deletion_of
    from trimtab.engine.converge import remove

    with session(environment_named(environment)) as found:
        ledger = ledger_of(found, name)
        how = deletion or deletion_of(ledger)
        full = f"{ledger.namespace}/{ledger.name}"
        if how == "retain" and ledger.retained:
            talk(f"{full} was let go of at {ledger.retained}; `trimtab delete {full} --deletion delete` deletes what stays")
            return 0
        stays = how == "retain"
        warn_of_delete(ledger, stays=stays)
        for resource in ledger.resources:
            note = "  (stays)" if stays else "  (adopted: it was there before)" if resource.adopted else ""
            talk(f"  {'=' if stays else '-'} {resource.kind}  {resource.identity}{note}")
        if not yes and not _agreed(full, len(ledger.resources), stays=stays):
            talk("nothing was deleted")
            return 1
        with Progress(f"deleting {full}") as progress:
            limit_s = duration_s(timeout)
            end = remove(found.reconciler, ledger.namespace, ledger.name, found.clock, progress.tell, limit_s, how)
    for line in leftovers(end.outcome):
        talk(f"left: {line}")
    if end.how == "retained":
        talk(f"{full} is let go of: its {len(ledger.resources)} resources stay, and cost what they cost")
        return 0
    if end.how == "gone":
        talk(f"{full} is deleted")
        return 0
    return 3 if end.how == "timeout" else 1


def leftovers(outcome: Any) -> Iterator[str]:
    """ "<node>  <identity>: <why it is left>", a line for each: the reason of the last try, where there was one."""
    if outcome is None:
        return
    reasons = {node: standing.because for node, standing in outcome.plan.standings.items()}
    reasons |= {each.node: each.because for each in (*outcome.troubles, *outcome.left)}
    for node, because in reasons.items():
        yield f"{node.replace('#', '  ')}: {because}"


def _agreed(name: str, count: int, *, stays: bool) -> bool:
    if not sys.stdin.isatty():
        raise click.UsageError(f"deleting {name} needs --yes where nobody can be asked")
    asked = f"Let go of {name}? Its {count} resources stay." if stays else f"Delete {name} and its {count} resources?"
    return click.confirm(asked, default=False, err=True)
