"""`train` keeps SageMaker's contract, in a real process, for scripts that do and that do not behave."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from models import write_model
from trimtab_container import bundle

COPY = "import os, shutil; shutil.copytree(os.environ['READY'], os.environ['SM_MODEL_DIR'], dirs_exist_ok=True)\n"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    for name in ("config", "data/code", "data/train", "data/trimtab"):
        (tmp_path / "input" / name).mkdir(parents=True)
    write_model(tmp_path / "ready")
    bundle.build(tmp_path / "launcher.pyz")
    return tmp_path


def start(base: Path, script: str, parameters: dict[str, str] | None = None) -> "subprocess.Popen[str]":
    (base / "input" / "data" / "code" / "train.py").write_text(script)
    (base / "input" / "config" / "hyperparameters.json").write_text(json.dumps(parameters or {}))
    environment = {"PATH": os.environ["PATH"], "SAGEMAKER_BASE_DIR": str(base), "READY": str(base / "ready")}
    command = [sys.executable, str(base / "launcher.pyz"), "train"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def train(base: Path, script: str, parameters: dict[str, str] | None = None) -> tuple[int, str, str]:
    """(exit code, output, failure file)."""
    process = start(base, script, parameters)
    told = process.communicate(timeout=60)[0]
    failure = base / "output" / "failure"
    return process.returncode, told, failure.read_text() if failure.exists() else ""


def test_a_script_that_writes_a_model_has_trained(base):
    code, told, failure = train(base, COPY)
    assert (code, failure) == (0, ""), told


def test_channels_and_folders_are_told_and_our_own_channels_are_not(base):
    script = COPY + "import json; print(json.dumps({k: v for k, v in os.environ.items() if k.startswith('SM_')}))"
    _, told, _ = train(base, script, {"learning-rate": "0.1"})
    told_as = json.loads(told.strip().splitlines()[-1])
    assert told_as["SM_CHANNELS"] == '["train"]'
    assert told_as["SM_CHANNEL_TRAIN"] == str(base / "input" / "data" / "train")
    assert told_as["SM_HP_LEARNING_RATE"] == told_as["SM_HP_LEARNING-RATE"] == "0.1"
    assert "SM_CHANNEL_CODE" not in told_as


@pytest.mark.parametrize("value", ["it's; touch pwned #", '"', "$(touch pwned)", "a b", "", "`id`", "--other"])
def test_a_hyper_parameter_is_one_word_whatever_is_in_it(base, value):
    script = COPY + "import sys, json; print(json.dumps(sys.argv[1:]))"
    code, told, _ = train(base, script, {"name": value, "_tuning_objective_metric": "x", "sagemaker_program": "y"})
    assert code == 0, told
    assert json.loads(told.strip().splitlines()[-1]) == ["--name", value]
    assert not list(base.rglob("pwned"))


@pytest.mark.parametrize(
    ("script", "said"),
    [
        pytest.param("raise ValueError('no column b')", "ValueError: no column b", id="exception"),
        pytest.param("import sys; sys.exit(3)", "ended with exit code 3", id="exit"),
        pytest.param("import os; os.kill(os.getpid(), 9)", "exit code 137", id="killed"),
        pytest.param("pass", "wrote no model", id="no model"),
        pytest.param(COPY + "os.remove(os.environ['SM_MODEL_DIR'] + '/card.json')", "wrote no card.json", id="no card"),
        pytest.param(
            COPY + "open(os.environ['SM_MODEL_DIR'] + '/model.onnx', 'w').write('x')", "cannot be loaded", id="broken"
        ),
        pytest.param("def f(:", "SyntaxError", id="syntax"),
    ],
)
def test_a_failure_is_said_in_the_failure_file(base, script, said):
    code, told, failure = train(base, script)
    assert code != 0
    assert said in failure, told
    assert len(failure) <= 1024


def test_a_missing_entry_point_is_named(base):
    process = start(base, "")
    process.communicate(timeout=60)
    (base / "input" / "data" / "code" / "train.py").unlink()
    environment = {"PATH": os.environ["PATH"], "SAGEMAKER_BASE_DIR": str(base)}
    done = subprocess.run(
        [sys.executable, str(base / "launcher.pyz"), "train"], env=environment, check=False, capture_output=True
    )
    assert done.returncode == 1
    assert "train.py is not in" in (base / "output" / "failure").read_text()


def test_sigterm_reaches_the_script_and_what_it_then_writes_counts(base):
    script = (
        "import os, shutil, signal, sys, time\n"
        "def stop(*_):\n"
        "    shutil.copytree(os.environ['READY'], os.environ['SM_MODEL_DIR'], dirs_exist_ok=True)\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    process = start(base, script)
    assert process.stdout is not None
    for line in process.stdout:
        if "ready" in line:
            break
    process.send_signal(signal.SIGTERM)
    told = process.communicate(timeout=30)[0]
    assert process.returncode == 0, told
