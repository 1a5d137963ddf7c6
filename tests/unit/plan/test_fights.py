"""The flap guard: a table of repairs and what may be done next."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from boxes import HISTORY, KINDS, OURS, SeenBox, box, look
from trimtab.core.times import rfc3339
from trimtab.graph.node import graph_of
from trimtab.plan.drift import Rules, settled_digest
from trimtab.plan.drifts import Change, DriftRecord, lifted
from trimtab.plan.fights import Fight, fights
from trimtab.plan.plan import plan
from trimtab.plan.snapshot import Absent, Found
from trimtab.plan.status import conditions

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
NODE = "ecs.Service/service"
COUNT = (Change("desiredCount", "3", "1"),)


def repaired(minutes_ago: float, changes: tuple[Change, ...] = COUNT, who: str = "") -> DriftRecord:
    at = rfc3339(NOW - timedelta(minutes=minutes_ago))
    return DriftRecord(NODE, changes, at, at, "repaired", at, at, who=who)


def verdict(*minutes_ago: float) -> tuple[str, float | None] | None:
    """(reason, seconds until the next repair) after repairs so long ago."""
    fight = fights([repaired(each) for each in minutes_ago], NOW).get(NODE)
    return fight and (fight.reason, (fight.until - NOW).total_seconds() if fight.until else None)


@pytest.mark.parametrize(
    ("minutes_ago", "expected"),
    [
        ((), None),
        ((1, 0), None),
        ((2, 1, 0), ("BackOff", 60)),
        ((2, 1, 0.5), ("BackOff", 30)),
        ((3, 2, 1), None),
        ((61, 1, 0), None),  # an hour is over for the first
        ((3, 2, 1, 0), ("BackOff", 120)),
        ((4, 3, 2, 1, 0), ("BackOff", 240)),
        ((9, 8, 7, 6, 4), None),
        ((5, 4, 3, 2, 1, 0), ("Fighting", None)),
        ((1400, 1000, 500, 300, 200, 100), ("Fighting", None)),
        ((-600, -600, -600), None),  # a clock that jumped ahead, and back
        ((1440, 1000, 500, 300, 200, 100), None),  # a day is over for the first
    ],
)
def test_repairs_back_off_and_then_end(minutes_ago, expected):
    assert verdict(*minutes_ago) == expected


def test_another_field_of_the_node_is_another_fight():
    tags = (Change("tags.team", "a", "b"),)
    assert fights([repaired(2), repaired(1, tags), repaired(0)], NOW) == {}
    both = [repaired(minutes, COUNT + tags) for minutes in (2, 1, 0)]
    assert fights(both, NOW)[NODE].paths == ("desiredCount", "tags.team")


def test_what_a_person_was_asked_about_stays_so_however_long_it_takes():
    old = [repaired(minutes) for minutes in (3006, 3005, 3004, 3003, 3002, 3001)]
    held = replace(repaired(3000), done="held", at="", ended="")
    assert fights([*old, held], NOW)[NODE].reason == "Fighting"
    assert fights([*old, replace(held, ended=rfc3339(NOW))], NOW) == {}
    assert fights(lifted([*old, held]), NOW) == {}


def test_the_message_names_who_it_was_and_what_lifts_it():
    records = [repaired(minutes) for minutes in (6, 5, 4, 3, 2)]
    bob = "arn:aws:iam::123456789012:user/bob"
    fight = fights([*records, repaired(1, who=bob), repaired(0, who="unknown")], NOW)[NODE]
    assert fight.because == (
        "desiredCount was changed again after 7 repairs (last by user/bob), and is left alone. Have that stopped, or leave "
        'it to them (policy.ignore: ["ecs.Service:desiredCount"]); `trimtab retry` or an edit of the document lifts this'
    )
    waiting = fights([repaired(minutes) for minutes in (2, 1, 0)], NOW)[NODE]
    assert waiting.because == "desiredCount was changed again after 3 repairs; the next is at 2026-11-26T12:01:00Z"


GRAPH = graph_of([box("one"), box("two", "one")], {})
ONE = "test.Box/one"
BIGGER = {ONE: Found(SeenBox("one", size=9), OURS), "test.Box/two": Found(SeenBox("two", holds="id-of-it"), OURS)}
HELD, WAITING = Fight(ONE, ("size",), 6, "", None), Fight(ONE, ("size",), 3, "", NOW + timedelta(seconds=40))
SETTLED = replace(HISTORY, settled={node.id: settled_digest(node) for node in GRAPH})


def decided(fight, seen=None, *, is_guarded=True, settled=SETTLED.settled):
    history = replace(SETTLED, fights={ONE: fight}, is_guarded=is_guarded, settled=settled)
    snapshot = replace(look(GRAPH, seen or BIGGER), at=NOW)
    return plan(GRAPH, snapshot, history, KINDS, Rules()), snapshot


@pytest.mark.parametrize(("fight", "reason", "again"), [(HELD, "Fighting", None), (WAITING, "BackOff", 40)])
def test_what_is_fought_over_is_left_and_said(fight, reason, again):
    made, snapshot = decided(fight)
    assert (made.actions, made.look_again_s) == ((), again)
    assert made.standings[ONE].drift
    shown = {each.type: each for each in conditions(GRAPH, made, snapshot, 1, {}, ())}
    assert (shown["Ready"].status, shown["Ready"].reason) == ("False", reason)
    assert "size was changed again" in shown["Ready"].message
    assert (shown["Drifted"].status, shown["Stalled"].status) == ("True", "False")


@pytest.mark.parametrize(("fight", "is_", "stalled"), [(HELD, "broken", "True"), (WAITING, "pending", "False")])
def test_what_is_deleted_again_and_again_is_left_too(fight, is_, stalled):
    made, snapshot = decided(fight, {ONE: Absent()})
    assert (made.actions, made.standings[ONE].is_) == ((), is_)
    shown = {each.type: each for each in conditions(GRAPH, made, snapshot, 1, {}, ())}
    assert (shown["Ready"].status, shown["Ready"].reason) == ("False", fight.reason)
    assert (shown["Drifted"].status, shown["Stalled"].status) == ("True", stalled)


def test_a_person_has_it_repaired_all_the_same_and_an_edit_is_no_drift():
    (action,) = decided(HELD, is_guarded=False)[0].actions
    assert (action.verb, action.is_drift, action.despite) == ("update", True, HELD.because)
    (edit,) = decided(HELD, settled={})[0].actions
    assert (edit.is_drift, edit.despite) == (False, "")
