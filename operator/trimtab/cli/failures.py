"""How an error looks: place, sentence, code; the line with a caret; what to do."""

import os
import sys
import traceback
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import click

from trimtab.core.errors import Bug, TrimtabError, UserError
from trimtab.core.kind import Failure

_CODES = {"throttled": 3, "transient": 3}


def show(error: Exception) -> int:
    """Print an error on stderr; returns the exit code."""
    if isinstance(error, BaseExceptionGroup):
        errors = sorted(_flat(cast(BaseExceptionGroup[BaseException], error)), key=_place)
        for each in errors:
            _show_one(each)
        return max(exit_code(each) for each in errors)
    _show_one(error)
    return exit_code(error)


def exit_code(error: BaseException) -> int:
    if isinstance(error, Failure):
        return _CODES.get(error.meaning, 70 if error.meaning == "unlisted" else 1)
    if _is_of_the_machine(error):
        return 1
    return error.exit_code if isinstance(error, TrimtabError) else 70


def _show_one(error: BaseException) -> None:
    if isinstance(error, UserError):
        click.echo(render(error), err=True)
    elif isinstance(error, (TrimtabError, Failure)) and not isinstance(error, Bug):
        click.echo(f"error: {error}", err=True)
    elif isinstance(error, OSError) and _is_of_the_machine(error):
        place = f"{error.filename}: " if error.filename else ""
        click.echo(f"error: this machine refuses it: {place}{error.strerror}", err=True)
    else:
        _show_bug(error)


def _is_of_the_machine(error: BaseException) -> bool:
    """A full disk, a missing right, a folder that cannot be made: a person mends it, we do not."""
    return isinstance(error, OSError) and error.errno is not None and error.strerror is not None


def render(error: UserError) -> str:
    """The error in full: its sentence, the snippet where there is a file to show, the fix."""
    lines = [str(error), *_snippet(error)]
    if error.fix:
        lines.append(f"  fix: {error.fix}")
    return "\n".join(lines)


def _snippet(error: UserError) -> Iterator[str]:
    if error.position is None:
        return
    try:
        text = Path(error.position.file).read_text(errors="replace").splitlines()[error.position.line - 1]
    except (OSError, IndexError):
        return
    margin = f"  {error.position.line} | "
    # Any bytes may stand in a file: none of them may reach the terminal as a command. A tab takes one column, as it counts.
    yield margin + "".join(char if char.isprintable() else " " if char == "\t" else "�" for char in text)
    yield " " * (len(margin) - 2) + "| " + " " * (error.position.column - 1) + "^"


def _show_bug(error: BaseException) -> None:
    id = uuid.uuid4().hex[:8]
    click.echo(
        f"error: this is a bug in trimtab, please report it with the id {id}: {type(error).__name__}: {error}", err=True
    )
    if os.environ.get("TRIMTAB_TRACEBACK"):
        traceback.print_exception(error, file=sys.stderr)
    else:
        click.echo("  fix: set TRIMTAB_TRACEBACK=1 and run it again to see where", err=True)


def _flat(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _flat(cast(BaseExceptionGroup[BaseException], each))
        else:
            yield each


def _place(error: BaseException) -> tuple[str, int, int]:
    position = error.position if isinstance(error, UserError) else None
    return (position.file, position.line, position.column) if position else ("", 0, 0)
