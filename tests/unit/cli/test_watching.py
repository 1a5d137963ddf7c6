"""What watching prints: only what changed, and times that do not move by being looked at."""

from copy import deepcopy
from datetime import UTC, datetime

import pytest

from trimtab.cli.events import event_rows, fresh
from trimtab.cli.output import ago
from trimtab.cli.status import steady, without_time
from trimtab.engine.ledger import Ledger
from trimtab.plan.events import Act, Event

T1, T2 = "2026-11-23T12:00:01Z", "2026-11-23T12:00:02Z"


def status(at: str, is_: str = "moving") -> dict:
    condition = {"type": "Ready", "status": "Unknown", "lastTransitionTime": at}
    return {"at": at, "conditions": [condition], "stages": [{"stage": "training", "is": is_, "since": at}]}


def test_a_second_look_at_the_same_is_no_change():
    assert without_time(steady(status(T2), status(T1))) == without_time(status(T1))


def test_what_stands_otherwise_has_its_own_time():
    seen = steady(status(T2, "ok"), status(T1))
    assert seen["stages"][0]["since"] == T2
    assert seen["conditions"][0]["lastTransitionTime"] == T1


def test_a_list_is_compared_as_it_is():
    rows = [{"deployment": "a/b", "since": T1}]
    assert without_time(steady(deepcopy(rows), rows)) == rows


@pytest.mark.parametrize(
    ("since", "text"),
    [
        ("2026-11-23T11:59:18Z", "42s"),
        ("2026-11-23T11:56:50Z", "3m10s"),
        ("2026-11-23T11:57:00Z", "3m"),
        ("2026-11-23T09:55:00Z", "2h5m"),
        ("2026-11-19T09:00:00Z", "4d3h"),
        ("2026-11-23T12:00:00Z", "0s"),
        ("2026-11-23T12:00:09Z", "0s"),  # another machine's clock
    ],
)
def test_how_long_ago(since, text):
    assert ago(since, datetime(2026, 11, 23, 12, tzinfo=UTC)) == text


def test_a_follower_sees_each_event_once_and_again_when_it_happens_again():
    one, two = Event("Created", "n", "a", T1, T1), Event("Failed", "n", "b", T1, T1)
    act = Act("create", "n", "", "Created", "c", T2)
    ledger = Ledger("u", "a", "b", "local", "1", "r", events=(one, two), acts=(act,))
    rows = event_rows(ledger)
    assert [each["message"] for each in fresh([], rows)] == ["a", "b"]
    assert fresh(rows, rows) == []
    again = event_rows(Ledger("u", "a", "b", "local", "1", "r", events=(one, Event("Failed", "n", "b", T1, T2, 2))))
    assert [(each["message"], each["count"]) for each in fresh(rows, again)] == [("b", 2)]


def test_what_is_only_announced_says_so_and_comes_last():
    acts = (Act("create", "n", "", "Created", "c", T2), Act("end", "m", "", "", "d", T2))
    rows = event_rows(Ledger("u", "a", "b", "local", "1", "r", events=(Event("Failed", "n", "b", T1, T1),), acts=acts))
    assert [(each["message"], each["announced"], each["type"]) for each in rows] == [
        ("b", False, "Warning"),
        ("c", True, "Normal"),
    ]
