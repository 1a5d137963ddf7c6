"""A day of `trimtab run` over many deployments: does it hold its memory and its handles, and does it go on after SIGKILL?

The cloud's time is virtual, and the operator follows it; documents, containers, requests and processes are real. Each hour
somebody edits one document, changes another's resource by hand, and stops a third's task. One such edit ends in SIGKILL.
Writes build/soak.json, and ends with 1 when a promise does not hold. Leaves nothing running.
"""

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from operating import Operator, edited, operating, ready, status_in
from outside import TOP, Broken, Outside

BUILD = TOP / "build"
DEPLOYMENTS, HOURS, KILLED_IN, WORKERS = 200, 24, 6, 8
SWEEP_S, STEPS = 1800, 2  # a sweep with each step, two steps an hour
SERVED_S = 7200.0  # the most that all of them may take to be served, on the wall
PATIENCE_S = 900.0
SPEED = 10  # of the cloud's time, and so of the tokens that the operator waits for, while nothing real is under way
FLAT = 1.05  # the end of the day to what it was once the last start had settled
SLACK = {"memory_mib": 0, "handles": 5, "threads": 5}  # connections and threads come and go
NAMESPACE = "soak"
SWEPT = "trimtab_sweep_time_seconds_count"
DOCUMENT = """\
apiVersion: trimtab.dev/v1alpha1
kind: ModelDeployment
metadata: {name: @NAME@, namespace: @NAMESPACE@}
spec:
  model: {source: ./server}
  serving:
    env: {EDITION: first}
    replicas: {min: 1}
    gateway: {auth: none}
"""
DOCKERFILE = """\
ARG TRIMTAB_BASE=python:3.11
FROM ${TRIMTAB_BASE}
WORKDIR /opt/program
COPY . .
ENTRYPOINT ["python3", "server.py"]
"""
SERVER = '''\
"""A model that is small enough to run by the hundred: the sum of each record."""

import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.reply(200 if self.path == "/ping" else 404, {})

    def do_POST(self):
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.reply(200, {"predictions": [sum(row) for row in given["instances"]], "edition": os.environ["EDITION"]})

    def reply(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer((os.environ["TRIMTAB_BIND_ADDRESS"], 8080), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
'''


@dataclass(frozen=True, slots=True)
class Sample:
    """What an operator holds, some time after the day began; memory is what is its own and in RAM."""

    hour: float
    start: int  # which start of the operator it was
    memory_mib: float
    handles: int
    threads: int


def sample(pid: int, hour: float, start: int, proc: Path = Path("/proc")) -> Sample:
    """Of a process, as the kernel tells it: proc(5), RssAnon and fd."""
    place = proc / str(pid)
    said = dict(line.split(":", 1) for line in (place / "status").read_text().splitlines())
    memory = int(said["RssAnon"].split()[0]) / 1024
    handles = sum(1 for _ in (place / "fd").iterdir())
    return Sample(round(hour, 2), start, round(memory, 1), handles, int(said["Threads"]))


@dataclass
class Fleet:
    """Documents in a folder, each of a deployment of its own, and who lays hands on what they declare."""

    outside: Outside
    size: int
    generations: dict[str, int] = field(default_factory=dict[str, int])  # that must be Ready, by name

    def __post_init__(self) -> None:
        server = self.folder / "server"
        server.mkdir(parents=True)
        (server / "Dockerfile").write_text(DOCKERFILE)
        (server / "server.py").write_text(SERVER)
        (server / "golden.json").write_text('{"inputs": [[1, 2]], "outputs": [3]}')
        for name in self.names:
            self._document(name).write_text(DOCUMENT.replace("@NAME@", name).replace("@NAMESPACE@", NAMESPACE))
            self.generations[name] = 1

    @property
    def folder(self) -> Path:
        return self.outside.work / "fleet"

    @property
    def names(self) -> Sequence[str]:
        return [f"model-{number:03}" for number in range(self.size)]

    def pending(self) -> list[str]:
        """Those that are not reported Ready as they are declared by now."""
        return [name for name, generation in self.generations.items() if not ready(self.status(name), generation - 1)]

    def status(self, name: str) -> Mapping[str, Any]:
        return status_in(self.folder, f"{NAMESPACE}/{name}")

    def edit(self, name: str, edition: str) -> None:
        text = self._document(name).read_text()
        before = text.partition("EDITION: ")[2].partition("}")[0]
        edited(self._document(name), f"EDITION: {before}", f"EDITION: {edition}")
        self.generations[name] += 1

    def meddle(self, name: str) -> Callable[[], bool]:
        """Let somebody shorten the retention of its logs; answers whether it is back."""
        logs = self.outside.aws("logs")
        prefix = f"/trimtab/local/{NAMESPACE}/{name}"

        def group() -> Mapping[str, Any]:
            (found,) = logs.describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]
            return found

        before = group()
        logs.put_retention_policy(logGroupName=before["logGroupName"], retentionInDays=1)
        return lambda: group().get("retentionInDays") == before.get("retentionInDays")

    def stop_task(self, name: str) -> Callable[[], bool]:
        """Let somebody stop its task; answers whether another one runs."""
        ecs = self.outside.aws("ecs")
        cluster = ecs.list_clusters()["clusterArns"][0]
        services = (
            arn for page in ecs.get_paginator("list_services").paginate(cluster=cluster) for arn in page["serviceArns"]
        )
        service = next(arn for arn in services if name in arn)
        (task,) = ecs.list_tasks(cluster=cluster, serviceName=service)["taskArns"]
        ecs.stop_task(cluster=cluster, task=task)

        def another() -> bool:
            running = ecs.list_tasks(cluster=cluster, serviceName=service)["taskArns"]
            return len(running) == 1 and running != [task]

        return another

    def ask(self, name: str, edition: str) -> None:
        """Ask it through API Gateway. Raises Broken unless that edition answers."""
        url = self.status(name)["endpoint"]["url"]
        reply = self.outside.post(url, "", b'{"instances": [[1, 2]]}', "application/json")
        if (reply.status, reply.json()) != (200, {"predictions": [3], "edition": edition}):
            raise Broken(f"{name} answered {reply.status} {reply.data!r}, not as {edition}")

    def _document(self, name: str) -> Path:
        return self.folder / f"{name}.yaml"


@dataclass
class Day:
    """The cloud's time goes by, hour by hour, and what the operator does with it is looked at."""

    outside: Outside
    fleet: Fleet
    workers: int
    samples: list[Sample] = field(default_factory=list[Sample])
    starts: int = 0
    quiet_writes: list[str] = field(default_factory=list[str])  # by anybody, while nothing had been changed

    @contextmanager
    def operator(self) -> Iterator[Operator]:
        """Started, and all served as declared."""
        self.starts += 1
        options = ("--clock", self.outside.cloud["endpoint"], "--listen", "127.0.0.1:0", "--workers", str(self.workers))
        sources = [{"folder": {"path": str(self.fleet.folder)}}]
        with operating(self.outside, f"soak-{self.starts}", sources, sweep=f"{SWEEP_S}s", options=options) as operator:
            operator.until(lambda: not self.fleet.pending(), "Ready of all", SERVED_S)
            self._step(operator)  # a sweep may have been under way: from here on each is waited for
            yield operator

    def hour(self, operator: Operator, hour: int) -> None:
        """Three of them are changed, and time goes by until all is well again."""
        first, second, third = (self.fleet.names[(3 * hour + each) % self.fleet.size] for each in range(3))
        self.fleet.edit(first, f"hour-{hour}")
        backs = [self.fleet.meddle(second), self.fleet.stop_task(third)]
        self._step(operator)
        operator.until(lambda: not self.fleet.pending(), "Ready of all", PATIENCE_S)
        for back in backs:
            operator.until(back, f"end of what was done to {second} or {third}", PATIENCE_S)
        since = self.outside.last_number()
        for _ in range(STEPS - 1):
            self._step(operator)
        self.quiet_writes += _writes(self.outside.journal(since))
        self.fleet.ask(first, f"hour-{hour}")
        self.samples.append(sample(operator.process.pid, hour + 1, self.starts))
        self.outside.result["samples"] = [asdict(each) for each in self.samples]

    def killed(self, operator: Operator, hour: int) -> None:
        """SIGKILL once an edit has begun to be made true."""
        since = self.outside.last_number()
        self.fleet.edit(self.fleet.names[-1], f"hour-{hour}")
        operator.until(lambda: _writes(self.outside.journal(since)), "write for the edit")
        operator.kill()

    def _step(self, operator: Operator) -> None:
        """As long as a sweep takes to come, and until it is over."""
        sweeps = operator.metric(SWEPT)
        self.outside.pass_time(SWEEP_S + 1)
        operator.until(lambda: operator.metric(SWEPT) > sweeps and _rests(operator), "end of a sweep", PATIENCE_S)


def _rests(operator: Operator) -> bool:
    return not operator.metric("workqueue_depth") and not operator.metric("controller_runtime_active_workers")


def _writes(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Of resources; what is remembered of them (the name of a hand, once the trail tells it) lies in S3."""
    return [f"{each['service']}:{each['operation']}" for each in entries if each["write"] and each["service"] != "s3"]


def played(outside: Outside, size: int, hours: int, killed_in: int, workers: int) -> Mapping[str, Any]:
    """The whole of it; what was measured, which stands in the outside's result as far as it came.

    workers: passes at a time. Each has threads of its own from its first pass on, which with few deployments comes late.
    """
    result, seconds = outside.result, outside.result["seconds"]
    result |= {"deployments": size, "virtual_hours": hours, "killed_in_hour": killed_in}
    fleet = Fleet(outside, size)
    day = Day(outside, fleet, workers)
    began = time.monotonic()

    def lap(what: str) -> None:
        nonlocal began
        seconds[what] = round(time.monotonic() - began, 1)
        began = time.monotonic()
        outside.say(f"{what}: {seconds[what]} s")

    with day.operator() as operator:
        lap("all_served")
        for hour in range(killed_in):
            day.hour(operator, hour)
        lap("until_killed")
        day.killed(operator, killed_in)
    with day.operator() as operator:
        lap("all_served_again")
        fleet.ask(fleet.names[-1], f"hour-{killed_in}")
        for hour in range(killed_in, hours):
            day.hour(operator, hour)
        lap("until_the_end")
    rest = [each for each in day.samples if each.start == day.starts]
    result |= {name: grown([getattr(each, name) for each in rest]) for name in SLACK}
    result["quiet_writes"] = sorted(day.quiet_writes)
    return result


def grown(values: Sequence[float]) -> Mapping[str, float]:
    """From the second quarter of a row to its last: the first one warms up."""
    quarter = max(1, len(values) // 4)
    before, after = median(values[quarter : 2 * quarter] or values), median(values[-quarter:])
    return {"from": before, "to": after, "ratio": round(after / before, 3)}


def failures(result: Mapping[str, Any]) -> list[str]:
    """What was promised and did not hold."""
    wrong = [
        f"{name} held flat: {result[name]['from']:g} grew to {result[name]['to']:g}"
        for name, slack in SLACK.items()
        if result[name]["to"] > FLAT * result[name]["from"] + slack
    ]
    if result["quiet_writes"]:
        wrong.append(f"no write while nothing had changed: {', '.join(result['quiet_writes'][:5])}")
    return wrong


def main() -> None:
    outside = Outside(BUILD / "soak")
    outside.down("--purge")
    shutil.rmtree(outside.work, ignore_errors=True)
    outside.work.mkdir(parents=True)
    try:
        outside.up("--trail-delay", "5m")
        outside.speed(SPEED)
        wrong = failures(played(outside, DEPLOYMENTS, HOURS, KILLED_IN, WORKERS))
    except Broken as broken:
        wrong = [str(broken)]
    finally:
        outside.down("--purge")
    (BUILD / "soak.json").write_text(json.dumps(outside.result | {"broken": wrong}, indent=2) + "\n")
    for each in wrong:
        print(f"NOT AS PROMISED: {each}")
    print("figures in build/soak.json")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
