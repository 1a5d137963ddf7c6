"""`trimtab logs`: training and serving in one stream, by time."""

import time
from collections.abc import Iterator
from typing import Any

import click

from trimtab.cli import interrupts, words
from trimtab.cli.output import output_option, print_one
from trimtab.core.kind import Call, Failure

# SageMaker's own names of groups, by the kind of job whose name its streams begin with.
_JOB_LOGS = {
    "sagemaker.TrainingJob": "/aws/sagemaker/TrainingJobs",
    "sagemaker.ProcessingJob": "/aws/sagemaker/ProcessingJobs",
}


@click.command(name="logs")
@click.argument("name", shell_complete=words.deployments)
@words.environment_option()
@click.option(
    "--stage", type=click.Choice(["all", "training", "serving"]), default="all", show_default=True, help="Whose lines."
)
@click.option("--tail", type=click.IntRange(1), default=200, show_default=True, help="How many of the newest lines.")
@click.option("--follow", "-f", is_flag=True, help="Go on with new lines, until interrupted.")
@output_option
def command(name: str, environment: str, stage: str, tail: int, follow: bool, output: str) -> int:
    """Show the log of the deployment NAME: its training and evaluation jobs and its serving tasks.

    With -o json each line is an object, and each object a line.

    \b
    Example: trimtab logs vision/digits --stage training --tail 50
             trimtab logs vision/digits --follow
             trimtab logs vision/digits -o json | jq -r .message
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
                _print(event, output)
            shown |= {each["eventId"] for each in events}
            since = max([since, *(each["timestamp"] for each in events)])
            if not follow:
                return 0
            time.sleep(1.0)  # CloudWatch Logs has nothing to await but a websocket that the local cloud has not


def _sources(ledger: Any, stage: str) -> Iterator[tuple[str, str | None]]:
    """(log group, prefix of streams)."""
    for resource in ledger.resources:
        if resource.kind in _JOB_LOGS and stage in ("all", "training"):
            yield _JOB_LOGS[resource.kind], resource.identity
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


def _print(event: dict[str, Any], output: str) -> None:
    from datetime import UTC, datetime

    at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    stream, message = event["logStreamName"], event["message"].rstrip()
    if output == "table":
        click.echo(f"{at} {stream.split('/')[0][-40:]} {message}")
    else:
        print_one({"at": at, "stream": stream, "message": message}, output)
