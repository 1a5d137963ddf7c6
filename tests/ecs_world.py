"""A world for the ECS and load balancing overlays alone: real processes, real HTTP, a store in memory.

Images are names of small programs in a folder: "web:1" runs `<folder>/web_1.py` with this Python.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trimtab.local.ecs import Ecs
from trimtab.local.elbv2 import Elbv2
from trimtab.local.http import HttpPlane
from trimtab.local.overlay import Context, Exited, Running, Unit, UnitState, World


class MemoryStore:
    def __init__(self) -> None:
        self.kinds: dict[str, dict[str, dict[str, Any]]] = {}

    def get(self, kind: str, id: str) -> dict[str, Any] | None:
        return self.kinds.get(kind, {}).get(id)

    def put(self, kind: str, id: str, value: Mapping[str, Any]) -> None:
        self.kinds.setdefault(kind, {})[id] = dict(value)

    def delete(self, kind: str, id: str) -> None:
        self.kinds.get(kind, {}).pop(id, None)

    def all(self, kind: str) -> dict[str, dict[str, Any]]:
        return dict(self.kinds.get(kind, {}))


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class Lines:
    written: list[tuple[str, str, str]] = field(default_factory=list)

    def write(self, group: str, stream: str, lines: Sequence[tuple[datetime, str]]) -> None:
        self.written += [(group, stream, text) for _, text in lines]


class Processes:
    """An executor with nothing but subprocesses."""

    def __init__(self, programs: Path) -> None:
        self.programs = programs
        self.running: dict[str, tuple[subprocess.Popen[bytes], datetime]] = {}
        self.kills: list[tuple[float, subprocess.Popen[bytes]]] = []

    def start(self, unit: Unit) -> None:
        if unit.id in self.running:
            return
        program = self.programs / f"{unit.image.replace(':', '_')}.py"
        environment = {"PATH": os.environ["PATH"], "TRIMTAB_BIND_ADDRESS": unit.address, **unit.environment}
        with unit.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, str(program), *unit.command],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.running[unit.id] = (process, datetime.now(UTC))

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
        return "sha256:" + image.encode().hex() if (self.programs / f"{image.replace(':', '_')}.py").exists() else None

    def close(self) -> None:
        for process, _ in self.running.values():
            process.kill()
            process.wait()


class MiniCloud:
    """Both overlays, ticked ten times a second under one lock; `call` is a client's call."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.executor, self.lines, self.plane = Processes(programs), Lines(), HttpPlane()
        self.store = MemoryStore()
        self.folder, self.lock, self.stopped = folder, threading.RLock(), threading.Event()
        self.plane.start()
        self.world = self.make_world()
        self.thread = threading.Thread(target=self._tick, daemon=True)
        self.thread.start()

    def make_world(self) -> World:
        world = World(
            account="123456789012",
            region="us-east-1",
            endpoint="http://127.0.0.1:4566",
            folder=self.folder,
            clock=SystemClock(),
            store=self.store,
            executor=self.executor,
            buckets=None,  # type: ignore[arg-type]
            logs=self.lines,
            http=self.plane,
            wake=threading.Event(),
        )
        world.overlays["elbv2"] = Elbv2(world)
        world.overlays["ecs"] = Ecs(world)
        return world

    def restart(self) -> list[str]:
        """What a crash and a new start are to the overlays: new objects on the same store, executor and addresses."""
        with self.lock:
            balancing = self.world.overlay("elbv2")
            for host, port in list(balancing.balancer.tables):
                self.plane.close(host, port)
            balancing.close()
            self.world = self.make_world()
            return [line for name in ("elbv2", "ecs") for line in self.world.overlay(name).recover()]

    def _tick(self) -> None:
        while not self.stopped.is_set():
            with self.lock:
                world, now = self.world, datetime.now(UTC)
                for overlay in world.overlays.values():
                    overlay.tick(now)
            world.wake.wait(0.1)
            world.wake.clear()

    def call(self, service: str, operation: str, /, **arguments: Any) -> Any:
        context = Context("123456789012", "us-east-1", "arn:aws:iam::123456789012:user/test", "r", datetime.now(UTC))
        with self.lock:
            return getattr(self.world.overlay(service), operation)(arguments, context)

    def close(self) -> None:
        self.stopped.set()
        self.world.wake.set()
        self.thread.join()
        self.world.overlay("elbv2").close()
        self.executor.close()
        self.plane.stop()


def eventually(condition: Callable[[], Any], within_s: float = 15.0) -> Any:
    """Wait for a condition; answers its first true value. Fails when the time is over."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"not true within {within_s} s")
