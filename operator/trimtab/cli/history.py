"""`trimtab history`: the revisions of a deployment, what each pinned, and what became of it."""

from dataclasses import asdict
from typing import Any

import click

from trimtab.cli import words
from trimtab.cli.output import output_option, print_data, print_table

_MOST_WORDS = 120  # characters; `-o json` has all


@click.command(name="history")
@click.argument("name", shell_complete=words.deployments)
@words.environment_option()
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
            _why(each),
        )
        for each in ledger.revisions
    ]
    print_table(("REVISION", "GENERATION", "OUTCOME", "AT", "MODEL", "IMAGE", "METRICS", "WHY"), rows)
    return 0


def _why(revision: Any) -> str:
    """What the gate said of one that served; what ended another."""
    from trimtab.engine.remember import SERVED

    text = " ".join(("; ".join(revision.notes) if revision.outcome in SERVED else revision.because).split())
    return text if len(text) <= _MOST_WORDS else f"{text[: _MOST_WORDS - 1]}…"
