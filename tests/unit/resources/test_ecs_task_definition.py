"""Task definitions: revisions of a family, by us and by hand, and what a delete leaves."""

from dataclasses import replace
from typing import Any

import pytest

from trimtab.core.kind import Broken, Failure, Ref, Settled, Unknown, tag_list
from trimtab.resources import KINDS
from trimtab.resources.ecs_task_definition import Desired, Observed
from unit.resources.samples import CONTAINER, FAMILY, KEYED, SAMPLES, TASK_ARN, TASK_DEFINITION, absent
from unit.resources.support import drive

KIND = KINDS["ecs.TaskDefinition"]
DESIRED: Desired = SAMPLES["ecs.TaskDefinition"].desired


def revision(number: int, status: str = "ACTIVE", *, ours: bool = True, **fields: Any) -> dict[str, Any]:
    arn = TASK_ARN.rpartition(":")[0] + f":{number}"
    definition = {**TASK_DEFINITION, "taskDefinitionArn": arn, "revision": number, "status": status, **fields}
    return {"taskDefinition": definition, "tags": tag_list(KEYED if ours else {"team": "x"}, "key", "value")}


def world(*revisions: dict[str, Any]) -> dict[str, Any]:
    """Replies of an ECS that holds these revisions."""
    items = {each["taskDefinition"]["taskDefinitionArn"]: each for each in revisions}
    active = [each for each in revisions if each["taskDefinition"]["status"] == "ACTIVE"]

    def describe(given: dict[str, Any]) -> Any:
        name = given["taskDefinition"]
        if name == FAMILY:
            return max(active, key=lambda each: each["taskDefinition"]["revision"]) if active else absent("describe")
        return items.get(name) or items.get(f"{TASK_ARN.rpartition('/')[0]}/{name}") or absent("describe")

    def listed(given: dict[str, Any]) -> Any:
        mine = [each["taskDefinition"] for each in revisions if each["taskDefinition"]["status"] == given["status"]]
        ordered = sorted(mine, key=lambda each: -each["revision"])
        longer = TASK_ARN.replace(FAMILY, f"{FAMILY}x")  # a family of which ours is a prefix
        return {"taskDefinitionArns": [each["taskDefinitionArn"] for each in ordered] + [longer]}

    return {"DescribeTaskDefinition": describe, "ListTaskDefinitions": listed}


def seen(*revisions: dict[str, Any]) -> Any:
    _, found = drive(KIND.observe([FAMILY]), world(*revisions))
    return found.get(FAMILY)


def test_a_revision_that_somebody_registered_by_hand_is_left_alone():
    observed = seen(revision(1), revision(2, ours=False, cpu="256"))
    assert observed.revision == 1
    assert KIND.diff(DESIRED, observed) == ()
    assert KIND.state(DESIRED, observed) == Settled()


def test_a_twin_of_ours_is_as_good():
    assert seen(revision(1), revision(2)).revision == 2


def test_a_family_that_is_wholly_somebody_elses_is_shown_as_it_is():
    observed = seen(revision(1, ours=False), revision(2, ours=False))
    assert observed.revision == 2
    assert observed.tags == {"team": "x"}


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        pytest.param({"cpu": "256"}, "cpu", id="cpu"),
        pytest.param({"containerDefinitions": [{**CONTAINER, "image": "other"}]}, "container.image", id="image"),
        pytest.param({"containerDefinitions": [{**CONTAINER, "user": "0"}]}, "container.user", id="user"),
        pytest.param({"containerDefinitions": [{**CONTAINER, "command": ["sh"]}]}, "container.command", id="command"),
        pytest.param({"taskRoleArn": "arn:aws:iam::123456789012:role/admin"}, "taskRoleArn", id="role"),
        pytest.param(
            {"containerDefinitions": [{**CONTAINER, "environment": []}]}, "container.environment", id="environment"
        ),
    ],
)
def test_one_of_ours_that_is_not_as_declared_is_registered_anew(fields: dict[str, Any], path: str):
    observed = seen(revision(1, **fields))
    drift = KIND.diff(DESIRED, observed)
    assert [each.path for each in drift] == [path]
    calls, _ = drive(KIND.update(DESIRED, observed, drift))
    assert [(call.operation, call.repeat) for call in calls] == [("RegisterTaskDefinition", "once")]


def test_a_second_container_by_hand_is_a_difference():
    assert KIND.diff(DESIRED, seen(revision(1, containerDefinitions=[CONTAINER, {**CONTAINER, "name": "spy"}])))


def test_a_field_nobody_declares_is_no_difference():
    fields = {"registeredBy": "somebody", "placementConstraints": [], "containerDefinitions": [{**CONTAINER, "cpu": 1}]}
    assert KIND.diff(DESIRED, seen(revision(1, **fields))) == ()


def test_the_image_is_known_when_repository_and_digest_are():
    pending = replace(DESIRED, image_digest=Ref("ecr.Image/image", "digest"))
    assert KIND.diff(pending, seen(revision(1))) == ()
    with pytest.raises(TypeError, match=r"ecr\.Image/image"):
        drive(KIND.create(pending))


def test_a_family_without_any_revision_is_absent():
    assert seen() is None


def test_what_a_delete_left_is_found_again_and_counts_as_not_made():
    observed = seen(revision(1, "INACTIVE"))
    assert isinstance(observed, Observed)
    assert KIND.diff(DESIRED, observed) == ()
    assert KIND.state(DESIRED, observed) == Broken("Deregistered", f"every revision of {FAMILY} is INACTIVE", again=True)


def test_a_list_that_is_denied_is_unknown():
    answers = {**world(), "ListTaskDefinitions": Failure("denied", "no")}
    _, found = drive(KIND.observe([FAMILY]), answers)
    assert found == {FAMILY: Unknown("no", "denied")}


def test_every_revision_of_the_family_and_of_no_other_is_deleted():
    revisions = [revision(n) for n in range(1, 13)] + [revision(13, "INACTIVE")]
    calls, _ = drive(KIND.delete(seen(*revisions)), world(*revisions))
    gone = [call for call in calls if call.operation == "DeregisterTaskDefinition"]
    deleted = [call.arguments["taskDefinitions"] for call in calls if call.operation == "DeleteTaskDefinitions"]
    assert len(gone) == 12
    assert [len(each) for each in deleted] == [10, 3]
    assert not any(f"{FAMILY}x" in arn for each in deleted for arn in each)


def test_a_revision_that_stays_is_said():
    failure = {"failures": [{"arn": TASK_ARN, "reason": "in use"}]}
    with pytest.raises(Failure, match="in use"):
        drive(KIND.delete(seen(revision(1))), {**world(revision(1)), "DeleteTaskDefinitions": failure})
