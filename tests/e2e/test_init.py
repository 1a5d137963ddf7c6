"""What `trimtab init` writes works by the steps of its own README, on a real local cloud."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from trimtab.build.layers import layer, sha256
from trimtab.clients.registry import Registry
from trimtab.local.commands import down, free_ports

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("e2e")]
ANSWER = '"labels":["first"]'


@pytest.mark.parametrize(
    ("template", "answer"),
    [("pytorch", '"labels":["third"]'), ("sklearn", ANSWER), ("onnx", ANSWER), ("server", ANSWER)],
)
def test_the_readme_of_a_new_project_takes_it_to_an_answer_and_away_again(tmp_path: Path, template: str, answer: str):
    with project_of(tmp_path, template) as (_, block, run):
        told = run(f"{block}\ntrimtab status -o json")
        assert answer in told
        assert told.rstrip().endswith("[]")  # deleted: nothing is left


def test_an_image_of_ones_own_trains(tmp_path: Path):
    """Docker's part, which needs a daemon, is done here by the same steps: base, COPY, ENTRYPOINT, push."""
    with project_of(tmp_path, "image") as (project, block, run):
        lines = block.splitlines()
        docker = [number for number, line in enumerate(lines) if "docker" in line]
        assert docker == list(range(docker[0], docker[0] + 3))  # log in, build, push
        login = lines[docker[0]].partition(" | docker login")[0]
        before = "\n".join(lines[: docker[0]])
        push(project, password=run(f"{before}\n{login}").splitlines()[-1])
        told = run("\n".join([*lines[docker[-1] + 1 :], "trimtab status -o json"]))
        assert ANSWER in told
        assert told.rstrip().endswith("[]")


def test_an_edit_of_ones_own_server_rolls_over_without_a_failed_request(tmp_path: Path):
    with project_of(tmp_path, "server") as (project, block, run):
        up = next(line for line in block.splitlines() if line.startswith("trimtab local up"))
        run(f"{up}\ntrimtab apply deployment.yaml")
        (project / "server" / "model.json").write_text(
            (project / "server" / "model.json").read_text().replace("first", "one")
        )
        # The client asks on until the rollout is over, and once more.
        asking = "while [ ! -e over ]; do trimtab predict team/mine request.json >> answers || echo failed >> answers; done"
        told = run(f"({asking}) & trimtab apply deployment.yaml; touch over; wait; trimtab predict team/mine request.json")
        assert told.rstrip().endswith('"labels":["one"]}')
        answers = (project / "answers").read_text()
        assert "failed" not in answers
        assert ANSWER in answers
        assert "golden: proven" in run("trimtab status team/mine")
        assert run("trimtab delete team/mine --yes; trimtab status -o json").rstrip().endswith("[]")


def push(project: Path, password: str) -> None:
    """Build image/Dockerfile on its default base, and push it as deployment.yaml names it."""
    text = (project / "image" / "Dockerfile").read_text()
    steps = [line.split(None, 1) for line in text.splitlines() if line and not line.startswith("#")]
    assert [word for word, _ in steps] == ["ARG", "FROM", "COPY", "ENTRYPOINT"]
    (_, base), _, (source, target), entry = (rest.replace("BASE=", "BASE ").split(" ") for _, rest in steps)
    host, _, rest = base.partition("/")
    repository, _, tag = rest.partition(":")
    (image,) = re.findall(rf'image: "{host}/(.*)"', (project / "deployment.yaml").read_text())
    registry = Registry(host, lambda: base64.b64encode(f"AWS:{password}".encode()).decode())
    manifest, _ = registry.manifest(repository, tag)
    config = json.loads(registry.blob(repository, manifest["config"]["digest"]))
    added = layer({target.lstrip("/"): project / "image" / source})
    config["config"]["Entrypoint"] = json.loads(" ".join(entry))
    config["rootfs"]["diff_ids"].append(added.diff_id)
    data = json.dumps(config).encode()
    manifest["config"] |= {"digest": sha256(data), "size": len(data)}
    manifest["layers"].append(added.descriptor)
    name, _, tag = image.partition(":")
    for digest, blob in ((sha256(data), data), (added.digest, added.data)):
        registry.push_blob(name, digest, blob, lambda _: None)
    registry.push_manifest(name, tag, json.dumps(manifest).encode(), manifest["mediaType"])


@contextmanager
def project_of(folder: Path, template: str) -> Iterator[tuple[Path, str, Callable[[str], str]]]:
    """A new project on a cloud of its own: its folder, its README's commands, and what runs commands there."""
    programs = Path(sys.executable).parent
    state, project = folder / "state", folder / "mine"
    variables = {**os.environ, "TRIMTAB_LOCAL_STATE": str(state), "PATH": f"{programs}:{os.environ['PATH']}"}
    made = [str(programs / "trimtab"), "init", str(project), "--template", template, "--namespace", "team"]
    subprocess.run(made, check=True, env=variables)
    (block,) = re.findall(r"```sh\n(.*?)```", (project / "README.md").read_text(), re.DOTALL)
    port, invoke_port = free_ports(2)
    # Two tests may run at once, and a person may have a cloud up: only the ports are changed.
    block = block.replace("trimtab local up ", f"trimtab local up --port {port} --invoke-port {invoke_port} ")
    for file in (project / "deployment.yaml", project / "image" / "Dockerfile"):
        if file.exists():
            file.write_text(file.read_text().replace("127.0.0.1:4566", f"127.0.0.1:{port}"))

    def run(commands: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=project,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    try:
        yield project, block, run
    finally:
        down(state, purge=True)


HOOKS = """
import numpy as np


def input_fn(request_body, request_content_type):
    if request_content_type != "text/x-cups":
        raise ValueError(f"{request_content_type} is not taken")
    return np.array([[float(cell) for cell in request_body.decode().split()]], np.float32)


def output_fn(prediction, accept):
    return f"cultivar {prediction.argmax()}", "text/plain"
"""


def test_own_code_answers_through_the_gateway_and_an_edit_of_it_trains_nothing(tmp_path: Path):
    with project_of(tmp_path, "sklearn") as (project, block, run):
        ask = "trimtab predict team/mine cups.txt --content-type text/x-cups"
        (project / "cups.txt").write_text(" ".join(re.findall(r"[\d.]+", (project / "request.json").read_text())))
        (project / "model" / "inference.py").write_text(HOOKS)
        up = next(line for line in block.splitlines() if line.startswith("trimtab local up"))
        told = run(f"{up}\ntrimtab apply deployment.yaml\n{ask}")
        assert told.rstrip().endswith("cultivar 0")
        (project / "model" / "inference.py").write_text(HOOKS.replace("cultivar", "kind"))
        before = run("trimtab logs team/mine --tail 1000").count("exported model.onnx")
        told = run(f"trimtab apply deployment.yaml\n{ask}")
        assert told.rstrip().endswith("kind 0")
        assert run("trimtab logs team/mine --tail 1000").count("exported model.onnx") == before == 1
