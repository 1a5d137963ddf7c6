"""The document, the Dockerfile and the README of the digits example say what is true."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from trimtab.build.image import Parts, assemble
from trimtab.compile.select import selected
from trimtab.model.deployment import ModelDeployment
from trimtab.model.load import load
from trimtab_container import bundle

TOP = Path(__file__).parents[3]
EXAMPLE = TOP / "examples" / "digits"
DOCUMENT = EXAMPLE / "deployment.yaml"


@pytest.fixture(scope="module")
def deployment() -> ModelDeployment:
    (document,) = load(DOCUMENT.read_bytes(), "deployment.yaml")
    assert isinstance(document.value, ModelDeployment)
    return document.value


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """(instruction, rest), comments left out and continued lines joined."""
    text = re.sub(r"^#.*\n", "", dockerfile, flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split(None, 1)[0], line.split(None, 1)[1].strip()) for line in text.splitlines() if line.strip()]


def final_stage() -> list[tuple[str, str]]:
    every = instructions((EXAMPLE / "model" / "Dockerfile").read_text())
    last = max(number for number, (word, _) in enumerate(every) if word == "FROM")
    return every[last:]


def test_the_document_declares_the_whole_line_in_seventeen_lines(deployment: ModelDeployment):
    spec = deployment.spec
    assert (deployment.metadata.namespace, deployment.metadata.name) == ("vision", "digits")
    assert spec.training is not None
    assert spec.training.framework is not None
    assert spec.dataset is not None
    assert spec.code is not None
    assert (spec.dataset.source, spec.code.source, spec.training.entry_point) == ("./data", "./model", "train.py")
    assert (spec.training.framework.name, spec.training.framework.version) == ("pytorch", "2.x")
    assert (spec.training.instances.type, spec.training.instances.count) == ("ml.m5.large", 1)
    (gate,) = spec.evaluation.gates
    assert (gate.metric, gate.at_least) == ("test:accuracy", 0.96)
    serving = spec.serving
    assert (serving.target, serving.replicas.bounds) == ("ecs", (2, 2))
    assert serving.gateway is not None
    assert (serving.gateway.kind, serving.gateway.auth) == ("apigateway", "apiKey")
    assert len(DOCUMENT.read_text().splitlines()) <= 17


def test_training_sees_the_modules_and_nothing_else(deployment: ModelDeployment):
    assert deployment.spec.training is not None
    paths = [path.relative_to(EXAMPLE / "model").as_posix() for path in (EXAMPLE / "model").rglob("*") if path.is_file()]
    seen = selected(paths, deployment.spec.training.files)
    assert seen == ("export.py", "images.py", "job.py", "network.py", "scores.py", "train.py")
    left_out = {each for each in paths if "__pycache__" not in each} - {*seen}
    assert left_out == {"Dockerfile", deployment.spec.evaluation.entry_point}


def test_every_hyper_parameter_of_the_document_is_one_of_the_script(deployment: ModelDeployment):
    assert deployment.spec.training is not None
    known = set(re.findall(r'add_argument\("--([a-z-]+)"', (EXAMPLE / "model" / "train.py").read_text()))
    assert set(deployment.spec.training.hyperparameters) <= known


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Docker build context, filled by the very commands of the README."""
    top = tmp_path_factory.mktemp("copy")
    example = top / "examples" / "digits"
    (example / "build" / "model").mkdir(parents=True)
    (example / "build" / "model" / "model.onnx").write_bytes(b"model")
    (example / "model").symlink_to(EXAMPLE / "model")
    (top / "container").symlink_to(TOP / "container")
    (commands,) = re.findall(r"^```bash\n(.*?)^```", (EXAMPLE / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", commands],
        cwd=example,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return example / "build" / "image"


def test_the_dockerfile_names_only_paths_of_its_context(context: Path):
    copied = [rest.split() for word, rest in instructions((context / "Dockerfile").read_text()) if word in ("COPY", "ADD")]
    sources = [source for words in copied if not words[0].startswith("--from") for source in words[:-1]]
    assert sorted(sources) == ["launcher.pyz", "model", "requirements.txt"]
    assert [source for source in sources if not (context / source).exists()] == []


def test_the_launcher_of_the_context_runs(context: Path):
    done = subprocess.run(
        [sys.executable, str(context / "launcher.pyz"), "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("trimtab-container ")


def test_the_dockerfile_and_the_builder_describe_one_image(tmp_path: Path):
    model = tmp_path / "model.onnx"
    model.write_bytes(b"model")
    bundle.build(tmp_path / "launcher.pyz")
    parts = Parts(
        code={},
        model={"model.onnx": model},
        launcher=tmp_path / "launcher.pyz",
        requirements="lock",
        packages={"numpy.py": model},
    )
    image = assemble({"layers": []}, {"rootfs": {"type": "layers", "diff_ids": []}}, parts, {})
    built = json.loads(image.config)["config"]
    stage = final_stage()
    written = {word: rest for word, rest in stage if word != "COPY"}
    assert json.loads(written["ENTRYPOINT"]) == built["Entrypoint"]
    assert json.loads(written["CMD"]) == built["Cmd"]
    assert written["ENV"].split() == built["Env"]
    assert [f"{port}/tcp" for port in written["EXPOSE"].split()] == list(built["ExposedPorts"])
    assert "USER" not in written
    assert "User" not in built
    places = [rest.split()[-1] for word, rest in stage if word == "COPY"]
    assert places == ["/opt/trimtab/packages", "/opt/ml/model", "/opt/trimtab/launcher.pyz"]
    assert len(image.layers) == len(places)
    packages = next(rest for word, rest in instructions((EXAMPLE / "model" / "Dockerfile").read_text()) if word == "RUN")
    assert {"--require-hashes", "--no-deps", "/opt/trimtab/packages"} <= set(json.loads(packages))


def test_files_that_the_readme_names_are_there():
    named = re.findall(r"(?:\.\./\.\./|model/)[\w./-]+\.(?:py|txt)|model/Dockerfile", (EXAMPLE / "README.md").read_text())
    assert len(named) > 4
    assert [name for name in named if not (EXAMPLE / name).is_file()] == []
