"""`trimtab doctor`: check this machine and the account, with a fix for each fault."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from trimtab.cli import words
from trimtab.cli.diagnosis.finding import Finding, not_checked
from trimtab.cli.output import output_option, paint, print_data

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "not checked": "cyan"}


@click.command(name="doctor")
@words.environment_option("The environment to check.")
@output_option
def command(environment: str, output: str) -> int:
    """Check what trimtab needs: this machine, and the account of an environment. It writes nothing.

    A row is ok, warn, fail, or not checked (with the reason). Exit codes: 0 nothing fails, 1 something does.

    \b
    Example: trimtab doctor
             trimtab doctor --environment production -o json
    """
    from trimtab.cli.context import cache_folder
    from trimtab.cli.diagnosis.machine import machine_findings
    from trimtab.local.paths import state_folder

    findings: list[Finding] = []
    denied: list[dict[str, str]] = []
    for each in (*machine_findings(cache_folder(), state_folder()), *_account(environment, denied)):
        findings.append(each)
        if output == "table":
            _show(each)
    if output != "table":
        counts = {verdict: sum(each.verdict == verdict for each in findings) for verdict in _COLOURS}
        rows = [asdict(each) for each in findings]
        print_data({"environment": environment, "counts": counts, "checks": rows, "denied": denied}, output)
    return 1 if any(each.verdict == "fail" for each in findings) else 0


def _show(each: Finding) -> None:
    click.echo(f"{paint(f'{each.verdict:<12}', _COLOURS[each.verdict])}{each.check:<24}{each.found}")
    if each.fix and each.verdict in ("warn", "fail"):
        click.echo(f"{'':<12}{'':<24}fix: {each.fix}")


def _account(name: str, denied: list[dict[str, str]]) -> Iterator[Finding]:
    from trimtab.cli.context import LOCAL, environment_named, session
    from trimtab.cli.diagnosis.machine import port_findings
    from trimtab.core.errors import TrimtabError
    from trimtab.local.paths import state_folder

    if name == LOCAL:
        yield from port_findings(state_folder())
    try:
        environment = environment_named(name)
        with session(environment) as found:
            yield from _reached(environment, found, denied)
    except (TrimtabError, ExceptionGroup) as error:
        yield Finding(f"environment {name}", "fail", str(error), getattr(error, "fix", ""))


def _reached(environment: Any, found: Any, denied: list[dict[str, str]]) -> Iterator[Finding]:
    import boto3

    from trimtab.cli.context import LOCAL
    from trimtab.cli.diagnosis.account import caller_findings, service_findings
    from trimtab.cli.diagnosis.finding import region
    from trimtab.cli.diagnosis.quotas import quota_findings
    from trimtab.cli.diagnosis.rights import questions, rights_finding, rights_of
    from trimtab.resources import KINDS
    from trimtab.resources.beside import BESIDE

    spec, aws = environment.spec, found.aws
    sdk: Any = boto3.Session()
    yield region(spec.region, list(sdk.get_available_regions("ecs")), sdk.region_name)
    caller, rows = caller_findings(aws, spec.account)
    yield from rows
    if caller is None:
        for check in ("services", "rights", "quotas"):
            yield not_checked(check, "the account does not answer who we are")
        return
    yield from service_findings(aws, {"state": spec.buckets.state, "data": spec.buckets.data})
    if environment.metadata.name == LOCAL:
        yield not_checked("rights", "the local cloud does not enforce IAM: only an account can tell what a policy allows")
    else:
        row, refused = rights_finding(aws, caller.arn, questions(rights_of(KINDS.values(), BESIDE), environment))
        denied += [asdict(each) for each in refused]
        yield row
    yield from quota_findings(aws, _balancer(environment, found))


def _balancer(environment: Any, found: Any) -> str | None:
    shared = found.ledgers.load_shared(environment.metadata.name).value
    resources = shared.resources if shared else ()
    return next((each.identity for each in resources if each.kind == "elbv2.LoadBalancer"), None)
