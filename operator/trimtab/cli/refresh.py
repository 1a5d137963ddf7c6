"""`trimtab refresh`: resolve base images and launcher anew."""

from typing import Any

import click

from trimtab.cli import words
from trimtab.cli.act import act, act_options


@click.command(name="refresh")
@click.argument("name", shell_complete=words.deployments)
@click.option("--only", type=click.Choice(["training", "serving", "launcher"]), help="Resolve this one alone.")
@act_options
def command(name: str, only: str | None, environment: str, timeout: str, no_wait: bool) -> int:
    """Resolve what the deployment NAME pinned (base images, launcher) anew, and act on what is newer.

    A newer training image trains again; a newer serving base or launcher builds and releases again.

    Example: trimtab refresh vision/digits --only serving
    """
    from trimtab.engine.amend import refreshed

    def change(_: Any, ledger: Any) -> Any:
        return refreshed(ledger, only)

    return act(name, change, environment=environment, timeout=timeout, no_wait=no_wait)
