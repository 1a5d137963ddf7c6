"""One cloud for all of this folder's tests in a worker, and a small project for each."""

from pathlib import Path

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
