"""A server that begins to answer wrongly while its health check is fine: Ready falls with a sweep, and comes back."""

import json
import urllib.request
from pathlib import Path

import pytest

from clouds import RunningCloud
from faults.operating import RunningOperator, count, running, service_of
from faults.test_given_models import commands  # noqa: F401 - a fixture
from faults.test_own_server import edit, written
from faults.test_releases import run
from quick_rollout import delete, name_of

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("given-models")]
PASSES, SWEEPS = "controller_runtime_reconcile_total", "trimtab_sweep_time_seconds_count"
GIVEN = '        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))\n'
TOLD = (
    '        if self.path == "/factor":\n            globals()["FACTOR"] = given\n            return self.reply(200, {})\n'
)
OTHERWISE = "the golden request is answered otherwise than in training"


@pytest.fixture
def project(tmp_path: Path, commands: RunningCloud) -> Path:  # noqa: F811
    """Its server multiplies by what it was last told; a factor that is no number makes it fail at each request."""
    document = written(tmp_path, "proved-again", "./own")
    edit(document, "server.py", GIVEN, GIVEN + TOLD)
    return document


def tasks_of(cloud: RunningCloud, project: Path) -> list[str]:
    """Their addresses."""
    ecs, cluster, service = service_of(cloud, project)
    arns = ecs.list_tasks(cluster=cluster, serviceName=service)["taskArns"]
    tasks = ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"]
    details = [detail for task in tasks for each in task["attachments"] for detail in each["details"]]
    return [each["value"] for each in details if each["name"] == "privateIPv4Address"]


def told(address: str, factor: object) -> None:
    """Change what one task answers."""
    request = urllib.request.Request(f"http://{address}:8080/factor", json.dumps(factor).encode())
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def why_not_ready(operator: RunningOperator, project: Path) -> str:
    (ready,) = [each for each in operator.status(project)["conditions"] if each["type"] == "Ready"]
    return ready["message"] if (ready["status"], ready["reason"]) == ("False", "ProofFailed") else ""


def rests(operator: RunningOperator) -> None:
    """Wait for a sweep after which there is no pass."""

    def alone() -> bool:
        passes, sweeps = count(operator, PASSES), count(operator, SWEEPS)
        operator.until(lambda: count(operator, SWEEPS) >= sweeps + 2, "no sweep")
        return count(operator, PASSES) == passes

    operator.until(alone, "passes go on")


def test_ready_falls_within_a_sweep_when_a_server_answers_otherwise_and_comes_back_with_it(
    cloud: RunningCloud, project: Path, tmp_path_factory: pytest.TempPathFactory
):
    with running(project.parent, tmp_path_factory.mktemp("operator")) as operator:
        operator.until(lambda: operator.is_ready(project), "never ready")
        tasks = tasks_of(cloud, project)
        for factor, because in ((3.0, OTHERWISE), (None, "answers 502 to the golden request")):
            rests(operator)
            sweeps = count(operator, SWEEPS)
            for each in tasks:
                told(each, factor)
            operator.until(lambda because=because: because in why_not_ready(operator, project), "it is still called ready")
            assert count(operator, SWEEPS) <= sweeps + 2  # one was under way
            for each in tasks:
                told(each, 2.0)
            operator.until(lambda: operator.is_ready(project), "it answers rightly and is not ready")
        rests(operator)
        one = tasks[0]
        told(one, 3.0)
        operator.until(lambda: why_not_ready(operator, project), "one of two answers otherwise, and nobody says so")
        passes = count(operator, PASSES)
        operator.until(lambda: count(operator, PASSES) >= passes + 2, "it was not proven again")
        assert why_not_ready(operator, project), "the other task hides it"
        told(one, 2.0)
        operator.until(lambda: operator.is_ready(project), "it answers rightly and is not ready")
        assert operator.events("sweep.failed") == []
    code, out, _ = run("history", f"crash/{name_of(project)}", "-o", "json")
    assert (code, [each["outcome"] for each in json.loads(out)]) == (0, ["Serving"])  # nothing was rolled out or back
    assert delete(project).how == "gone"
