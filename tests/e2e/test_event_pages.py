"""The commands of the pages about events work, in the order in which they stand, and say what the pages say."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from clouds import running_cloud

TOP = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def said_by(page: str, tmp_path: Path, **variables: str) -> str:
    """What its commands write, run on a cloud of their own, with these variables besides the cloud's."""
    blocks = re.findall(r"```sh\n(.*?)```", (TOP / "docs" / "tasks" / f"{page}.md").read_text(), re.DOTALL)
    with running_cloud(tmp_path / "state") as cloud:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "".join(blocks)],
            cwd=tmp_path,
            env={**cloud.variables, "PATH": path, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_hears_an_event_and_tells_who_did_it(tmp_path):
    said = said_by("hear", tmp_path)
    assert "AWS API Call via CloudTrail" in said
    assert '"EventName": "DeleteRepository"' in said
    assert '"Username": "ana"' in said


def test_the_page_makes_a_queue_and_a_configuration_that_names_it(tmp_path):
    assert '"FailedEntryCount": 0' in said_by("wake", tmp_path)
    assert "trimtab-events" in (tmp_path / "operator.yaml").read_text()
