"""`trimtab retrain`: train again from the same inputs."""

from typing import Any

import click

from trimtab.cli import words
from trimtab.cli.act import act, act_options


@click.command(name="retrain")
@click.argument("name", shell_complete=words.deployments)
@act_options
def command(name: str, environment: str, timeout: str, no_wait: bool) -> int:
    """Train the deployment NAME once more from the same inputs, and release the model if it passes its gates.

    While a rollback holds, the new model is made and judged, and does not serve.

    Example: trimtab retrain vision/digits
    """
    from trimtab.cli.context import remembered
    from trimtab.engine.amend import retrained

    def change(found: Any, ledger: Any) -> Any:
        return retrained(ledger, found.reconciler.plain_training_key(remembered(ledger)))

    return act(name, change, environment=environment, timeout=timeout, no_wait=no_wait)
