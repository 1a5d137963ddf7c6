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


# Pages whose commands speak of the README's deployment; a page's commands run in the order in which they stand.
PAGES = (
    "watch",
    "drift",
    "roll-back",
    "inject-faults",
    "move-time",
    "scale",
    "existing-model",
    "own-image",
    "gates",
    "review-a-plan",
    "delete",
)
# On clouds of their own, by test_event_pages.py, test_source_pages.py, test_adopt_page.py and test_terraform.py.
OTHER_PAGES = ("hear", "wake", "git", "s3", "adopt", "terraform")
ENDS_OTHERWISE = {
    "trimtab retry default/toy": 1,  # nothing is in quarantine: the program says so
    "trimtab delete default/toy": 1,  # nobody can be asked
}


def test_every_page_with_commands_is_among_those_that_are_run():
    blocks = {
        path.relative_to(TOP / "docs").as_posix(): set(re.findall(r"^```(\w+)$", path.read_text(), re.MULTILINE))
        for path in (TOP / "docs").rglob("*.md")
    }
    run = {f"tasks/{page}.md" for page in (*PAGES, *OTHER_PAGES)}
    assert {page for page, words in blocks.items() if "sh" in words} == run
    assert not {"bash", "shell", "console"} & set().union(*blocks.values())  # commands stand in blocks of sh


def test_the_commands_of_the_tasks_work_on_what_the_readme_made(tmp_path):
    port, invoke_port = free_ports(2)
    variables = {
        **os.environ,
        "TRIMTAB_LOCAL_STATE": str(tmp_path / "state"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }

    def shell(command: str, expect: tuple[int, ...] = (0,)) -> None:
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode in expect, command + done.stdout + done.stderr

    try:
        shell(f"trimtab local up --port {port} --invoke-port {invoke_port}")
        shell("trimtab init toy --name toy && python toy/make_data.py && trimtab apply toy/deployment.yaml")
        # A second revision, so that there is one to go back to.
        shell("sed -i 's/^  serving:/  serving:\\n    env: {COLOUR: blue}/' toy/deployment.yaml")
        shell("trimtab apply toy/deployment.yaml")
        for page in PAGES:
            for block in re.findall(r"```sh\n(.*?)```", (TOP / "docs" / "tasks" / f"{page}.md").read_text(), re.DOTALL):
                for line in [block] if "<<" in block else block.splitlines():
                    command = line.partition("  #")[0].strip() if line != block else f"set -e\n{block}"
                    shell(command, (ENDS_OTHERWISE.get(command, 0),))
    finally:
        down(tmp_path / "state", purge=True)
