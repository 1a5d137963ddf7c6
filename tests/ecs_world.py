"""A local cloud for ECS and load balancing alone: real processes, real HTTP, unmodified boto3 clients, no server process.

An image is the name of a small program: "web:1" runs `<programs>/web_1.py` with this Python, and is pulled in no time.
"""

import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from shaped import checked
from trimtab.local.autoscaling import AutoScaling
from trimtab.local.cloud import Cloud, Settings
from trimtab.local.cloudwatch import CloudWatch
from trimtab.local.ecs import Ecs
from trimtab.local.elbv2 import Elbv2
from trimtab.local.events import Events
from trimtab.local.overlay import Context, Exited, Running, Unit, UnitState, World
from trimtab.local.protocol import Request
from trimtab.local.security import Key
from trimtab.local.sqs import Sqs

ACCOUNT, REGION = "123456789012", "us-east-1"
SERVER = """
import http.server, os, signal, sys, threading
print("serving", {text!r}, flush=True)
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/slow":
            print("slow request", flush=True)
            open(__file__ + ".gate").read()  # a pipe: until the test writes to it
        body = {text!r}.encode()
        self.send_response({ping} if self.path == "/ping" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_POST = do_GET
    def log_message(self, *arguments): pass
server = http.server.ThreadingHTTPServer((os.environ["TRIMTAB_BIND_ADDRESS"], 8080), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
"""


@dataclass
class Lines:
    """CloudWatch Logs, as far as a test looks: (group, stream, line)."""

    written: list[tuple[str, str, str]] = field(default_factory=list)

    def write(self, group: str, stream: str, lines: Sequence[tuple[datetime, str]]) -> None:
        self.written += [(group, stream, text) for _, text in lines]


class Processes:
    """An executor with nothing but subprocesses."""

    def __init__(self, programs: Path) -> None:
        self.programs = programs
        self.running: dict[str, tuple[subprocess.Popen[bytes], datetime]] = {}
        self.units: dict[str, Unit] = {}
        self.kills: list[tuple[float, subprocess.Popen[bytes]]] = []

    def start(self, unit: Unit) -> None:
        if unit.id in self.running:
            return
        environment = {"PATH": os.environ["PATH"], "TRIMTAB_BIND_ADDRESS": unit.address, **unit.environment}
        with unit.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, str(self._program(unit.image)), *unit.command],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.running[unit.id], self.units[unit.id] = (process, datetime.now(UTC)), unit

    def _program(self, image: str) -> Path:
        return self.programs / f"{image.replace(':', '_')}.py"

    def state(self, id: str) -> UnitState | None:
        for when, process in self.kills:
            if time.monotonic() >= when and process.poll() is None:
                process.kill()
        if id not in self.running:
            return None
        process, started = self.running[id]
        code = process.poll()
        if code is None:
            return Running(process.pid, started)
        return Exited(128 - code if code < 0 else code, datetime.now(UTC))

    def stop(self, id: str, grace_s: float) -> None:
        process = self.running[id][0]
        process.terminate()
        self.kills.append((time.monotonic() + grace_s, process))

    def forget(self, id: str) -> None:
        self.running.pop(id, None)

    def image_digest(self, image: str) -> str | None:
        return "sha256:" + image.encode().hex() if self._program(image).exists() else None

    def pid(self, task_arn: str) -> int:
        """Process of a task's container `model`."""
        id = task_arn.rsplit("/", 1)[1]
        return next(process.pid for unit, (process, _) in self.running.items() if id in unit)

    def close(self) -> None:
        for process, _ in self.running.values():
            process.kill()
            process.wait()


class MiniCloud:
    """A cloud with what services need, ticked as the server ticks it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.programs = folder / "state", folder / "programs"
        self.folder.mkdir(mode=0o700)
        self.programs.mkdir()
        self.executor: Any = Processes(self.programs)
        self.lines, self._stopped, self.ticks = Lines(), threading.Event(), 0
        self.cloud = self._open()
        self.cloud.recover()  # which empties what an earlier cloud of this process has left in moto
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._thread.start()

    def _open(self) -> Cloud:
        key = Key("AKIDLOCAL", "secret")
        settings = Settings(self.folder, ACCOUNT, REGION, port=4566, invoke_port=4567, key=key)
        cloud = Cloud(settings, lambda _: self.executor, (Sqs, Events, Elbv2, CloudWatch, AutoScaling, Ecs))
        cloud.world.logs = self.lines
        return cloud

    @property
    def world(self) -> World:
        return self.cloud.world

    def restart(self, meanwhile: Callable[[], None] = lambda: None) -> list[str]:
        """What a crash and a new start are to the overlays: everything anew on the same folder and processes."""
        self._halt()
        self._shut()
        meanwhile()
        self.cloud = self._open()
        lost = self.cloud.recover()
        self._stopped.clear()
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._thread.start()
        return lost

    def _tick(self) -> None:
        while not self._stopped.is_set():
            self.cloud.tick()
            self.ticks += 1
            self.world.wake.wait(0.1)
            self.world.wake.clear()

    def _halt(self) -> None:
        self._stopped.set()
        self.world.wake.set()
        self._thread.join()

    def _shut(self) -> None:
        self.world.overlay("elbv2").close()
        self.cloud.close()

    def program(self, image: str, source: str) -> str:
        """Make an image of a Python program."""
        (self.programs / f"{image.replace(':', '_')}.py").write_text(source)
        return image

    def server(self, image: str, text: str, ping: int = 200) -> str:
        """Make an image of a server that answers `text`, and its pings with a status of their own."""
        return self.program(image, SERVER.format(text=text, ping=ping))

    def client(self, service: str) -> Any:
        """A boto3 client whose requests go to the cloud in this process."""
        key = self.cloud.settings.key
        client = boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.cloud.settings.endpoint,
            region_name=REGION,
            aws_access_key_id=key.id,
            aws_secret_access_key=key.secret,
            config=Config(retries={"total_max_attempts": 1}),
        )
        client.meta.events.register("before-send", self._send)
        return checked(client)

    def _send(self, request: Any, **_: Any) -> AWSResponse:
        parts = urlsplit(request.url)
        uri = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {name.lower(): text(value) for name, value in request.headers.items()} | {"host": parts.netloc}
        body = request.body or b""
        raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else body.read()
        response = self.cloud.handle(Request(request.method, uri, headers, raw))
        return AWSResponse(request.url, response.status, dict(response.headers), Raw(response.body))

    def call(self, service: str, operation: str, /, **arguments: Any) -> Any:
        """An operation of an overlay, without the protocol."""
        context = Context(ACCOUNT, REGION, "arn:aws:iam::123456789012:user/test", "r", datetime.now(UTC))
        with self.cloud._lock:
            return getattr(self.world.overlay(service), operation)(arguments, context)

    def close(self) -> None:
        self._halt()
        self.executor.close()
        self._shut()


def text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


class Raw(io.BytesIO):
    """A response's body as urllib3 gives it."""

    def stream(self, *_: Any, **__: Any) -> Any:
        yield self.read()


def eventually(condition: Callable[[], Any], within_s: float = 15.0) -> Any:
    """Wait for a condition; answers its first true value. Fails when the time is over."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"not true within {within_s} s")


@dataclass(frozen=True, slots=True)
class Network:
    vpc: str
    subnets: tuple[str, str]


def network(cloud: MiniCloud) -> Network:
    """A VPC with subnets in two zones."""
    ec2 = cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    made = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{index}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"][
            "SubnetId"
        ]
        for index, zone in enumerate("ab")
    ]
    return Network(vpc, (made[0], made[1]))
