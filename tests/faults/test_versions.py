"""Which commit made what runs: in its status, its history and its tags, as `trimtab run` follows a Git repository."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from gitops_sources import PERSON

from faults.operating import count, running
from faults.test_releases import edit, full_name, run
from quick_rollout import name_of
from trimtab.core.kind import VERSION

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("versions")]


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=folder, env={**os.environ, **PERSON}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def pushed(folder: Path) -> str:
    """All of the folder as the next commit; its id."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Next")
    git(folder, "push", "--quiet", "origin", "HEAD:main")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(project, tmp_path_factory):
    """A configuration of an operator that follows a repository with the project's folder as its clone."""
    outside = tmp_path_factory.mktemp("outside")
    git(outside, "init", "--quiet", "--bare", "--initial-branch=main", "models.git")
    git(project.parent, "init", "--quiet", "--initial-branch=main")
    git(project.parent, "remote", "add", "origin", str(outside / "models.git"))
    config = {
        "apiVersion": "trimtab.dev/v1alpha1",
        "kind": "OperatorConfig",
        "metadata": {"name": "operator"},
        "spec": {"sources": [{"git": {"repository": "models.git"}, "interval": "1s"}]},
    }
    (outside / "operator.yaml").write_text(json.dumps(config))
    (outside / "none").mkdir()
    return outside


def definitions(cloud, project: Path) -> list[str]:
    """The commit in the tags of each task definition, oldest first."""
    ecs = cloud.client("ecs")
    arns = [each for each in ecs.list_task_definitions()["taskDefinitionArns"] if name_of(project) in each]
    found = [ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"]) for arn in arns]
    ordered = sorted(found, key=lambda each: each["taskDefinition"]["registeredAt"])
    return [{tag["key"]: tag["value"] for tag in each["tags"]}[VERSION] for each in ordered]


def jobs(cloud, project: Path) -> list[str]:
    """The commit in the tags of each training job."""
    sagemaker = cloud.client("sagemaker")
    listed = sagemaker.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
    arns = [each["TrainingJobArn"] for each in listed if name_of(project) in each["TrainingJobName"]]
    tags = [sagemaker.list_tags(ResourceArn=arn)["Tags"] for arn in arns]
    return [{tag["Key"]: tag["Value"] for tag in each}[VERSION] for each in tags]


def told(what: str, project: Path) -> Any:
    return json.loads(run(what, full_name(project), "-o", "json")[1])


def test_tags_name_the_commit_that_made_a_thing_and_a_commit_that_touches_nothing_writes_nothing(
    cloud, project, repository, tmp_path
):
    with running(repository / "none", tmp_path, "--config", str(repository / "operator.yaml")) as operator:
        first = pushed(project.parent)
        assert run("wait", full_name(project), "--version", first, "--timeout", "2m")[0] == 0
        assert (definitions(cloud, project), jobs(cloud, project)) == ([first], [first])

        since = max(each["number"] for each in cloud.journal())
        (project.parent / "README.txt").write_text("of no document")
        second = pushed(project.parent)
        operator.until(lambda: operator.events("source.read")[-1]["version"] == second, "it was never read")
        looks = count(operator, "trimtab_swept_total")
        operator.until(lambda: count(operator, "trimtab_swept_total") > looks + 1, "it is looked at no more")
        assert [each for each in cloud.journal(since) if each["write"]] == []
        assert told("status", project)["version"] == first

        edit(project, "replicas: {min: 1}", "replicas: {min: 1}, env: {COLOUR: blue}")
        third = pushed(project.parent)
        assert run("wait", full_name(project), "--version", third, "--timeout", "2m")[0] == 0
        assert (definitions(cloud, project), jobs(cloud, project)) == ([first, third], [first])
        assert [each["version"] for each in told("history", project)] == [first, third]

        full = full_name(project)
        project.unlink()
        pushed(project.parent)
        operator.until(lambda: operator.events("deployment.deleted"), "it was never deleted")
    assert full not in run("status", "-o", "json")[1]
