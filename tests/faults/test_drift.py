"""What somebody changes by hand: seen by field, put right by the next apply, and only what the document owns."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from quick_rollout import Calls, apply, delete, name_of
from trimtab.cli.main import program
from trimtab.core.kind import Call

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("drift")]


class Writes(Calls):
    def __init__(self) -> None:
        self.made: list[str] = []

    def before(self, call: Call) -> None:
        if call.repeat != "read" and call.service != "trimtab":
            self.made.append(call.operation)


def drift(project: Path) -> tuple[int, list[dict[str, Any]]]:
    done = CliRunner().invoke(
        program, ["drift", f"crash/{name_of(project)}", "-o", "json"], catch_exceptions=False, standalone_mode=False
    )
    return done.return_value, json.loads(done.stdout)["drift"]


class World:
    """A deployment's live parts, and hands that change them."""

    def __init__(self, cloud: Any, project: Path) -> None:
        self.name = name_of(project)
        self.cloud = cloud
        ecs = cloud.client("ecs")
        (self.cluster,) = ecs.list_clusters()["clusterArns"]
        (self.service,) = [arn for arn in ecs.list_services(cluster=self.cluster)["serviceArns"] if self.name in arn]

    def one(self, items: list[dict[str, Any]], field: str) -> dict[str, Any]:
        (found,) = [each for each in items if self.name in str(each[field])]
        return found

    def desired_count(self) -> None:
        self.cloud.client("ecs").update_service(cluster=self.cluster, service=self.service, desiredCount=3)

    def task_definition(self) -> None:
        ecs = self.cloud.client("ecs")
        (service,) = ecs.describe_services(cluster=self.cluster, services=[self.service])["services"]
        definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
        kept = {
            name: definition[name]
            for name in (
                "containerDefinitions", "taskRoleArn", "executionRoleArn", "networkMode", "requiresCompatibilities", "cpu",
                "memory",
            )
        }  # fmt: skip
        other = ecs.register_task_definition(family=f"{self.name}-by-hand", **kept)["taskDefinition"]["taskDefinitionArn"]
        ecs.update_service(cluster=self.cluster, service=self.service, taskDefinition=other)

    def listener_rule(self) -> None:
        elb = self.cloud.client("elbv2")
        (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
        (listener,) = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
        rules = elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
        rule = self.one(rules, "Conditions")
        gone = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503", "ContentType": "text/plain"}}
        elb.modify_rule(RuleArn=rule["RuleArn"], Actions=[gone])

    def stage_throttle(self) -> None:
        gateway = self.cloud.client("apigateway")
        api = self.one(gateway.get_rest_apis(limit=500)["items"], "name")
        change = {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "1"}
        gateway.update_stage(restApiId=api["id"], stageName="live", patchOperations=[change])

    def tag(self) -> None:
        ecs = self.cloud.client("ecs")
        ecs.untag_resource(resourceArn=self.service, tagKeys=["trimtab.dev/deployment"])

    def role_policy(self) -> None:
        iam = self.cloud.client("iam")
        roles = [each for each in iam.list_roles(PathPrefix="/trimtab/")["Roles"] if self.name in each["RoleName"]]
        role = next(each["RoleName"] for each in roles if "execution" in each["RoleName"])
        (policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
        wide = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(wide))

    def repository_setting(self) -> None:
        ecr = self.cloud.client("ecr")
        repository = self.one(ecr.describe_repositories()["repositories"], "repositoryName")
        ecr.put_image_tag_mutability(repositoryName=repository["repositoryName"], imageTagMutability="MUTABLE")

    def log_retention(self) -> None:
        logs = self.cloud.client("logs")
        group = self.one(logs.describe_log_groups(logGroupNamePrefix="/trimtab/")["logGroups"], "logGroupName")
        logs.put_retention_policy(logGroupName=group["logGroupName"], retentionInDays=1)

    def deleted_rule(self) -> None:
        elb = self.cloud.client("elbv2")
        (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
        (listener,) = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
        rule = self.one(elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"], "Conditions")
        elb.delete_rule(RuleArn=rule["RuleArn"])


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
