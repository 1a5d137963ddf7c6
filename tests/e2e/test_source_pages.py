"""The commands of docs/tasks/git.md and s3.md work, in the order in which they stand, and say what the pages say."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from gitops_sources import PERSON

from clouds import running_cloud

TOP = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def played(page: str, tmp_path: Path) -> str:
    """What the page's commands write, run on a cloud of their own, with an operator beside them. Nothing of it is left."""
    blocks = re.findall(r"```sh\n(.*?)```", (TOP / "docs" / "tasks" / f"{page}.md").read_text(), re.DOTALL)
    with running_cloud(tmp_path / "state") as cloud:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        try:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", "".join(blocks)],
                cwd=tmp_path,
                env={**cloud.variables, **PERSON, "PATH": path},
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
            )
        finally:
            subprocess.run(["bash", "-c", "kill $(cat operator.pid)"], cwd=tmp_path, check=False, stderr=subprocess.DEVNULL)
        jobs = cloud.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
    log = tmp_path / "operator.log"
    assert done.returncode == 0, done.stdout + done.stderr + (log.read_text()[-3000:] if log.exists() else "")
    assert jobs == []  # they go with their deployment
    return done.stdout


@pytest.mark.parametrize("page", ["git", "s3"])
def test_the_walk_through_declares_edits_errs_reverts_and_removes(page, tmp_path):
    said = played(page, tmp_path)
    assert "spec.serving.replicas.min" in said  # the mistake, as the source is told it
    assert json.loads(said[said.index('{"predictions"') :].splitlines()[0])["labels"] == ["third"]
