"""What a person sees and does from outside: the program, a local cloud of its own, AWS's API, HTTP, the process table."""

import json
import os
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from trimtab.local.commands import free_ports

TOP = Path(__file__).resolve().parent.parent
TRIMTAB = str(Path(sys.executable).parent / "trimtab")
# Kept by the operator beside the ledgers: what a source has no more, for the brake. It is no deployment's.
MEMORY = "sources/"


class Broken(Exception):
    """What was promised did not come."""


def until(holds: Callable[[], Any], what: str, patience_s: float = 120.0) -> Any:
    """Look until it holds, and answer what it gave. what: that it was waited for, for a person."""
    deadline = time.monotonic() + patience_s
    while not (found := holds()):
        if time.monotonic() > deadline:
            raise Broken(f"after {patience_s:g} s there is still no {what}")
        time.sleep(0.1)
    return found


def heard() -> str:
    """The pattern of events that docs/tasks/wake.md has EventBridge deliver."""
    page = (TOP / "docs" / "tasks" / "wake.md").read_text()
    if not (found := re.search(r"--event-pattern '(.*?)'", page)):
        raise Broken("docs/tasks/wake.md has no --event-pattern")
    return found[1]


class Outside:
    """A folder to work in, a local cloud below it, and a person who tells what happens."""

    def __init__(self, work: Path) -> None:
        self.work, self.state = work, work / "state"
        self.result: dict[str, Any] = {"seconds": {}}
        self._told = 0
        self._pool = urllib3.PoolManager(maxsize=4)

    # --- telling and doing ---

    def step(self, title: str, name: str, work: Callable[[], None]) -> None:
        self._told += 1
        print(f"\n\033[1m{self._told}. {title}\033[0m" if sys.stdout.isatty() else f"\n{self._told}. {title}", flush=True)
        started = time.monotonic()
        work()
        self.result["seconds"][name] = round(time.monotonic() - started, 1)
        print(f"   ({self.result['seconds'][name]} s)", flush=True)

    def say(self, text: str) -> None:
        print(f"   {text}", flush=True)

    def trimtab(self, *words: str, expect: tuple[int, ...] = (0,), by_sdk: bool = False) -> subprocess.CompletedProcess[str]:
        """Run the program as a person would. by_sdk: with the variables that point AWS's SDK at the local cloud."""
        variables = {**self.variables, **(self.sdk if by_sdk else {})}
        done = subprocess.run([TRIMTAB, *words], cwd=self.work, env=variables, capture_output=True, text=True, check=False)
        if done.returncode not in expect:
            raise Broken(f"trimtab {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def told(self, *words: str) -> Any:
        """What a command of the program prints as JSON."""
        return json.loads(self.trimtab(*words, "-o", "json").stdout)

    @property
    def variables(self) -> dict[str, str]:
        return {**os.environ, "TRIMTAB_LOCAL_STATE": str(self.state)}

    @property
    def sdk(self) -> dict[str, str]:
        return self.exported("local", "env")

    def exported(self, *words: str) -> dict[str, str]:
        """The variables that a command prints for `eval`."""
        lines = (line.removeprefix("export ").partition("=") for line in self.trimtab(*words).stdout.splitlines())
        return {name: shlex.split(value)[0] for name, _, value in lines}

    # --- the cloud ---

    def up(self, *options: str) -> None:
        port, invoke_port = map(str, free_ports(2))  # a person may have a cloud up at the usual ones
        words = ("--state", str(self.state), "--port", port, "--invoke-port", invoke_port, *options)
        self.say(self.trimtab("local", "up", *words).stderr.splitlines()[0])

    def down(self, *options: str) -> None:
        subprocess.run([TRIMTAB, "local", "down", "--state", str(self.state), *options], check=False, capture_output=True)

    @property
    def cloud(self) -> Mapping[str, str]:
        return json.loads((self.state / "cloud.json").read_text())

    def aws(self, service: str) -> Any:
        return self._session().client(service, endpoint_url=self.cloud["endpoint"])

    def person(self, name: str) -> Callable[[str], Any]:
        """AWS's clients of somebody else: what they do is done in that name."""
        key = self.exported("local", "user", name)
        session = boto3.Session(key["AWS_ACCESS_KEY_ID"], key["AWS_SECRET_ACCESS_KEY"], region_name=self.cloud["region"])
        return lambda service: session.client(service, endpoint_url=self.cloud["endpoint"])

    def journal(self, since: int = 0) -> list[Mapping[str, Any]]:
        """Every request that the cloud was sent after a number, oldest first."""
        return self._own("GET", f"journal?since={since}")["entries"]

    def last_number(self, since: int = 0) -> int:
        """Of the newest request. since: a number that is known already, for a shorter look."""
        return max((each["number"] for each in self.journal(since)), default=since)

    def now(self) -> datetime:
        """The cloud's time, which goes on by itself and by `minute`."""
        return datetime.fromisoformat(self._own("GET", "clock")["now"])

    def pass_time(self, seconds: float) -> None:
        """Let the cloud's time go by at once, as far as nothing real is under way."""
        while seconds > 0:
            seconds = self._own("POST", "clock", {"advanceSeconds": seconds})["leftSeconds"]

    def speed(self, times: float) -> None:
        """Let the cloud's time run so many times as fast while nothing real is under way."""
        self._own("POST", "clock", {"speed": times})

    def _own(self, verb: str, page: str, body: Mapping[str, Any] | None = None) -> Any:
        """A page of the local cloud's own."""
        text = json.dumps(body) if body else ""
        request = AWSRequest(verb, f"{self.cloud['endpoint']}/_trimtab/{page}", data=text)
        SigV4Auth(self._session().get_credentials(), "trimtab", self.cloud["region"]).add_auth(request)
        reply = self._pool.request(verb, request.url, body=text or None, headers=dict(request.headers.items()), timeout=120)
        return reply.json()

    def _session(self) -> boto3.Session:
        info = self.cloud
        return boto3.Session(info["access_key_id"], info["secret_access_key"], region_name=info["region"])

    # --- what serves ---

    def post(self, url: str, key: str, body: bytes, media_type: str) -> urllib3.BaseHTTPResponse:
        """Ask a model through API Gateway. key: "" for a client that has none."""
        headers = {"Content-Type": media_type, "x-api-key": key}
        sent = {name: value for name, value in headers.items() if value}
        return self._pool.request("POST", f"{url}/invocations", body=body, headers=sent, retries=False, timeout=30)

    def processes(self) -> list[str]:
        """Command lines of the jobs and tasks of this cloud: each has its home in the state folder."""
        found: list[str] = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                is_ours = f"{self.state}/units".encode() in path.read_bytes()
                words = (path.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            except OSError:
                continue  # it ended meanwhile, or is another user's
            found += [words] if is_ours and words else []
        return found

    def leftovers(self) -> list[str]:
        """All of ours that is still listed; INACTIVE clusters and definitions on their way out are not."""
        ecs, v1 = self.aws("ecs"), self.aws("apigateway")
        found = {
            "role": [each["RoleName"] for each in self.aws("iam").list_roles(PathPrefix="/trimtab/")["Roles"]],
            "log group": [
                each["logGroupName"]
                for each in self.aws("logs").describe_log_groups(logGroupNamePrefix="/trimtab/")["logGroups"]
            ],
            "repository": [
                each["repositoryName"]
                for each in self.aws("ecr").describe_repositories()["repositories"]
                if each["repositoryName"].startswith("trimtab/local/")
            ],
            "training job": [
                each["TrainingJobName"] for each in self.aws("sagemaker").list_training_jobs()["TrainingJobSummaries"]
            ],
            "processing job": [
                each["ProcessingJobName"] for each in self.aws("sagemaker").list_processing_jobs()["ProcessingJobSummaries"]
            ],
            "cluster": ecs.list_clusters()["clusterArns"],
            "task definition": [
                arn
                for status in ("ACTIVE", "INACTIVE")
                for arn in ecs.list_task_definitions(status=status)["taskDefinitionArns"]
            ],
            "load balancer": [
                each["LoadBalancerName"] for each in self.aws("elbv2").describe_load_balancers()["LoadBalancers"]
            ],
            "target group": [each["TargetGroupName"] for each in self.aws("elbv2").describe_target_groups()["TargetGroups"]],
            "API": [each["name"] for each in v1.get_rest_apis()["items"]],
            "key": [each["name"] for each in v1.get_api_keys()["items"]],
            "usage plan": [each["name"] for each in v1.get_usage_plans()["items"]],
            "VPC link": [each["Name"] for each in self.aws("apigatewayv2").get_vpc_links()["Items"]],
            "scalable target": [
                each["ResourceId"]
                for each in self.aws("application-autoscaling").describe_scalable_targets(ServiceNamespace="ecs")[
                    "ScalableTargets"
                ]
            ],
            "alarm": [each["AlarmName"] for each in self.aws("cloudwatch").describe_alarms()["MetricAlarms"]],
            "object": [f"{bucket}/{key}" for bucket, key in self._objects() if not key.startswith(MEMORY)],
            "tagged": [
                each["ResourceARN"]
                for page in self.aws("resourcegroupstaggingapi").get_paginator("get_resources").paginate()
                for each in page["ResourceTagMappingList"]
                if any(tag["Key"].startswith("trimtab.dev/") for tag in each["Tags"])
                and not each["ResourceARN"].startswith("arn:aws:ecs:")  # listed above by their states
            ],
        }
        return [f"{kind} {name}" for kind, names in found.items() for name in names]

    def _objects(self) -> Iterator[tuple[str, str]]:
        """Of each environment's buckets."""
        s3 = self.aws("s3")
        buckets = [each["Name"] for each in s3.list_buckets()["Buckets"]]
        for bucket in buckets:
            if bucket.endswith(("-data", "-state")):
                for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
                    yield from ((bucket, item["Key"]) for item in page.get("Contents", ()))


@contextmanager
def meanwhile(do: Callable[[], None], pause_s: float = 0.02) -> Iterator[None]:
    """Do it again and again, beside the block and for as long as that takes."""
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            do()
            over.wait(pause_s)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def asking(ask: Callable[[], urllib3.BaseHTTPResponse]) -> Iterator[dict[str, Any]]:
    """A client that asks all the while; yields its counts, whole once the block has ended."""
    counts: dict[str, Any] = {"requests": 0, "failed_requests": 0, "releases": set()}

    def client() -> None:
        try:
            reply = ask()
            failed = reply.status != 200
            counts["releases"].add(reply.headers.get("X-Trimtab-Release", ""))
        except (OSError, urllib3.exceptions.HTTPError):
            failed = True
        counts["requests"] += 1
        counts["failed_requests"] += failed

    with meanwhile(client):
        yield counts
