"""A local cloud over real HTTP for jobs and images: its gateway in this process, its jobs real processes."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from cheroot.wsgi import Server

from shaped import checked
from trimtab.local.cloud import Cloud, Settings
from trimtab.local.cloudtrail import CloudTrail
from trimtab.local.ecr import Ecr
from trimtab.local.events import Events
from trimtab.local.executor import ProcessExecutor
from trimtab.local.identity import Identity
from trimtab.local.logs import Logs
from trimtab.local.notifications import Notifications
from trimtab.local.overlay import World
from trimtab.local.sagemaker import SageMaker
from trimtab.local.security import Key
from trimtab.local.server import _answer
from trimtab.local.sqs import Sqs

OVERLAYS = (Logs, Sqs, Events, CloudTrail, Notifications, Ecr, SageMaker, Identity)
ACCOUNT, REGION = "123456789012", "us-east-1"
KEY = Key("AKIDLOCAL", "secret")


class JobCloud:
    """The gateway with ECR, SageMaker and logs; ticked as the server ticks it."""

    def __init__(self, folder: Path, cache: Path, port: int = 0) -> None:
        self.folder, self.cache = folder, cache
        self._server = Server(("127.0.0.1", port), lambda environ, start: _answer(self.cloud, environ, start), numthreads=8)
        self._server.expiration_interval = 0.02  # how long an idle server takes to see that it is stopped
        self._server.prepare()
        self.port = int(self._server.bind_addr[1])
        settings = Settings(folder, ACCOUNT, REGION, self.port, 4567, KEY)
        self.cloud = Cloud(settings, self._executor, OVERLAYS)
        self.lost = self.cloud.recover()
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._server.serve, self._tick)]
        for thread in self._threads:
            thread.start()

    def _executor(self, world: World) -> ProcessExecutor:
        return ProcessExecutor(world.folder / "units", world.images, self.cache)

    def _tick(self) -> None:
        while not self._stopped.is_set():
            self.world.wake.wait(0.1)
            self.world.wake.clear()
            self.cloud.tick()

    @property
    def world(self) -> World:
        return self.cloud.world

    @property
    def executor(self) -> ProcessExecutor:
        executor = self.world.executor
        assert isinstance(executor, ProcessExecutor)
        return executor

    def client(self, service: str) -> Any:
        client = boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name=REGION,
            aws_access_key_id=KEY.id,
            aws_secret_access_key=KEY.secret,
            config=Config(retries={"total_max_attempts": 1}),
        )
        return checked(client)

    def halt(self) -> None:
        """End the gateway as a crash would: units run on, nothing is told to anybody."""
        self._stopped.set()
        self.world.wake.set()
        self._threads[1].join()
        self._server.stop()
        self.cloud.close()

    def close(self) -> None:
        """End the gateway and all that it runs."""
        if not self._stopped.is_set():
            self.halt()
        self.executor.stop_all(0.0)


@contextmanager
def job_cloud(folder: Path, cache: Path) -> Iterator[JobCloud]:
    folder.mkdir(mode=0o700, exist_ok=True)
    cloud = JobCloud(folder, cache)
    try:
        yield cloud
    finally:
        cloud.close()


def until(condition: Callable[[], Any], within_s: float = 20.0) -> Any:
    """Wait for a condition; answers its first true value."""
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {within_s:g} s"
        time.sleep(0.02)
    return value


def codes(failures: Sequence[Any]) -> list[str]:
    return [each["failureCode"] for each in failures]
