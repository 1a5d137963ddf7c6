"""What `trimtab init` writes works by the steps of its own README, on a real local cloud."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from trimtab.local.commands import down, free_ports

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("e2e")]
ANSWERS = {"sklearn": '"labels":["first"]'}


@pytest.mark.parametrize("template", ANSWERS)
def test_the_readme_of_a_new_project_takes_it_to_an_answer_and_away_again(tmp_path: Path, template: str):
    programs = Path(sys.executable).parent
    state, project = tmp_path / "state", tmp_path / "mine"
    variables = {**os.environ, "TRIMTAB_LOCAL_STATE": str(state), "PATH": f"{programs}:{os.environ['PATH']}"}
    made = [str(programs / "trimtab"), "init", str(project), "--template", template, "--namespace", "team"]
    subprocess.run(made, check=True, env=variables)
    (block,) = re.findall(r"```sh\n(.*?)```", (project / "README.md").read_text(), re.DOTALL)
    port, invoke_port = free_ports(2)
    # Two tests may run at once, and a person may have a cloud up: only the ports are changed.
    block = block.replace("trimtab local up ", f"trimtab local up --port {port} --invoke-port {invoke_port} ")
    try:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{block}\ntrimtab status -o json"],
            cwd=project,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert ANSWERS[template] in done.stdout
        assert done.stdout.rstrip().endswith("[]")  # deleted: nothing is left
    finally:
        down(state, purge=True)
