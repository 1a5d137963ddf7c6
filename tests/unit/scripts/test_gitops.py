"""What `make gitops` makes of what it has seen: rows, what is not named, and promises that do not hold."""

import copy
from typing import Any

import pytest
from gitops import failures
from gitops_deletion import unnamed
from gitops_life import drifted
from operating import braked, edited, ready
from outside import Broken, until

ANA = "arn:aws:iam::123456789012:user/ana"
PLAYED = {
    "commits": 5,
    "converged": 5,
    "bad_commit": {
        "served_requests": 100,
        "failed_requests": 0,
        "only_the_last_good_one_answered": True,
        "status": "RolledBack",
        "serving": True,
    },
}
HELD: dict[str, Any] = {
    "git": PLAYED,
    "s3": copy.deepcopy(PLAYED),
    "drift": [{"what": "tag removed", "actor": ANA, "repaired": True, "seconds_with_events": 9.9, "seconds_polling": 10.0}],
    "autoscaler": {"virtual_minutes": 60, "scalings": 4, "operator_writes": 0},
    "silent_rollback": {"reported_ready": False, "reason": "RolledBack", "quarantined": True},
    "deletion": {"leftovers": 0, "with_rights_revoked": {"listed": True, "then_finished": True}},
    "sweep": [{"writes": 0, "calls": 26, "formula": 26}, {"writes": 0, "calls": 35, "formula": 35}],
}


def test_promises_that_hold_are_no_failures():
    assert failures(HELD) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("git", "bad_commit", "failed_requests"), 1),
        (("s3", "bad_commit", "served_requests"), 99),
        (("s3", "bad_commit", "status"), "Progressing"),
        (("git", "converged"), 4),
        (("drift", 0, "actor"), f"{ANA}, unknown"),
        (("drift", 0, "repaired"), False),
        (("drift", 0, "seconds_with_events"), 10.0),
        (("drift", 0, "seconds_polling"), 10.1),
        (("autoscaler", "operator_writes"), 1),
        (("autoscaler", "scalings"), 3),
        (("silent_rollback", "reported_ready"), True),
        (("deletion", "leftovers"), 1),
        (("deletion", "with_rights_revoked", "listed"), False),
        (("sweep", 1, "writes"), 1),
        (("sweep", 0, "calls"), 30),
    ],
)
def test_one_that_does_not_hold_is_said(path, value):
    result = copy.deepcopy(HELD)
    *way, last = path
    place: Any = result
    for step in way:
        place = place[step]
    place[last] = value
    assert len(failures(result)) == 1


def record(who: str, done: str = "repaired") -> dict[str, str]:
    return {"who": who, "done": done}


def test_the_records_of_two_rounds_make_a_row_for_each_change():
    records = [record(ANA), record(ANA), record(ANA), record("unknown", "waiting")]
    assert drifted(records, ("count", "tag"), {"events": [0.1, 0.2], "polling": [3.0, 4.0]}) == [
        {"what": "count", "actor": ANA, "repaired": True, "seconds_with_events": 0.1, "seconds_polling": 3.0},
        {"what": "tag", "actor": f"{ANA}, unknown", "repaired": False, "seconds_with_events": 0.2, "seconds_polling": 4.0},
    ]


def test_a_change_that_left_no_record_is_a_broken_promise():
    with pytest.raises(Broken, match="2 changes were made 1 times, and 1 are remembered"):
        drifted([record(ANA)], ("count", "tag"), {"events": [0.1, 0.2]})


def test_what_aws_lists_and_the_status_does_not_name_is_found():
    left = ["sagemaker.TrainingJob/training toy-5354", "ecs.TaskDefinition/release toy-7a5c", "iam.Role/task toy-task"]
    there = [
        "training job toy-5354-a1",
        "task definition arn:aws:ecs:us-east-1:123456789012:task-definition/toy-7a5c:1",
        "role toy-task",
        "role toy-training",
    ]
    assert unnamed(there, left) == ["role toy-training"]


@pytest.mark.parametrize(("after", "version", "is_so"), [(1, "", True), (2, "", False), (1, "abc", True), (1, "abd", False)])
def test_ready_is_of_the_generation_and_the_version_that_were_asked_for(after, version, is_so):
    condition = {"type": "Ready", "status": "True", "reason": "Ready", "message": ""}
    status = {"observedGeneration": 2, "version": "abc", "conditions": [condition]}
    assert ready(status, after, version) is is_so
    assert not ready({}, 0)


@pytest.mark.parametrize(
    ("status", "is_so"),
    [
        ({}, False),
        ({"notes": ["not read yet"]}, False),
        ({"notes": ["not read yet", "until `trimtab confirm-deletes`"]}, True),
    ],
)
def test_a_vanished_document_waits_where_its_status_asks_for_a_persons_word(status, is_so):
    assert braked(status) is is_so


def test_an_edit_of_what_is_not_there_is_a_broken_promise(tmp_path):
    document = tmp_path / "deployment.yaml"
    document.write_text("replicas: 1")
    edited(document, "replicas: 1", "replicas: 2")
    with pytest.raises(Broken, match="no longer holds 'replicas: 1'"):
        edited(document, "replicas: 1", "replicas: 3")
    assert document.read_text() == "replicas: 2"


def test_what_never_comes_is_named():
    with pytest.raises(Broken, match="after 0 s there is still no rain"):
        until(lambda: False, "rain", patience_s=0)
