"""`trimtab-container serve` as a real process on loopback."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import urllib3

from trimtab.local.commands import free_ports

POOL = urllib3.PoolManager(retries=False, maxsize=8, timeout=40)  # longer than a server drains


@dataclass
class Running:
    process: "subprocess.Popen[bytes]"
    public: str
    inner: str
    output: IO[bytes]

    @property
    def log(self) -> str:
        """All that it has printed."""
        self.output.flush()
        return Path(self.output.name).read_text()

    def ask(self, body: bytes, kind: str = "application/json", **headers: str) -> urllib3.BaseHTTPResponse:
        return POOL.request("POST", f"{self.public}/invocations", body=body, headers={"Content-Type": kind, **headers})

    def ping(self) -> urllib3.BaseHTTPResponse:
        return POOL.request("GET", f"{self.public}/ping")


def refusal(base: Path, **variables: str) -> str:
    """What a server that must not serve says before it ends with 1."""
    with _started(base, variables) as running:
        assert running.process.wait(20) == 1, running.log
        return running.log


@contextmanager
def serving(base: Path, **variables: str) -> Iterator[Running]:
    """A server that is ready."""
    with _started(base, variables) as running:
        deadline = time.monotonic() + 20
        while True:
            try:
                if running.ping().status == 200 or "being loaded" not in running.ping().data.decode():
                    break
            except urllib3.exceptions.HTTPError:
                assert running.process.poll() is None, running.log
            assert time.monotonic() < deadline
            threading.Event().wait(0.02)
        yield running


@contextmanager
def _started(base: Path, variables: Mapping[str, str]) -> Iterator[Running]:
    port, inner = free_ports(2)
    environment = {
        "PATH": os.environ["PATH"],
        "SAGEMAKER_BASE_DIR": str(base),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "TRIMTAB_METRICS_PORT": str(inner),
        "TRIMTAB_BIND_ADDRESS": "127.0.0.1",
        "TRIMTAB_RELEASE": "r1",
        **variables,
    }
    output = tempfile.NamedTemporaryFile()  # noqa: SIM115 - closed below
    command = [sys.executable, "-m", "trimtab_container", "serve"]
    process = subprocess.Popen(command, env=environment, cwd=base, stdout=output, stderr=output)
    try:
        yield Running(process, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{inner}", output)
    finally:
        process.kill()
        process.wait()
        output.close()
