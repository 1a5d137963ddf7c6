"""What a person may ask of a deployment, and what is refused with a reason."""

from dataclasses import replace

import pytest

from trimtab.core.errors import UserError
from trimtab.engine.amend import deletion_of, held_number, let_go, refreshed, released, retrained, retried, rolled_back
from trimtab.engine.ledger import Lease, Ledger, Revision

AT = "2026-11-23T12:00:00Z"


def revision(number: int, outcome: str) -> Revision:
    pins = {"image": "sha256:i", "artifact": "sha256:a"}
    return Revision(number, number, str(number) * 64, pins, {}, outcome, "because", "2026-11-23T12:00:00Z", {"serving": {}})


LEDGER = Ledger(
    "uid", "vision", "digits", "local", "123456789012", "us-east-1",
    revisions=(revision(1, "Superseded"), revision(2, "GateFailed"), revision(3, "Superseded"), revision(4, "Serving")),
)  # fmt: skip


def test_a_rollback_without_a_number_goes_to_the_last_that_served_before():
    assert held_number(rolled_back(LEDGER, None)) == 3


def test_a_rollback_goes_to_any_that_served():
    assert held_number(rolled_back(LEDGER, 1)) == 1


def test_a_second_rollback_replaces_the_first():
    assert held_number(rolled_back(rolled_back(LEDGER, 3), 1)) == 1


def test_a_release_ends_it():
    assert held_number(released(rolled_back(LEDGER, None))) is None


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda: rolled_back(LEDGER, 2), "never served: GateFailed"),
        (lambda: rolled_back(LEDGER, 4), "serves already"),
        (lambda: rolled_back(LEDGER, 9), "no revision 9; those that have served: 1, 3, 4"),
        (lambda: rolled_back(replace(LEDGER, revisions=LEDGER.revisions[3:]), None), "no earlier revision"),
        (lambda: released(LEDGER), "not held"),
        (lambda: retried(LEDGER, AT), "no release in quarantine"),
    ],
)
def test_what_cannot_be_is_refused(ask, says):
    with pytest.raises(UserError, match=says) as refused:
        ask()
    assert refused.value.fix


def test_a_retry_lifts_the_latest_and_counts():
    held = replace(LEDGER, quarantine=("1" * 12, "2" * 12))
    once = retried(held, AT)
    assert once.quarantine == ("1" * 12,)
    assert once.attempts == {"2" * 64: 1}
    assert retried(replace(once, quarantine=held.quarantine), AT).attempts == {"2" * 64: 2}


def test_retrainings_are_counted_for_each_generation():
    assert retrained(retrained(retrained(LEDGER, "a"), "b"), "a").ordinals == {"a": 2, "b": 1}


def test_a_refresh_forgets_all_pins_or_one():
    pinned = replace(LEDGER, pins={"training": {}, "serving": {}, "launcher": {}})
    assert refreshed(pinned, None).pins == {}
    assert set(refreshed(pinned, "serving").pins) == {"training", "launcher"}


def test_what_was_let_go_of_keeps_its_identity_and_the_time_it_was_first_so():
    once = let_go(replace(LEDGER, lease=Lease("ana@host:1", "2026-11-23T12:01:00Z")), "2026-11-23T12:00:00Z")
    assert (once.uid, once.resources, once.lease) == (LEDGER.uid, LEDGER.resources, None)
    assert let_go(once, "2026-11-24T00:00:00Z").retained == "2026-11-23T12:00:00Z"


@pytest.mark.parametrize(
    ("ledger", "deletion"),
    [
        (LEDGER, "delete"),
        (replace(LEDGER, document={"policy": {"deletion": "retain"}}), "retain"),
        (replace(LEDGER, document={"policy": {"deletion": "retain"}}, deleting=True), "delete"),
    ],
    ids=["by default", "as declared", "once begun"],
)
def test_a_deletion_does_what_the_document_said_last(ledger, deletion):
    assert deletion_of(ledger) == deletion
