"""`trimtab suspend`: leave a deployment alone for a while."""

import click

from trimtab.cli import words
from trimtab.cli.output import talk


@click.command(name="suspend")
@click.argument("name", shell_complete=words.deployments)
@words.environment_option()
def command(name: str, environment: str) -> int:
    """Leave the deployment NAME alone until `trimtab resume`: nothing is made, repaired or deleted. What serves goes on.

    An operator that looks after it, and `trimtab apply`, see it and say so. `spec.suspend` does the same by document.

    \b
    Example: trimtab suspend vision/digits
    """
    from trimtab.cli.context import environment_named, ledger_of, session
    from trimtab.core.times import rfc3339
    from trimtab.engine.amend import suspended

    with session(environment_named(environment)) as found:
        ledger = ledger_of(found, name)
        at = rfc3339(found.clock.now())
        found.reconciler.amend(ledger.namespace, ledger.name, lambda each: suspended(each, at))
    full = f"{ledger.namespace}/{ledger.name}"
    talk(f"{full} is left alone; `trimtab resume {full}` ends that")
    return 0
