"""`trimtab logs`: training and serving in one stream, by time."""

import time
from collections.abc import Iterator
from typing import Any

import click

from trimtab.cli import interrupts
from trimtab.core.kind import Call, Failure

_TRAINING_LOGS = "/aws/sagemaker/TrainingJobs"


@click.command(name="logs")
@click.argument("name")
@click.option("--environment", default="local", show_default=True, help="The environment it is in.")
@click.option(
    "--stage", type=click.Choice(["all", "training", "serving"]), default="all", show_default=True, help="Whose lines."
)
@click.option("--tail", type=click.IntRange(1), default=200, show_default=True, help="How many of the newest lines.")
@click.option("--follow", "-f", is_flag=True, help="Go on with new lines, until interrupted.")
def command(name: str, environment: str, stage: str, tail: int, follow: bool) -> int:
    """Show the log of the deployment NAME: its training jobs and its serving tasks.

    \b
    Example: trimtab logs vision/digits --stage training --tail 50
             trimtab logs vision/digits --follow
    """
    from trimtab.cli.context import environment_named, ledger_of, session

    with session(environment_named(environment)) as found:
        sources = list(_sources(ledger_of(found, name), stage))
        since, shown = 0, set[str]()
        while True:
            interrupts.check()
            events = sorted(_events(found.aws, sources, since), key=lambda each: (each["timestamp"], each["eventId"]))
            fresh = [each for each in events if each["eventId"] not in shown]
            for event in fresh if shown else fresh[-tail:]:
                click.echo(_line(event))
            shown |= {each["eventId"] for each in events}
            since = max([since, *(each["timestamp"] for each in events)])
            if not follow:
                return 0
            time.sleep(1.0)  # CloudWatch Logs has nothing to await but a websocket that the local cloud has not


def _sources(ledger: Any, stage: str) -> Iterator[tuple[str, str | None]]:
    """(log group, prefix of streams)."""
    for resource in ledger.resources:
        if resource.kind == "sagemaker.TrainingJob" and stage in ("all", "training"):
            yield _TRAINING_LOGS, resource.identity
        if resource.kind == "logs.LogGroup" and stage in ("all", "serving"):
            yield resource.identity, None


def _events(aws: Any, sources: list[tuple[str, str | None]], since: int) -> Iterator[dict[str, Any]]:
    for group, prefix in sources:
        arguments = {"logGroupName": group, "startTime": since} | ({"logStreamNamePrefix": prefix} if prefix else {})
        try:
            yield from aws.make(Call("logs", "FilterLogEvents", arguments))["events"]
        except Failure as failure:
            if failure.meaning != "absent":  # nothing was written there yet
                raise


def _line(event: dict[str, Any]) -> str:
    from datetime import UTC, datetime

    at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    return f"{at} {event['logStreamName'].split('/')[0][-40:]} {event['message'].rstrip()}"
