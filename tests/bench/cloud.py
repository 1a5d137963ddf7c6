"""The local cloud's control plane beside stock moto: requests a second with one and eight connections, its start and memory.

Both hold the same ten objects of each kind. What is sent is what boto3 signed once, so that the client's own work is not
measured; the two take turns.
"""

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3

from bench import load
from clouds import running_cloud
from trimtab.local.commands import free_ports

SECONDS = 0.7
ROUNDS = 3
OBJECTS = 10
CONNECTIONS = (1, 8)
CALLS: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "ecs:DescribeServices": ("ecs", "describe_services", {"services": [f"s{number}" for number in range(OBJECTS)]}),
    "ecs:ListServices": ("ecs", "list_services", {}),
    "iam:GetAccountAuthorizationDetails": ("iam", "get_account_authorization_details", {"Filter": ["Role"]}),
    "s3:ListObjectsV2": ("s3", "list_objects_v2", {"Bucket": "bench"}),
    "logs:DescribeLogGroups": ("logs", "describe_log_groups", {}),
}
RATIO, UP_S, RESIDENT_MB = 2.0, 2.5, 250  # goal G11

Client = Callable[[str], Any]


def measure() -> dict[str, Any]:
    """Requests a second of each, their ratio (medians of the rounds), and the goal that they are held against."""
    with tempfile.TemporaryDirectory() as folder, stock_moto() as (moto, moto_port):
        started = time.perf_counter()
        with running_cloud(Path(folder) / "state") as cloud:
            up_s, began_mb = time.perf_counter() - started, _resident_mb(cloud.info.pid)
            ports = {"moto": moto_port, "local": cloud.ports[0]}
            requests = {name: prepared(client) for name, client in (("moto", moto), ("local", cloud.client))}
            calls = {call: {f"at_{many}": _compare(ports, requests, call, many) for many in CONNECTIONS} for call in CALLS}
            resident_mb = _resident_mb(cloud.info.pid)
    slowest, what = min((each["ratio"], f"{call} {at}") for call, row in calls.items() for at, each in row.items())
    because = f"{what}; what is moto's own behind our front cannot be faster with one connection"
    grown = f"{began_mb} when it has just started; models come with the first call of a service, and the journal grows"
    goals = {
        "slowest_ratio": {"value": slowest, "at_least": RATIO, "met": slowest >= RATIO, "because": because},
        "up_s": {"value": round(up_s, 2), "at_most": UP_S, "met": up_s <= UP_S},
        "resident_mb": {"value": resident_mb, "at_most": RESIDENT_MB, "met": resident_mb <= RESIDENT_MB, "because": grown},
    }
    return {"calls": calls, "goals": goals}


@contextmanager
def stock_moto() -> Iterator[tuple[Client, int]]:
    (port,) = free_ports(1)
    words = [sys.executable, "-m", "moto.server", "-p", str(port)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await_listening(port)
        session = boto3.Session("x", "x", region_name="us-east-1")
        yield lambda service: session.client(service, endpoint_url=f"http://127.0.0.1:{port}"), port
    finally:
        process.terminate()
        process.wait()


def prepared(client: Client) -> dict[str, bytes]:
    """Make the objects, and each call once; answers what was sent for it."""
    ecs, iam, s3, logs = (client(service) for service in ("ecs", "iam", "s3", "logs"))
    ecs.create_cluster(clusterName="default")
    ec2 = client("ec2")
    place = {
        "subnets": [ec2.describe_subnets()["Subnets"][0]["SubnetId"]],
        "securityGroups": [ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]],
    }
    network = {"awsvpcConfiguration": place}
    definition = ecs.register_task_definition(
        family="bench",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        containerDefinitions=[{"name": "web", "image": "web:1"}],
        cpu="256",
        memory="512",
    )
    s3.create_bucket(Bucket="bench")
    for number in range(OBJECTS):
        arn = definition["taskDefinition"]["taskDefinitionArn"]
        served = {"taskDefinition": arn, "launchType": "FARGATE", "networkConfiguration": network}
        ecs.create_service(serviceName=f"s{number}", desiredCount=0, **served)
        iam.create_role(RoleName=f"bench-{number}", AssumeRolePolicyDocument='{"Version": "2012-10-17", "Statement": []}')
        s3.put_object(Bucket="bench", Key=f"object-{number}", Body=b"x")
        logs.create_log_group(logGroupName=f"bench-{number}")
    return {call: sent(client(service), method, given) for call, (service, method, given) in CALLS.items()}


def sent(client: Any, method: str, arguments: Mapping[str, Any]) -> bytes:
    """The bytes of a call, as boto3 signs and sends it."""
    seen: list[Any] = []
    client.meta.events.register("before-send", lambda request, **_: seen.append(request))
    getattr(client, method)(**arguments)
    url, body = urlsplit(seen[0].url), seen[0].body or b""
    body = body.encode() if isinstance(body, str) else bytes(body)
    headers = {**{name: _text(value) for name, value in seen[0].headers.items()}, "Host": url.netloc}
    headers["Content-Length"] = str(len(body))
    lines = [f"{seen[0].method} {url.path or '/'}{'?' if url.query else ''}{url.query} HTTP/1.1"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode() + body


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _compare(ports: Mapping[str, int], requests: Mapping[str, Mapping[str, bytes]], call: str, many: int) -> dict[str, Any]:
    rates: dict[str, list[float]] = {name: [] for name in ports}
    for _ in range(ROUNDS):
        for name, port in ports.items():
            spent, failed = load.ask(port, requests[name][call], many, SECONDS)
            if failed:
                raise RuntimeError(f"{failed} of {len(spent)} answers of {name} to {call} were not 200")
            rates[name].append(len(spent) / SECONDS)
    middle = {name: sorted(each)[ROUNDS // 2] for name, each in rates.items()}
    return {
        "moto_a_second": round(middle["moto"]),
        "local_a_second": round(middle["local"]),
        "ratio": round(middle["local"] / middle["moto"], 2),
    }


def _await_listening(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)  # it is not our process: there is nothing to await


def _resident_mb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) // 1024
