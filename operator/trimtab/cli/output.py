"""Data on stdout, talk on stderr; tables for people, JSON and YAML for programs."""

import json
import os
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TextIO

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


def print_one(value: Any, output: str) -> None:
    """Print one of a stream: a line of JSON, or a YAML document."""
    if output == "json":
        sys.stdout.write(f"{json.dumps(value)}\n")
        sys.stdout.flush()
    else:
        click.echo("---")
        print_data(value, output)


def ago(since: str, now: datetime) -> str:
    """How long that is ago, to two places: "42s", "3m10s", "2h5m", "4d3h". since: RFC 3339, UTC."""
    seconds = max(0, int((now - datetime.fromisoformat(since.replace("Z", "+00:00"))).total_seconds()))
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "m"), (seconds % 60, "s")]
    first = next((index for index, (count, _) in enumerate(parts) if count), 3)
    return "".join(f"{count}{unit}" for count, unit in parts[first : first + 2] if count) or "0s"


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
    """Whether a person watches what is said, and the terminal can redraw."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def has_colour(stream: TextIO) -> bool:
    """Source: no-color.org; a terminal that is dumb has none either."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, colour: str) -> str:
    """Coloured for a terminal on stdout, plain elsewhere."""
    return click.style(text, fg=colour) if has_colour(sys.stdout) else text


def clipped(line: str) -> str:
    """Cut to the terminal's width, or to COLUMNS where that is set; whole where neither tells a width."""
    if not sys.stdout.isatty() and not os.environ.get("COLUMNS"):
        return line
    width = shutil.get_terminal_size().columns
    excess = len(click.unstyle(line)) - width
    return line if excess <= 0 else line[: -excess - 1] + "…"  # colours stand at the beginning of a line, if anywhere
