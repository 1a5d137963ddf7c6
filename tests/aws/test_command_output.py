"""What commands print for programs: data alone on stdout, talk on stderr, exit codes that say what came of it."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from clouds import running_cloud

TRIMTAB = str(Path(sys.executable).parent / "trimtab")
READ = {"json": json.loads, "yaml": yaml.safe_load}


@dataclass
class Program:
    """Runs commands beside a cloud."""

    folder: Path
    variables: dict[str, str]

    def __call__(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**self.variables, **variables}
        return subprocess.run(
            [TRIMTAB, *words], env=environment, cwd=self.folder, capture_output=True, text=True, check=False, timeout=120
        )


@pytest.fixture(scope="module")
def trimtab(tmp_path_factory):
    """On a cloud where `toy` was applied until its training began."""
    folder = tmp_path_factory.mktemp("output")
    with running_cloud(folder / "state") as cloud:
        call = Program(folder, cloud.variables)
        assert call("init", "toy", "--name", "toy").returncode == 0
        subprocess.run([sys.executable, "toy/make_data.py"], cwd=folder, check=True)
        train = folder / "toy" / "model" / "train.py"
        train.write_text("import time\ntime.sleep(600)\n" + train.read_text())
        first = call("plan", "toy", "-o", "json")
        assert (first.returncode, json.loads(first.stdout)["generation"]) == (2, 1), first.stderr
        late = call("apply", "toy", "--timeout", "3s")
        assert late.returncode == 3, late.stderr
        assert "timed out" in late.stderr
        assert "sagemaker.TrainingJob/training" in late.stderr
        assert late.stdout == ""
        yield call


@pytest.mark.parametrize("output", READ)
@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(("plan", "toy"), 2, id="plan"),
        pytest.param(("validate", "toy"), 0, id="validate"),
        pytest.param(("status",), 0, id="list"),
        pytest.param(("status", "toy"), 0, id="status"),
        pytest.param(("history", "toy"), 0, id="history"),
        pytest.param(("local", "status"), 0, id="local status"),
        pytest.param(("doctor",), 0, id="doctor"),
    ],
)
def test_what_is_printed_for_programs_can_be_read_by_them(trimtab, words, code, output):
    done = trimtab(*words, "-o", output, COLUMNS="20", FORCE_COLOR="1")
    assert done.returncode == code, done.stderr
    assert isinstance(READ[output](done.stdout), (dict, list))
    assert done.stderr == ""
    assert "\x1b" not in done.stdout


def test_a_plan_is_the_same_in_both_formats(trimtab):
    texts = [trimtab("plan", "toy", "-o", output).stdout for output in READ]
    assert json.loads(texts[0]) == yaml.safe_load(texts[1])


def test_waiting_past_the_time_exits_3(trimtab):
    assert trimtab("wait", "toy", "--timeout", "0s", "--for", "serving").returncode == 3


def test_a_mistake_leaves_stdout_empty(trimtab):
    done = trimtab("plan", "nowhere.yaml", "-o", "json")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nowhere.yaml cannot be read" in done.stderr


def test_deleting_where_nobody_can_be_asked_needs_yes(trimtab):
    done = trimtab("delete", "toy")
    assert done.returncode == 1
    assert "--yes" in done.stderr


def test_an_edit_stands_at_what_it_makes_anew(trimtab, tmp_path):
    folder = tmp_path / "edited"
    shutil.copytree(trimtab.folder / "toy", folder)
    document = folder / "deployment.yaml"
    document.write_text(document.read_text().replace("epochs: 30", "epochs: 31"))
    with (folder / "data" / "train" / "records.csv").open("a") as file:
        file.write("0.5,0.5,1\n")
    done = trimtab("plan", str(document), "-o", "json")
    assert done.returncode == 2, done.stderr
    rows = {row["node"]: row for row in json.loads(done.stdout)["actions"]}
    data, epochs = rows["sagemaker.TrainingJob/training"]["inputs"]
    assert epochs == {"path": "spec.training.hyperparameters.epochs", "from": 30, "to": 31}
    assert data["files"] == {"added": [], "changed": ["train/records.csv"], "removed": []}
    assert rows["sagemaker.TrainingJob/training"]["does"] == "retrain"
    assert rows["trimtab.Artifact/model"]["causedBy"] == "sagemaker.TrainingJob/training"
