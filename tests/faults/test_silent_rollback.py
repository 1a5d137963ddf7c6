"""ECS goes back to the last release while nobody looks: what is seen afterwards reads COMPLETED, and is never Ready."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from outside import meanwhile

from clouds import RunningCloud
from faults.operating import RunningOperator, running, service_of, vanish
from faults.test_alarms import Alarm, goes_by, says
from faults.test_releases import asked_throughout, edit, full_name, outcomes, run
from job_cloud import until
from quick_rollout import name_of
from trimtab.cli.context import environment_named, ledger_of, session
from trimtab.local.commands import faults

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("silent-rollback")]

BLIND = {"service": "ecs", "operation": "DescribeServices", "kind": "serverError", "count": 100_000}
LOOK = "DescribeTargetHealth"  # by nobody but the operator
SWEEP_S = 3600
GIVEN_UP = ("False", "RolledBack")


class Ecs:
    """A service as ECS has it, read by what the fault does not strike."""

    def __init__(self, cloud: RunningCloud, project: Path) -> None:
        self.client, self.cluster, self.arn = service_of(cloud, project)

    def newest(self) -> Mapping[str, Any]:
        return self.client.list_service_deployments(cluster=self.cluster, service=self.arn)["serviceDeployments"][0]

    def is_rolled_back(self) -> bool:
        return self.newest()["status"] == "ROLLBACK_SUCCESSFUL"

    def deployments(self) -> list[Mapping[str, Any]]:
        return self.client.describe_services(cluster=self.cluster, services=[self.arn])["services"][0]["deployments"]

    def runs(self) -> str:
        return self.deployments()[0]["taskDefinition"]

    def deploys(self, definition: str) -> None:
        self.client.update_service(cluster=self.cluster, service=self.arn, taskDefinition=definition)


@contextmanager
def statuses(operator: RunningOperator, project: Path) -> Iterator[list[tuple[int, str]]]:
    """Keep what its status file says all the while: generation and Ready."""
    seen: list[tuple[int, str]] = []

    def look() -> None:
        status = operator.status(project)  # empty while an edit has cut the document, which has the name in it
        conditions = status.get("conditions", ())
        seen.extend((status["observedGeneration"], each["status"]) for each in conditions if each["type"] == "Ready")

    with meanwhile(look):
        yield seen


@pytest.fixture
def sighted(cloud: RunningCloud) -> Iterator[None]:
    """Nothing is refused any more at the end, whatever came before."""
    yield
    faults(cloud.folder, "DELETE")


def test_a_rollback_that_the_operator_could_not_see_is_never_ready_and_told_in_ecs_words(
    cloud, project, sighted, tmp_path_factory
):
    with running(project.parent, tmp_path_factory.mktemp("operator")) as operator:
        operator.until(lambda: operator.is_ready(project), "never ready")
        ecs = Ecs(cloud, project)
        good, first = ecs.runs(), ecs.newest()["serviceDeploymentArn"]
        with asked_throughout(project) as codes, statuses(operator, project) as seen:
            edit(project, "replicas: {min: 1}", "replicas: {min: 1}, env: {PYTHONHOME: /nowhere}")
            operator.until(lambda: ecs.newest()["serviceDeploymentArn"] != first, "ECS was never asked")
            faults(cloud.folder, "POST", [BLIND])
            operator.until(ecs.is_rolled_back, "ECS never went back")
            faults(cloud.folder, "DELETE")
            assert [(each["rolloutState"], each["taskDefinition"]) for each in ecs.deployments()] == [("COMPLETED", good)]
            operator.until(lambda: operator.condition(project, "Ready") == GIVEN_UP, "it was never told")
        assert set(codes) == {200}
        assert {ready for generation, ready in seen if generation == 2} == {"False", "Unknown"}  # while it may not look
        assert_given_up(operator, project, "tasks failed to start.")
        assert outcomes(project) == ["Serving", "RolledBack"]

        edit(project, "PYTHONHOME: /nowhere", "COLOUR: green")
        operator.until(lambda: operator.is_ready(project, 3), "the next good one did not go through")
        assert outcomes(project) == ["Superseded", "RolledBack", "Serving"]
        vanish(project)
        operator.until(lambda: operator.events("deployment.deleted"), "it was never deleted")


def test_a_release_that_was_ready_for_hours_and_is_gone_back_from_is_seen_within_a_sweep(cloud, project, tmp_path_factory):
    alarm = Alarm(cloud, f"{name_of(project)}-errors")
    alarm.make()
    edit(project, "replicas: {min: 1}", f"replicas: {{min: 1}}, rollout: {{alarms: [{alarm.name}]}}")
    options = ("--sweep", f"{SWEEP_S}s", "--clock", cloud.info.endpoint)
    with running(project.parent, tmp_path_factory.mktemp("operator"), *options) as operator:
        operator.until(lambda: operator.is_ready(project), "never ready")
        ecs = Ecs(cloud, project)
        good = ecs.runs()
        edit(project, "replicas: {min: 1}", "replicas: {min: 1}, env: {COLOUR: blue}")
        operator.until(lambda: operator.is_ready(project, 2), "the edit was never made")
        blue = ecs.runs()
        goes_by(cloud, 3 * SWEEP_S)
        swept(cloud, operator)
        assert operator.is_ready(project, 2)

        # Long before the next sweep somebody goes back and forth by hand, and an alarm makes ECS give the second up.
        ecs.deploys(good)
        until(lambda: [each["rolloutState"] for each in ecs.deployments()] == ["COMPLETED"], within_s=60)
        ecs.deploys(blue)
        until(lambda: ecs.deployments()[0]["runningCount"] == 1, within_s=60)
        alarm.goes("ALARM")
        until(ecs.is_rolled_back, within_s=60)
        assert [(each["rolloutState"], each["taskDefinition"]) for each in ecs.deployments()] == [("COMPLETED", good)]

        goes_by(cloud, SWEEP_S)
        operator.until(lambda: operator.condition(project, "Ready") == GIVEN_UP, "no sweep saw it")
        assert_given_up(operator, project, "alarm detected.")
        assert outcomes(project) == ["Serving", "RolledBack"]
        alarm.goes("OK")
        with statuses(operator, project) as seen:
            goes_by(cloud, 2 * SWEEP_S)  # neither sweeps nor time bring it back
            assert (ecs.runs(), operator.events("drift.repaired")) == (good, [])
        assert set(seen) == {(2, "False")}

        edit(project, "COLOUR: blue", "COLOUR: green")
        goes_by(cloud, SWEEP_S)
        operator.until(lambda: operator.is_ready(project, 3), "the next good one did not go through")
        assert outcomes(project) == ["Superseded", "RolledBack", "Serving"]
        vanish(project)
        operator.until(lambda: operator.events("deployment.deleted"), "it was never deleted")


def swept(cloud: RunningCloud, operator: RunningOperator) -> None:
    """Let minutes go by until the operator has swept: only then is it known when it does so again."""
    since = cloud.journal()[-1]["number"]

    def looked() -> bool:
        goes_by(cloud, SWEEP_S / 60)
        return any(each["operation"] == LOOK for each in cloud.journal(since))

    operator.until(looked, "it sweeps no more")


def assert_given_up(operator: RunningOperator, project: Path, because: str) -> None:
    """It is said why, in ECS's words, and the release is in quarantine."""
    assert operator.condition(project, "Stalled") == ("True", "RolledBack")
    assert operator.condition(project, "Serving")[0] == "True"
    assert f"deployment failed: {because}" in says(operator, project)
    assert operator.status(project)["quarantine"]
    with session(environment_named("local")) as found:
        ledger = ledger_of(found, full_name(project))
    assert ledger.quarantine == (ledger.revisions[-1].release[:12],)
    told = json.loads(run("events", full_name(project), "-o", "json")[1])
    assert "RolledBack" in [each["reason"] for each in told]
