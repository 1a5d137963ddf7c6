"""A sweep that finds nothing to do, beside the fewest calls that could tell, and beside `terraform plan`: goals G1 and G2.

A deployment is what tests/fleet.py makes. The bare reader lists the same with boto3, one list after another, and judges
nothing. Terraform has as many on a cloud of its own. Without TRIMTAB_TF_MIRROR it is skipped, and named.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

from bench.outside import journal, last_number
from clouds import RunningCloud, running_cloud
from fleet import BUCKET, CLUSTER, RECORDS, Fleet, key_of

COUNTS = (1, 10, 50, 200)
BESIDE_TERRAFORM = (50, 200)  # G1 and G2
ROUNDS = 5
INTERVAL_S = 60.0
CONFIGURATION = Path(__file__).parent / "terraform"
MIRRORED = 'provider_installation {{\n  filesystem_mirror {{ path = "{}" }}\n}}\n'
MOST_CALLS, LEAST_CALLS_RATIO, LEAST_TIME_RATIO, MOST_OF_BARE = 1.15, 50, 20, 2.0
CHANGES = 2  # the exit code of a plan that would do something


def measure() -> dict[str, Any]:
    """By number of deployments: calls of a sweep, the fewest there could be, seconds of each; and the goals."""
    mirror = os.environ.get("TRIMTAB_TF_MIRROR", "")
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(4) as threads:
        with running_cloud(Path(folder) / "state") as cloud:
            fleet = Fleet(cloud, threads)
            rows = {f"at_{count}": _at(count, fleet) for count in COUNTS}
        for count in BESIDE_TERRAFORM if mirror else ():
            with _terraform(Path(folder) / f"terraform-{count}", mirror) as terraform:
                rows[f"at_{count}"]["terraform"] = terraform.measured(count)
    skipped = {} if mirror else {"terraform": "TRIMTAB_TF_MIRROR does not name a mirror of its providers"}
    return {**rows, "goals": _goals(rows), "skipped": skipped}


def _at(count: int, fleet: Fleet) -> dict[str, Any]:
    fleet.grow(count)
    fleet.sweep(INTERVAL_S)
    sweeps, bare = zip(
        *((_timed(lambda: _stands(fleet)), _timed(lambda: _bare(fleet, count))) for _ in range(ROUNDS)), strict=True
    )
    row = _counted(fleet.cloud, lambda: _stands(fleet))
    least = least_calls(count)
    return {
        **row,
        "fewest_calls": least,
        "calls_ratio": round(row["calls"] / least, 2),
        "seconds": round(median(sweeps), 3),
        "bare_reader_seconds": round(median(bare), 3),
        "seconds_ratio": round(median(sweeps) / median(bare), 2),
        "drift_seen": _sees_drift(fleet),
    }


def least_calls(count: int) -> int:
    """S(N) of docs/internals/sweep.md without its part by turns: what any reader that polls must make for this shape.

    One bucket holds the records and the ledgers, and a page shows it up to 500 deployments.
    """
    return 2 * ceil(count / 1000) + 1 + ceil(count / 50) + ceil(count / 100) + ceil(count / 10)


def _stands(fleet: Fleet) -> None:
    found = fleet.sweep(INTERVAL_S)
    if len(found.stand) != fleet.size:
        raise RuntimeError(f"{len(found.stand)} of {fleet.size} stand: {sorted(found.moved)[:5]}")


def _bare(fleet: Fleet, count: int) -> None:
    """The fewest calls, with boto3 alone."""
    client = fleet.aws.client
    names = [key_of(number).replace("/", "-") for number in range(count)]
    for page in client("s3", reading=True).get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=RECORDS):
        list(page.get("Contents", ()))
    list(client("ecr", reading=True).get_paginator("describe_repositories").paginate(maxResults=1000))
    details = client("iam", reading=True).get_paginator("get_account_authorization_details")
    list(details.paginate(Filter=["Role"], MaxItems=1000))
    list(client("logs", reading=True).get_paginator("describe_log_groups").paginate(logGroupNamePrefix="/fleet/", limit=50))
    ecs = client("ecs", reading=True)
    list(ecs.get_paginator("list_task_definition_families").paginate(status="ACTIVE"))
    for start in range(0, count, 10):
        ecs.describe_services(cluster=CLUSTER, services=names[start : start + 10], include=["TAGS"])


def _sees_drift(fleet: Fleet) -> bool:
    """Whether one field that somebody changes is found, and nothing else."""
    logs, last = fleet.cloud.client("logs"), fleet.size - 1
    group = f"/{key_of(last)}"
    logs.put_retention_policy(logGroupName=group, retentionInDays=1)
    seen = fleet.sweep(INTERVAL_S).moved == {key_of(last)}
    logs.put_retention_policy(logGroupName=group, retentionInDays=30)
    return seen


def _timed(what: Callable[[], None]) -> float:
    started = time.perf_counter()
    what()
    return time.perf_counter() - started


def _counted(cloud: RunningCloud, what: Callable[[], None]) -> dict[str, Any]:
    since = last_number(cloud)
    what()
    made = journal(cloud, since)
    return {"calls": len(made), "writes": sum(each["write"] for each in made)}


@dataclass(frozen=True)
class Terraform:
    """The same, as Terraform has it."""

    cloud: RunningCloud
    folder: Path
    variables: Mapping[str, str]

    def measured(self, count: int) -> dict[str, Any]:
        variables = {**self.variables, "TF_VAR_deployments": str(count)}
        self._run(variables, "apply", "-auto-approve", "-input=false", "-no-color")
        seconds: list[float] = []
        row: dict[str, Any] = {}

        def plan(code: int) -> None:
            seconds.append(_timed(lambda: self._run(variables, "plan", "-detailed-exitcode", "-input=false", code=code)))

        row = _counted(self.cloud, lambda: plan(0))
        logs, group = self.cloud.client("logs"), f"/fleet/{count - 1:04}"
        logs.put_retention_policy(logGroupName=group, retentionInDays=1)
        plan(CHANGES)
        logs.put_retention_policy(logGroupName=group, retentionInDays=30)
        return {**row, "seconds": round(seconds[0], 1), "drift_seen": True}

    def _run(self, variables: Mapping[str, str], *words: str, code: int = 0) -> None:
        done = subprocess.run(
            ["terraform", *words], cwd=self.folder, env=dict(variables), capture_output=True, text=True, check=False
        )
        if done.returncode != code:
            said = f"{done.stderr[-2000:]}{done.stdout[-2000:]}"
            raise RuntimeError(f"terraform {words[0]} ended with {done.returncode}: {said}")


@contextmanager
def _terraform(folder: Path, mirror: str) -> Iterator[Terraform]:
    with running_cloud(folder / "state") as cloud:
        place, rc = folder / "configuration", folder / "terraform.rc"
        shutil.copytree(CONFIGURATION, place)
        rc.write_text(MIRRORED.format(mirror))
        ec2 = cloud.client("ec2")
        vpc = [{"Name": "vpc-id", "Values": [ec2.describe_vpcs()["Vpcs"][0]["VpcId"]]}]
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "CHECKPOINT_DISABLE": "1",
            "TF_CLI_CONFIG_FILE": str(rc),
            "AWS_ACCESS_KEY_ID": cloud.info.access_key_id,
            "AWS_SECRET_ACCESS_KEY": cloud.info.secret_access_key,
            "AWS_EC2_METADATA_DISABLED": "true",
            "TF_VAR_endpoint": cloud.info.endpoint,
            "TF_VAR_subnet": ec2.describe_subnets(Filters=vpc)["Subnets"][0]["SubnetId"],
            "TF_VAR_security_group": ec2.describe_security_groups(Filters=vpc)["SecurityGroups"][0]["GroupId"],
        }
        made = Terraform(cloud, place, variables)
        made._run(variables, "init", "-input=false", "-no-color")
        yield made


def _goals(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What was promised of it. Those beside Terraform are left out where it is."""
    calls = max(row["calls_ratio"] for row in rows.values())
    bare = rows["at_200"]["seconds_ratio"]
    found = {
        "calls_of_the_fewest": {"value": calls, "at_most": MOST_CALLS, "met": calls <= MOST_CALLS},
        "seconds_of_the_bare_reader": {"value": bare, "at_most": MOST_OF_BARE, "met": bare <= MOST_OF_BARE},
    }
    if "terraform" in rows["at_50"]:
        fewer = round(rows["at_50"]["terraform"]["calls"] / rows["at_50"]["calls"], 1)
        faster = round(rows["at_200"]["terraform"]["seconds"] / rows["at_200"]["seconds"], 1)
        found["terraform_calls_ratio"] = {"value": fewer, "at_least": LEAST_CALLS_RATIO, "met": fewer >= LEAST_CALLS_RATIO}
        found["terraform_seconds_ratio"] = {"value": faster, "at_least": LEAST_TIME_RATIO, "met": faster >= LEAST_TIME_RATIO}
    return found
