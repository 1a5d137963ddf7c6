"""`trimtab rollback`: serve an earlier revision again, without training or building."""

from typing import Any

import click

from trimtab.cli import words
from trimtab.cli.act import act, act_options


@click.command(name="rollback")
@click.argument("name", shell_complete=words.deployments)
@click.argument("revision", type=int, required=False)
@act_options
def command(name: str, revision: int | None, environment: str, timeout: str, no_wait: bool) -> int:
    """Serve an earlier REVISION of the deployment NAME: by default the last one that served before.

    Only the container template goes back; replicas and gateway stay as declared. The hold ends with `trimtab release`, or
    with a changed document. `trimtab history` lists revisions.

    Example: trimtab rollback vision/digits 3
    """
    from trimtab.engine.amend import rolled_back

    def change(_: Any, ledger: Any) -> Any:
        return rolled_back(ledger, revision)

    return act(name, change, environment=environment, timeout=timeout, no_wait=no_wait)
