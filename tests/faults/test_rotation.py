"""Hands in the rotation of a deployment that stands: Ready falls with a sweep, the status names it, and nothing is repaired.

ECS registers the targets of its tasks, and a target that it did not register is somebody's: which of the two is wrong is a
person's to say.
"""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from clouds import RunningCloud
from faults.operating import RunningOperator, count, running
from faults.test_sweep import rests
from hands import World
from quick_rollout import delete

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("sweep")]
SWEEPS = "trimtab_sweep_time_seconds_count"
STRANGER = "127.200.0.7"


class Well(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._say(200)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._say(429)  # by which no golden request tells it from a busy model

    def _say(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def stranger() -> Iterator[int]:
    """A server that passes every health check and is no task; its port."""
    with ThreadingHTTPServer((STRANGER, 0), Well) as server:
        answering = threading.Thread(target=server.serve_forever)
        answering.start()
        yield server.server_port
        server.shutdown()
        answering.join()


def why_not_ready(operator: RunningOperator, project: Path) -> str:
    (ready,) = [each for each in operator.status(project)["conditions"] if each["type"] == "Ready"]
    return "" if ready["status"] == "True" else ready["message"]


def test_ready_falls_within_a_sweep_when_a_target_is_taken_out_or_a_strange_one_is_put_in(
    cloud: RunningCloud, project: Path, stranger: int, tmp_path_factory: pytest.TempPathFactory
):
    with running(project.parent, tmp_path_factory.mktemp("operator")) as operator:
        operator.until(lambda: operator.is_ready(project), "never ready")
        group, elb = World(cloud, project).target_group(), cloud.client("elbv2")
        (own,) = [each["Target"] for each in elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]]
        own = {name: own[name] for name in ("Id", "Port")}
        strange = {"Id": STRANGER, "Port": stranger}

        def seen(because: str) -> bool:
            return because in why_not_ready(operator, project)

        rests(operator)
        sweeps = count(operator, SWEEPS)
        elb.deregister_targets(TargetGroupArn=group, Targets=[own])
        operator.until(lambda: seen("no target is healthy"), "it is still called ready")
        assert count(operator, SWEEPS) <= sweeps + 2  # one was under way
        elb.register_targets(TargetGroupArn=group, Targets=[own])
        operator.until(lambda: operator.is_ready(project), "it is in rotation again and not ready")
        rests(operator)
        elb.register_targets(TargetGroupArn=group, Targets=[strange])
        operator.until(lambda: seen(f"target {STRANGER} answers and is no task of the service"), "nobody misses a stranger")
        passes = count(operator, "controller_runtime_reconcile_total")
        operator.until(lambda: count(operator, "controller_runtime_reconcile_total") >= passes + 2, "no pass")
        shown = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        assert {each["Target"]["Id"] for each in shown} == {own["Id"], STRANGER}  # told, and left to a person
        elb.deregister_targets(TargetGroupArn=group, Targets=[strange])
        operator.until(lambda: operator.is_ready(project), "the stranger is gone and it is not ready")
    assert delete(project).how == "gone"
