"""`evaluate` measures a model where a processing job's inputs lie, by the script that also runs on a laptop."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from trimtab_container import bundle

SCRIPT = """
import json, os, pathlib, sys
import shared
model = pathlib.Path(os.environ["SM_MODEL_DIR"], "weight").read_text()
rows = pathlib.Path(os.environ["SM_CHANNEL_TEST"], "rows").read_text()
metrics = {"test": {"accuracy": shared.score(model, rows)}}
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "evaluation.json").write_text(json.dumps({"metrics": metrics}))
print(json.dumps({"words": sys.argv[1:], "channels": os.environ["SM_CHANNELS"], "hosts": os.environ["SM_HOSTS"]}))
"""
SHARED = "def score(model, rows): return float(model) / len(rows)\n"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """/opt/ml as SageMaker lays it out for a processing job."""
    inputs = tmp_path / "processing" / "input"
    for name, text in (("model/weight", "1.5"), ("data/test/rows", "abc"), ("code/shared.py", SHARED)):
        (inputs / name).parent.mkdir(parents=True)
        (inputs / name).write_text(text)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "resourceconfig.json").write_text('{"current_host": "algo-1", "hosts": ["algo-1"]}')
    bundle.build(tmp_path / "launcher.pyz")
    return tmp_path


def evaluate(base: Path, script: str | None, place: str = "script/evaluate.py", **variables: str) -> tuple[int, str, str]:
    """(exit code, output, exit message)."""
    if script is not None:
        file = base / "processing" / "input" / place
        file.parent.mkdir(exist_ok=True)
        file.write_text(script)
    environment = {"PATH": os.environ["PATH"], "SAGEMAKER_BASE_DIR": str(base), **variables}
    command = [sys.executable, str(base / "launcher.pyz"), "evaluate"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    message = base / "output" / "message"
    return done.returncode, done.stdout + done.stderr, message.read_text() if message.exists() else ""


def test_the_script_finds_model_data_and_the_code_beside_it(base):
    code, told, message = evaluate(base, SCRIPT)
    assert (code, message) == (0, ""), told
    written = json.loads((base / "processing" / "output" / "evaluation.json").read_text())
    assert written == {"metrics": {"test": {"accuracy": 0.5}}}
    said = json.loads(told.strip().splitlines()[-1])
    assert said == {"words": [], "channels": '["test"]', "hosts": '["algo-1"]'}
    assert sorted(each.name for each in (base / "processing" / "input" / "code").iterdir()) == ["shared.py"]


def test_a_script_of_another_name_among_the_code_is_found_too(base):
    assert evaluate(base, SCRIPT, "code/score.py", TRIMTAB_ENTRY_POINT="score.py")[0] == 0


@pytest.mark.parametrize(
    ("script", "said"),
    [
        pytest.param(None, "the entry point evaluate.py is not in", id="no script"),
        pytest.param("raise ValueError('no column b')", "ValueError: no column b", id="exception"),
        pytest.param("pass", "the script wrote no evaluation.json", id="nothing written"),
        pytest.param(
            SCRIPT.replace("shared.score(model, rows)", "float('nan')"), "evaluation.json: test is not a finite", id="NaN"
        ),
    ],
)
def test_what_went_wrong_is_the_exit_message(base, script, said):
    code, told, message = evaluate(base, script)
    assert code != 0
    assert said in message, told
    assert len(message) <= 1024
