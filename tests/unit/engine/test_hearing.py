"""Whose deployment an event is about, by the names in it; and a queue that is no more than a hint."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from trimtab.core.kind import Failure
from trimtab.engine.hearing import Ear, concerned, ids_in, index_of, names_of
from trimtab.engine.ledger import Ledger, Resource
from trimtab.plan.snapshot import Absent, Found, Snapshot

ME, ANA = "arn:aws:iam::123456789012:user/trimtab", "arn:aws:iam::123456789012:user/ana"
ONE = frozenset({"vision-digits-0a1b2c", "vision-digits-0a1b2c3d4e5f", "trimtab-local", "a1b2c3d4e5"})
OTHER = frozenset({"vision-text-9f8e7d", "trimtab-local"})
INDEX = index_of({"vision/digits": ONE, "vision/text": OTHER})
SERVICE = "arn:aws:ecs:us-east-1:123456789012:service/trimtab-local/vision-digits-0a1b2c"


def test_names_are_the_parts_of_what_is_its_own():
    own = Resource("ecs.Service/service", "ecs.Service", "trimtab-local|vision-digits-0a1b2c")
    stage = Resource("apigateway.Stage/stage", "apigateway.Stage", "a1b2c3d4e5|live")
    shared = Resource("elbv2.LoadBalancer/shared", "elbv2.LoadBalancer", "trimtab-shared", shared=True)
    ledger = Ledger("u", "vision", "digits", "local", "123456789012", "r", resources=(own, stage, shared))
    assert names_of(ledger) == {"trimtab-local", "vision-digits-0a1b2c", "a1b2c3d4e5"}


def test_ids_that_aws_gave_are_names_once_they_were_seen():
    key = SimpleNamespace(name="vision-digits", id="k1e2y3k4e5")
    rule = SimpleNamespace(
        arn="arn:aws:elasticloadbalancing:r:1:listener-rule/app/shared/50dc6c495c0c9188/f2f7dc8e/9683b2d0"
    )
    seen = {"key": Found(key), "rule": Found(rule), "service": Absent(), "gate": Found(object())}
    assert ids_in(Snapshot(datetime(2026, 11, 26, tzinfo=UTC), seen)) == {"k1e2y3k4e5", "9683b2d0"}


def test_what_several_have_is_nobodys_name():
    assert "trimtab-local" not in INDEX
    assert index_of({each: frozenset({"bucket", each}) for each in ("aaaaaa", "bbbbbb", "cccccc")}).keys() == {
        "aaaaaa",
        "bbbbbb",
        "cccccc",
    }


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
    assert concerned({"resources": ["arn:aws:ecs:r:1:cluster/trimtab-local"], "detail": None}, INDEX, ME) == frozenset()
    assert concerned({}, INDEX, ME) == frozenset()


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
