"""What every kind promises, whatever it is of."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from trimtab.core.kind import (
    UID,
    AnyKind,
    Batch,
    Call,
    Difference,
    Failure,
    Ref,
    Settled,
    Unknown,
    refs_in,
    run_steps,
)
from trimtab.resources import KINDS
from unit.resources.samples import SAMPLES, UID_VALUE, Sample
from unit.resources.support import drive, faults_of_call, transfers_of

DENIED = Failure("denied", "not authorized to perform this", code="AccessDenied")

every_kind = pytest.mark.parametrize(
    ("kind", "sample"), [pytest.param(KINDS[name], sample, id=name) for name, sample in SAMPLES.items()]
)


def observed(kind: AnyKind, sample: Sample, **answers: Any) -> Any:
    """What is seen when all is as declared."""
    identity = kind.identity(sample.desired)
    _, seen = drive(kind.observe([identity]), {**sample.answers, **answers})
    return seen[identity]


def writes(calls: list[Call]) -> list[Call]:
    return [call for call in calls if call.repeat != "read"]


def test_every_kind_of_the_table_has_a_sample():
    # The calls of the one go to the ledger, not to AWS; the other is only looked at.
    assert set(KINDS) - set(SAMPLES) == {"trimtab.Gate", "cloudwatch.DeploymentAlarm"}


def test_names_are_those_of_the_table():
    assert all(name == kind.name for name, kind in KINDS.items())


@every_kind
def test_a_second_pass_finds_nothing_to_write(kind: AnyKind, sample: Sample):
    seen = observed(kind, sample)
    assert kind.diff(sample.desired, seen) == ()
    assert kind.state(sample.desired, seen) == Settled()


@every_kind
def test_an_update_of_no_difference_makes_no_call(kind: AnyKind, sample: Sample):
    assert run_steps(kind.update(sample.desired, observed(kind, sample), ())).calls == ()


@every_kind
def test_reads_are_told_apart_from_writes(kind: AnyKind, sample: Sample):
    identity = kind.identity(sample.desired)
    calls, _ = drive(kind.observe([identity]), sample.answers)
    assert calls
    assert all(call.repeat == "read" and faults_of_call(call) == [] for call in calls)
    made, _ = drive(kind.create(sample.desired), {**sample.created, **_nothing_there(sample)})
    assert all(call.repeat != "read" for call in made if not _is_read(call))


@every_kind
def test_what_is_not_there_is_proven_absent(kind: AnyKind, sample: Sample):
    identity = kind.identity(sample.desired)
    _, seen = drive(kind.observe([identity, sample.other]), sample.answers)
    assert set(seen) == {identity}


@every_kind
def test_no_identity_at_all_is_nothing_seen(kind: AnyKind, sample: Sample):
    _, seen = drive(kind.observe([]), sample.answers)
    assert seen == {}


@every_kind
def test_a_denied_read_is_unknown_and_never_absent(kind: AnyKind, sample: Sample):
    assert observed(kind, sample, **{sample.denied: DENIED}) == Unknown(DENIED.reason, DENIED.meaning)


@every_kind
def test_calls_of_a_create_are_as_botocore_models_them(kind: AnyKind, sample: Sample):
    calls, _ = drive(kind.create(sample.desired), {**sample.created, **_nothing_there(sample)})
    assert writes(calls) or transfers_of(kind.create(sample.desired))
    assert {call.operation: faults_of_call(call) for call in calls if faults_of_call(call)} == {}


@every_kind
def test_tags_are_in_the_call_that_creates(kind: AnyKind, sample: Sample):
    if sample.untagged:
        assert not hasattr(sample.desired, "tags")
        return
    calls, _ = drive(kind.create(sample.desired), {**sample.created, **_nothing_there(sample)})
    tagged = [call.operation for call in calls if UID_VALUE in str(call.arguments)]
    assert len(tagged) == 1
    assert tagged[0].startswith(("Create", "Register", "PutMetricAlarm"))


@every_kind
def test_calls_of_a_delete_are_as_botocore_models_them(kind: AnyKind, sample: Sample):
    calls, _ = drive(kind.delete(observed(kind, sample)), _for_delete(sample))
    assert writes(calls)
    assert {call.operation: faults_of_call(call) for call in calls if faults_of_call(call)} == {}


@every_kind
def test_owner_tags_are_read_without_a_guess(kind: AnyKind, sample: Sample):
    seen = observed(kind, sample)
    calls, (tags,) = drive(kind.tags([seen]), sample.answers)
    assert isinstance(tags, Mapping)
    assert tags[UID] == UID_VALUE
    if sample.tags is not None:
        assert calls == []
        assert tags == sample.tags


@every_kind
def test_tags_that_cannot_be_read_are_unknown(kind: AnyKind, sample: Sample):
    if sample.tags is not None:
        return
    denied = dict.fromkeys(("ListTagsForResource", "ListTags", "DescribeTags"), DENIED)
    _, tags = drive(kind.tags([observed(kind, sample)]), {**sample.answers, **denied})
    assert tags == [Unknown(DENIED.reason, DENIED.meaning)]


@every_kind
def test_tags_are_added_and_removed(kind: AnyKind, sample: Sample):
    if sample.untagged:
        return
    drift = Difference("tags", have={"team": "a", "old": "x"}, want={"team": "b", UID: UID_VALUE})
    calls, _ = drive(kind.update(sample.desired, observed(kind, sample), (drift,)))
    assert len(calls) == 2
    added, removed = calls
    assert "'b'" in str(added.arguments)
    assert "old" not in str(added.arguments)
    assert "['old']" in str(removed.arguments)
    assert all(faults_of_call(call) == [] and call.repeat == "safe" for call in calls)


@every_kind
def test_calls_of_an_update_are_as_botocore_models_them(kind: AnyKind, sample: Sample):
    """Every field that can differ is made to differ, one at a time, and repaired."""
    seen = observed(kind, sample)
    for other in _meddled(seen):
        drift = tuple(each for each in kind.diff(sample.desired, other) if each.owner == "spec" and each.remedy == "update")
        if drift:
            calls, _ = drive(kind.update(sample.desired, other, drift), {**sample.answers, **sample.created})
            assert writes(calls), f"no call repairs {drift}"
            assert {call.operation: faults_of_call(call) for call in calls if faults_of_call(call)} == {}


@every_kind
def test_each_declared_field_that_is_not_known_yet_is_no_difference(kind: AnyKind, sample: Sample):
    seen = observed(kind, sample)
    for each in dataclasses.fields(sample.desired):
        if "Ref" in str(each.type) and not any(word in str(each.type) for word in ("tuple", "Mapping")):
            pending = dataclasses.replace(sample.desired, **{each.name: Ref("kind/parent", each.name)})
            assert refs_in(pending)
            assert kind.diff(pending, seen) == ()


@every_kind
def test_desired_and_observed_are_values(kind: AnyKind, sample: Sample):
    seen = observed(kind, sample)
    for value in (sample.desired, seen):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, dataclasses.fields(value)[0].name, "other")
        assert value == dataclasses.replace(value)


@every_kind
def test_status_words_that_are_not_known_do_no_harm(kind: AnyKind, sample: Sample):
    seen = observed(kind, sample)
    if hasattr(seen, "status") and dataclasses.is_dataclass(seen) and "status" in {f.name for f in dataclasses.fields(seen)}:
        odd = dataclasses.replace(seen, status="NEW_WORD")
        kind.state(sample.desired, odd)
        kind.diff(sample.desired, odd)


@every_kind
def test_rights_cover_every_call(kind: AnyKind, sample: Sample):
    seen = observed(kind, sample)
    tags = Difference("tags", have={"old": "x"}, want={UID: UID_VALUE})
    made = {
        "observe": drive(kind.observe([kind.identity(sample.desired)]), sample.answers)[0]
        + drive(kind.tags([seen]), sample.answers)[0],
        "create": drive(kind.create(sample.desired), {**sample.created, **_nothing_there(sample)})[0],
        "update": [
            call
            for other in [seen, *_meddled(seen)]
            for call in drive(
                kind.update(
                    sample.desired, other, (*kind.diff(sample.desired, other), *(() if sample.untagged else (tags,)))
                ),
                {**sample.answers, **sample.created},
            )[0]
        ],
        "delete": drive(kind.delete(seen), _for_delete(sample))[0],
    }
    for verb, calls in made.items():
        granted = {right.action for right in kind.rights[verb]}
        assert {action for call in calls for action in _actions(call)} <= granted, verb


@every_kind
def test_no_right_is_wider_than_it_need_be(kind: AnyKind, sample: Sample):
    """A star stands only where AWS has no finer resource, and a write names our tag."""
    free = {"ecr:GetAuthorizationToken", "ecs:DeregisterTaskDefinition"}
    for rights in kind.rights.values():
        for right in rights:
            reads = right.action.partition(":")[2].startswith(("Describe", "Get", "List"))
            assert right.resource != "*" or reads or right.action in free, right


def _is_read(call: Call) -> bool:
    return call.operation.startswith(("Describe", "Get", "List", "BatchGet"))


_VERBS = {
    "Get": "GET",
    "Create": "POST",
    "Update": "PATCH",
    "Put": "PUT",
    "Delete": "DELETE",
    "Tag": "PUT",
    "Untag": "DELETE",
}
_S3 = {
    "ListObjectsV2": "ListBucket",
    "DeleteObjects": "DeleteObject",
    "ListMultipartUploads": "ListBucketMultipartUploads",
}


def _actions(call: Call) -> list[str]:
    """The IAM actions that a call needs; tags in a create need one of their own."""
    if call.service.startswith("apigateway"):
        return [f"apigateway:{next(verb for word, verb in _VERBS.items() if call.operation.startswith(word))}"]
    prefix = {"elbv2": "elasticloadbalancing"}.get(call.service, call.service)
    operation = _S3.get(call.operation, call.operation) if call.service == "s3" else call.operation
    return [f"{prefix}:{operation}"]


def _nothing_there(sample: Sample) -> dict[str, Any]:
    """Replies for the reads that a create makes: there is nothing yet."""
    return {
        "DescribeTrainingJob": Failure("absent", "no such job"),
        "DescribeProcessingJob": Failure("absent", "no such job"),
        "DescribeRules": {"Rules": []},
        "GetDeployments": {"items": []},
    }


def _for_delete(sample: Sample) -> dict[str, Any]:
    prefix = "deployments/u/x"
    answers = dict(sample.answers)
    if "ListTaskDefinitions" in answers:
        arn = sample.answers["DescribeTaskDefinition"]({"taskDefinition": sample.desired.family})["taskDefinition"]
        answers["ListTaskDefinitions"] = {"taskDefinitionArns": [arn["taskDefinitionArn"]]}
    answers["ListObjectsV2"] = {"Contents": [{"Key": f"{prefix}/{n}"} for n in range(3)]}
    answers["ListMultipartUploads"] = {"Uploads": [{"Key": f"{prefix}/9", "UploadId": "up"}]}
    return answers


def _meddled(seen: Any) -> list[Any]:
    """The observed with each of its fields changed to another value of its type, one at a time."""
    found: list[Any] = []
    for each in dataclasses.fields(seen):
        value = getattr(seen, each.name)
        if each.name in ("arn", "id", "name", "status", "attempts", "tags", "deployments", "twins"):
            continue
        if isinstance(value, Mapping):
            found += [dataclasses.replace(seen, **{each.name: {**value, key: None}}) for key in value]
        elif isinstance(value, bool):
            found.append(dataclasses.replace(seen, **{each.name: not value}))
        elif isinstance(value, (int, float)):
            found.append(dataclasses.replace(seen, **{each.name: value + 1}))
        elif isinstance(value, str):
            found.append(dataclasses.replace(seen, **{each.name: f"{value}x"}))
        elif isinstance(value, tuple):
            found.append(dataclasses.replace(seen, **{each.name: ()}))
    return found


def test_a_batch_is_never_empty():
    for name in SAMPLES:
        kind = KINDS[name]
        for steps in (kind.observe([]), kind.tags([])):
            assert all(step.calls for step in run_steps(steps).calls if isinstance(step, Batch))
