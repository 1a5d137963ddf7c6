"""One cloud for all of this folder's tests in a worker, and a small project for each."""

import json
from pathlib import Path

import outside
import pytest

from clouds import RunningCloud, running_cloud
from quick_rollout import quick_training, write_project


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with running_cloud(tmp_path_factory.mktemp("faults") / "state") as made:
        quick_training(made)
        yield made


@pytest.fixture
def project(tmp_path: Path, monkeypatch, cloud: RunningCloud, request) -> Path:
    monkeypatch.setenv("TRIMTAB_LOCAL_STATE", str(cloud.folder))
    return write_project(tmp_path, request.node.name)


@pytest.fixture
def heard(cloud, tmp_path):
    """A queue behind the rule of docs/tasks/wake.md, in an operator's configuration."""
    sqs, events = cloud.client("sqs"), cloud.client("events")
    url = sqs.create_queue(QueueName=tmp_path.name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name=tmp_path.name, EventPattern=outside.heard())
    events.put_targets(Rule=tmp_path.name, Targets=[{"Id": "queue", "Arn": arn}])
    (tmp_path / "none").mkdir()
    config = {
        "apiVersion": "trimtab.dev/v1alpha1",
        "kind": "OperatorConfig",
        "metadata": {"name": "operator"},
        "spec": {"sources": [{"folder": {"path": "none"}}], "events": [{"environment": "local", "queue": url}]},
    }
    (tmp_path / "operator.yaml").write_text(json.dumps(config))
    yield str(tmp_path / "operator.yaml")
    events.remove_targets(Rule=tmp_path.name, Ids=["queue"])
    events.delete_rule(Name=tmp_path.name)
    sqs.delete_queue(QueueUrl=url)
