"""`trimtab history`: the revisions of a deployment, what each pinned, and what became of it."""

from dataclasses import asdict

import click

from trimtab.cli.output import output_option, print_data, print_table


@click.command(name="history")
@click.argument("name")
@click.option("--environment", default="local", show_default=True, help="The environment it is in.")
@output_option
def command(name: str, environment: str, output: str) -> int:
    """List the revisions of the deployment NAME ([namespace/]name), oldest first.

    \b
    Example: trimtab history vision/digits
             trimtab history vision/digits -o json | jq '.[-1].metrics'
    """
    from trimtab.cli.context import environment_named, ledger_of, session

    with session(environment_named(environment)) as found:
        ledger = ledger_of(found, name)
    if output != "table":
        print_data([asdict(each) for each in ledger.revisions], output)
        return 0
    rows = [
        (
            str(each.number),
            str(each.generation),
            each.outcome,
            each.at,
            each.pins.get("artifact", "").removeprefix("sha256:")[:12],
            each.pins.get("image", "").removeprefix("sha256:")[:12],
            ", ".join(f"{metric} {value:.4g}" for metric, value in sorted(each.metrics.items())[:3]),
        )
        for each in ledger.revisions
    ]
    print_table(("REVISION", "GENERATION", "OUTCOME", "AT", "MODEL", "IMAGE", "METRICS"), rows)
    return 0
