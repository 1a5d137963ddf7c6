"""Data on stdout, talk on stderr; tables for people, JSON and YAML for programs."""

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

FORMATS = click.Choice(["table", "json", "yaml"])


def output_option(command: Any) -> Any:
    """Add `-o table|json|yaml`."""
    return click.option("-o", "--output", type=FORMATS, default="table", show_default=True, help="How to print.")(command)


def print_data(value: Any, output: str) -> None:
    """Print as JSON or YAML."""
    if output == "json":
        click.echo(json.dumps(value, indent=2))
    else:
        import yaml

        click.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True).rstrip())


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell, two spaces between."""
    table = [list(headings), *[list(row) for row in rows]]
    widths = [max(len(row[column]) for row in table) for column in range(len(headings))]
    for row in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def talk(text: str) -> None:
    """Say something to the person; never part of the data."""
    click.echo(text, err=True)


def is_terminal() -> bool:
    return sys.stderr.isatty()
