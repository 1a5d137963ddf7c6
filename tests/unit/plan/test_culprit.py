"""Who made a drift: a record, CloudTrail's events, and the write that explains it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from trimtab.core.times import rfc3339
from trimtab.plan.culprit import culprit, write_in
from trimtab.plan.drifts import Change, DriftRecord

SEEN = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
ARN = "arn:aws:ecs:us-east-1:123456789012:service/cluster/crash-d1"
NAMES = (ARN, "crash-d1")
ANA, BOB, US = (f"arn:aws:iam::123456789012:user/{name}" for name in ("ana", "bob", "trimtab"))


def record(path: str = "desiredCount", have: str = "3") -> DriftRecord:
    at = rfc3339(SEEN)
    return DriftRecord("ecs.Service/service", (Change(path, have, "1"),), at, at)


def event(seconds: float, who: str = ANA, name: str = "UpdateService", **parameters: Any) -> dict[str, Any]:
    """One that long after the drift was seen."""
    return {
        "userIdentity": {"arn": who},
        "eventName": name,
        "eventTime": rfc3339(SEEN + timedelta(seconds=seconds)),
        "readOnly": False,
        "requestParameters": {"cluster": "cluster", "service": "crash-d1", **parameters},
    }


def found(events: list[dict[str, Any]], of: DriftRecord | None = None, since: str = "", *, is_late: bool = False):
    writes = [write for each in events if (write := write_in(each))]
    by = culprit(of or record(), writes, NAMES, US, since, is_late=is_late)
    return by and (by.who, by.event, rfc3339(by.at))


def by(seconds: float, who: str = ANA, name: str = "UpdateService") -> tuple[str, str, str]:
    return who, name, rfc3339(SEEN + timedelta(seconds=seconds))


OTHER = "arn:aws:ecs:us-east-1:1:task-definition/other:3"
SET = event(-9, desiredCount=3)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([], None, id="nothing was delivered"),
        pytest.param([SET], by(-9), id="it tells the value"),
        pytest.param([event(-9, desiredCount=3, service=ARN)], by(-9), id="by its ARN"),
        pytest.param([event(-9, BOB, desiredCount=2), SET], by(-9), id="another set another value"),
        pytest.param([event(-20, BOB, desiredCount=3), SET], by(-9), id="the last one counts"),
        pytest.param([event(-9, desiredCount=3, service="crash-d2")], None, id="of another service"),
        pytest.param([event(-9, US, desiredCount=3)], None, id="ourselves"),
        pytest.param([{**SET, "errorCode": "AccessDeniedException"}], None, id="refused"),
        pytest.param([{**SET, "readOnly": True}], None, id="a read"),
        pytest.param([event(-9, forceNewDeployment=True)], None, id="it left the field as it was"),
        pytest.param([event(30, BOB, desiredCount=3)], None, id="after it was seen"),
        pytest.param([event(-9, name="TagResource", resourceArn=ARN)], None, id="it only tags"),
        pytest.param([event(-600, desiredCount=3), event(-300, US, desiredCount=1)], None, id="put right since"),
        pytest.param([{**SET, "userIdentity": {"invokedBy": "autoscaling.amazonaws.com"}}],
                     by(-9, "autoscaling.amazonaws.com"), id="a service of AWS"),
    ],
)  # fmt: skip
def test_the_write_that_explains_a_drift_is_found(events, expected):
    assert found(events) == expected


def test_what_was_written_before_the_last_repair_is_explained_already():
    earlier, later = event(-600, BOB, desiredCount=3), event(-9, desiredCount=3)
    repaired = rfc3339(SEEN - timedelta(seconds=300))
    assert found([earlier], since=repaired) is None
    assert found([earlier, later], since=repaired) == by(-9)


@pytest.mark.parametrize(
    ("path", "have", "name", "parameters", "is_told"),
    [
        ("taskDefinition", OTHER, "UpdateService", {"taskDefinition": "other:3"}, True),
        ("taskDefinition", OTHER, "UpdateService", {"taskDefinition": "other:4"}, False),
        ("imageTagMutability", "MUTABLE", "PutImageTagMutability", {"imageTagMutability": "MUTABLE"}, True),
        ("scanOnPush", "False", "PutImageScanningConfiguration", {"scanOnPush": False}, True),
        ("actions[0].type", "fixed-response", "ModifyRule", {"actions": [{"type": "fixed-response"}]}, True),
        ("tags.team", "(not set)", "UntagResource", {"resourceArn": ARN, "tagKeys": ["team"]}, True),
        ("tags.team", "x", "TagResource", {"tags": [{"key": "team", "value": "x"}]}, True),
        ("tags.team", "x", "TagResource", {"tags": [{"key": "other", "value": "x"}]}, False),
        ("tags.team", "x", "UpdateService", {"desiredCount": 3}, False),
        ("", "deleted", "DeleteService", {}, True),
        ("", "deleted", "UpdateService", {"desiredCount": 0}, False),
    ],
)  # fmt: skip
def test_each_kind_of_change_is_told_by_its_own_words(path, have, name, parameters, is_told):
    told = found([event(-9, name=name, **parameters)], record(path, have))
    assert told == (by(-9, name=name) if is_told else None)


def test_what_may_have_done_it_is_named_once_nothing_better_can_come():
    policy = record("policy", "{...}")
    events = [event(-20, BOB, "PutRolePolicy", policyName="p"), event(-9, ANA, "PutRolePolicy", policyName="p")]
    assert found(events, policy) is None
    assert found(events, policy, is_late=True) == by(-9, name="PutRolePolicy")
    assert found([event(-9, forceNewDeployment=True)], is_late=True) is None
    # A clock ahead of ours.
    assert found([event(30, desiredCount=3), event(60, BOB, desiredCount=3)], is_late=True) == by(30)
    assert found([event(600, desiredCount=3)], is_late=True) is None


def test_another_session_of_our_role_is_ourselves():
    session = "arn:aws:sts::123456789012:assumed-role/operator/{}"
    write = write_in(event(-9, session.format("task-1"), desiredCount=3))
    assert write
    assert culprit(record(), [write], NAMES, session.format("task-2"), is_late=True) is None
    assert culprit(record(), [write], NAMES, "arn:aws:sts::123456789012:assumed-role/ops/task-2", is_late=True) == write


def test_any_field_of_a_record_may_tell():
    both = replace(record(), changes=(Change("loadBalancers", "[]", "[...]"), Change("desiredCount", "3", "1")))
    assert found([SET], both) == by(-9)
