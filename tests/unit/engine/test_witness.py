"""Who is asked for while a record does not say, how often, and what is told of the answer."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from trimtab.core.kind import Call, Failure
from trimtab.core.times import rfc3339
from trimtab.engine.driver import Driver
from trimtab.engine.ledger import Ledger, Resource
from trimtab.engine.witness import Witness
from trimtab.plan.drifts import Change, DriftRecord
from trimtab.plan.events import Act, event
from trimtab.plan.snapshot import Found, Snapshot

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
NODE = "ecs.Service/service"
US, ANA = "arn:aws:iam::123456789012:user/trimtab", "arn:aws:iam::123456789012:user/ana"
ARN = "arn:aws:ecs:us-east-1:123456789012:service/cluster/vision-digits"
RECORD = DriftRecord(
    NODE, (Change("desiredCount", "3", "1"),), rfc3339(NOW), rfc3339(NOW), "repaired", rfc3339(NOW), rfc3339(NOW)
)
LEDGER = Ledger(
    "uid", "vision", "digits", "local", "123456789012", "us-east-1",
    resources=(Resource(NODE, "ecs.Service", "cluster|vision-digits"),),
    drifts=(RECORD,),
)  # fmt: skip
SNAPSHOT = Snapshot(NOW, {NODE: Found(SimpleNamespace(arn=ARN))})
SAID = "desiredCount of ECS service vision-digits: 3 -> 1"
BY = f"{SAID} (set by user/ana at 11:59 UTC)"


class Trail:
    """Answers lookups, and keeps what was asked."""

    def __init__(self, *events: dict[str, Any], refuse: Failure | None = None) -> None:
        self.events, self.refuse, self.asked = events, refuse, list[Call]()

    def make(self, call: Call) -> dict[str, Any]:
        self.asked.append(call)
        if self.refuse:
            raise self.refuse
        return {"Events": [{"EventId": str(at), "CloudTrailEvent": json.dumps(each)} for at, each in enumerate(self.events)]}


UPDATE = {
    "userIdentity": {"arn": ANA},
    "eventName": "UpdateService",
    "eventTime": rfc3339(NOW - timedelta(seconds=5)),
    "requestParameters": {"service": ARN, "desiredCount": 3},
}


def heard(witness: Witness, trail: Trail, ledger: Ledger = LEDGER, minutes: float = 0.0):
    with ThreadPoolExecutor(1) as threads:
        driver = Driver(trail, SimpleNamespace(), threads)  # type: ignore[arg-type]
        return witness.heard(ledger, ledger.resources, SNAPSHOT, driver, NOW + timedelta(minutes=minutes))


@pytest.fixture
def witness() -> Witness:
    return Witness(lambda: US)


def who(ledger: Ledger) -> Sequence[str]:
    return [each.who for each in ledger.drifts]


def test_the_record_and_its_event_say_who_it_was_once_the_trail_delivers(witness):
    told = replace(LEDGER, events=(event("Repaired", NODE, SAID, rfc3339(NOW)),))
    nothing, named = heard(witness, Trail(), told)
    assert (nothing, named) == (told, ())
    ledger, (record,) = heard(witness, Trail(UPDATE), told, minutes=5)
    assert (record.who, record.event, record.changed) == (ANA, "UpdateService", UPDATE["eventTime"])
    assert ledger.drifts == (record,)
    assert [each.message for each in ledger.events] == [BY]
    trail = Trail(UPDATE)
    assert heard(witness, trail, ledger, minutes=10) == (ledger, ())
    assert trail.asked == []  # nothing is open


def test_a_repair_that_is_not_seen_to_have_worked_yet_will_say_so_when_it_is(witness):
    act = Act("update", NODE, "", "Repaired", SAID, rfc3339(NOW))
    ledger, _ = heard(witness, Trail(UPDATE), replace(LEDGER, acts=(act,)))
    assert [each.message for each in ledger.acts] == [BY]


def test_lookups_are_by_the_names_of_the_resource_and_bounded_in_time(witness):
    trail = Trail()
    heard(witness, trail)
    asked = [call.arguments["LookupAttributes"][0] for call in trail.asked]
    assert asked == [{"AttributeKey": "ResourceName", "AttributeValue": name} for name in (ARN, "vision-digits")]
    assert {call.pages for call in trail.asked} == {"one"}
    assert trail.asked[0].arguments["EndTime"] == NOW + timedelta(minutes=5)
    tagged = replace(RECORD, changes=(Change("tags.team", "a", "b"),))
    trail = Trail()
    heard(witness, trail, replace(LEDGER, drifts=(tagged,), uid="other"), minutes=1)
    assert [call.arguments["LookupAttributes"][0]["AttributeValue"] for call in trail.asked] == [
        "TagResource",
        "UntagResource",
    ]


def test_past_the_time_in_which_the_trail_delivers_it_stays_unknown(witness):
    ledger, named = heard(witness, Trail(), minutes=14)
    assert (who(ledger), named) == ([""], ())
    ledger, named = heard(witness, Trail(), minutes=18)
    assert (who(ledger), named) == (["unknown"], ())
    trail = Trail(UPDATE)
    assert heard(witness, trail, ledger, minutes=60) == (ledger, ())
    assert trail.asked == []


def test_while_we_do_not_know_who_we_are_nobody_is_named():
    known: list[str] = []
    nameless, trail = Witness(lambda: known[0] if known else ""), Trail(UPDATE)
    assert heard(nameless, trail) == (LEDGER, ())
    assert who(heard(nameless, trail, minutes=14)[0]) == [""]
    assert trail.asked == []  # the answer would be of no use yet
    assert who(heard(nameless, trail, minutes=15)[0]) == ["unknown"]
    known.append(ANA)  # it was us, then: still nobody else is to blame
    assert heard(nameless, Trail(UPDATE), minutes=14) == (LEDGER, ())
    known[0] = US
    assert who(heard(Witness(lambda: known[0]), Trail(UPDATE), minutes=14)[0]) == [ANA]


def test_no_more_than_a_lookup_a_second_is_made_and_each_record_now_and_then(witness):
    many = replace(LEDGER, drifts=tuple(replace(RECORD, first=rfc3339(NOW - timedelta(seconds=each))) for each in range(40)))
    trail = Trail()
    for second in range(60):
        before = len(trail.asked)
        heard(witness, trail, many, minutes=second / 60)
        assert len(trail.asked) - before <= 2
    assert 58 <= len(trail.asked) <= 62
    alone, trail = Witness(lambda: US), Trail()
    for second in range(15 * 60):
        heard(alone, trail, minutes=second / 60)
    assert 10 <= len(trail.asked) / 2 <= 25


def test_a_denial_is_told_once_and_harms_nothing(witness):
    def denied(id: str) -> Trail:
        return Trail(refuse=Failure("denied", f"cloudtrail:LookupEvents: ops may not (request {id})", code="AccessDenied"))

    ledger, named = heard(witness, denied("r-1"))
    (told,) = ledger.events
    assert (told.reason, told.message, named) == ("Unattributed", "cloudtrail:LookupEvents: ops may not", ())
    trail = denied("r-2")
    assert heard(witness, trail, ledger, minutes=5)[0] == ledger
    assert trail.asked == []  # it is not asked again so soon
    later = heard(witness, denied("r-3"), ledger, minutes=12)[0]
    assert later == ledger
    assert who(heard(witness, trail, ledger, minutes=16)[0]) == ["unknown"]
    granted = Witness(lambda: US)
    assert who(heard(granted, Trail(UPDATE), ledger, minutes=16)[0]) == [ANA]


@pytest.mark.parametrize("meaning", ["throttled", "transient"])
def test_what_passes_is_asked_again_later(witness, meaning):
    trail = Trail(refuse=Failure(meaning, "Rate exceeded"))
    assert heard(witness, trail) == (LEDGER, ())
    assert who(heard(witness, trail, minutes=20)[0]) == [""]
    assert who(heard(witness, Trail(UPDATE), minutes=30)[0]) == [ANA]
    assert who(heard(Witness(lambda: US), trail, minutes=61)[0]) == ["unknown"]


def test_a_clock_that_jumps_keeps_nobody_from_asking(witness):
    heard(witness, Trail(), minutes=360)  # the clock was ahead
    ledger, _ = heard(witness, Trail(UPDATE), minutes=1)
    assert who(ledger) == [ANA]
    denied = Trail(refuse=Failure("denied", "no", code="AccessDenied"))
    heard(witness, denied, replace(LEDGER, uid="other"), minutes=370)
    ledger, _ = heard(witness, Trail(UPDATE), minutes=2)
    assert who(ledger) == [ANA]
