"""`trimtab retry`: ask once more for a release that the platform gave up, or for repairs that somebody undid."""

from typing import Any

import click

from trimtab.cli import words
from trimtab.cli.act import act, act_options


@click.command(name="retry")
@click.argument("name", shell_complete=words.deployments)
@act_options
def command(name: str, environment: str, timeout: str, no_wait: bool) -> int:
    """Lift the quarantine of the latest release of the deployment NAME that was given up, and roll it out again.

    What is left alone because somebody changed it after each repair is repaired again, too.

    Example: trimtab retry vision/digits
    """
    from trimtab.core.times import rfc3339
    from trimtab.engine.amend import retried

    def change(found: Any, ledger: Any) -> Any:
        return retried(ledger, rfc3339(found.clock.now()))

    return act(name, change, environment=environment, timeout=timeout, no_wait=no_wait)
