"""A crash before or after any write is harmless: the next apply converges, and nothing is there twice.

Real clouds, real processes; training is a script that copies a model made beforehand, so that a life takes seconds.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from clouds import RunningCloud, running_cloud
from models import write_model
from trimtab.cli.context import documents, environment_named, resolved, session
from trimtab.core.kind import Call
from trimtab.engine.converge import converge, remove

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("crashes")]

WRITES_OF_A_FIRST_ROLLOUT = 44  # ledger writes included; the reference run holds that it is not more
TRAIN = """
import os, pathlib, shutil
shutil.copytree(pathlib.Path(__file__).parent / "ready", os.environ["SM_MODEL_DIR"], dirs_exist_ok=True)
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "evaluation.json").write_text('{"metrics": {"accuracy": 0.99}}')
"""
DOCUMENT = """
apiVersion: trimtab.dev/v1alpha1
kind: ModelDeployment
metadata: {name: @NAME@, namespace: crash}
spec:
  dataset: {source: ./data}
  code: {source: ./model}
  training: {framework: {name: pytorch, version: "2.x"}}
  evaluation: {gates: [{metric: "test:accuracy", atLeast: 0.9}]}
  serving: {replicas: {min: 1}}
"""


class Crash(BaseException):
    """The process is gone."""


class Fuse:
    """Blows at the nth write, before or after its effect."""

    def __init__(self, nth: int = 0, *, late: bool = False) -> None:
        self.writes: list[str] = []
        self._nth, self._late = nth, late

    def before(self, call: Call) -> None:
        if call.repeat != "read" and call.service != "trimtab":
            self.writes.append(f"{call.service}:{call.operation}")
            if len(self.writes) == self._nth and not self._late:
                raise Crash(self.writes[-1])

    def after(self, call: Call) -> None:
        if call.repeat != "read" and call.service != "trimtab" and len(self.writes) == self._nth and self._late:
            raise Crash(self.writes[-1])


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with running_cloud(tmp_path_factory.mktemp("crashes") / "state") as made:
        _quick_training(made)
        yield made


def _quick_training(cloud: RunningCloud) -> None:
    """Let the training image need no packages: its base is the machine's Python alone."""
    environment = cloud.folder / "environment.yaml"
    text = environment.read_text()
    host = re.search(r'serving: "([^"]+)"', text)
    assert host
    environment.write_text(re.sub(r'pytorch: "[^"]+"', f'pytorch: "{host[1]}"', text))


@pytest.fixture
def project(tmp_path: Path, monkeypatch, cloud: RunningCloud, request) -> Path:
    monkeypatch.setenv("TRIMTAB_LOCAL_STATE", str(cloud.folder))
    (tmp_path / "data" / "test").mkdir(parents=True)
    (tmp_path / "data" / "test" / "x").write_text("x")
    write_model(tmp_path / "model" / "ready")
    (tmp_path / "model" / "train.py").write_text(TRAIN)
    name = hashlib.sha256(request.node.name.encode()).hexdigest()[:6]  # short: some names are cut, and must still be found
    document = tmp_path / "deployment.yaml"
    document.write_text(DOCUMENT.replace("@NAME@", f"d{name}"))
    return document


def apply(document: Path, fuse: Fuse) -> str:
    ((loaded, folder),) = documents((str(document),))
    wanted = resolved(loaded, folder, digests=False)
    with session(environment_named("local"), dict(wanted.contents), before=fuse.before, after=fuse.after) as found:
        return converge(found.reconciler, wanted, found.clock, lambda _: None, 90.0).how


def delete(document: Path, fuse: Fuse) -> str:
    name = document.read_text().partition("name: ")[2].partition(",")[0]
    with session(environment_named("local"), before=fuse.before, after=fuse.after) as found:
        return remove(found.reconciler, "crash", name, found.clock, lambda _: None, 90.0).how


def inventory(cloud: RunningCloud, name: str) -> Mapping[str, int]:
    """How many of each thing carry the deployment's name."""
    v1, ecs = cloud.client("apigateway"), cloud.client("ecs")
    found: dict[str, list[Any]] = {
        "apis": [each["name"] for each in v1.get_rest_apis(limit=500)["items"]],
        "keys": [each["name"] for each in v1.get_api_keys(limit=500)["items"]],
        "plans": [each["name"] for each in v1.get_usage_plans(limit=500)["items"]],
        "jobs": [
            each["TrainingJobName"]
            for each in cloud.client("sagemaker").list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
        ],
        "definitions": ecs.list_task_definitions()["taskDefinitionArns"],
        "roles": [each["RoleName"] for each in cloud.client("iam").list_roles(PathPrefix="/trimtab/")["Roles"]],
        "groups": [each["TargetGroupName"] for each in cloud.client("elbv2").describe_target_groups()["TargetGroups"]],
        "logs": [
            each["logGroupName"]
            for each in cloud.client("logs").describe_log_groups(logGroupNamePrefix="/trimtab/")["logGroups"]
        ],
        "repositories": [each["repositoryName"] for each in cloud.client("ecr").describe_repositories()["repositories"]],
    }
    return {kind: sum(name in str(each) for each in names) for kind, names in found.items()}


ONE_OF_EACH = {
    "apis": 1,
    "keys": 1,
    "plans": 1,
    "jobs": 1,
    "definitions": 1,
    "roles": 3,
    "groups": 1,
    "logs": 1,
    "repositories": 1,
}


def name_of(document: Path) -> str:
    return document.read_text().partition("name: ")[2].partition(",")[0]


def test_the_reference_run_writes_no_more_than_is_crashed(cloud, project):
    fuse = Fuse()
    assert apply(project, fuse) == "converged"
    assert len(fuse.writes) <= WRITES_OF_A_FIRST_ROLLOUT, fuse.writes
    assert inventory(cloud, name_of(project)) == ONE_OF_EACH
    again = Fuse()
    assert apply(project, again) == "converged"
    assert again.writes == []
    assert delete(project, Fuse()) == "gone"
    assert set(inventory(cloud, name_of(project)).values()) == {0}


# Every second write, in turn before and after its effect: a first rollout takes seconds, and there are many.
CASES = [(nth, nth // 2 % 2 == 1) for nth in range(1, WRITES_OF_A_FIRST_ROLLOUT + 1, 2)]


@pytest.mark.parametrize(("nth", "late"), CASES, ids=[f"{'after' if late else 'before'}-{nth}" for nth, late in CASES])
def test_a_crash_at_any_write_of_a_first_rollout_is_harmless(cloud, project, nth, late):
    fuse = Fuse(nth, late=late)
    try:
        apply(project, fuse)
    except Crash:
        assert apply(project, Fuse()) == "converged"
    assert inventory(cloud, name_of(project)) == ONE_OF_EACH
    assert delete(project, Fuse()) == "gone"
    assert set(inventory(cloud, name_of(project)).values()) == {0}


@pytest.mark.parametrize("nth", range(2, 22, 4))
def test_a_crash_at_any_write_of_a_deletion_is_harmless(cloud, project, nth):
    assert apply(project, Fuse()) == "converged"
    try:
        how = delete(project, Fuse(nth, late=True))
    except Crash:
        how = delete(project, Fuse())
    assert how == "gone"
    assert set(inventory(cloud, name_of(project)).values()) == {0}
