"""Whose deployment an event is about, by the names in it; and a queue that is no more than a hint."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from trimtab.core.kind import Failure
from trimtab.engine.hearing import Ear, concerned, index_of, names_in, names_of
from trimtab.engine.ledger import Ledger, Resource
from trimtab.graph.node import Graph, Node, graph_of
from trimtab.plan.snapshot import Absent, Found, Snapshot
from trimtab.resources import deployment_alarm

ME, ANA = "arn:aws:iam::123456789012:user/trimtab", "arn:aws:iam::123456789012:user/ana"
CLUSTER = "arn:aws:ecs:us-east-1:123456789012:cluster/trimtab-local"
ONE = frozenset({"vision-digits-0a1b2c", "vision-digits-0a1b2c3d4e5f", CLUSTER, "a1b2c3d4e5", "alarm:errors"})
OTHER = frozenset({"vision-text-9f8e7d", CLUSTER, "alarm:errors"})
INDEX = index_of({"vision/digits": ONE, "vision/text": OTHER})
SERVICE = "arn:aws:ecs:us-east-1:123456789012:service/trimtab-local/vision-digits-0a1b2c"
TRAIL = "AWS API Call via CloudTrail"


def ledger_of(name: str, uid: str, *resources: Resource, namespace: str = "default") -> Ledger:
    return Ledger(uid, namespace, name, "local", "123456789012", "r", resources=resources)


def resource(identity: str, kind: str = "ecs.Service", *, shared: bool = False) -> Resource:
    return Resource(f"{kind}/x", kind, identity, shared=shared)


def snapshot(**seen: object) -> Snapshot:
    return Snapshot(datetime(2026, 11, 26, tzinfo=UTC), seen)


@pytest.mark.parametrize(
    ("identity", "name"),
    [
        pytest.param("trimtab-local|vision-digits-0a1b2c", "vision-digits-0a1b2c", id="not the cluster it is in"),
        pytest.param("a1b2c3d4e5|live", "a1b2c3d4e5", id="a stage is called as others are"),
        pytest.param("service/c/vision-digits-0a1b2c|trimtab", "service/c/vision-digits-0a1b2c", id="so is a policy"),
        pytest.param("bucket|deployments/u1/artifacts/9f", "deployments/u1/artifacts/9f", id="not the bucket it is in"),
        pytest.param("/trimtab/l/a/b", "/trimtab/l/a/b", id="a path of short words"),
    ],
)
def test_names_are_whole(identity, name):
    assert names_of(ledger_of("digits", "u1u2u3", resource(identity))) == {"u1u2u3", name}


def test_what_is_shared_is_none_of_its_names():
    assert names_of(ledger_of("digits", "u1u2u3", resource("trimtab-shared", shared=True))) == {"u1u2u3"}


def test_ids_that_aws_gave_are_names_once_they_were_seen():
    key = SimpleNamespace(name="vision-digits", id="k1e2y3")
    rule = SimpleNamespace(arn="arn:aws:elasticloadbalancing:r:1:listener-rule/app/shared/50dc/f2f7/9683b2d0")
    seen = snapshot(key=Found(key), rule=Found(rule), service=Absent(), gate=Found(object()))
    assert names_in(Graph({}), seen) == {"k1e2y3", rule.arn}


@pytest.mark.parametrize("alarm", ["5xx", "arn:aws:cloudwatch:us-east-1:123456789012:alarm:5xx"])
def test_a_watched_alarm_is_a_name_even_where_there_is_none(alarm):
    watching = Node(f"{deployment_alarm.KIND.name}/1", "release", deployment_alarm.Desired(alarm))
    assert names_in(graph_of([watching], {}), snapshot()) == {"alarm:5xx"}


# --- two deployments whose names are shorter than most words ---

SHORT = {"default/toy": "0a1b2c", "default/text": "9f8e7d", "default/to": "5d5d5d"}


def short(key: str, uid: str) -> Ledger:
    name = key.partition("/")[2]
    identities = (
        f"/trimtab/local/{key}",
        f"trimtab/local/{key}",
        f"trimtab-local|default-{name}-{uid}",
        f"default-{name}-{uid}-task",
    )
    return ledger_of(name, f"{uid}00", *map(resource, identities))


SHORTS = index_of({key: names_of(short(key, uid)) for key, uid in SHORT.items()})
LOGS, ECR = "arn:aws:logs:us-east-1:123456789012:log-group:", "arn:aws:ecr:us-east-1:123456789012:repository/"


def called(**parameters: object) -> dict[str, object]:
    return {"detail-type": TRAIL, "detail": {"userIdentity": {"arn": ANA}, "requestParameters": parameters}}


@pytest.mark.parametrize("key", SHORT)
@pytest.mark.parametrize(
    "event",
    [
        lambda key: called(logGroupName=f"/trimtab/local/{key}", retentionInDays=1),
        lambda key: called(resourceArn=f"{LOGS}/trimtab/local/{key}", tags={"a": "b"}),
        lambda key: {"source": "aws.logs", "resources": [f"{LOGS}/trimtab/local/{key}:*"]},
        lambda key: called(repositoryName=f"trimtab/local/{key}", imageTagMutability="MUTABLE"),
        lambda key: called(resourceArn=f"{ECR}trimtab/local/{key}", tagKeys=["a"]),
        lambda key: {"detail-type": "ECR Image Action", "detail": {"repository-name": f"trimtab/local/{key}"}},
        lambda key: called(roleName=f"default-{key.partition('/')[2]}-{SHORT[key]}-task"),
        lambda key: {"detail": {"Tags": {"trimtab.dev/uid": f"{SHORT[key]}00"}, "TrainingJobName": "d-a1"}},
        lambda key: {"detail": {"object": {"key": f"deployments/{SHORT[key]}00/artifacts/9f/model.json"}}},
    ],
    ids=["retention", "log tags", "log group", "mutability", "ecr tags", "image", "role", "job", "object"],
)
def test_short_names_are_told_apart(key, event):
    assert concerned(event(key), SHORTS, ME) == {key}


@pytest.mark.parametrize(
    "event",
    [
        called(logGroupName="/trimtab/local/default/toys"),
        called(logGroupName="/trimtab/local/default"),
        called(logGroupName="/elsewhere/trimtab/local/default/toy"),
        called(resourceArn=f"{LOGS}/elsewhere/trimtab/local/default/toy"),
        called(resourceArn=f"{LOGS}elsewhere/trimtab/local/default/toy"),
        called(repositoryName="mirror/trimtab/local/default/toy"),
        called(resourceArn=f"{ECR}mirror/trimtab/local/default/toy"),
        called(repositoryName="toy", service="text", tags={"namespace": "default", "by": "trimtab"}),
        {"detail-type": "ECR Image Action", "detail": {"repository-name": "default/toy", "image-tag": "to"}},
    ],
)
def test_what_others_have_is_theirs_however_alike_it_is(event):
    assert concerned(event, SHORTS, ME) == frozenset()


@pytest.mark.parametrize(
    "event",
    [
        {"source": "aws.ecs", "detail-type": "ECS Service Action", "resources": [SERVICE], "detail": {}},
        {"detail-type": "ECS Task State Change", "resources": [], "detail": {"group": "service:vision-digits-0a1b2c"}},
        {"detail": {"taskDefinitionArn": "arn:aws:ecs:r:1:task-definition/vision-digits-0a1b2c3d4e5f:3"}},
        {"detail": {"requestParameters": {"patchOperations": [{"path": "/x"}], "restApiId": "a1b2c3d4e5"}}},
    ],
    ids=["resources", "detail", "revision", "request"],
)
def test_an_event_is_about_whom_it_names(event):
    assert concerned(event, INDEX, ME) == {"vision/digits"}


def test_what_names_nobody_wakes_nobody():
    assert concerned({"resources": [CLUSTER], "detail": None}, INDEX, ME) == frozenset()
    assert concerned({}, INDEX, ME) == frozenset()


def test_what_several_share_tells_whose_event_it_is_only_where_a_call_has_changed_that_itself():
    changed = {"detail-type": TRAIL, "detail": {"requestParameters": {"cluster": CLUSTER}}}
    assert concerned(changed, INDEX, ME) == {"vision/digits"}  # one of the two is enough to put it right
    theirs = {"detail-type": TRAIL, "detail": {"requestParameters": {"cluster": CLUSTER, "service": "vision-text-9f8e7d"}}}
    assert concerned(theirs, INDEX, ME) == {"vision/text"}


def test_an_alarm_wakes_all_that_it_is_watched_by_and_its_name_is_no_word_of_another_event():
    went_off = {
        "detail-type": "CloudWatch Alarm State Change",
        "resources": ["arn:aws:cloudwatch:us-east-1:123456789012:alarm:errors"],
        "detail": {"alarmName": "errors", "state": {"value": "ALARM"}},
    }
    deleted = {"detail-type": TRAIL, "detail": {"requestParameters": {"alarmNames": ["others", "errors"]}}}
    assert concerned(went_off, INDEX, ME) == concerned(deleted, INDEX, ME) == {"vision/digits", "vision/text"}
    assert concerned({"detail": {"metric": "errors", "name": "errors"}}, INDEX, ME) == frozenset()


@pytest.mark.parametrize(("who", "woken"), [(ME, frozenset()), (ANA, {"vision/digits"})])
def test_what_we_did_ourselves_is_no_news(who, woken):
    event = {
        "detail-type": "AWS API Call via CloudTrail",
        "detail": {"userIdentity": {"arn": who}, "requestParameters": {"service": "vision-digits-0a1b2c"}},
    }
    assert concerned(event, INDEX, ME) == woken
    assert concerned(event, INDEX, "") == {"vision/digits"}  # not knowing ourselves, we look


class Queue:
    """Answers one receive, and records what is deleted."""

    def __init__(self, *bodies: str) -> None:
        self.messages = [{"Body": each, "ReceiptHandle": f"h{at}"} for at, each in enumerate(bodies)]
        self.deleted: list[str] = []

    def make(self, call):
        if call.operation == "ReceiveMessage":
            return {"Messages": self.messages} if self.messages else {}
        self.deleted += [each["ReceiptHandle"] for each in call.arguments["Entries"]]
        return {}


def test_messages_are_taken_and_those_that_are_no_events_are_taken_too():
    queue = Queue(json.dumps({"source": "aws.ecs"}), "no JSON", "[1]", '"text"', "[" * 100_000)
    assert Ear(queue, "http://q", lambda: ME).hear() == ({"source": "aws.ecs"},)
    assert queue.deleted == ["h0", "h1", "h2", "h3", "h4"]
    quiet = Queue()
    assert Ear(quiet, "http://q", lambda: ME).hear() == ()
    assert quiet.deleted == []


def test_a_queue_that_cannot_be_read_is_said():
    class Denied(Queue):
        def make(self, call):
            raise Failure("denied", "ana may not sqs:ReceiveMessage")

    with pytest.raises(Failure, match="may not"):
        Ear(Denied(), "http://q", lambda: ME).hear()
