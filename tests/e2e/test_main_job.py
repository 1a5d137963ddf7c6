"""The main job on a real local cloud: real training, real servers, real HTTP."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clouds import RunningCloud, running_cloud

TOP = Path(__file__).resolve().parents[2]
TRIMTAB = str(Path(sys.executable).parent / "trimtab")
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("e2e")]


def trimtab(cloud: RunningCloud, *words: str, expect: int = 0, **options: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [TRIMTAB, *words], env=cloud.variables, capture_output=True, text=True, check=False, timeout=300, **options
    )  # type: ignore[call-overload]
    assert done.returncode == expect, done.stdout + done.stderr
    return done


@pytest.fixture
def cloud(tmp_path):
    with running_cloud(tmp_path / "state") as made:
        yield made


@pytest.fixture
def project(tmp_path, cloud):
    folder = tmp_path / "project"
    trimtab(cloud, "init", str(folder), "--name", "toy")
    subprocess.run([sys.executable, str(folder / "make_data.py")], check=True)
    return folder


def test_the_demo_holds_all_it_promises():
    done = subprocess.run(
        [sys.executable, str(TOP / "scripts" / "demo.py")], capture_output=True, text=True, check=False, timeout=1800
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((TOP / "build" / "demo.json").read_text())
    assert result["served"]["accuracy"] >= 0.965
    assert result["model_edit"]["failed_requests"] == 0
    assert [each["what"] for each in result["drift"] if not each["repaired"]] == []
    assert result["bad_server"]["held"]
    assert (result["rollback"]["trained"], result["rollback"]["built"]) == (0, 0)
    assert result["retrain_after_rollback"]["held"]
    assert result["delete"] == {"leftovers": 0, "processes": 0}


def test_a_project_of_ones_own_is_served_survives_the_gateway_and_goes(cloud, project):
    document = str(project / "deployment.yaml")
    trimtab(cloud, "apply", document)
    answer = trimtab(cloud, "predict", "toy", "-", "--content-type", "application/json", input="[[0.1, 3.9]]")
    assert json.loads(answer.stdout)["labels"] == ["third"]
    os.kill(cloud.info.pid, 9)
    trimtab(
        cloud,
        "local",
        "up",
        "--state",
        str(cloud.folder),
        "--port",
        str(cloud.ports[0]),
        "--invoke-port",
        str(cloud.ports[1]),
    )
    plan = json.loads(trimtab(cloud, "plan", document, "-o", "json").stdout)
    assert plan["actions"] == []
    answer = trimtab(cloud, "predict", "toy", "-", "--content-type", "application/json", input="[[3.0, 3.0]]")
    assert json.loads(answer.stdout)["labels"] == ["second"]
    trimtab(cloud, "delete", "toy", "--yes")
    assert trimtab(cloud, "status", "-o", "json").stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        pytest.param("raise ValueError('no such column')", "ValueError: no such column", id="exit 1"),
        pytest.param("print('done')", "wrote no model", id="no model"),
        pytest.param(
            "from pathlib import Path; import os; d = Path(os.environ['SM_MODEL_DIR']);"
            "(d / 'model.onnx').write_text('x'); (d / 'card.json').write_text('{}')",
            "cannot be loaded",
            id="broken model",
        ),
    ],
)
def test_a_script_that_fails_says_why_and_nothing_is_served(cloud, project, script, said):
    (project / "model" / "train.py").write_text(script)
    done = trimtab(cloud, "apply", str(project / "deployment.yaml"), expect=1)
    assert said in done.stderr
    assert "TrainingFailed" in done.stderr
    again = trimtab(cloud, "apply", str(project / "deployment.yaml"), expect=1)
    assert "TrainingFailed" in again.stderr
    jobs = cloud.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
    assert len(jobs) == 1


def test_a_script_past_its_limit_is_stopped_and_a_longer_limit_tries_again(cloud, project):
    (project / "model" / "train.py").write_text("import time; time.sleep(600)")
    document = project / "deployment.yaml"
    text = document.read_text()
    document.write_text(text.replace("  evaluation:", "    limits: {runtime: 1s}\n  evaluation:"))
    done = trimtab(cloud, "apply", str(document), expect=1)
    assert "ran past its time limit" in done.stderr
    document.write_text(text.replace("  evaluation:", "    limits: {runtime: 2s}\n  evaluation:"))
    trimtab(cloud, "apply", str(document), expect=1)
    names = [
        job["TrainingJobName"][-3:]
        for job in cloud.client("sagemaker").list_training_jobs(SortBy="Name")["TrainingJobSummaries"]
    ]
    assert sorted(names) == ["-a1", "-a2"]


def test_an_interrupted_apply_is_continued_by_the_next(cloud, project):
    document = str(project / "deployment.yaml")
    process = subprocess.Popen([TRIMTAB, "apply", document], env=cloud.variables, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "sagemaker.TrainingJob/training" in line and "…" in line:
            break
    process.kill()
    process.wait()
    process.stderr.close()
    trimtab(cloud, "apply", document)
    assert len(cloud.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]) == 1


def test_bad_input_leaves_what_serves_untouched(cloud, project):
    document = project / "deployment.yaml"
    trimtab(cloud, "apply", str(document))
    good = document.read_text()
    for bad in ("a: [", good.replace("min: 1", "min: 0"), good.replace("./data", "./nowhere")):
        document.write_text(bad)
        trimtab(cloud, "apply", str(document), expect=1)
        answer = trimtab(cloud, "predict", "default/toy", "-", "--content-type", "application/json", input="[[0.0, 0.0]]")
        assert json.loads(answer.stdout)["labels"] == ["first"]
    shutil.rmtree(project / "data")
    document.write_text(good)
    trimtab(cloud, "apply", str(document), expect=1)


def test_two_applies_at_once_make_one_of_each(cloud, project):
    document = str(project / "deployment.yaml")
    both = [
        subprocess.Popen([TRIMTAB, "apply", document], env=cloud.variables, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = [each.communicate(timeout=300)[1] for each in both]
    assert [each.returncode for each in both] == [0, 0], told
    assert len(cloud.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]) == 1
    assert len(cloud.client("apigateway").get_rest_apis()["items"]) == 1
    assert len(cloud.client("apigateway").get_api_keys()["items"]) == 1


def test_ctrl_c_leaves_what_the_next_apply_continues(cloud, project):
    document = str(project / "deployment.yaml")
    process = subprocess.Popen([TRIMTAB, "apply", document], env=cloud.variables, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    process.stderr.readline()
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "run the same command again" in told
    trimtab(cloud, "apply", document)
    trimtab(cloud, "wait", "toy", "--timeout", "10s")
