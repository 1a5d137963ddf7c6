"""What commands print for programs: data alone on stdout, talk on stderr, exit codes that say what came of it."""

import json
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from clouds import running_cloud
from trimtab.cli.drift import history_rows
from trimtab.engine.ledger import Revision
from trimtab.engine.orphans import Orphan
from trimtab.plan.drifts import Change, DriftRecord

TOP = Path(__file__).resolve().parents[2]
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
        for _ in range(40):  # a loaded machine needs more than one
            late = call("apply", "toy", "--timeout", "3s")
            assert (late.returncode, late.stdout) == (3, ""), late.stderr
            assert "timed out" in late.stderr
            if "TrainingStarted" in call("events", "toy").stdout:
                break
        assert "sagemaker.TrainingJob/training" in late.stderr
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
        pytest.param(("events", "toy"), 0, id="events"),
        pytest.param(("diff", "toy"), 2, id="diff"),
        pytest.param(("drift", "toy"), 0, id="drift"),
        pytest.param(("drift", "toy", "--history"), 0, id="drift history"),
        pytest.param(("orphans",), 0, id="orphans"),
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


def documented(page: str, command: str = "") -> set[str]:
    """Keys that a page of the reference names, in the rows of one command where its table has several."""
    text = (TOP / "docs" / "reference" / f"{page}.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith(f"| {command} |" if command else "|")]
    return {key for row in rows for key in re.findall(r"`(\w+)`", row)} if command else set(re.findall(r"`(\w+)`", text))


def keys_of(value: object) -> set[str]:
    """All keys, at every depth that a table of the reference describes."""
    if isinstance(value, list):
        return {key for each in value for key in keys_of(each)}
    if isinstance(value, dict):
        return {*value} | {key for name, each in value.items() if name not in OPEN for key in keys_of(each)}
    return set()


OPEN = ("pins", "metrics", "document", "counts")  # whose keys are not ours to fix


@pytest.mark.parametrize(
    "words",
    [
        ("events", "toy"), ("history", "toy"), ("diff", "toy"), ("drift", "toy"), ("validate", "toy"), ("doctor",),
        ("orphans",),
    ],
    ids=lambda each: each[0],
)  # fmt: skip
def test_every_key_is_documented(trimtab, words):
    found = keys_of(json.loads(trimtab(*words, "-o", "json").stdout))
    assert found or words[0] in ("history", "orphans")  # nothing was released, and nothing is left over
    assert found <= documented("output", words[0])


def test_the_keys_of_revisions_orphans_and_drift_records_are_documented_too():
    for command, of in (("history", Revision), ("orphans", Orphan)):
        assert {each.name for each in fields(of)} <= documented("output", command)
    drift = DriftRecord("a/b", (Change("size", "9", "1"),), "", "")
    rows = {"deployment": "vision/digits", "history": history_rows(SimpleNamespace(drifts=[drift]))}
    assert keys_of(rows) <= documented("output", "drift --history")


def test_every_key_of_the_status_is_documented(trimtab):
    status = json.loads(trimtab("status", "toy", "-o", "json").stdout)
    rows = json.loads(trimtab("status", "-o", "json").stdout)
    assert keys_of(status) | keys_of(rows) <= documented("status")
    (row,) = rows
    assert (row["deployment"], row["generation"], row["ready"]) == ("default/toy", 1, "Unknown")
    stages = {each["stage"]: each for each in status["stages"]}
    assert (stages["training"]["is"], stages["training"]["node"]) == ("moving", "sagemaker.TrainingJob/training")
    assert stages["image"]["waitsFor"]
    assert all(each["since"].endswith("Z") for each in status["stages"])


def test_what_began_is_told_and_what_is_under_way_is_not_told_as_done(trimtab):
    reasons = [each["reason"] for each in json.loads(trimtab("events", "toy", "-o", "json").stdout)]
    assert "TrainingStarted" in reasons
    assert "TrainingCompleted" not in reasons
    assert json.loads(trimtab("events", "toy", "-o", "json", "--since", "0s").stdout) == []


@pytest.mark.parametrize("words", [("events", "toy", "--follow"), ("status", "toy", "--watch"), ("status", "--watch")])
def test_a_stream_of_json_is_an_object_a_line_from_the_first_on(trimtab, words):
    command = [TRIMTAB, *words, "-o", "json"]
    with subprocess.Popen(command, env=trimtab.variables, cwd=trimtab.folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        first = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
    assert first


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
