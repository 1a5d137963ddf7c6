"""`trimtab local`: a simulator of AWS on this machine, for first steps and for tests."""

import shlex
from pathlib import Path
from typing import Any

import click

from trimtab.cli.output import output_option, print_data, print_table, talk

KINDS = (
    "throttle",
    "denied",
    "expired",
    "serverError",
    "timeout",
    "reset",
)  # a test holds them against trimtab.local.faults
MOST_DELAY_S = 900  # and this against trimtab.local.cloudtrail
_STATE = click.option("--state", type=click.Path(path_type=Path), help="State folder; by default that of this user.")

_SPEED = click.FloatRange(1, 100)  # a test holds it against trimtab.local.clock


@click.group(name="local")
def command() -> None:
    """Run the local cloud: AWS's APIs on loopback, with real training jobs, servers and load balancers behind them.

    It is a simulator for first steps and tests, and no security boundary.
    """


@command.command(name="up")
@_STATE
@click.option(
    "--port", type=click.IntRange(1024, 65535), default=4566, show_default=True, help="Of the control plane and registry."
)
@click.option(
    "--invoke-port", type=click.IntRange(1024, 65535), default=4567, show_default=True, help="Of API Gateway's execution."
)
@click.option("--speed", type=_SPEED, help="Of its time, while nothing real is under way; 1 by default.")
@click.option("--trail-delay", metavar="DURATION", help="From a call to CloudTrail's event history; 5m by default.")
def start(state: Path | None, port: int, invoke_port: int, speed: float | None, trail_delay: str | None) -> int:
    """Start it in the background. What a killed one left is adopted, and what was lost is said.

    \b
    Example: trimtab local up
             trimtab local up --state ./cloud --port 14566 --invoke-port 14567
             trimtab local up --speed 60
             trimtab local up --trail-delay 0s
    """
    from trimtab.local.commands import trail, up

    delay_s = None if trail_delay is None else _delay_s(trail_delay)
    result = up(_folder(state), port, invoke_port, speed)
    if delay_s is not None:
        trail(_folder(state), delay_s)
    talk(
        f"the local cloud {'is up' if result.started else 'was up before'} at {result.info.endpoint} (pid {result.info.pid})"
    )
    for sentence in result.lost:
        talk(f"lost: {sentence}")
    if result.started:
        talk("it simulates AWS here: `trimtab apply` deploys to it; `eval $(trimtab local env)` points AWS tools at it")
    return 0


@command.command(name="down")
@_STATE
@click.option("--purge", is_flag=True, help="Delete its state too.")
def stop(state: Path | None, purge: bool) -> int:
    """Stop it and everything it runs.

    \b
    Example: trimtab local down
             trimtab local down --purge
    """
    from trimtab.local.commands import down

    talk("the local cloud is down" if down(_folder(state), purge=purge) else "no local cloud was up")
    return 0


@command.command(name="status")
@_STATE
@output_option
def status(state: Path | None, output: str) -> int:
    """Say whether it is up. Exit code 1 when it is not.

    \b
    Example: trimtab local status -o json
    """
    from trimtab.local.commands import is_up
    from trimtab.local.paths import cloud_info

    folder = _folder(state)
    if not is_up(folder):
        talk(f"no local cloud is up in {folder}")
        return 1
    info = cloud_info(folder)
    lines = {"endpoint": info.endpoint, "invoke": info.invoke_endpoint, "account": info.account, "region": info.region}
    lines |= {"since": info.started}
    if output != "table":
        print_data(lines, output)
        return 0
    for name, value in lines.items():
        click.echo(f"{name:<9}{value}")
    return 0


@command.command(name="clock")
@_STATE
@click.option("--advance", metavar="DURATION", help="Let so much time go by at once, as 90s, 10m or 1h.")
@click.option("--speed", type=_SPEED, help="From now on.")
@output_option
def clock(state: Path | None, advance: str | None, speed: float | None, output: str) -> int:
    """Show its clock, or move it: only waiting is skipped, never what a job or a starting task does.

    \b
    Example: trimtab local clock
             trimtab local clock --advance 10m
    """
    from trimtab.local.commands import clock as asked_clock

    folder = _folder(state)
    changes = {} if speed is None else {"speed": speed}
    shown = asked_clock(folder, **changes)
    left = _seconds(advance) if advance else 0.0
    while left > 0:
        shown = asked_clock(folder, advanceSeconds=left)
        left = shown["leftSeconds"]
        if left > 0:
            talk(f"{left:.0f} s are left" + (f": {shown['heldBy']}" if shown["heldBy"] else ""))
    if output != "table":
        print_data({name: shown[name] for name in ("now", "speed", "heldBy")}, output)
        return 0
    click.echo(f"{shown['now']}, at {shown['speed']:g}x" + (f" (at 1x now: {shown['heldBy']})" if shown["heldBy"] else ""))
    return 0


def _seconds(text: str) -> float:
    from trimtab.core.quantities import duration_s

    try:
        return duration_s(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--advance") from None


@command.command(name="env")
@_STATE
def variables(state: Path | None) -> int:
    """Print the variables that point AWS tools at it, for `eval $(trimtab local env)`.

    \b
    Example: eval $(trimtab local env) && aws sts get-caller-identity
    """
    from trimtab.local.commands import environment

    for name, value in environment(_folder(state)).items():
        click.echo(f"export {name}={shlex.quote(value)}")
    return 0


def _delay_s(text: str) -> float:
    from trimtab.core.quantities import duration_s

    try:
        seconds = duration_s(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--trail-delay") from None
    if seconds > MOST_DELAY_S:
        raise click.BadParameter(f"{text} is more than 15m, within which CloudTrail delivers", param_hint="--trail-delay")
    return seconds


@command.command(name="throttle")
@_STATE
@click.option("--on/--off", "on", default=None, help="Hold callers to AWS's limits, or no longer.")
@output_option
def limits(state: Path | None, on: bool | None, output: str) -> int:
    """Hold callers to AWS's limits of calls, and show how near they came to them.

    Each class of operations has a bucket of tokens; who finds it empty is refused, in the words of the service.

    \b
    Example: trimtab local throttle --on
             trimtab local throttle
    """
    from trimtab.local.commands import throttle

    found = throttle(_folder(state), on=on)
    if output != "table":
        print_data(found, output)
        return 0
    talk(f"AWS's limits of calls are {'on' if found['on'] else 'off'}")
    fields = ("class", "burst", "rate", "lowest", "taken", "refused")
    if found["buckets"]:
        rows = [[f"{each[name]:g}" if name != "class" else each[name] for name in fields] for each in found["buckets"]]
        print_table([name.upper() for name in fields], rows)
    return 0


@command.command(name="user")
@_STATE
@click.argument("name")
def person(state: Path | None, name: str) -> int:
    """Print the variables with which AWS tools act as another user of IAM, so that the event history can tell who.

    The user and an access key are made if need be. What a user may do is not enforced.

    \b
    Example: eval $(trimtab local user ana) && aws ecs list-clusters
    """
    from trimtab.local.commands import user

    for variable, value in user(_folder(state), name).items():
        click.echo(f"export {variable}={shlex.quote(value)}")
    return 0


@command.command(name="exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@_STATE
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
def run(state: Path | None, words: tuple[str, ...]) -> int:
    """Run COMMAND with a throw-away cloud on free ports, then take all of it down. Passes the exit status on.

    \b
    Example: trimtab local exec -- aws sts get-caller-identity
    """
    from trimtab.core.errors import UserError
    from trimtab.local.commands import execute

    try:
        return execute(words, state)
    except FileNotFoundError:
        raise UserError(f"there is no command {words[0]!r}", code="TT5005", fix="name a program on the PATH") from None


def _folder(state: Path | None) -> Any:
    from trimtab.local.paths import state_folder

    return state.resolve() if state else state_folder()


@command.group(name="fault")
def fault() -> None:
    """Inject faults into calls, to see what your tools do: throttling, refusals, server errors, silence, resets."""


@fault.command(name="add")
@_STATE
@click.option("--service", required=True, help="As botocore names it: ecs, s3, sagemaker, ...")
@click.option("--operation", default="", help="As the API names it; all of the service by default.")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What happens instead of an answer.")
@click.option("--times", type=click.IntRange(1), default=1, show_default=True, help="How often.")
@click.option("--after", is_flag=True, help="After the effect: the call is done, and its answer is lost.")
def add_fault(state: Path | None, service: str, operation: str, kind: str, times: int, after: bool) -> int:
    """Make the next calls fail.

    \b
    Example: trimtab local fault add --service ecs --operation CreateService --kind timeout --after
             trimtab local fault add --service s3 --kind throttle --times 5
    """
    from trimtab.local.commands import faults

    moment = "after" if after else "before"
    asked = {"service": service, "operation": operation, "kind": kind, "when": moment, "count": times}
    talk(f"{len(faults(_folder(state), 'POST', [asked]))} faults are due")
    return 0


@fault.command(name="list")
@_STATE
@output_option
def list_faults(state: Path | None, output: str) -> int:
    """List what is due.

    \b
    Example: trimtab local fault list
    """
    from trimtab.local.commands import faults

    due = faults(_folder(state), "GET")
    if output != "table":
        print_data(due, output)
        return 0
    fields = ("service", "operation", "kind", "when", "count")
    print_table([field.upper() for field in fields], [[str(each[field]) or "any" for field in fields] for each in due])
    return 0


@fault.command(name="clear")
@_STATE
def clear_faults(state: Path | None) -> int:
    """Forget what is due.

    \b
    Example: trimtab local fault clear
    """
    from trimtab.local.commands import faults

    faults(_folder(state), "DELETE")
    talk("no fault is due")
    return 0
