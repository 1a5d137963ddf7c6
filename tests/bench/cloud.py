"""The local cloud's control plane beside stock moto: calls a second with one connection, taking turns; and its start."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3

from clouds import running_cloud
from trimtab.local.commands import free_ports

SECONDS = 1.0
ROUNDS = 3


def measure() -> dict[str, Any]:
    """Calls a second of each, and the ratio (medians of the rounds)."""
    (port,) = free_ports(1)
    moto = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            with running_cloud(Path(folder) / "state") as cloud:
                up_s = time.perf_counter() - started
                session = boto3.Session("x", "x", region_name="us-east-1")
                endpoint = f"http://127.0.0.1:{port}"
                _await(lambda: session.client("sts", endpoint_url=endpoint).get_caller_identity())
                rates = _compare(lambda service: session.client(service, endpoint_url=endpoint), cloud.client)
        return {"up_s": round(up_s, 2), **rates}
    finally:
        moto.terminate()
        moto.wait()


def _compare(stock: Callable[[str], Any], ours: Callable[[str], Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for service, call in (
        ("ecs", "list_services"),
        ("iam", "list_roles"),
        ("s3", "list_buckets"),
        ("logs", "describe_log_groups"),
    ):
        pair = {"moto": stock(service), "local": ours(service)}
        if service == "ecs":
            for client in pair.values():
                client.create_cluster(clusterName="default")
        rates: dict[str, list[float]] = {"moto": [], "local": []}
        for _ in range(ROUNDS):
            for name, client in pair.items():
                rates[name].append(_rate(getattr(client, call)))
        middle = {name: sorted(each)[ROUNDS // 2] for name, each in rates.items()}
        result[f"{service}:{call}"] = {
            "moto_a_second": round(middle["moto"]),
            "local_a_second": round(middle["local"]),
            "ratio": round(middle["local"] / middle["moto"], 2),
        }
    return result


def _rate(call: Callable[[], Any]) -> float:
    call()
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        call()
        count += 1
    return count / (time.perf_counter() - started)


def _await(call: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            call()
            return
        except Exception:  # whatever a server that is not there yet makes the client raise
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)  # it is not our process: there is nothing to await
