"""`trimtab key`: the value of a deployment's API key."""

import click

from trimtab.cli import words
from trimtab.cli.output import talk


@click.command(name="key")
@click.argument("name", shell_complete=words.deployments)
@words.environment_option()
def command(name: str, environment: str) -> int:
    """Print the API key of the deployment NAME, for the header x-api-key.

    AWS made it and keeps it; trimtab stores it nowhere.

    \b
    Example: curl -H "x-api-key: $(trimtab key vision/digits)" ...
    """
    from trimtab.cli.context import environment_named, ledger_of, remembered, session
    from trimtab.engine.endpoint import key_of

    with session(environment_named(environment)) as found:
        value = key_of(found.reconciler.look(remembered(ledger_of(found, name))), found.aws)
    if value is None:
        talk(f"{name} needs no key (auth: none)")
        return 0
    click.echo(value)
    return 0
