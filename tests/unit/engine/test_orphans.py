"""What belongs to no living deployment is told from what does, and each kind of orphan from the others."""

from dataclasses import replace

import pytest

from trimtab.core.kind import DEPLOYMENT, ENVIRONMENT, UID
from trimtab.engine.ledger import Ledger, Shared
from trimtab.engine.orphans import Tagged, orphans
from trimtab.plan.status import Trouble
from trimtab.resources import KINDS

LIVING = Ledger("u-living", "vision", "digits", "local", "123456789012", "us-east-1")
SHARED = Shared("u-shared", "local", users=("u-living",))
REPOSITORY = "arn:aws:ecr:us-east-1:123456789012:repository/trimtab/local/vision/digits"


def tagged(uid: str = "u-living", deployment: str = "vision/digits", arn: str = REPOSITORY) -> Tagged:
    tags = {ENVIRONMENT: "local", UID: uid, DEPLOYMENT: deployment}
    return Tagged(arn, {name: value for name, value in tags.items() if value})


def fates(*found: Tagged, ledger: Ledger = LIVING, shared: Shared | None = SHARED) -> list[tuple[str, str]]:
    return [(each.fate, each.because) for each in orphans(found, [ledger], shared)]


def test_what_a_living_deployment_owns_is_no_orphan():
    assert fates(tagged()) == []


def test_what_living_deployments_share_is_no_orphan():
    assert fates(tagged("u-shared", "")) == []


def test_what_was_shared_by_deployments_that_are_gone_is_one():
    assert fates(tagged("u-shared", ""), shared=replace(SHARED, users=())) == [
        ("leftover", "it was shared, and no deployment uses it")
    ]


def test_what_was_let_go_of_says_since_when():
    (found,) = orphans([tagged()], [replace(LIVING, retained="2026-11-24T10:00:00Z")], None)
    assert (found.fate, found.since) == ("retained", "2026-11-24T10:00:00Z")


def test_a_deletion_under_way_says_why_it_does_not_go_on():
    trouble = Trouble("ecr.Repository/repository#x", "AccessDenied", "ecr:DeleteRepository: denied", True)
    assert fates(tagged(), ledger=replace(LIVING, deleting=True, troubles=(trouble,))) == [
        ("deleting", "ecr:DeleteRepository: denied")
    ]


@pytest.mark.parametrize(
    ("found", "fate", "says"),
    [
        (tagged("u-gone", "vision/gone"), "leftover", "no ledger"),
        (tagged("u-other"), "other", "vision/digits is uid u-living"),
        (tagged("", ""), "other", "no uid of ours"),
        (Tagged("arn:aws:s3:::data/deployments/u-gone/", {UID: "u-gone"}), "leftover", "no ledger"),
    ],
    ids=["of a deployment that is gone", "of another of the same name", "without a uid", "objects"],
)
def test_what_no_ledger_knows_is_judged_by_its_tags(found, fate, says):
    ((seen, because),) = fates(found)
    assert seen == fate
    assert says in because


@pytest.mark.parametrize(
    ("rest", "kind", "name"),
    [
        ("apigateway:us-east-1::/restapis/a1", "apigateway.RestApi", "a1"),
        ("apigateway:us-east-1::/restapis/a1/stages/v1", "apigateway.Stage", "a1/stages/v1"),
        ("apigateway:us-east-1::/apikeys/k1", "apigateway.ApiKey", "k1"),
        ("apigateway:us-east-1::/usageplans/p1", "apigateway.UsagePlan", "p1"),
        ("apigateway:us-east-1::/vpclinks/l1", "apigatewayv2.VpcLink", "l1"),
        ("ecr:us-east-1:1:repository/a/b", "ecr.Repository", "a/b"),
        ("ecs:us-east-1:1:service/cluster/name", "ecs.Service", "cluster/name"),
        ("ecs:us-east-1:1:task-definition/family:3", "ecs.TaskDefinition", "family:3"),
        ("ecs:us-east-1:1:cluster/name", "ecs.Cluster", "name"),
        ("elasticloadbalancing:us-east-1:1:listener/app/lb/1/2", "elbv2.Listener", "app/lb/1/2"),
        ("elasticloadbalancing:us-east-1:1:listener-rule/app/lb/1/2/3", "elbv2.ListenerRule", "app/lb/1/2/3"),
        ("elasticloadbalancing:us-east-1:1:loadbalancer/app/lb/1", "elbv2.LoadBalancer", "app/lb/1"),
        ("elasticloadbalancing:us-east-1:1:targetgroup/tg/1", "elbv2.TargetGroup", "tg/1"),
        ("iam::1:role/trimtab/local/r", "iam.Role", "trimtab/local/r"),
        ("logs:us-east-1:1:log-group:/trimtab/local/a/b", "logs.LogGroup", "/trimtab/local/a/b"),
        ("s3:::data/deployments/u1/", "s3.Content", "u1"),
        ("sagemaker:us-east-1:1:training-job/j", "sagemaker.TrainingJob", "j"),
    ],
)
def test_an_arn_tells_its_kind_and_name(rest, kind, name):
    (found,) = orphans([tagged("u-gone", arn=f"arn:aws:{rest}")], [], None)
    assert (found.kind, found.name) == (kind, name)
    assert kind in KINDS


def test_of_a_kind_that_is_not_ours_the_arn_is_told():
    (found,) = orphans([tagged("u-gone", arn="arn:aws:sqs:us-east-1:1:queue")], [], None)
    assert found.kind.startswith("sqs:")
