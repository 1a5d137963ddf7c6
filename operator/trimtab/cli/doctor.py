"""`trimtab doctor`: check this machine and the account, with a fix for each fault."""

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import click

from trimtab.core.errors import TrimtabError
from trimtab.core.kind import Call, Failure

_NEEDED_BYTES = 10 << 30


@dataclass(frozen=True)
class Finding:
    name: str
    is_good: bool
    text: str
    fix: str = ""


@click.command(name="doctor")
@click.option("--environment", default="local", show_default=True, help="The environment to check.")
def command(environment: str) -> int:
    """Check what trimtab needs. Exit code 1 when something is wrong."""
    findings = [*_machine(), *_account(environment)]
    for each in findings:
        click.echo(f"{'ok  ' if each.is_good else 'FAIL'} {each.name}: {each.text}")
        if each.fix and not each.is_good:
            click.echo(f"     fix: {each.fix}")
    return 0 if all(each.is_good for each in findings) else 1


def _machine() -> Iterator[Finding]:
    from trimtab.cli.context import cache_folder
    from trimtab.local.executor import namespaces_work

    version = ".".join(str(part) for part in sys.version_info[:3])
    yield Finding("python", sys.version_info >= (3, 11), version, "install Python 3.11 or later")
    folder = cache_folder()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    text = f"{free >> 30} GiB free for {folder}"
    yield Finding(
        "disk", free > _NEEDED_BYTES, text, "the training environment needs about 6 GiB: free some, or set TRIMTAB_CACHE"
    )
    works, why = namespaces_work()
    said = (
        "each local job and task gets a mount namespace"
        if works
        else f"local jobs see plain folders instead of /opt/ml ({why})"
    )
    yield Finding("namespaces", True, said)
    found = shutil.which("docker")
    yield Finding(
        "docker", True, f"{found}, not needed by the built-in image builder" if found else "not here, and not needed"
    )


def _account(name: str) -> Iterator[Finding]:
    from trimtab.cli.context import environment_named, session

    try:
        environment = environment_named(name)
        with session(environment) as found:
            yield from _reached(environment.spec.account, environment.spec.buckets.state, found.aws.make)
    except (TrimtabError, ExceptionGroup) as error:
        fix = getattr(error, "fix", "")
        yield Finding(f"environment {name}", False, str(error), fix)


def _reached(account: str, bucket: str, make: Callable[[Call], object]) -> Iterator[Finding]:
    try:
        reply = make(Call("sts", "GetCallerIdentity", {}))
    except Failure as failure:
        yield Finding("credentials", False, failure.reason, "configure AWS credentials, or bring the local cloud up")
        return
    assert isinstance(reply, dict)
    who: dict[str, str] = reply  # pyright: ignore[reportUnknownVariableType]
    right = who["Account"] == account
    yield Finding("credentials", right, f"{who['Arn']} in account {who['Account']}", f"the environment is account {account}")
    for name, call in (
        ("state bucket", Call("s3", "ListObjectsV2", {"Bucket": bucket, "MaxKeys": 1}, pages="one")),
        ("ecs", Call("ecs", "ListClusters", {})),
        ("sagemaker", Call("sagemaker", "ListTrainingJobs", {"MaxResults": 1}, pages="one")),
        ("ecr", Call("ecr", "DescribeRepositories", {"maxResults": 1}, pages="one")),
        ("api gateway", Call("apigateway", "GetRestApis", {"limit": 1}, pages="one")),
    ):
        try:
            make(call)
        except Failure as failure:
            yield Finding(name, False, failure.reason, f"allow {call.service}:{call.operation}, or correct the environment")
        else:
            yield Finding(name, True, f"{call.operation} answers")
