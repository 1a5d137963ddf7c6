"""The commands of docs/tasks/hear.md work, in the order in which they stand, and say what the page says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from clouds import running_cloud

TOP = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def test_the_page_hears_an_event_and_tells_who_did_it(tmp_path):
    blocks = re.findall(r"```sh\n(.*?)```", (TOP / "docs" / "tasks" / "hear.md").read_text(), re.DOTALL)
    with running_cloud(tmp_path / "state") as cloud:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "".join(blocks)],
            cwd=tmp_path,
            env={**cloud.variables, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "AWS API Call via CloudTrail" in done.stdout
    assert '"EventName": "DeleteRepository"' in done.stdout
    assert '"Username": "ana"' in done.stdout
