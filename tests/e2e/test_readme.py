"""The README's own commands work, in the order in which they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from trimtab.local.commands import down, free_ports

TOP = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("e2e")]


def test_the_commands_of_the_readme_take_a_newcomer_through(tmp_path):
    (block,) = re.findall(r"```sh\n(.*?)```", (TOP / "README.md").read_text(), re.DOTALL)
    port, invoke_port = free_ports(2)
    # Two tests may run at once, and a person may have a cloud up: only the ports are changed.
    block = block.replace("trimtab local up ", f"trimtab local up --port {port} --invoke-port {invoke_port} ")
    state = tmp_path / "state"
    variables = {
        **os.environ,
        "TRIMTAB_LOCAL_STATE": str(state),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    try:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=tmp_path,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert '"labels":["third"]' in done.stdout
    finally:
        down(state, purge=True)
