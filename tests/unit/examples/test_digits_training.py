"""The training script of the digits example, run for real with the locked training packages."""

import ast
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trimtab_container.digests import folder_digest
from trimtab_container.evaluate import evaluation_problem
from trimtab_container.model import load

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("digits-training")]  # it trains once for all
EXAMPLE = Path(__file__).parents[3] / "examples" / "digits"
CODE = EXAMPLE / "model"
ARTIFACTS = ["card.json", "golden.json", "model.onnx", "model.safetensors"]


@pytest.fixture(scope="module")
def python() -> str:
    from trimtab.local.environments import cache_folder, environment_for, training_lock

    return str(environment_for(training_lock("pytorch"), cache_folder()) / "bin" / "python3")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits") / "data"
    subprocess.run([sys.executable, str(EXAMPLE / "get_data.py"), str(folder)], check=True, capture_output=True)
    return folder


def environment(data: Path, target: Path, **more: str) -> dict[str, str]:
    """What a job is given. Where SageMaker's folders would be, there is nothing."""
    channels = {f"SM_CHANNEL_{name.upper()}": str(data / name) for name in ("train", "validation", "test")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SM_", "SAGEMAKER_"))}
    folders = {"SM_MODEL_DIR": str(target / "model"), "SM_OUTPUT_DATA_DIR": str(target / "output")}
    return {**kept, **channels, **folders, "SAGEMAKER_BASE_DIR": str(target / "ml"), "PYTHONDONTWRITEBYTECODE": "1", **more}


def train(
    python: str, data: Path, target: Path, *words: str, code: Path = CODE, **more: str
) -> subprocess.CompletedProcess[str]:
    command = [python, str(code / "train.py"), *words]
    return subprocess.run(
        command, env=environment(data, target, **more), cwd=target, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture(scope="module")
def trained(python: str, data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The example as it is declared: (its folders, what it printed)."""
    target = tmp_path_factory.mktemp("trained")
    done = train(python, data, target)
    assert done.returncode == 0, done.stderr
    return target, done.stdout


def read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def softmax_answers(model: Path, images: np.ndarray) -> np.ndarray:
    import onnxruntime

    return onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"]).run(None, {"images": images})[0]


def test_its_defaults_reach_97_of_100_held_out_images(trained: tuple[Path, str], data: Path):
    evaluation = read(trained[0] / "output" / "evaluation.json")
    assert evaluation_problem(trained[0] / "output" / "evaluation.json") == ""
    assert evaluation["metrics"]["test"]["accuracy"] >= 0.97
    assert evaluation["dataset"] == {"channel": "test", "records": 1000, "digest": folder_digest(data / "test")}


@pytest.mark.parametrize("part", ["validation", "test"])
def test_evaluation_says_what_the_exported_model_does(trained: tuple[Path, str], data: Path, part: str):
    evaluation = read(trained[0] / "output" / "evaluation.json")
    labels = np.load(data / part / "labels.npy")
    answers = softmax_answers(trained[0] / "model" / "model.onnx", np.load(data / part / "images.npy"))
    guessed = answers.argmax(axis=1)
    found = evaluation["metrics"][part]
    assert found["accuracy"] == pytest.approx((guessed == labels).mean(), abs=1e-12)
    assert found["loss"] == pytest.approx(-np.log(answers[np.arange(len(labels)), labels].astype(float)).mean(), abs=1e-4)
    for digit in range(10):
        both = ((guessed == digit) & (labels == digit)).sum()
        assert evaluation["classes"][part][str(digit)] == {
            "records": (labels == digit).sum(),
            "recall": pytest.approx(both / (labels == digit).sum()),
            "precision": pytest.approx(both / (guessed == digit).sum()),
        }


def test_the_model_is_measured_again_as_in_training(trained: tuple[Path, str], python: str, data: Path, tmp_path: Path):
    given = environment(data, trained[0]) | {"SM_OUTPUT_DATA_DIR": str(tmp_path)}
    subprocess.run([python, str(CODE / "evaluate.py")], env=given, cwd=tmp_path, check=True, capture_output=True)
    assert evaluation_problem(tmp_path / "evaluation.json") == ""
    again, before = read(tmp_path / "evaluation.json"), read(trained[0] / "output" / "evaluation.json")
    assert again["dataset"] == before["dataset"]
    assert again["metrics"]["test"]["accuracy"] == before["metrics"]["test"]["accuracy"]
    assert again["metrics"]["test"]["loss"] == pytest.approx(before["metrics"]["test"]["loss"], abs=1e-4)


def test_the_model_is_one_that_the_server_takes(trained: tuple[Path, str], data: Path):
    folder = trained[0] / "model"
    assert sorted(path.name for path in folder.iterdir()) == ARTIFACTS
    model = load(folder)  # runs the golden request
    assert model.input.dtype == np.uint8
    assert model.input.shape == (None, 28, 28)
    images = np.load(data / "test" / "images.npy")
    for count in (1, 3, 1000):
        assert model.predict(images[:count]).shape == (count, 10)
    assert np.allclose(model.predict(images).sum(axis=1), 1, atol=1e-5)
    golden = read(folder / "golden.json")
    assert golden["inputs"] == images[: len(golden["inputs"])].tolist()
    assert model.card["metrics"] == read(trained[0] / "output" / "evaluation.json")["metrics"]


def test_there_is_one_metric_line_an_epoch(trained: tuple[Path, str]):
    lines = [line for line in trained[1].splitlines() if line.startswith("epoch=")]
    assert [int(line.partition(";")[0].removeprefix("epoch=")) for line in lines] == list(range(1, 9))
    for line in lines:
        names = [part.partition("=")[0] for part in line.removesuffix(";").split("; ")]
        assert names == ["epoch", "train:loss", "validation:accuracy", "validation:loss"]
    evaluation = read(trained[0] / "output" / "evaluation.json")["metrics"]
    assert f"validation:accuracy={evaluation['validation']['accuracy']:.4f};" in lines[-1]
    assert f"test:accuracy={evaluation['test']['accuracy']:.4f};" in trained[1]


def test_another_folder_and_more_processors_give_the_same_bytes(python: str, data: Path, tmp_path: Path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for source in CODE.glob("*.py"):
        (elsewhere / source.name).write_bytes(source.read_bytes())
    made: list[str] = []
    for number, code in enumerate((CODE, elsewhere)):
        target = tmp_path / f"run{number}"
        target.mkdir()
        done = train(python, data, target, "--epochs", "1", code=code, OMP_NUM_THREADS=str(1 + 2 * number))
        assert done.returncode == 0, done.stderr
        made.append(folder_digest(target / "model"))
    assert made[0] == made[1]


def test_sigterm_ends_it_early_with_a_model_and_its_measure(python: str, data: Path, tmp_path: Path):
    command = [python, "-u", str(CODE / "train.py"), "--epochs", "1000"]
    process = subprocess.Popen(command, env=environment(data, tmp_path), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("epoch=1;")
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "stopped after step " in out
    card = load(tmp_path / "model").card
    assert card["training"]["stopped"] is True
    assert 219 <= card["training"]["steps"] < 219_000
    assert evaluation_problem(tmp_path / "output" / "evaluation.json") == ""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        pytest.param(["--learning-rate", "1e9"], 1, "the loss is nan in step", id="a loss that is no number"),
        pytest.param(
            ["--learning-rte", "0.1"], 2, "unrecognized arguments: --learning-rte", id="a misspelt hyper-parameter"
        ),
        pytest.param(["--epochs", "0"], 2, "must be 1 or more, not 0", id="no epoch"),
    ],
)
def test_what_cannot_work_ends_with_a_sentence_and_no_model(
    python: str, data: Path, tmp_path: Path, words: list[str], code: int, said: str
):
    done = train(python, data, tmp_path, *words)
    assert (done.returncode, list(tmp_path.rglob("model.onnx"))) == (code, [])
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_data_that_is_not_there_is_named(python: str, tmp_path: Path):
    done = train(python, tmp_path / "nowhere", tmp_path)
    assert done.returncode == 1
    assert "nowhere/train holds no images.npy: run get_data.py first" in done.stderr


def test_in_sagemaker_it_reads_the_written_hyper_parameters_and_leaves_a_failure_file(
    python: str, data: Path, tmp_path: Path
):
    base = tmp_path / "ml"
    (base / "input" / "config").mkdir(parents=True)
    (base / "input" / "data").symlink_to(data)
    given = {"epochs": "1", "learning-rate": "1e9", "_tuning_objective_metric": "x", "sagemaker_program": "train.py"}
    (base / "input" / "config" / "hyperparameters.json").write_text(json.dumps(given))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SM_")}
    command = [python, str(CODE / "train.py"), "train"]
    done = subprocess.run(
        command, env={**kept, "SAGEMAKER_BASE_DIR": str(base)}, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "the loss is nan" in (base / "output" / "failure").read_text()


def test_nothing_is_pickled():
    for source in CODE.glob("*.py"):
        calls = [node for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Call)]
        names = [ast.unparse(call.func) for call in calls]
        assert not {"torch.save", "torch.load", "pickle.dump", "pickle.load"} & set(names), source.name
        loads = [call for call, name in zip(calls, names, strict=True) if name == "np.load"]
        assert all("allow_pickle=False" in ast.unparse(call) for call in loads), source.name
