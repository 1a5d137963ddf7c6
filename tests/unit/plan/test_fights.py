"""The flap guard: a table of repairs and what may be done next."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from boxes import HISTORY, KINDS, OURS, Box, SeenBox, box, look
from trimtab.cli.drift import drifted
from trimtab.core.kind import UID, Difference
from trimtab.core.times import rfc3339
from trimtab.engine.drifts import seen_in
from trimtab.graph.node import Node, graph_of
from trimtab.plan.drift import Rules, settled_digest
from trimtab.plan.drifts import Change, DriftRecord, changes_of, lifted
from trimtab.plan.fights import Fight, fights, parted
from trimtab.plan.plan import plan
from trimtab.plan.snapshot import Absent, Found
from trimtab.plan.status import conditions

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
NODE = "ecs.Service/service"
COUNT = (Change("desiredCount", "3", "1"),)
TAGS = (Change("tags.team", "a", "b"),)


def repaired(minutes_ago: float, changes: tuple[Change, ...] = COUNT, who: str = "") -> DriftRecord:
    at = rfc3339(NOW - timedelta(minutes=minutes_ago))
    return DriftRecord(NODE, changes, at, at, "repaired", at, at, who=who)


def verdict(*minutes_ago: float) -> tuple[str, float | None] | None:
    """(reason, seconds until the next repair) after repairs so long ago."""
    fight = next(iter(fights([repaired(each) for each in minutes_ago], NOW).get(NODE, ())), None)
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
    assert fights([repaired(2), repaired(1, TAGS), repaired(0)], NOW) == {}
    (both,) = fights([repaired(minutes, COUNT + TAGS) for minutes in (2, 1, 0)], NOW)[NODE]
    assert both.paths == ("desiredCount", "tags.team")
    lost = [repaired(minutes, who="ana") for minutes in (59, 58, 57, 56, 55, 54)]
    asked, waits = fights([*lost, *(repaired(minutes, TAGS, "bob") for minutes in (2, 1, 0))], NOW)[NODE]
    assert (asked.paths, asked.reason, asked.repairs, asked.who) == (("desiredCount",), "Fighting", 6, "ana")
    assert (waits.paths, waits.reason, waits.repairs, waits.who) == (("tags.team",), "BackOff", 3, "bob")


def test_what_a_person_was_asked_about_stays_so_however_long_it_takes():
    old = [repaired(minutes) for minutes in (3006, 3005, 3004, 3003, 3002, 3001)]
    held = replace(repaired(3000), done="held", at="", ended="")
    assert [each.reason for each in fights([*old, held], NOW)[NODE]] == ["Fighting"]
    assert fights([*old, replace(held, ended=rfc3339(NOW))], NOW) == {}
    assert fights(lifted([*old, held]), NOW) == {}


def test_the_message_names_who_it_was_and_what_lifts_it():
    records = [repaired(minutes) for minutes in (6, 5, 4, 3, 2)]
    bob = "arn:aws:iam::123456789012:user/bob"
    (fight,) = fights([*records, repaired(1, who=bob), repaired(0, who="unknown")], NOW)[NODE]
    assert fight.because == (
        "desiredCount was changed again after 7 repairs (last by user/bob), and is left alone. Have that stopped, or leave "
        'it to them (policy.ignore: ["ecs.Service:desiredCount"]); `trimtab retry` or an edit of the document lifts this'
    )
    (waiting,) = fights([repaired(minutes) for minutes in (2, 1, 0)], NOW)[NODE]
    assert waiting.because == "desiredCount was changed again after 3 repairs; the next is at 2026-11-26T12:01:00Z"


GRAPH = graph_of([box("one"), box("two", "one")], {})
ONE = "test.Box/one"
BIGGER = {ONE: Found(SeenBox("one", size=9), OURS), "test.Box/two": Found(SeenBox("two", holds="id-of-it"), OURS)}
HELD, WAITING = Fight(ONE, ("size",), 6, "", None), Fight(ONE, ("size",), 3, "", NOW + timedelta(seconds=40))
SETTLED = replace(HISTORY, settled={node.id: settled_digest(node) for node in GRAPH})


def decided(*fights, seen=None, is_guarded=True, settled=SETTLED.settled):
    history = replace(SETTLED, fights={ONE: fights}, is_guarded=is_guarded, settled=settled)
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
    assert (shown["Drifted"].status, shown["Drifted"].reason, shown["Stalled"].status) == ("True", reason, "False")


GONE, GONE_LATELY = replace(HELD, paths=("",)), replace(WAITING, paths=("",))


@pytest.mark.parametrize(("fight", "is_", "stalled"), [(GONE, "broken", "True"), (GONE_LATELY, "pending", "False")])
def test_what_is_deleted_again_and_again_is_left_too(fight, is_, stalled):
    made, snapshot = decided(fight, seen={ONE: Absent()})
    assert (made.actions, made.standings[ONE].is_) == ((), is_)
    shown = {each.type: each for each in conditions(GRAPH, made, snapshot, 1, {}, ())}
    assert (shown["Ready"].status, shown["Ready"].reason) == ("False", fight.reason)
    assert (shown["Drifted"].status, shown["Drifted"].reason, shown["Stalled"].status) == ("True", fight.reason, stalled)
    assert [(each.done, each.changes) for each in seen_in(made)[ONE]] == [
        ({"Fighting": "held", "BackOff": "waiting"}[fight.reason], changes_of(()))
    ]


def test_a_person_has_it_repaired_all_the_same_and_an_edit_is_no_drift():
    (action,) = decided(HELD, is_guarded=False)[0].actions
    assert (action.verb, action.is_drift, action.despite) == ("update", True, HELD.because)
    (edit,) = decided(HELD, settled={})[0].actions
    assert (edit.is_drift, edit.despite) == (False, "")


TAGGED = graph_of([Node(ONE, "release", Box("one", tags={UID: "uid1", "team": "a", "tier": "b"}))], {})
TEAM = Fight(ONE, ("tags.team",), 4, "", NOW + timedelta(seconds=70))
ALL_OURS = {UID: "uid1", "team": "a", "tier": "b"}


def of_tagged(*fights, size=1, tags=ALL_OURS):
    history = replace(HISTORY, settled={ONE: settled_digest(TAGGED.nodes[ONE])}, fights={ONE: fights})
    snapshot = replace(look(TAGGED, {ONE: Found(SeenBox("one", size=size), {**ALL_OURS, **tags})}), at=NOW)
    made = plan(TAGGED, snapshot, history, KINDS, Rules())
    shown = {each.type: each for each in conditions(TAGGED, made, snapshot, 1, {}, ())}
    return made, shown


@pytest.mark.parametrize(
    ("fights", "size", "tags", "writes", "left"),
    [
        pytest.param((HELD,), 9, {"team": "x"}, ["tags"], ["size"], id="tags beside a size that is fought over"),
        pytest.param((TEAM,), 9, {"team": "x"}, ["size"], ["tags"], id="a size beside a tag"),
        pytest.param((TEAM,), 1, {"team": "x", "tier": "y"}, ["tags"], ["tags"], id="one tag beside another"),
        pytest.param((HELD, TEAM), 9, {"team": "x"}, [], ["size", "tags"], id="both are fought over"),
        pytest.param((HELD, TEAM), 9, {"tier": "y"}, ["tags"], ["size"], id="another tag than the one fought over"),
        pytest.param((HELD,), 1, {"team": "x"}, ["tags"], [], id="what is fought over is as declared now"),
        pytest.param((GONE,), 9, {}, ["size"], [], id="that it is there was fought over"),
    ],
)
def test_a_fight_over_one_field_keeps_no_other_from_being_repaired(fights, size, tags, writes, left):
    made, _ = of_tagged(*fights, size=size, tags=tags)
    assert [each.path for action in made.writes for each in action.differences] == writes
    assert [each.path for each in made.standings[ONE].drift] == left
    assert made.standings[ONE].is_ == ("pending" if writes else "ok")


def test_what_is_left_is_told_while_the_rest_is_repaired():
    made, shown = of_tagged(HELD, TEAM, size=9, tags={"team": "x", "tier": "y"})
    assert (shown["Ready"].status, shown["Ready"].reason) == ("False", "Fighting")
    assert (shown["Drifted"].status, shown["Drifted"].reason) == ("True", "Fighting")
    assert "size was changed again after 6 repairs" in shown["Drifted"].message
    assert "tags.team was changed again after 4 repairs" in shown["Drifted"].message
    assert (shown["Stalled"].status, shown["Reconciling"].status) == ("False", "True")
    found = [(each.done, [one.path for one in each.changes]) for each in seen_in(made)[ONE]]
    assert found == [("", ["tags.tier"]), ("held", ["size"]), ("waiting", ["tags.team"])]
    rows = {row["path"]: row["policy"] for row in drifted(made)}
    assert rows == {"tags.tier": "correct", "size": "held", "tags.team": "waiting"}
    assert made.standings[ONE].look_again_s == 0.0  # it is acted on now


def test_drift_without_a_fight_is_called_so():
    _, shown = of_tagged(size=9)
    assert (shown["Drifted"].status, shown["Drifted"].reason) == ("True", "Drifted")


def test_a_whole_that_holds_a_field_nobody_fights_over_is_repaired():
    """Such a difference cannot be written in part."""
    policy = Difference("policy", {"a": 1, "b": 1}, {"a": 2, "b": 2})
    assert parted([policy], [replace(HELD, paths=("policy.a",))]) == ((policy,), ())
    assert parted([policy], [replace(HELD, paths=("policy.a", "policy.b"))]) == ((), (policy,))
    same = Difference("policy", '{"a": 1}', '{"a":1}')  # another spelling: no field of it differs
    assert parted([same], [HELD]) == ((same,), ())
