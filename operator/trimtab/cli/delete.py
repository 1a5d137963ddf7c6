"""`trimtab delete`: take away all that was made for a deployment, and say what is left."""

import sys

import click

from trimtab.cli.output import talk


@click.command(name="delete")
@click.argument("name")
@click.option("--environment", default="local", show_default=True, help="The environment it is in.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--timeout", default="30m", show_default=True, help="Give up waiting after this long.")
def command(name: str, environment: str, yes: bool, timeout: str) -> int:
    """Delete the deployment NAME ([namespace/]name) and all that was made for it.

    An interrupted delete is continued by the next.

    \b
    Example: trimtab delete vision/digits
             trimtab delete vision/digits --yes --timeout 10m
    """
    from trimtab.cli.context import environment_named, ledger_of, session
    from trimtab.cli.progress import Progress
    from trimtab.core.quantities import duration_s
    from trimtab.engine.converge import remove

    with session(environment_named(environment)) as found:
        ledger = ledger_of(found, name)
        for resource in ledger.resources:
            talk(f"  - {resource.kind}  {resource.identity}")
        if not yes and not _agreed(f"{ledger.namespace}/{ledger.name}", len(ledger.resources)):
            talk("nothing was deleted")
            return 1
        with Progress(f"deleting {ledger.namespace}/{ledger.name}") as progress:
            end = remove(found.reconciler, ledger.namespace, ledger.name, found.clock, progress.tell, duration_s(timeout))
    if end.how == "gone":
        talk(f"{ledger.namespace}/{ledger.name} is deleted")
        return 0
    assert end.outcome is not None
    for node, standing in end.outcome.plan.standings.items():
        talk(f"left: {node.replace('#', '  ')}: {standing.because}")
    for trouble in end.outcome.troubles:
        talk(f"left: {trouble.node.replace('#', '  ')}: {trouble.because}")
    return 3 if end.how == "timeout" else 1


def _agreed(name: str, count: int) -> bool:
    if not sys.stdin.isatty():
        raise click.UsageError(f"deleting {name} needs --yes where nobody can be asked")
    return click.confirm(f"Delete {name} and its {count} resources?", default=False, err=True)
