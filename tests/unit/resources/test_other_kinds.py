"""Roles, logs, load balancing: what is drift, what is replaced, what is refused; and the words kinds share."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from trimtab.core.kind import UID, Broken, Call, Difference, Failure, Moving, Ref, Settled, Unknown
from trimtab.resources import KINDS
from trimtab.resources.iam_role import _seen as _seen_role
from trimtab.resources.listener_rule import free_priority
from trimtab.resources.shared import common_prefix, grouped, tag_changes
from unit.resources.samples import (
    CLUSTER,
    HOST,
    LISTENER,
    LOAD_BALANCER,
    LOG_GROUP,
    POLICY,
    REPOSITORY,
    ROLE_DETAIL,
    RULE,
    SAMPLES,
    TARGET_GROUP,
    UID_VALUE,
)
from unit.resources.support import drive


def seen(name: str, **answers: Any) -> Any:
    kind, sample = KINDS[name], SAMPLES[name]
    identity = kind.identity(sample.desired)
    return drive(kind.observe([identity]), {**sample.answers, **answers})[1][identity]


def drift(name: str, **answers: Any) -> list[tuple[str, str]]:
    observed = seen(name, **answers)
    return [(each.path, each.remedy) for each in KINDS[name].diff(SAMPLES[name].desired, observed)]


def role(**fields: Any) -> dict[str, Any]:
    return {"GetAccountAuthorizationDetails": {"RoleDetailList": [{**ROLE_DETAIL, **fields}]}}


@pytest.mark.parametrize(
    ("name", "answers", "expected"),
    [
        ("ecr.Repository", {"DescribeRepositories": {"repositories": [{**REPOSITORY, "repositoryUri": "moved"}]}}, []),
        (
            "ecr.Repository",
            {"DescribeRepositories": {"repositories": [{**REPOSITORY, "imageTagMutability": "MUTABLE"}]}},
            [("imageTagMutability", "update")],
        ),
        (
            "logs.LogGroup",
            {"DescribeLogGroups": {"logGroups": [{k: v for k, v in LOG_GROUP.items() if k != "retentionInDays"}]}},
            [("retentionInDays", "update")],
        ),
        ("iam.Role", role(Path="/"), [("Path", "refuse")]),
        ("iam.Role", role(RolePolicyList=[]), [("PolicyDocument", "update")]),
        ("iam.Role", role(PermissionsBoundary={}), [("PermissionsBoundary", "update")]),
        (
            "iam.Role",
            role(AssumeRolePolicyDocument="%7B%22Statement%22%3A%5B%5D%7D"),
            [("AssumeRolePolicyDocument", "update")],
        ),
        (
            "iam.Role",
            role(AttachedManagedPolicies=[{"PolicyArn": "arn:aws:iam::aws:policy/A23456789"}]),
            [],
        ),
        ("ecs.Cluster", {"DescribeClusters": {"clusters": [{**CLUSTER, "settings": []}]}}, []),
        (
            "ecs.Cluster",
            {
                "DescribeClusters": {
                    "clusters": [{**CLUSTER, "settings": [{"name": "containerInsights", "value": "enabled"}]}]
                }
            },
            [("settings.containerInsights", "update")],
        ),
        (
            "elbv2.LoadBalancer",
            {
                "DescribeLoadBalancers": {
                    "LoadBalancers": [{**LOAD_BALANCER, "Scheme": "internet-facing", "SecurityGroups": []}]
                }
            },
            [("Scheme", "replace"), ("SecurityGroups", "update")],
        ),
        (
            "elbv2.Listener",
            {
                "DescribeListeners": {
                    "Listeners": [{**LISTENER, "DefaultActions": [{"Type": "forward", "TargetGroupArn": "x"}]}]
                }
            },
            [("DefaultActions", "update")],
        ),
        (
            "elbv2.TargetGroup",
            {"DescribeTargetGroups": {"TargetGroups": [{**TARGET_GROUP, "Port": 80, "HealthCheckPath": "/"}]}},
            [("Port", "replace"), ("HealthCheckPath", "update")],
        ),
        (
            "elbv2.TargetGroup",
            {"DescribeTargetGroupAttributes": {"Attributes": []}},
            [("deregistration_delay.timeout_seconds", "update")],
        ),
        (
            "elbv2.ListenerRule",
            {"DescribeRules": {"Rules": [{**RULE, "Actions": [{"Type": "forward", "TargetGroupArn": "other"}]}]}},
            [("Actions.ForwardConfig", "update")],
        ),
    ],
)
def test_what_is_drift_and_what_is_done_about_it(name: str, answers: dict[str, Any], expected: list[tuple[str, str]]):
    assert drift(name, **answers) == expected


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(json.loads(POLICY), id="parsed, as boto3 gives it"),
        pytest.param(json.dumps(json.loads(POLICY), indent=2, sort_keys=True), id="other spaces and order"),
        pytest.param(quote(POLICY), id="percent-encoded, as the wire has it"),
    ],
)
def test_policies_are_compared_by_meaning(document: Any):
    role = _seen_role({**ROLE_DETAIL, "RolePolicyList": [{"PolicyName": "trimtab", "PolicyDocument": document}]})
    assert KINDS["iam.Role"].diff(SAMPLES["iam.Role"].desired, role) == ()


def test_a_role_lets_go_of_every_policy_before_it_is_deleted():
    attached = [{"PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}]
    inline = [{"PolicyName": "trimtab", "PolicyDocument": POLICY}, {"PolicyName": "by-hand", "PolicyDocument": POLICY}]
    calls, _ = drive(
        KINDS["iam.Role"].delete(seen("iam.Role", **role(RolePolicyList=inline, AttachedManagedPolicies=attached)))
    )
    assert [call.operation for call in calls] == ["DeleteRolePolicy", "DeleteRolePolicy", "DetachRolePolicy", "DeleteRole"]


def test_a_role_may_be_assumed_on_behalf_of_our_account_alone():
    calls, _ = drive(KINDS["iam.Role"].create(SAMPLES["iam.Role"].desired))
    assert '"aws:SourceAccount":"123456789012"' in calls[0].arguments["AssumeRolePolicyDocument"]


def test_logs_that_never_expire_have_no_retention():
    kind = KINDS["logs.LogGroup"]
    forever = replace(SAMPLES["logs.LogGroup"].desired, retention_days=None)
    assert [call.operation for call in drive(kind.create(forever))[0]] == ["CreateLogGroup"]
    observed = seen("logs.LogGroup")
    calls, _ = drive(kind.update(forever, observed, kind.diff(forever, observed)))
    assert [call.operation for call in calls] == ["DeleteRetentionPolicy"]


def test_tags_of_logs_are_asked_for_by_the_arn_without_its_star():
    item = {name: value for name, value in LOG_GROUP.items() if name != "logGroupArn"}  # as older answers have it
    assert seen("logs.LogGroup", DescribeLogGroups={"logGroups": [item]}).arn == LOG_GROUP["logGroupArn"]


@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("active", Settled()),
        ("active_impaired", Settled()),
        ("provisioning", Moving("load balancer trimtab-local is provisioning")),
        ("failed", Broken("LoadBalancerFailed", "load balancer trimtab-local failed: why")),
    ],
)
def test_how_a_load_balancer_stands(code: str, state: object):
    balancer = {**LOAD_BALANCER, "State": {"Code": code, "Reason": "why"}}
    observed = seen("elbv2.LoadBalancer", DescribeLoadBalancers={"LoadBalancers": [balancer]})
    assert KINDS["elbv2.LoadBalancer"].state(SAMPLES["elbv2.LoadBalancer"].desired, observed) == state


# --- rules ----------------------------------------------------------------------------------------------------------


def test_a_priority_is_the_first_that_is_free_and_goes_round():
    first = free_priority(HOST, set())
    assert free_priority(HOST, {str(first)}) == first % 50_000 + 1
    every = {str(n) for n in range(1, 50_001)}
    assert free_priority(HOST, every - {str((first - 2) % 50_000 + 1)}) == (first - 2) % 50_000 + 1
    with pytest.raises(Failure, match="every priority"):
        free_priority(HOST, every)


def test_priorities_of_many_hosts_seldom_meet():
    assert len({free_priority(f"host-{n}", set()) for n in range(1000)}) > 950


def test_a_rule_is_made_in_one_try_and_a_target_group_drains_as_declared_from_the_start():
    rule = drive(KINDS["elbv2.ListenerRule"].create(SAMPLES["elbv2.ListenerRule"].desired), {"DescribeRules": {"Rules": []}})
    assert [(call.operation, call.repeat) for call in rule[0]] == [("DescribeRules", "read"), ("CreateRule", "once")]
    sample = SAMPLES["elbv2.TargetGroup"]
    calls, _ = drive(KINDS["elbv2.TargetGroup"].create(sample.desired), sample.created)
    assert calls[1].arguments == {
        "TargetGroupArn": TARGET_GROUP["TargetGroupArn"],
        "Attributes": [{"Key": "deregistration_delay.timeout_seconds", "Value": "30"}],
    }


def test_a_priority_that_somebody_took_meanwhile_is_left_to_the_next_pass():
    answers = {"DescribeRules": {"Rules": []}, "CreateRule": Failure("exists", "PriorityInUse")}
    with pytest.raises(Failure) as failure:
        drive(KINDS["elbv2.ListenerRule"].create(SAMPLES["elbv2.ListenerRule"].desired), answers)
    assert failure.value.meaning == "exists"


def twin(number: int, owner: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    arn = f"{RULE['RuleArn']}{number}"
    tags = [{"Key": UID, "Value": owner}] if owner else []
    return {**RULE, "RuleArn": arn, "Priority": str(number)}, {"ResourceArn": arn, "Tags": tags}


@pytest.mark.parametrize(
    ("owners", "kept", "removed"),
    [
        pytest.param([UID_VALUE, UID_VALUE], 1, [2], id="both ours"),
        pytest.param([None, UID_VALUE], 2, [], id="one of nobody, before ours"),
        pytest.param([UID_VALUE, "other", None], 1, [], id="those of others stay"),
        pytest.param([None, None], 1, [], id="none of ours: shown, to be refused"),
    ],
)
def test_rules_of_one_host(owners: list[str | None], kept: int, removed: list[int]):
    rules = [twin(number, owner) for number, owner in enumerate(owners, 1)]
    observed = seen(
        "elbv2.ListenerRule",
        DescribeRules={"Rules": [rule for rule, _ in reversed(rules)]},
        DescribeTags=lambda given: {
            "TagDescriptions": [tags for rule, tags in rules if rule["RuleArn"] in given["ResourceArns"]]
        },
    )
    assert observed.priority == str(kept)
    kind, desired = KINDS["elbv2.ListenerRule"], SAMPLES["elbv2.ListenerRule"].desired
    calls, _ = drive(kind.update(desired, observed, kind.diff(desired, observed)))
    assert [call.arguments["RuleArn"] for call in calls] == [f"{RULE['RuleArn']}{number}" for number in removed]


# --- shared ---------------------------------------------------------------------------------------------------------


def test_tags_are_read_twenty_at_a_time_and_one_that_is_gone_hides_no_other():
    observed = seen("elbv2.TargetGroup")
    many = [replace(observed, arn=f"arn:{n}") for n in range(25)]
    calls: list[Call] = []

    def reply(given: Mapping[str, Any]) -> Any:
        if "arn:3" in given["ResourceArns"]:
            return Failure("absent", "arn:3 is gone")
        return {
            "TagDescriptions": [{"ResourceArn": arn, "Tags": [{"Key": "n", "Value": arn}]} for arn in given["ResourceArns"]]
        }

    calls, tags = drive(KINDS["elbv2.TargetGroup"].tags(many), {"DescribeTags": reply})
    assert [len(call.arguments["ResourceArns"]) for call in calls] == [20, 5] + [1] * 20
    assert tags[3] == Unknown("arn:3 is gone", "absent")
    assert [each for at, each in enumerate(tags) if at != 3] == [{"n": f"arn:{n}"} for n in range(25) if n != 3]


@pytest.mark.parametrize(
    ("names", "prefix"),
    [([], ""), (["/a/b"], "/a/b"), (["/a/b", "/a/bc"], "/a/b"), (["/a/b", "/a/c", "/a/cd"], "/a/"), (["a", "b"], "")],
)
def test_the_longest_common_beginning(names: list[str], prefix: str):
    assert common_prefix(names) == prefix


def test_an_identity_whose_parent_is_not_known_is_not_asked_for():
    assert grouped([f"{Ref('elbv2.LoadBalancer/lb', 'arn')}|80", "arn:x|80"]) == {"arn:x": ["80"]}


def test_tags_of_aws_itself_are_never_removed():
    difference = Difference("tags", have={"aws:cloudformation:stack-name": "s", "a": "1", "b": "1"}, want={"a": "2"})
    assert tag_changes([difference]) == ({"a": "2"}, ["b"])
    assert tag_changes([Difference("other", 1, 2)]) == ({}, [])


def test_deletes_run_from_what_refers_to_what_is_referred_to():
    order = [
        ("apigateway.UsagePlan", "apigateway.Stage"),
        ("apigateway.UsagePlan", "apigateway.ApiKey"),
        ("apigateway.Stage", "apigateway.RestApi"),
        ("apigateway.RestApi", "apigatewayv2.VpcLink"),
        ("elbv2.ListenerRule", "elbv2.TargetGroup"),
        ("elbv2.ListenerRule", "elbv2.Listener"),
        ("elbv2.Listener", "elbv2.LoadBalancer"),
        ("ecs.Service", "elbv2.TargetGroup"),
        ("ecs.Service", "ecs.TaskDefinition"),
        ("ecs.Service", "ecs.Cluster"),
        ("ecs.TaskDefinition", "ecr.Image"),
        ("ecr.Image", "ecr.Repository"),
        ("ecr.Image", "trimtab.Artifact"),
        ("sagemaker.TrainingJob", "s3.Content"),
        ("s3.Content", "logs.LogGroup"),
        ("logs.LogGroup", "iam.Role"),
    ]
    assert [pair for pair in order if KINDS[pair[0]].rank <= KINDS[pair[1]].rank] == []


def test_a_role_that_may_do_nothing_has_no_policy_and_loses_one_that_it_had():
    role, sample = KINDS["iam.Role"], SAMPLES["iam.Role"]
    nothing = replace(sample.desired, policy="")
    assert "PutRolePolicy" not in [call.operation for call in drive(role.create(nothing))[0]]
    had = _seen_role(ROLE_DETAIL)
    drift = role.diff(nothing, had)
    assert [each.path for each in drift] == ["PolicyDocument"]
    assert [call.operation for call in drive(role.update(nothing, had, drift))[0]] == ["DeleteRolePolicy"]
    assert role.diff(nothing, replace(had, policy=None)) == ()
