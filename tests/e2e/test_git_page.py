"""The commands of docs/tasks/git.md work, in the order in which they stand, and say what the page says."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from clouds import running_cloud

TOP = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow
PERSON = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.com",
}


def test_the_walk_through_commits_edits_errs_reverts_and_removes(tmp_path):
    blocks = re.findall(r"```sh\n(.*?)```", (TOP / "docs" / "tasks" / "git.md").read_text(), re.DOTALL)
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
            log = tmp_path / "operator.log"
            told = log.read_text() if log.exists() else ""
            subprocess.run(["bash", "-c", "kill $(cat operator.pid)"], cwd=tmp_path, check=False, stderr=subprocess.DEVNULL)
        jobs = cloud.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
    assert done.returncode == 0, done.stdout + done.stderr + told[-3000:]
    assert "spec.serving.replicas.min" in done.stdout  # the mistake, as Git has it
    assert json.loads(done.stdout[done.stdout.index('{"predictions"') :].splitlines()[0])["labels"] == ["third"]
    assert "0.02" not in done.stderr
    assert jobs == []  # they go with their deployment
