"""`trimtab resume`: look after a suspended deployment again."""

from typing import Any

import click

from trimtab.cli import words
from trimtab.cli.act import act, act_options


@click.command(name="resume")
@click.argument("name", shell_complete=words.deployments)
@act_options
def command(name: str, environment: str, timeout: str, no_wait: bool) -> int:
    """End what `trimtab suspend` began for the deployment NAME, and make true what its document last declared.

    \b
    Example: trimtab resume vision/digits
    """
    from trimtab.engine.amend import resumed

    def change(_: Any, ledger: Any) -> Any:
        return resumed(ledger)

    return act(name, change, environment=environment, timeout=timeout, no_wait=no_wait)
