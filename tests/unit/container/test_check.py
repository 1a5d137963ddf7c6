"""`check` finds what would fail later, at its line, and is silent about code that works."""

import json
import os
import pickle
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from models import write_model
from trimtab_container import bundle

TOP = Path(__file__).parents[3]
GOOD = """
import argparse, os
from pathlib import Path
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=1)
given = parser.parse_args()
target = Path(os.environ.get("SM_MODEL_DIR") or "/opt/ml/model")
for name in ("model.onnx", "card.json", "golden.json"):
    (target / name).write_bytes((Path(os.environ["READY"]) / name).read_bytes())
out = Path(os.environ["SM_OUTPUT_DATA_DIR"])
(out / "evaluation.json").write_text('{"metrics": {"test": {"accuracy": 0.5}}}')
"""
HOOKS = "def predict_fn(data, model): return data\n"


def check(*words: object, program: tuple[str, ...] = ("-m", "trimtab_container"), **variables: str):
    command = [sys.executable, *program, "check", *map(str, words)]
    environment = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def code(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / "code" / (name.replace("__", "/") + ("" if "." in name else ".py"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "code"


@pytest.mark.parametrize(
    ("file", "before", "after", "line", "level", "said"),
    [
        ("train", "import argparse, os", "import argparse os", 2, "error", "SyntaxError: invalid syntax"),
        ("train", '"--epochs"', '"epochs"', 5, "error", "'epochs' is positional: a script gets `--name value` only"),
        ("train", "type=int, default=1", "action='store_true'", 5, "warning", "--epochs takes no value"),
        ("train", "type=int", "type=bool", 5, "warning", '--epochs is true whatever it is given: bool("false") is True'),
        ("train", '"--epochs"', '"--rounds"', 5, "error", "there is no --epochs, and parse_args ends the script"),
        ("train", 'os.environ.get("SM_MODEL_DIR") or ', "", 7, "warning", "'/opt/ml/model' is written out"),
        ("train", '"golden.json"', '"other.json"', 0, "warning", "nothing names golden.json"),
        ("train", '"SM_MODEL_DIR") or "/opt/ml/model"', '"HERE")', 0, "warning", "SM_MODEL_DIR: where does the model go?"),
        ("train", "import argparse, os", "import argparse, os, joblib", 2, "warning", "it imports joblib"),
        ("train", "import argparse, os", "import argparse, os; import helper", 0, "", ""),
        (
            "inference",
            "(data, model)",
            "(data)",
            1,
            "error",
            "predict_fn takes 1 argument; predict_fn(data, model[, context])",
        ),
        ("inference", "def predict_fn", "async def predict_fn", 1, "error", "predict_fn is async"),
        ("inference", "predict_fn(data, model)", "transform_fn(a, b, c, d)", 1, "error", "transform_fn is not supported"),
        ("inference", "def predict_fn", "def predict", 1, "error", "it defines none of model_fn"),
        ("inference", "def", "import pandas\ndef", 1, "error", "pandas is not in the serving image"),
        ("inference", "def", "import helper\ndef", 1, "warning", "helper is not among the serving files"),
        ("inference", "def", "from serve import more\ndef", 0, "", ""),
        ("inference", "def", "try:\n    import pandas\nexcept ImportError:\n    pandas = None\ndef", 0, "", ""),
        (
            "inference",
            "return data",
            "import pickle; return pickle.load(data)",
            1,
            "warning",
            "pickle.load runs whatever code",
        ),
        ("inference", "return data", "import numpy, onnxruntime, google.protobuf; return data", 0, "", ""),
        ("helper", "x = 1", "x = (", 0, "", ""),  # nothing imports it
        ("serve__more", "x = 1", "x = 1", 0, "", ""),
        ("serve__golden.json", '"response"', '"answer"', 0, "error", "request.body or response.body is missing"),
    ],
)
def test_each_mistake_is_found_at_its_line_and_nothing_else_is(tmp_path, file, before, after, line, level, said):
    golden = '{"request": {"body": []}, "response": {"body": []}}'
    files = {"train": GOOD, "inference": HOOKS, "helper": "x = 1\n", "serve__more": "x = 1\n", "serve__golden.json": golden}
    assert before in files[file]
    folder = code(tmp_path, **files | {file: files[file].replace(before, after, 1)})
    done = check("--code", folder, "--set", "epochs=1", "--json")
    found = json.loads(done.stdout)["findings"]
    assert done.returncode == (1 if level == "error" else 0), done.stdout
    assert [(each["line"], each["level"]) for each in found] == ([(line, level)] if level else []), done.stdout
    assert all(said in each["text"] and each["fix"] for each in found)
    name = file.replace("__", "/") + ("" if "." in file else ".py")
    assert all(each["file"] == str(folder / name) for each in found)


def test_a_finding_is_a_line_that_editors_can_follow_and_a_fix(tmp_path):
    folder = code(tmp_path, train="import os\nx = (\n")
    done = check("--code", folder)
    assert done.stdout.splitlines()[0] == f"{folder}/train.py:2: error: SyntaxError: '(' was never closed"
    assert done.stdout.splitlines()[1:] == ["  fix: correct the line", "1 error, 0 warnings"]
    assert done.returncode == 1


def test_a_mistake_in_a_module_that_the_script_imports_is_found(tmp_path):
    folder = code(tmp_path, train=GOOD + "from deep import one\n", deep____init__="", deep__one="def f(:\n")
    assert f"{folder}/deep/one.py:1: error: SyntaxError" in check("--code", folder).stdout


@pytest.mark.parametrize("words", [[], ["--entry-point", "other.py"]])
def test_a_missing_entry_point_is_named_with_what_is_there(tmp_path, words):
    folder = code(tmp_path, main=GOOD)
    done = check("--code", folder, *words)
    assert "the entry point is not there" in done.stdout
    assert "main.py" in done.stdout
    assert done.returncode == 1


def test_a_folder_that_only_serves_needs_no_training_script(tmp_path):
    assert check("--code", code(tmp_path, inference=HOOKS)).stdout == "nothing is wrong\n"


def test_imports_are_held_against_the_packages_of_the_training_image(tmp_path):
    body = "import numpy\nimport sklearn.svm\nimport torch\nimport yaml\nimport google.cloud\nimport unheard_of\n"
    folder = code(tmp_path, train=body + GOOD)
    lock = TOP / "operator" / "trimtab" / "local" / "locks" / "sklearn-training.txt"
    found = json.loads(check("--code", folder, "--requirements", lock, "--json").stdout)["findings"]
    # Which package brings yaml is known: it is not there. Of the others only the name can be compared.
    assert [(each["line"], each["level"]) for each in found] == [(3, "warning"), (4, "error"), (6, "warning")]
    assert "pyyaml" in found[1]["fix"]
    loose = tmp_path / "requirements.txt"
    loose.write_text("numpy>=2  # a comment\nscikit_learn\nTorch\nPyYAML\n-r more.txt\n")
    assert check("--code", folder, "--requirements", loose).stdout == "nothing is wrong\n"  # more.txt is unknown


@pytest.mark.parametrize(
    "project", ["examples/digits", *(f"operator/trimtab/cli/templates/{t}" for t in ("pytorch", "sklearn"))]
)
def test_code_that_works_is_not_spoken_of(project):
    started = time.monotonic()
    assert check("--code", TOP / project / "model").stdout == "nothing is wrong\n"
    assert time.monotonic() - started < 5


def changed(file: str, change):
    def apply(folder: Path) -> None:
        path = folder / file
        path.write_text(json.dumps(change(json.loads(path.read_text()))))

    return apply


def two_inputs(folder: Path) -> None:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2]) for name in ("values", "more", "sum")]
    graph = helper.make_graph([helper.make_node("Add", ["values", "more"], ["sum"])], "g", ends[:2], ends[2:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), folder / "model.onnx")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (shutil.rmtree, "there is no model: it is no folder"),
        (lambda folder: (folder / "model.onnx").unlink(), "holds no model.onnx"),
        (lambda folder: (folder / "golden.json").unlink(), "holds no golden.json"),
        (lambda folder: (folder / "model.onnx").write_bytes(b"no model"), "model.onnx cannot be loaded"),
        (lambda folder: (folder / "m.joblib").write_bytes(b""), "m.joblib: error: it is pickled"),
        (lambda folder: (folder / "weights").write_bytes(pickle.dumps([1])), "weights: error: it is pickled"),
        (lambda folder: np.save(folder / "x.npy", np.array([{}]), allow_pickle=True), "x.npy: error: it is pickled"),
        (changed("golden.json", lambda it: it | {"outputs": [[0, 0, 1]] * 2}), "answered otherwise than in training"),
        (
            changed("card.json", lambda it: it | {"input": it["input"] | {"dtype": "uint8"}}),
            "as uint8; the model takes float32",
        ),
        (changed("card.json", lambda it: it | {"input": it["input"] | {"name": "x"}}), "card.json speaks of input x"),
        (two_inputs, "the model has inputs values, more: one is served"),
    ],
)
def test_a_model_that_cannot_be_served_is_refused(tmp_path, damage, said):
    write_model(tmp_path / "model")
    assert "input values float32 [None, 2]; output probabilities" in check("--model", tmp_path / "model").stdout
    damage(tmp_path / "model")
    done = check("--model", tmp_path / "model")
    assert said in done.stdout
    assert done.returncode == 1


def test_weights_that_torch_saved_are_found_by_their_content(tmp_path):
    import zipfile

    write_model(tmp_path / "model")
    with zipfile.ZipFile(tmp_path / "model" / "weights.bin", "w") as archive:
        archive.writestr("weights/data.pkl", b"x")
    assert "weights.bin: error: it is pickled" in check("--model", tmp_path / "model").stdout


def test_a_model_is_proven_with_the_code_that_serves_it(tmp_path):
    write_model(tmp_path / "model")
    folder = code(tmp_path, inference="def output_fn(prediction, accept):\n    return prediction.nope\n")
    assert check("--model", tmp_path / "model").returncode == 0
    done = check("--model", tmp_path / "model", "--code", folder)
    assert "output_fn raised AttributeError" in done.stdout
    assert done.returncode == 1


@pytest.fixture
def trial(tmp_path):
    """Runs `check --train` on a script; returns what it prints."""
    write_model(tmp_path / "ready")
    (tmp_path / "data" / "train").mkdir(parents=True)
    (tmp_path / "data" / "train" / "a.csv").write_text("1")

    def run(script: str, *words: str, **options):
        folder = code(tmp_path, train=script)
        given = ("--code", folder, "--train", "--data", tmp_path / "data", *words)
        return check(*given, READY=str(tmp_path / "ready"), TMPDIR=str(tmp_path), **options)

    return run


def test_a_trial_runs_the_script_and_says_what_came_out(trial, tmp_path):
    done = trial(GOOD + "print((Path(os.environ['SM_CHANNEL_TRAIN']) / 'a.csv').read_text())\n", "--set", "epochs=3")
    assert done.returncode == 0, done.stdout
    assert "exit code 0" in done.stdout
    assert "metric test:accuracy = 0.5" in done.stdout
    assert "the golden request passes" in done.stdout
    assert done.stdout.endswith("nothing is wrong\n")
    assert not list(tmp_path.glob("trimtab-check-*"))


def test_a_trial_that_fails_is_told_at_the_users_own_line(trial, tmp_path):
    script = GOOD + "\ndef f():\n    import json\n    json.loads('{')\nf()\n"
    line = 1 + script.splitlines().index("    json.loads('{')")
    done = trial(script)
    assert (
        f"{tmp_path}/code/train.py:{line}: error: training ended with exit code 1: json.decoder.JSONDecodeError"
        in done.stdout
    )
    assert done.returncode == 1


def test_a_trial_that_writes_no_model_is_an_error(trial):
    done = trial(GOOD.replace("(target / name).write_bytes", "print"))
    assert "the script wrote no model" in done.stdout
    assert done.returncode == 1


def test_a_trial_without_metrics_is_warned_of(trial):
    done = trial(GOOD.replace('"evaluation.json"', '"other.json"'))
    assert "warning: no metric for a gate: the script wrote no evaluation.json" in done.stdout
    assert done.returncode == 0


def test_a_trial_that_takes_too_long_is_stopped_with_all_that_it_started(trial, tmp_path):
    pid = tmp_path / "pid"
    script = GOOD + f"import signal, time\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    done = trial(script, "--seconds", "1.5")
    assert "was stopped after" in done.stdout
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_the_launcher_alone_can_check_and_try(trial, tmp_path):
    bundle.build(tmp_path / "launcher.pyz")
    assert trial(GOOD, program=(str(tmp_path / "launcher.pyz"),)).stdout.endswith("nothing is wrong\n")


def test_wrong_usage_has_a_code_of_its_own(tmp_path):
    assert check("--train", "--code", tmp_path).returncode == 2
    assert check("--set", "epochs").returncode == 2


EVALUATE = """
import os
from pathlib import Path
import scores
metrics = scores.measure(Path(os.environ["SM_MODEL_DIR"]), Path(os.environ["SM_CHANNEL_TEST"]))
Path(os.environ["SM_OUTPUT_DATA_DIR"], "evaluation.json").write_text(metrics)
"""


@pytest.mark.parametrize(
    ("files", "line", "level", "said"),
    [
        pytest.param({}, 0, "", "", id="right"),
        pytest.param({"evaluate": EVALUATE + "x = (\n"}, 7, "error", "SyntaxError", id="syntax"),
        pytest.param({"evaluate": EVALUATE.replace("SM_MODEL_DIR", "M")}, 0, "warning", "which model does it", id="model"),
        pytest.param({"evaluate": EVALUATE.replace("evaluation.json", "e")}, 0, "warning", "evaluation.json", id="metrics"),
        pytest.param(
            {"evaluate": EVALUATE + "p.add_argument('--model', required=True)\n"},
            7,
            "error",
            "--model must be",
            id="required",
        ),
        pytest.param(
            {"evaluate": EVALUATE + "p.add_argument('model')\n"}, 7, "error", "model must be given", id="positional"
        ),
        pytest.param({"evaluate": EVALUATE + "p.add_argument('model', nargs='?')\n"}, 0, "", "", id="optional"),
        pytest.param({"evaluate": EVALUATE + "import joblib\n"}, 7, "warning", "it imports joblib", id="pickles"),
        pytest.param(
            {"train": GOOD + "import evaluate\n"}, 0, "warning", "train.py imports it, and it is not among", id="imported"
        ),
    ],
)
def test_the_script_that_evaluates_a_model_is_looked_at_too(tmp_path, files, line, level, said):
    folder = code(tmp_path, **{"train": GOOD, "scores": "def measure(*_): ...\n", "evaluate": EVALUATE} | files)
    done = check("--code", folder, "--json")
    found = json.loads(done.stdout)["findings"]
    assert [(each["line"], each["level"]) for each in found] == ([(line, level)] if level else []), done.stdout
    assert all(said in each["text"] and each["file"] == str(folder / "evaluate.py") for each in found)


def test_what_evaluates_a_model_cannot_use_what_only_serves(tmp_path):
    folder = code(tmp_path, train=GOOD, inference=HOOKS, evaluate=EVALUATE.replace("scores", "inference"))
    (found,) = json.loads(check("--code", folder, "--json").stdout)["findings"]
    assert (found["file"], found["text"]) == (
        str(folder / "inference.py"),
        "evaluate.py imports it, and it is not among the files of the job",
    )
