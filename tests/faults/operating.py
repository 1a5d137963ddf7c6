"""`trimtab run` as a process of its own, and what tests ask of it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults.test_releases import full_name
from quick_rollout import name_of

PATIENCE_S = 120.0


@dataclass
class RunningOperator:
    process: subprocess.Popen
    folder: Path
    log: Path

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def events(self, event: str) -> list[dict[str, Any]]:
        return [each for each in self.lines() if each["event"] == event]

    def status(self, project: Path) -> dict[str, Any]:
        file = self.folder / ".trimtab" / f"{full_name(project)}.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def condition(self, project: Path, type_: str) -> tuple[str, str]:
        found = {each["type"]: (each["status"], each["reason"]) for each in self.status(project).get("conditions", ())}
        return found.get(type_, ("", ""))

    def is_ready(self, project: Path, generation: int = 1) -> bool:
        ready = self.condition(project, "Ready")
        return ready == ("True", "Ready") and self.status(project)["observedGeneration"] == generation

    def get(self, path: str) -> tuple[int, str]:
        (listening,) = self.events("health.listening")
        try:
            with urllib.request.urlopen(f"http://{listening['address']}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def until(self, holds: Callable[[], object], what: str = "") -> None:
        """Wait for it; the log says why it never came."""
        deadline = time.monotonic() + PATIENCE_S
        asked = time.monotonic()
        while not holds():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, f"{what}\n{self.log.read_text()[-4000:]}"
            threading.Event().wait(max(0.2, 3 * (time.monotonic() - asked)))  # what is dear to ask is asked less often
            asked = time.monotonic()


def count(operator: RunningOperator, metric: str) -> float:
    """What it has counted so far, over all labels that are not named."""
    lines = [line for line in operator.get("/metrics")[1].splitlines() if line.startswith(metric)]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


@contextmanager
def running(folder: Path, tmp_path: Path, *options: str, ends: int = 0) -> Iterator[RunningOperator]:
    """ends: its exit status, in the end."""
    log = tmp_path / "operator.log"
    command = [sys.executable, "-c", "from trimtab.cli import main; main()", "run", "--folder", str(folder)]
    command += ["--sweep", "2s", "--listen", "127.0.0.1:0", "--log-format", "json", *options]
    with log.open("a") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ})
    try:
        yield RunningOperator(process, folder, log)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == ends, log.read_text()
    finally:
        process.kill()
        process.wait()


def service_of(cloud, project: Path) -> tuple[Any, str, str]:
    ecs = cloud.client("ecs")
    for cluster in ecs.list_clusters()["clusterArns"]:
        for arn in ecs.list_services(cluster=cluster)["serviceArns"]:
            if name_of(project) in arn:
                return ecs, cluster, arn
    raise AssertionError("no service")


def vanish(project: Path) -> Path:
    """Take its file out of the source; it is no document by its new name."""
    return project.rename(project.with_suffix(".off"))
