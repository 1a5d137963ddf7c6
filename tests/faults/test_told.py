"""What a person is told: events of what happened, plans that are done as they were read, and refusals by name."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hands import World, Writes
from quick_rollout import apply, delete, name_of
from trimtab.cli.main import program
from trimtab.core.errors import UserError

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("told")]


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(program, arguments, catch_exceptions=False, standalone_mode=False)
    return done.return_value or 0, done.stdout, done.stderr


def full(project: Path) -> str:
    return f"crash/{name_of(project)}"


def events(project: Path) -> list[dict[str, Any]]:
    code, out, _ = run("events", full(project), "-o", "json")
    assert code == 0
    return json.loads(out)


def edit(project: Path, old: str, new: str) -> None:
    assert old in project.read_text()
    project.write_text(project.read_text().replace(old, new))


def in_order(words: list[str], among: list[str]) -> bool:
    rest = iter(among)
    return all(word in rest for word in words)


def test_a_deployments_life_is_told_by_its_events(cloud, project):
    assert apply(project).how == "converged"
    seen = events(project)
    reasons = [each["reason"] for each in seen]
    life = ["Declared", "Created", "TrainingStarted", "TrainingCompleted", "GatePassed", "Released", "Converged"]
    assert in_order(life, reasons), reasons
    assert not any(each["announced"] for each in seen)
    made = {each["node"] for each in seen if each["reason"] == "Created"}
    assert {"ecr.Repository/repository", "ecs.Service/service", "apigateway.RestApi/api", "iam.Role/task"} <= made
    again = Writes()
    assert apply(project, again).how == "converged"
    assert again.made == []
    assert events(project) == seen

    World(cloud, project).repository_setting()
    assert apply(project).how == "converged"
    (repaired,) = [each for each in events(project) if each["reason"] == "Repaired"]
    assert repaired["message"].startswith("imageTagMutability of ECR repository ")
    assert repaired["message"].endswith(": MUTABLE -> IMMUTABLE")
    edit(project, "min: 1", "min: 3")
    assert apply(project).how == "converged"
    told = {each["reason"]: each["message"] for each in events(project)}
    assert told["Declared"] == "generation 2: spec.serving.replicas.min: 1 -> 3"
    assert told["Updated"].startswith("desiredCount of ECS service ")

    _, rows, _ = run("status", "-o", "json")
    (row,) = [each for each in json.loads(rows) if each["deployment"] == full(project)]
    assert (row["ready"], row["serving"], row["reason"]) == ("True", "True", "Ready")
    stages = json.loads(run("status", full(project), "-o", "json")[1])["stages"]
    assert {(each["is"], each["reason"], each["waitsFor"], each["progress"]) for each in stages} == {
        ("ok", "AsDeclared", None, None)
    }
    assert delete(project).how == "gone"


def test_a_saved_plan_is_done_or_refused_with_what_moved(cloud, project, tmp_path):
    file = str(tmp_path / "first.plan")
    assert run("plan", str(project), "--out", file)[0] == 2
    code, _, told = run("apply", file)
    assert code == 0, told

    with pytest.raises(UserError, match="TT6005 PlanStale") as done:
        run("apply", file)  # it was applied
    assert "it is not there -> it is there" in done.value.message

    edit(project, "min: 1", "min: 4")
    assert run("plan", str(project), "--out", file)[0] == 2
    World(cloud, project).desired_count()
    none = Writes()
    with pytest.raises(UserError) as moved:
        run("apply", file)
    assert moved.value.message.endswith("ecs.Service/service desiredCount: 1 -> 3")

    assert run("plan", str(project), "--out", file)[0] == 2
    edit(project, "min: 4", "min: 5")
    (project.parent / "data" / "test" / "y").write_text("y")
    with pytest.raises(UserError) as moved:
        run("apply", file)
    assert "document.spec.serving.replicas.min: 4 -> 5" in moved.value.message
    assert "contents.dataset: sha256:" in moved.value.message
    assert none.made == []
    assert [each["reason"] for each in events(project)].count("Declared") == 1  # nothing was taken from a stale plan
    assert delete(project).how == "gone"


def test_an_interrupted_apply_of_a_saved_plan_goes_on(cloud, project, tmp_path):
    file = str(tmp_path / "first.plan")
    assert run("plan", str(project), "--out", file)[0] == 2
    assert run("apply", file, "--no-wait")[0] == 0
    assert any(each["announced"] for each in events(project))
    code, _, told = run("apply", file)
    assert code == 0, told
    assert delete(project).how == "gone"


def test_a_denied_read_makes_no_plan_of_no_changes(cloud, project, tmp_path):
    assert apply(project).how == "converged"
    fault = ("local", "fault", "add", "--service", "ecr", "--operation", "DescribeRepositories", "--kind", "denied")
    assert run(*fault)[0] == 0
    code, out, told = run("plan", str(project), "--out", str(tmp_path / "p"))
    assert code == 1
    assert "no changes" not in out
    assert "user/trimtab may not ecr:DescribeRepositories" in out
    assert "allow ecr:DescribeRepositories on " in out
    assert "the plan is not whole and is not saved" in told
    assert not (tmp_path / "p").exists()
    assert run(*fault)[0] == 0
    stalled = {each["type"]: each for each in json.loads(run("status", full(project), "-o", "json")[1])["conditions"]}[
        "Stalled"
    ]
    assert (stalled["status"], stalled["reason"]) == ("True", "AccessDenied")
    assert "user/trimtab may not ecr:DescribeRepositories" in stalled["message"]
    assert delete(project).how == "gone"
