"""`trimtab wait`: block until a deployment is ready, without acting on it."""

from collections.abc import Mapping
from typing import Any

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
@click.option("--version", help="Wait for what its source calls this version: a commit id, or how it begins.")
@words.timeout_option("30m", "Give up after this long.")
def command(name: str, environment: str, what: str, version: str | None, timeout: str) -> int:
    """Wait for the deployment NAME. Exit codes: 0 it is so, 1 it is stalled, 3 timed out.

    `wait` only looks: something must be applying the document meanwhile. With --version it waits for a deployment that
    does not exist yet, too, and until its operator has recorded that it is so; what an earlier version comes to is no end.

    \b
    Example: trimtab wait vision/digits --timeout 10m
             trimtab wait vision/digits --for serving
             trimtab wait vision/digits --version $(git rev-parse HEAD)
    """
    from trimtab.cli.context import environment_named, session
    from trimtab.core.quantities import duration_s

    with session(environment_named(environment)) as found:
        deadline = found.clock.monotonic() + duration_s(timeout)
        while True:
            interrupts.check()
            value = _seen(found, name, what, version)
            end, said = _ended(value, what, version)
            if said:
                talk(said)
            if end is not None:
                return end
            if found.clock.monotonic() > deadline:
                talk(f"{name}: {_lacking(value, what, version)} after {timeout}")
                return 3
            found.clock.wait(found.reconciler.transfers.changed, _PAUSE_S)


def _seen(found: Any, name: str, what: str, version: str | None) -> Mapping[str, Any] | None:
    """Its status, and whether that is what its ledger has, too; None for one that is waited for and is not there yet."""
    from trimtab.cli.context import ledger_of
    from trimtab.cli.described import describe
    from trimtab.core.errors import UserError

    try:
        ledger = ledger_of(found, name)
        recorded = ledger.conditions.get(what.capitalize())
        return {**describe(found, ledger), "isRecorded": recorded is not None and recorded.status == "True"}
    except UserError as error:
        if version is None or error.reason != "NotFound":
            raise
        return None


def _ended(value: Mapping[str, Any] | None, what: str, version: str | None) -> tuple[int | None, str]:
    """(exit code or None: it goes on; what to say)."""
    if value is None or not _is_version(value, version):
        return None, ""
    if "retained" in value:
        return 1, f"{value['deployment']}: let go of at {value['retained']}; apply its document to take it up again"
    conditions = {each["type"]: each for each in value.get("conditions", ())}
    if (wanted := conditions.get(what.capitalize())) and wanted["status"] == "True":
        return (0, "") if version is None or value["isRecorded"] else (None, "")
    if (stalled := conditions.get("Stalled")) and stalled["status"] == "True":
        return 1, f"{value['deployment']}: stalled, {stalled['reason']}: {stalled['message']}"
    return None, ""


def _is_version(value: Mapping[str, Any], version: str | None) -> bool:
    return version is None or str(value.get("version") or "").startswith(version)


def _lacking(value: Mapping[str, Any] | None, what: str, version: str | None) -> str:
    """What is still not so, for a person."""
    if value is None:
        return "it does not exist"
    if not _is_version(value, version):
        return f"it is at version {value.get('version') or '(none)'}, not {version}"
    wanted = next((each for each in value.get("conditions", ()) if each["type"] == what.capitalize()), None)
    return f"not {what}: {wanted['message'] if wanted else 'it is being deleted'}"
