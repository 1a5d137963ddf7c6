"""The `trimtab` program: finds the command, runs it, and turns what it raises into a message and an exit code.

What each exit code says stands in `exits`.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

import trimtab
from trimtab.cli import interrupts

# Name -> what it does. Kept here as text, so that `--help` need not import a single command.
COMMANDS = {
    "init": "Write a working project: document, model code and a README.",
    "validate": "Check documents, without any network.",
    "explain": "Say what a field of the API, or an error code, means.",
    "plan": "Show what apply would do, and why.",
    "diff": "Compare a document with what is live.",
    "drift": "Show what was changed outside.",
    "apply": "Make a document true.",
    "run": "Watch sources of documents and keep them true.",
    "status": "Show where a deployment stands.",
    "wait": "Wait until a deployment is ready.",
    "events": "Show what happened to a deployment.",
    "logs": "Show the logs of training and serving.",
    "predict": "Send a request through the public endpoint.",
    "key": "Print the API key of a deployment.",
    "page": "Serve a page that calls a deployment.",
    "history": "List the revisions of a deployment.",
    "rollback": "Serve an earlier revision again.",
    "release": "End a rollback.",
    "retry": "Ask once more for a release that was given up.",
    "retrain": "Train again from the same inputs.",
    "refresh": "Resolve base images and launcher anew.",
    "suspend": "Leave a deployment alone for a while.",
    "resume": "Look after a suspended deployment again.",
    "delete": "Delete a deployment and all that was made for it.",
    "orphans": "List what carries our tags and belongs to no deployment.",
    "confirm-deletes": "Let go what the brake holds: documents that vanished from a source.",
    "local": "Run the local cloud.",
    "doctor": "Check this machine and the account, with a fix for each fault.",
    "export": "Print the JSON Schema of the API.",
    "completion": "Print the completion script of a shell.",
}


class Commands(click.Group):
    """Loads a command's module, `trimtab.cli.<name>`, when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return importlib.import_module(f"trimtab.cli.{cmd_name.replace('-', '_')}").command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise click.UsageError(f"There is no command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(trimtab.__version__, prog_name="trimtab", message="%(prog)s %(version)s")
def program() -> None:
    """Make one declarative ModelDeployment true, and keep it true."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and leave with its exit code."""
    interrupts.listen()
    code = run(arguments)
    interrupts.let_go()
    sys.exit(code)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit code."""
    try:
        result: Any = program.main(
            list(arguments) if arguments is not None else None, standalone_mode=False, prog_name="trimtab"
        )
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.ClickException as error:
        error.show(sys.stderr)
        return 1
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted: run the same command again, and it goes on from here", err=True)
        return interrupts.exit_code()
    except BrokenPipeError:
        # The reader has gone (`| head`): leave quietly, and keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        from trimtab.cli.failures import show

        return show(error)
