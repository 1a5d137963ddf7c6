"""What passes leave in the ledger of drift: through the ledger and back, and nothing where nothing is new."""

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest

from boxes import HISTORY, KINDS, OURS, SeenBox, box, look
from samples_compile import DOCUMENT, FACTS, loaded
from trimtab.core.errors import UserError
from trimtab.core.times import rfc3339
from trimtab.engine.amend import retried
from trimtab.engine.chronicle import chronicled
from trimtab.engine.drifts import fights_of, unfought, with_drift, with_repaired
from trimtab.engine.ledger import Ledger, Since, ledger_in
from trimtab.engine.wanted import Wanted
from trimtab.graph.node import graph_of
from trimtab.plan.drift import Rules, settled_digest
from trimtab.plan.drifts import MOST
from trimtab.plan.events import event
from trimtab.plan.plan import plan
from trimtab.plan.snapshot import Absent, Found
from trimtab.plan.status import Condition, Trouble

NODE = "test.Box/one"
GRAPH = graph_of([box("one")], {})
NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
WANTED = Wanted("vision", "digits", loaded(DOCUMENT), {}, FACTS.digests)
LEDGER = Ledger("uid", "vision", "digits", "local", "123456789012", "us-east-1", spec_digest=WANTED.spec_digest)
OTHER = replace(WANTED, declared={"suspend": False})


def decided(size: int, rules: Rules = Rules(), ledger: Ledger = LEDGER, now: datetime = NOW):  # noqa: B008 - frozen
    settled = {NODE: settled_digest(GRAPH.nodes[NODE])}
    history = replace(HISTORY, settled=settled, fights=fights_of(ledger, WANTED, now))
    seen = Found(SeenBox("one", size=size), OURS) if size else Absent()
    return plan(GRAPH, replace(look(GRAPH, {NODE: seen}), at=now), history, KINDS, rules)


def passed(ledger: Ledger, size: int, rules: Rules = Rules(), now: datetime = NOW, troubles=()) -> Ledger:  # noqa: B008
    """The ledger after a pass that found that size."""
    made = decided(size, rules, ledger, now)
    ledger = with_drift(ledger, made, (), rfc3339(now))
    return with_repaired(ledger, made, troubles, now)


def test_a_repair_is_recorded_and_a_pass_that_finds_nothing_new_changes_nothing():
    repaired = passed(LEDGER, 9)
    (record,) = repaired.drifts
    assert (record.node, record.done, record.at, record.ended) == (NODE, "repaired", rfc3339(NOW), rfc3339(NOW))
    assert [(each.path, each.have, each.want) for each in record.changes] == [("size", "9", "1")]
    later = NOW + timedelta(minutes=1)
    assert passed(repaired, 1, now=later) == repaired
    assert passed(LEDGER, 1) == LEDGER
    reported = passed(LEDGER, 9, Rules("report"))
    assert reported.drifts[0].done == "reported"
    assert passed(reported, 9, Rules("report"), later) == reported
    assert passed(reported, 1, Rules("report"), later).drifts[0].ended == rfc3339(later)


def test_what_was_deleted_is_recorded_and_what_the_policy_leaves_alone_is_not():
    assert passed(LEDGER, 0).drifts[0].changes[0].have == "deleted"
    assert passed(LEDGER, 0, Rules("report")).drifts[0].done == "reported"
    assert passed(LEDGER, 9, Rules("off")) == LEDGER
    assert passed(LEDGER, 9, Rules(ignore=("test.Box:size",))) == LEDGER


def test_a_repair_that_was_refused_is_none_and_is_not_counted():
    denied = Trouble(NODE, "AccessDenied", "no", False)
    ledger = passed(LEDGER, 9, troubles=[denied])
    assert ledger.drifts[0].done == ""
    again = passed(ledger, 9, now=NOW + timedelta(seconds=1), troubles=[denied])
    assert again == ledger
    assert passed(ledger, 9).drifts[0].done == "repaired"


def test_a_crash_between_a_repair_and_its_record_is_made_up_for_by_the_next_pass():
    opened = with_drift(LEDGER, decided(9), (), rfc3339(NOW))
    told = [event("Repaired", NODE, "size of box one: 9 -> 1", rfc3339(NOW))]
    (record,) = with_drift(opened, decided(1), told, rfc3339(NOW)).drifts
    assert (record.done, record.at) == ("repaired", rfc3339(NOW))


def fought(times: int) -> tuple[Ledger, datetime]:
    """A ledger after so many repairs, each made as soon as the guard lets it be, and undone at once."""
    ledger, now = LEDGER, NOW
    while sum(each.done == "repaired" for each in ledger.drifts) < times:
        ledger = passed(ledger, 9, now=now)
        waits = next(iter(fights_of(ledger, WANTED, now).get(NODE, ())), None)
        now = waits.until if waits and waits.until else now + timedelta(seconds=1)
    return ledger, now


def test_a_fight_backs_off_then_is_left_to_a_person_and_is_bounded():
    ledger, now = fought(6)
    times = [each.at for each in ledger.drifts]
    assert times == [rfc3339(NOW + timedelta(seconds=each)) for each in (0, 1, 2, 62, 182, 422)]
    ledger = passed(ledger, 9, now=now)
    assert ledger.drifts[-1].done == "held"
    for day in range(3):
        assert passed(ledger, 9, now=now + timedelta(days=day)) == ledger  # and nothing is written meanwhile
    assert len(ledger.drifts) <= MOST


def test_waiting_is_recorded_once():
    ledger, now = fought(3)
    waiting = passed(ledger, 9, now=now - timedelta(seconds=30))
    assert waiting.drifts[-1].done == "waiting"
    assert passed(waiting, 9, now=now - timedelta(seconds=20)) == waiting
    assert passed(waiting, 9, now=now).drifts[-1].done == "repaired"
    assert len(passed(waiting, 9, now=now).drifts) == 4


def test_an_edit_or_a_retry_lifts_it():
    ledger, now = fought(6)
    held = passed(ledger, 9, now=now)
    assert fights_of(held, WANTED, now)
    assert not fights_of(held, OTHER, now)
    for lifted in (unfought(held), retried(held, rfc3339(now))):
        assert not fights_of(lifted, WANTED, now)
        after = chronicled(held, lifted, rfc3339(now))
        assert [each.reason for each in after.events] == ["FightLifted"]
        assert passed(lifted, 9, now=now).drifts[-1].done == "repaired"
    with pytest.raises(UserError, match="nothing of it is fought over"):
        retried(LEDGER, rfc3339(NOW))


def test_a_fight_that_a_person_must_settle_is_an_event_once():
    ready = Condition("Ready", "False", "Fighting", "size was changed again", 1, rfc3339(NOW))
    after = replace(LEDGER, conditions={"Ready": Since("False", rfc3339(NOW), "Fighting")})
    (told,) = chronicled(LEDGER, after, rfc3339(NOW), shown=[ready]).events
    assert told.reason == "Fighting"
    assert chronicled(after, after, rfc3339(NOW), shown=[ready]) == after


def test_records_come_back_from_the_ledger_as_they_were():
    ledger = passed(LEDGER, 9)
    assert ledger_in(json.loads(json.dumps(asdict(ledger)))) == ledger
    older = {name: value for name, value in asdict(LEDGER).items() if name != "drifts"}
    assert ledger_in(json.loads(json.dumps(older))).drifts == ()
