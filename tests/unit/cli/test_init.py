"""`trimtab init`: each template is a project that the rest of trimtab takes."""

import json
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

import trimtab_container
from models import write_model
from trimtab.cli.init import TEMPLATES
from trimtab.cli.main import run
from trimtab.model.deployment import ModelDeployment
from trimtab.model.load import load
from trimtab.model.unbuilt import refuse_unbuilt


@pytest.fixture
def made(tmp_path: Path):
    def make(template: str, *words: str) -> Path:
        project = tmp_path / "My Model"
        assert run(["init", str(project), "--template", template, *words]) == 0
        if (project / "make_data.py").exists():
            subprocess.run([sys.executable, str(project / "make_data.py")], check=True)
        return project

    return make


def document_of(project: Path) -> ModelDeployment:
    (document,) = load((project / "deployment.yaml").read_bytes(), "deployment.yaml")
    assert isinstance(document.value, ModelDeployment)
    return document.value


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_document_is_short_and_names_what_is_there(made, template):
    project = made(template)
    text = (project / "deployment.yaml").read_text()
    assert len(text.splitlines()) <= 16
    spec = document_of(project).spec
    for source in (spec.dataset and spec.dataset.source, spec.code and spec.code.source, spec.model and spec.model.source):
        assert source is None or any((project / source).iterdir())
    (document,) = load(text.encode(), "deployment.yaml")
    assert not refuse_unbuilt(document)


@pytest.mark.parametrize("template", TEMPLATES)
def test_names_stand_in_every_file_and_no_placeholder_is_left(made, template):
    project = made(template, "--namespace", "team")
    texts = [path.read_bytes() for path in project.rglob("*") if path.is_file()]
    assert not [text for text in texts if b"@NAME" in text or b"@SOURCE" in text]
    metadata = document_of(project).metadata
    assert (metadata.namespace, metadata.name) == ("team", "my-model")
    assert "team/my-model" in (project / "README.md").read_text()


@pytest.mark.parametrize("template", [name for name in TEMPLATES if name not in ("onnx", "server")])
def test_the_code_of_a_template_passes_check(made, template):
    project = made(template)
    command = [sys.executable, "-m", "trimtab_container", "check", "--code", "model", "--requirements", "requirements.txt"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.stdout == "nothing is wrong\n"


def checked(project: Path, model: str = "model") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trimtab_container", "check", "--model", str(project / model)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_model_of_the_onnx_template_answers_its_golden_request(made):
    done = checked(made("onnx"))
    assert "the golden request passes" in done.stdout
    assert done.returncode == 0


def test_the_server_of_a_template_passes_check_and_answers_its_golden_request(made):
    project = made("server")
    assert checked(project, "server").stdout.endswith("nothing is wrong\n")
    golden = json.loads((project / "server" / "golden.json").read_text())
    code = "import json, sys, server; print(json.dumps(server.invoke(sys.stdin.buffer.read())))"
    asked = json.dumps({"instances": golden["inputs"]})
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project / "server", input=asked, capture_output=True, text=True, check=True
    )
    status, answer = json.loads(done.stdout)
    assert status == 200
    for got, wanted in zip(answer["predictions"], golden["outputs"], strict=True):
        assert got == pytest.approx(wanted, abs=golden["tolerance"])


def test_the_servers_packages_are_those_of_our_own_lock(made):
    lock = (Path(trimtab_container.__file__).parent / "locks" / "serving.txt").read_text()
    for line in (made("server") / "server" / "requirements.txt").read_text().splitlines():
        assert line.removesuffix(" \\") in lock


@pytest.mark.parametrize(
    ("inputs", "text"), [("a.json", "[[0.5, 1.0]]"), ("a.csv", "0.5,1.0\n"), (None, "")], ids=["json", "csv", "made up"]
)
def test_a_model_of_ones_own_is_described_and_then_answers(made, tmp_path, inputs, text):
    write_model(tmp_path / "theirs")
    model = tmp_path / "theirs" / "model.onnx"
    project = made("onnx", "--model", str(model))
    assert [path.name for path in (project / "model").iterdir()] == ["model.onnx"]
    words = ["--classes", "a,b,c"]
    if inputs:
        (project / inputs).write_text(text)
        words += ["--inputs", str(project / inputs)]
    subprocess.run([sys.executable, str(project / "make_card.py"), *words], check=True)
    card = json.loads((project / "model" / "card.json").read_text())
    assert card["input"] == {"name": "values", "dtype": "float32", "shape": [None, 2]}
    assert card["output"] == {"name": "probabilities", "dtype": "float32", "shape": [None, 3]}
    assert card["classes"] == ["a", "b", "c"]
    if inputs:
        assert json.loads((project / "model" / "golden.json").read_text())["inputs"] == [[0.5, 1.0]]
    assert checked(project).returncode == 0


def test_labels_before_probabilities_are_not_taken_for_the_answer(made):
    # As exporters write it: `label` comes first.
    project = made("onnx")
    model = onnx.load(project / "model" / "model.onnx")
    assert [each.name for each in model.graph.output] == ["label", "probabilities"]
    before = json.loads((project / "model" / "card.json").read_text())
    subprocess.run([sys.executable, str(project / "make_card.py"), "--classes", ",".join(before["classes"])], check=True)
    assert json.loads((project / "model" / "card.json").read_text()) == before


def test_a_model_in_s3_is_named_and_not_copied(made):
    project = made("onnx", "--model", "s3://models/wine/7")
    model = document_of(project).spec.model
    assert model is not None
    assert model.source == "s3://models/wine/7"
    assert not (project / "model").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--template", "sklearn", "--model", "x.onnx"], "--model is for --template onnx"),
        (["--template", "onnx", "--model", "nowhere.onnx"], "nowhere.onnx is no file"),
        (["--template", "unknown"], "unknown"),
        (["--name", "My Model"], "write my-model"),
        (["--namespace", "a/b"], "write a-b"),
    ],
)
def test_what_cannot_be_made_leaves_nothing_behind(tmp_path, capsys, words, said):
    assert run(["init", str(tmp_path / "p"), *words]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "p").exists()


def test_a_folder_that_holds_something_is_left_alone(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("x")
    assert run(["init", str(tmp_path)]) == 1
    assert "is not empty: it holds mine.txt" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
