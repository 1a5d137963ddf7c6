"""/healthz and /readyz answer 503 with the reason while something is wrong, and 200 once it is not."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import urllib3
from prometheus_client import CollectorRegistry

from trimtab.cli.operating.telling import HealthServer


@dataclass
class Loop:
    problem: str = ""
    is_ready: bool = True
    address: str = ""

    def get(self, path: str) -> tuple[int, str]:
        answer = urllib3.request("GET", f"http://{self.address}{path}", retries=False)
        return answer.status, answer.data.decode()


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    server = HealthServer("127.0.0.1:0", lambda: made.problem, lambda: made.is_ready, CollectorRegistry())
    made.address = server.address
    yield made
    server.close()


def test_what_hangs_fails_liveness_alone_and_says_why(loop):
    loop.problem = "a pass of vision/digits takes longer than 600 s"
    assert loop.get("/healthz") == (503, "a pass of vision/digits takes longer than 600 s\n")
    assert loop.get("/readyz") == (200, "ok\n")
    loop.problem = ""
    assert loop.get("/healthz") == (200, "ok\n")


def test_a_source_that_was_not_looked_at_fails_readiness_alone(loop):
    loop.is_ready = False
    assert loop.get("/readyz") == (503, "a source was not looked at yet\n")
    assert loop.get("/healthz") == (200, "ok\n")
    loop.is_ready = True
    assert loop.get("/readyz") == (200, "ok\n")
