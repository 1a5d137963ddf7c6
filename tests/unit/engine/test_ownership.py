"""What a deletion takes for ours, what it leaves, and what it says of that."""

from datetime import UTC, datetime

import pytest

from trimtab.core.kind import UID, Unknown
from trimtab.engine.ledger import Resource
from trimtab.engine.ownership import others, ours
from trimtab.plan.snapshot import Absent, Found, Snapshot, Stale

NODE, KIND = "ecr.Repository/repository", "ecr.Repository"
MADE, ADOPTED = Resource(NODE, KIND, "made"), Resource(NODE, KIND, "found", adopted=True)
UNREAD = Unknown("throttled", "throttled")


def judged(resource, seen):
    snapshot = Snapshot(datetime(2026, 11, 23, tzinfo=UTC), {}, stale=(Stale(NODE, KIND, resource.identity, seen),))
    own = ours(snapshot, {"u-own", "u-shared"}, (MADE, ADOPTED))
    return [each.seen for each in own.stale], [each.because for each in others(snapshot, own)]


@pytest.mark.parametrize(
    ("resource", "tags"),
    [
        pytest.param(MADE, {UID: "u-own"}, id="our tag"),
        pytest.param(ADOPTED, {UID: "u-shared"}, id="our tag on what was there before"),
        pytest.param(MADE, {}, id="made by us, and the tag was taken off"),
        pytest.param(MADE, None, id="tags not read"),
    ],
)
def test_what_is_ours_is_deleted(resource, tags):
    found = Found("it", tags)
    assert judged(resource, found) == ([found], [])


@pytest.mark.parametrize(
    ("resource", "tags", "said"),
    [
        (MADE, {UID: "u-other"}, "carries the owner tag of u-other: not ours to delete"),
        (ADOPTED, {}, "was there before, and does not carry our owner tag: not ours to delete"),
    ],
)
def test_what_is_anothers_is_left_and_named(resource, tags, said):
    assert judged(resource, Found("it", tags)) == ([], [said])


def test_what_cannot_be_shown_to_be_ours_is_not_taken_for_it():
    assert judged(MADE, Found("it", UNREAD)) == ([UNREAD], [])


def test_what_is_gone_is_neither_left_nor_anothers():
    assert judged(ADOPTED, Absent()) == ([Absent()], [])
