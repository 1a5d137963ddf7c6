"""`trimtab wait`: block until a deployment is ready, without acting on it."""

import click

from trimtab.cli import interrupts, words
from trimtab.cli.output import talk

_PAUSE_S = 1.0


@click.command(name="wait")
@click.argument("name", shell_complete=words.deployments)
@words.environment_option()
@click.option(
    "--for", "what", type=click.Choice(["ready", "serving"]), default="ready", show_default=True, help="What to wait for."
)
@words.timeout_option("30m", "Give up after this long.")
def command(name: str, environment: str, what: str, timeout: str) -> int:
    """Wait for the deployment NAME. Exit codes: 0 it is so, 1 it is stalled, 3 timed out.

    `wait` only looks: something must be applying the document meanwhile.

    \b
    Example: trimtab wait vision/digits --timeout 10m
             trimtab wait vision/digits --for serving
    """
    from trimtab.cli.context import environment_named, ledger_of, session
    from trimtab.cli.described import describe
    from trimtab.core.quantities import duration_s

    with session(environment_named(environment)) as found:
        deadline = found.clock.monotonic() + duration_s(timeout)
        while True:
            interrupts.check()
            value = describe(found, ledger_of(found, name))
            if "retained" in value:
                talk(f"{value['deployment']}: let go of at {value['retained']}; apply its document to take it up again")
                return 1
            conditions = {each["type"]: each for each in value.get("conditions", ())}
            wanted = conditions.get(what.capitalize())
            if wanted and wanted["status"] == "True":
                return 0
            stalled = conditions.get("Stalled")
            if stalled and stalled["status"] == "True":
                talk(f"{value['deployment']}: stalled, {stalled['reason']}: {stalled['message']}")
                return 1
            if found.clock.monotonic() > deadline:
                message = wanted["message"] if wanted else "it is being deleted"
                talk(f"{value['deployment']}: not {what} after {timeout}: {message}")
                return 3
            found.clock.wait(found.reconciler.transfers.changed, _PAUSE_S)
