"""`trimtab release`: end a rollback: what the document declares serves again."""

from typing import Any

import click

from trimtab.cli import words
from trimtab.cli.act import act, act_options


@click.command(name="release")
@click.argument("name", shell_complete=words.deployments)
@act_options
def command(name: str, environment: str, timeout: str, no_wait: bool) -> int:
    """End the hold of a rollback: what the document of the deployment NAME declares serves again.

    Example: trimtab release vision/digits
    """
    from trimtab.engine.amend import released

    def change(_: Any, ledger: Any) -> Any:
        return released(ledger)

    return act(name, change, environment=environment, timeout=timeout, no_wait=no_wait)
