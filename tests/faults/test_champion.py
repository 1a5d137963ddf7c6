"""The champion on other test data: evaluated again by a real processing job, once, and never passed by silently."""

import json
from pathlib import Path

import pytest

from clouds import RunningCloud
from faults.test_releases import Counted, asked_throughout, conditions, edit, full_name, outcomes, run, status
from quick_rollout import apply, delete, name_of

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("champion")]

# A model is as good as its skill says: it answers those rows of the test data right that are no larger.
SCORES = """
import json, os, pathlib
def measure(skill):
    rows = pathlib.Path(os.environ["SM_CHANNEL_TEST"], "rows").read_text().split()
    metrics = {"test": {"accuracy": sum(int(each) <= skill for each in rows) / len(rows)}}
    pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "evaluation.json").write_text(json.dumps({"metrics": metrics}))
"""
TRAIN = """
import argparse, os, pathlib, shutil
import scores
parser = argparse.ArgumentParser()
parser.add_argument("--skill", type=int)
given = parser.parse_args()
target = pathlib.Path(os.environ["SM_MODEL_DIR"])
shutil.copytree(pathlib.Path(__file__).parent / "ready", target, dirs_exist_ok=True)
(target / "skill").write_text(str(given.skill))
scores.measure(given.skill)
"""
EVALUATE = """
import os, pathlib
import scores
scores.measure(int(pathlib.Path(os.environ["SM_MODEL_DIR"], "skill").read_text()))
"""
DOCUMENT = """
apiVersion: trimtab.dev/v1alpha1
kind: ModelDeployment
metadata: {name: @NAME@, namespace: crash}
spec:
  dataset: {source: ./data}
  code: {source: ./model}
  training: {framework: {name: pytorch, version: "2.x"}, hyperparameters: {skill: 9}}
  evaluation: {champion: {metric: "test:accuracy", toleratedLoss: 0.1}}
  serving: {replicas: {min: 1}}
"""


@pytest.fixture
def learner(project: Path) -> Path:
    """A document whose models differ in skill; the first is right on 9 rows of 10."""
    folder = project.parent
    (folder / "data" / "test" / "x").unlink()
    rows(project, 10)
    for name, text in (("scores", SCORES), ("train", TRAIN), ("evaluate", EVALUATE)):
        (folder / "model" / f"{name}.py").write_text(text)
    project.write_text(DOCUMENT.replace("@NAME@", name_of(project)))
    return project


def rows(project: Path, count: int) -> None:
    (project.parent / "data" / "test" / "rows").write_text(" ".join(str(each + 1) for each in range(count)))


def jobs(cloud: RunningCloud, project: Path) -> tuple[int, int]:
    """(training jobs, processing jobs) of the deployment."""
    client, name = cloud.client("sagemaker"), name_of(project)
    trained = client.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
    processed = client.list_processing_jobs(MaxResults=100)["ProcessingJobSummaries"]
    return (
        sum(name in each["TrainingJobName"] for each in trained),
        sum(name in each["ProcessingJobName"] for each in processed),
    )


def last(project: Path) -> dict:
    return json.loads(run("history", full_name(project), "-o", "json")[1])[-1]


def evaluated(project: Path) -> tuple[str, str, str]:
    (found,) = [each for each in status(project)["conditions"] if each["type"] == "Evaluated"]
    return found["status"], found["reason"], found["message"]


def test_a_candidate_meets_the_champion_on_its_own_test_data(cloud, learner):
    assert apply(learner).how == "converged"
    assert jobs(cloud, learner) == (1, 0)  # the first meets nobody

    rows(learner, 20)  # the champion is right on 9 of these
    edit(learner, "skill: 9", "skill: 5")
    code, shown, _ = run("plan", str(learner), "-o", "json")
    does = {row["node"]: row["does"] for row in json.loads(shown)["actions"]}
    assert (code, does["sagemaker.ProcessingJob/champion"]) == (2, "create")
    with asked_throughout(learner) as codes:
        assert apply(learner).how == "stuck"
    assert set(codes) == {200}
    seen = conditions(learner)
    assert (seen["Evaluated"], seen["Serving"][0]) == (("False", "GateNotMet"), "True")
    said = "test:accuracy is 0.25, more than 0.1 below the champion's 0.45, evaluated again on this test data"
    assert (last(learner)["outcome"], last(learner)["because"]) == ("GateFailed", said)
    assert jobs(cloud, learner) == (2, 1)

    again = Counted()
    assert apply(learner, again).how == "stuck"
    assert (again.made, jobs(cloud, learner)) == ([], (2, 1))

    edit(learner, "skill: 5", "skill: 8")  # the same champion on the same data: no second job
    assert apply(learner).how == "converged"
    assert jobs(cloud, learner) == (3, 1)
    said = "test:accuracy is 0.4 beside the champion's 0.45, evaluated again on this test data"
    assert evaluated(learner) == ("True", "AsDeclared", said)
    assert last(learner)["notes"] == [said]
    assert said in run("history", full_name(learner))[1]
    assert "trimtab: running evaluate.py" in run("logs", full_name(learner), "--stage", "training")[1]

    assert run("plan", str(learner))[0] == 0
    assert conditions(learner)["Ready"] == ("True", "Ready")
    again = Counted()
    assert apply(learner, again).how == "converged"
    assert (again.made, jobs(cloud, learner)) == ([], (3, 1))

    assert delete(learner).how == "gone"
    assert jobs(cloud, learner) == (0, 0)
    assert left_in_buckets(cloud) == []


def test_a_champion_that_cannot_be_evaluated_is_not_passed_by(cloud, learner):
    assert apply(learner).how == "converged"
    rows(learner, 20)
    edit(learner, "skill: 9", "skill: 10")
    script = learner.parent / "model" / "evaluate.py"
    script.write_text("raise ValueError('no such column')")
    assert apply(learner).how == "stuck"
    state, reason, message = evaluated(learner)
    assert (state, reason) == ("False", "ChampionUnevaluated")
    assert "ValueError: no such column" in message
    seen = conditions(learner)
    assert (seen["Ready"], seen["Stalled"][0], seen["Serving"][0]) == (("False", "ChampionUnevaluated"), "True", "True")
    assert outcomes(learner) == ["Serving", "GateFailed"]

    script.write_text(EVALUATE)  # another script evaluates again, and trains nothing
    assert apply(learner).how == "converged"
    assert jobs(cloud, learner) == (2, 2)
    assert outcomes(learner) == ["Superseded", "GateFailed", "Serving"]

    script.unlink()  # without one the model is not compared, and that is said beforehand and afterwards
    rows(learner, 30)
    edit(learner, "skill: 10", "skill: 11")
    said = "it was evaluated on other test data, and the code has no evaluate.py to evaluate it again"
    assert said in run("plan", str(learner))[1].splitlines()[-3]
    assert apply(learner).how == "converged"
    state, reason, message = evaluated(learner)
    assert (state, reason, message.partition(": ")[2]) == ("True", "ChampionNotCompared", said)
    assert jobs(cloud, learner) == (3, 2)
    assert delete(learner).how == "gone"
    assert jobs(cloud, learner) == (0, 0)
    assert left_in_buckets(cloud) == []


def left_in_buckets(cloud: RunningCloud) -> list[str]:
    s3 = cloud.client("s3")
    buckets = [each["Name"] for each in s3.list_buckets()["Buckets"]]
    return [each["Key"] for name in buckets for each in s3.list_objects_v2(Bucket=name).get("Contents", ())]
