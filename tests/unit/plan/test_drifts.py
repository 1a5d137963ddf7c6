"""The records of what was changed outside: opened, closed, bounded, and the same where nothing is new."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from trimtab.core.kind import Difference
from trimtab.core.times import rfc3339
from trimtab.plan.drifts import (
    MOST,
    Change,
    DriftRecord,
    Sighting,
    changes_of,
    is_left,
    lifted,
    noted,
    with_repairs,
)

NODE, OTHER = "ecs.Service/service", "logs.LogGroup/logs"
START = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
THREE = (Change("desiredCount", "3", "1"),)
FOUR = (Change("desiredCount", "4", "1"),)


def at(minutes: float) -> str:
    return rfc3339(START + timedelta(minutes=minutes))


REPAIRING = DriftRecord(NODE, THREE, at(0), at(0))
REPAIRED = replace(REPAIRING, done="repaired", at=at(0), ended=at(0))
REPORTED = replace(REPAIRING, done="reported")


@pytest.mark.parametrize(
    ("records", "seen", "settled", "after"),
    [
        pytest.param((), {NODE: [Sighting("", THREE)]}, (), (DriftRecord(NODE, THREE, at(1), at(1)),), id="new"),
        pytest.param((REPORTED,), {NODE: [Sighting("reported", THREE)]}, (), (REPORTED,), id="nothing new"),
        pytest.param((REPAIRED,), {}, (NODE,), (REPAIRED,), id="over"),
        pytest.param(
            (REPAIRED,),
            {NODE: [Sighting("", THREE)]},
            (),
            (REPAIRED, DriftRecord(NODE, THREE, at(1), at(1))),
            id="again, after its repair",
        ),
        pytest.param(
            (REPORTED,),
            {NODE: [Sighting("", THREE)]},
            (),
            (replace(REPORTED, done="", last=at(1)),),
            id="the policy has it repaired now",
        ),
        pytest.param(
            (REPORTED,),
            {NODE: [Sighting("reported", FOUR)]},
            (),
            (replace(REPORTED, ended=at(1)), DriftRecord(NODE, FOUR, at(1), at(1), "reported")),
            id="changed once more",
        ),
        pytest.param((REPORTED,), {}, (NODE,), (replace(REPORTED, ended=at(1)),), id="put right by others"),
        pytest.param((REPORTED,), {}, (), (REPORTED,), id="not known how it is now"),
        pytest.param(
            (REPAIRING,), {NODE: [Sighting("", changes_of(()))]}, (), (REPAIRING,), id="deleted by us, to be made anew"
        ),
    ],
)
def test_a_look_is_noted(records, seen, settled, after):
    assert noted(records, seen, settled, at(1)) == after


def test_a_repair_closes_what_is_under_way_and_nothing_else():
    told = replace(REPORTED, node=OTHER)
    assert with_repairs((REPAIRING, told), (NODE, OTHER), at(0)) == (REPAIRED, told)
    assert with_repairs((REPAIRED,), (NODE,), at(5)) == (REPAIRED,)


def test_a_repair_that_a_crash_kept_from_being_written_is_taken_from_its_effect():
    assert noted((REPAIRING,), {}, (NODE,), at(0), repaired=(NODE,)) == (REPAIRED,)
    (gone,) = noted((REPAIRING,), {}, (NODE,), at(0))
    assert (gone.done, gone.ended) == ("", at(0))


def test_values_are_short_text_and_never_a_secret():
    found = (
        Difference("desiredCount", have=3, want=None),
        Difference("environment.DB_PASSWORD", have="hunter2", want="x"),
        Difference("policy", have="a" * 500, want=""),
    )
    count, hidden, long = changes_of(found)
    assert count == Change("desiredCount", "3", "(not set)")
    assert hidden == Change("environment.DB_PASSWORD", "(hidden)", "(hidden)")
    assert len(long.have) == 200
    assert changes_of(()) == (Change("", "deleted", "present"),)
    assert len(changes_of([Difference(f"field{number}", 1, 2) for number in range(100)])) == 8


def test_no_more_are_kept_than_a_bound_and_what_the_guard_counts_goes_last():
    counted = replace(REPAIRED, first=at(0), at=at(0))
    noise = [replace(REPAIRED, node=f"{OTHER}{number}", counts=False) for number in range(MOST - 1)]
    records = noted((counted, *noise), {NODE: [Sighting("", THREE)]}, (), at(1))
    assert len(records) == MOST
    assert records[0] == counted
    assert records[-1].first == at(1)
    aged = noted((counted, *noise), {NODE: [Sighting("", THREE)]}, (), at(60 * 24 + 1))
    assert counted not in aged
    everything = [replace(counted, node=f"{OTHER}{number}") for number in range(MOST)]
    assert noted(everything, {NODE: [Sighting("", THREE)]}, (), at(1))[:-1] == tuple(everything[1:])


def test_what_is_open_outlasts_what_has_ended():
    held = replace(REPORTED, done="held", first=at(-1))
    counted = [replace(REPAIRED, node=f"{OTHER}{number}") for number in range(MOST - 1)]
    records = noted((held, REPORTED, *counted), {OTHER: [Sighting("", THREE)]}, (), at(1))
    assert len(records) == MOST
    assert records[:2] == (held, REPORTED)
    assert [each.node for each in records[2:-1]] == [each.node for each in counted[2:]]
    all_open = tuple(replace(REPORTED, node=f"{OTHER}{number}") for number in range(MOST))
    assert noted(all_open, {NODE: [Sighting("", THREE)]}, (), at(1))[:-1] == all_open[1:]


TAGS = (Change("tags.team", "a", "b"),)


def test_what_is_left_and_what_is_repaired_of_one_node_are_records_of_their_own():
    held = replace(REPORTED, done="held")
    both = {NODE: [Sighting("", TAGS), Sighting("held", THREE)]}
    first = noted((held,), both, (), at(1))
    assert first == (held, DriftRecord(NODE, TAGS, at(1), at(1)))
    assert noted(first, both, (), at(2)) == first  # its repair was refused: nothing is new
    done = with_repairs(first, (NODE,), at(1))
    assert [each.done for each in done] == ["held", "repaired"]
    assert noted(done, {NODE: [Sighting("held", THREE)]}, (), at(2)) == done
    unseen = noted(first, {NODE: [Sighting("held", THREE)]}, (), at(2), repaired=(NODE,))
    assert [(each.done, bool(each.ended)) for each in unseen] == [("held", False), ("repaired", True)]


def test_what_is_lifted_counts_no_more():
    held = replace(REPORTED, done="held")
    assert is_left(held)
    assert not is_left(REPORTED)
    assert not is_left(replace(held, ended=at(1)))
    assert not any(each.counts or is_left(each) for each in lifted((held, REPAIRED)))
