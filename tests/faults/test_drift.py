"""What somebody changes by hand: seen by field, put right by the next apply, and only what the document owns."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hands import World, Writes
from quick_rollout import apply, delete, name_of
from trimtab.cli.main import program

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("drift")]


def drift(project: Path) -> tuple[int, list[dict[str, Any]]]:
    done = CliRunner().invoke(
        program, ["drift", f"crash/{name_of(project)}", "-o", "json"], catch_exceptions=False, standalone_mode=False
    )
    return done.return_value, json.loads(done.stdout)["drift"]


HANDS: list[tuple[Callable[[World], None], str, str]] = [
    (World.desired_count, "ecs.Service/service", "desiredCount"),
    (World.task_definition, "ecs.Service/service", "taskDefinition"),
    (World.listener_rule, "elbv2.ListenerRule/route", "actions"),
    (World.stage_throttle, "apigateway.Stage/stage", "methodSettings.throttlingRateLimit"),
    (World.role_policy, "iam.Role/execution", "policy"),
    (World.repository_setting, "ecr.Repository/repository", "imageTagMutability"),
    (World.log_retention, "logs.LogGroup/logs", "retentionInDays"),
    (World.tag, "ecs.Service/service", "tags"),
    (World.deleted_rule, "elbv2.ListenerRule/route", ""),
]


def test_every_change_by_hand_is_seen_repaired_and_then_there_is_peace(cloud, project):
    assert apply(project).how == "converged"
    assert drift(project) == (0, [])
    for hand, node, path in HANDS:
        hand(World(cloud, project))
        code, rows = drift(project)
        assert code == 2, hand
        assert [(row["node"], row["policy"]) for row in rows] == [(node, "correct")] * len(rows), (hand, rows)
        assert any(row["path"].lower().startswith(path.lower()) for row in rows), (hand, rows)
        repair = Writes()
        assert apply(project, repair).how == "converged", hand
        assert repair.made, hand
        assert drift(project) == (0, []), hand
    again = Writes()
    assert apply(project, again).how == "converged"
    assert again.made == []
    assert delete(project).how == "gone"


def test_a_stopped_task_is_the_platforms_to_replace(cloud, project):
    assert apply(project).how == "converged"
    world, ecs = World(cloud, project), cloud.client("ecs")
    (task,) = ecs.list_tasks(cluster=world.cluster, serviceName=world.service)["taskArns"]
    ecs.stop_task(cluster=world.cluster, task=task)
    calls = Writes()
    assert apply(project, calls).how == "converged"
    assert [each for each in calls.made if each != "PutObject"] == []
    (other,) = ecs.list_tasks(cluster=world.cluster, serviceName=world.service)["taskArns"]
    assert other != task
    assert delete(project).how == "gone"


@pytest.mark.parametrize(
    ("policy", "rows", "ready"),
    [
        ("{drift: report}", ["report"], "False"),
        ("{driftByKind: {ecs.Service: report}}", ["report"], "False"),
        ('{drift: "off"}', [], "True"),
        ('{ignore: ["ecs.Service:desiredCount"]}', [], "True"),
    ],
)
def test_drift_is_left_where_the_document_says_so(cloud, project, policy, rows, ready):
    project.write_text(project.read_text().rstrip() + f"\n  policy: {policy}\n")
    assert apply(project).how == "converged"
    World(cloud, project).desired_count()
    assert [row["policy"] for row in drift(project)[1]] == rows
    calls = Writes()
    assert apply(project, calls).how == "converged"
    assert "UpdateService" not in calls.made
    status = CliRunner().invoke(program, ["status", f"crash/{name_of(project)}", "-o", "json"], standalone_mode=False)
    conditions = {each["type"]: each for each in json.loads(status.stdout)["conditions"]}
    assert conditions["Ready"]["status"] == ready
    # An edit of the same field is made all the same.
    project.write_text(project.read_text().replace("min: 1", "min: 2"))
    edit = Writes()
    assert apply(project, edit).how == "converged"
    assert ("UpdateService" in edit.made) == ("ignore" not in policy)
    assert delete(project).how == "gone"
