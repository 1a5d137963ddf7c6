"""A whole rollout in seconds: real cloud, real processes; training is a script that copies a model made beforehand."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clouds import RunningCloud
from models import write_model
from trimtab.cli.context import documents, environment_named, ledger_of, remembered, resolved, session
from trimtab.core.kind import Call
from trimtab.engine.amend import released as end_of_hold
from trimtab.engine.amend import rolled_back as to_earlier
from trimtab.engine.converge import End, converge, remove
from trimtab.engine.orphans import orphans, tagged_with, without_dying

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


class Calls:
    """Hooks round every call of an apply; this one does nothing."""

    def before(self, call: Call) -> None: ...

    def after(self, call: Call) -> None: ...


def quick_training(cloud: RunningCloud) -> None:
    """Let the training image need no packages: its base is the machine's Python alone."""
    environment = cloud.folder / "environment.yaml"
    text = environment.read_text()
    host = re.search(r'serving: "([^"]+)"', text)
    assert host
    environment.write_text(re.sub(r'pytorch: "[^"]+"', f'pytorch: "{host[1]}"', text))


def write_project(folder: Path, label: str) -> Path:
    """Data, code and a document whose name is made from the label; returns the document's file."""
    (folder / "data" / "test").mkdir(parents=True)
    (folder / "data" / "test" / "x").write_text("x")
    write_model(folder / "model" / "ready")
    (folder / "model" / "train.py").write_text(TRAIN)
    name = hashlib.sha256(label.encode()).hexdigest()[:6]  # short: some names are cut, and must still be found
    document = folder / "deployment.yaml"
    document.write_text(DOCUMENT.replace("@NAME@", f"d{name}"))
    return document


def name_of(document: Path) -> str:
    return document.read_text().partition("name: ")[2].partition(",")[0]


def apply(document: Path, calls: Calls | None = None, timeout_s: float = 90.0) -> End:
    """As `trimtab apply`, in this process."""
    ((loaded, folder),) = documents((str(document),))
    wanted, calls = resolved(loaded, folder, digests=False), calls or Calls()
    with session(environment_named("local"), dict(wanted.contents), before=calls.before, after=calls.after) as found:
        return converge(found.reconciler, wanted, found.clock, lambda _: None, timeout_s)


def delete(document: Path, calls: Calls | None = None, timeout_s: float = 90.0) -> End:
    """As `trimtab delete --yes`, in this process."""
    calls = calls or Calls()
    with session(environment_named("local"), before=calls.before, after=calls.after) as found:
        return remove(found.reconciler, "crash", name_of(document), found.clock, lambda _: None, timeout_s)


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


def released(document: Path, timeout_s: float = 90.0) -> End:
    """As `trimtab release`, in this process."""
    with session(environment_named("local")) as found:
        ledger = found.reconciler.amend("crash", name_of(document), end_of_hold)
        return converge(found.reconciler, remembered(ledger), found.clock, lambda _: None, timeout_s)


def is_held(document: Path) -> bool:
    with session(environment_named("local")) as found:
        return bool(ledger_of(found, f"crash/{name_of(document)}").holds)


def left_behind() -> list[str]:
    """As `trimtab orphans`, in this process: ARNs."""
    environment = environment_named("local")
    with session(environment) as found:
        driver = found.reconciler.driver
        tagged = tagged_with(environment.metadata.name, environment.spec.buckets.data, driver)
        shared = found.ledgers.load_shared(environment.metadata.name).value
        return [each.arn for each in without_dying(orphans(tagged, found.ledgers.all(), shared), driver)]


def rolled_back(document: Path, calls: Calls | None = None, timeout_s: float = 90.0) -> End:
    """As `trimtab rollback`, in this process."""
    calls = calls or Calls()
    with session(environment_named("local"), before=calls.before, after=calls.after) as found:
        ledger = found.reconciler.amend("crash", name_of(document), lambda each: to_earlier(each, None))
        return converge(found.reconciler, remembered(ledger), found.clock, lambda _: None, timeout_s)
