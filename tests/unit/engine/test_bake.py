"""The bake as tables: when a release counts, what an alarm does to it, and what the ledger remembers of that."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from trimtab.core.times import rfc3339
from trimtab.engine.bake import alarms_in, judged, kept
from trimtab.engine.ledger import Bake, Ledger, Revision
from trimtab.engine.remember import RELEASE, SERVICE, coming_back, finished
from trimtab.graph.node import Graph, Node
from trimtab.model.serving import Rollout
from trimtab.plan.plan import Plan, Standing
from trimtab.plan.snapshot import Absent, Found, Snapshot
from trimtab.resources import deployment_alarm, ecs_service, ecs_task_definition

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
KEY, OTHER = "0123456789abcdef", "fedcba9876543210"
ROLLOUT = Rollout.model_validate({"alarms": ["errors"], "bake": "5m"})
ALARM = "cloudwatch.DeploymentAlarm/1"
OK = Standing("ok")
SAID = "alarm errors went off (too many) while the release baked"


def revision(number: int, release: str, outcome: str) -> Revision:
    return Revision(number, number, release, {}, {}, outcome, "", "2026-11-23T11:00:00Z")


LEDGER = Ledger("uid", "vision", "digits", "local", "1", "r", spec_digest="s", revisions=(revision(1, OTHER, "Serving"),))


def graph(runs: str = KEY, declared: str = KEY) -> Graph:
    nodes = [
        Node(ALARM, "release", deployment_alarm.Desired("errors")),
        Node(RELEASE, "release", None, key=runs),
        Node(SERVICE, "release", None),
    ]
    return Graph({each.id: each for each in nodes}, {"release": declared})


def look(at: datetime = NOW, state: str = "OK", since: datetime = NOW, runs: str = "d:2") -> Snapshot:
    """runs: the task definition of the service, which is made ready a minute before."""
    rollout = ecs_service.Deployment("1", "PRIMARY", runs, 1, 1, 0, 0, "COMPLETED", "", NOW.timestamp() - 60)
    service = ecs_service.Observed("c", "s", "arn", "ACTIVE", 1, 1, 0, (rollout,), (), {}, {})
    template = ecs_task_definition.Observed("d", "d:2", 2, "ACTIVE", {}, {})
    alarm = deployment_alarm.Observed("errors", state, "too many", since)
    return Snapshot(at, {ALARM: Found(alarm), RELEASE: Found(template), SERVICE: Found(service)})


def plan(service: Standing = OK) -> Plan:
    return Plan((), {ALARM: OK, RELEASE: OK, SERVICE: service})


def standing(ledger: Ledger = LEDGER, snapshot: Snapshot | None = None, **fields: Any) -> Standing:
    given: dict[str, Any] = {"plan": plan(), "graph": graph(), "rollout": ROLLOUT, **fields}
    return judged(given["plan"], given["graph"], snapshot or look(), ledger, given["rollout"]).standings[SERVICE]


def since(at: datetime, release: str = KEY, **fields: Any) -> Ledger:
    return replace(LEDGER, baking=Bake(release[:12], rfc3339(at), **fields))


def test_a_release_bakes_for_as_long_as_the_document_says_and_is_looked_at_meanwhile():
    begun = standing()
    assert (begun.is_, begun.reason, begun.because) == (
        "moving",
        "Baking",
        "the release serves, and bakes until 2026-11-23T12:05:00Z",
    )
    assert begun.look_again_s == 5
    assert standing(since(NOW), look(NOW + timedelta(minutes=2))) == begun
    assert standing(since(NOW), look(NOW + timedelta(minutes=4, seconds=58))).look_again_s == 2
    assert standing(since(NOW), look(NOW + timedelta(minutes=5))) == OK


@pytest.mark.parametrize(
    ("ledger", "given"),
    [
        pytest.param(LEDGER, {"rollout": Rollout()}, id="no bake is asked for"),
        pytest.param(LEDGER, {"plan": plan(Standing("moving", "1 of 2"))}, id="it does not serve yet"),
        pytest.param(replace(LEDGER, revisions=(revision(1, KEY, "Serving"),)), {}, id="it serves already"),
        pytest.param(replace(LEDGER, revisions=(revision(1, KEY, "Superseded"),)), {}, id="it served before"),
        pytest.param(LEDGER, {"graph": graph(runs=OTHER)}, id="another one runs, which came back"),
    ],
)
def test_what_is_not_baked_is_left_as_it_is(ledger: Ledger, given: Mapping[str, Any]):
    assert standing(ledger, **given) == given.get("plan", plan()).standings[SERVICE]


def test_a_bake_of_another_release_does_not_count_for_this_one():
    assert standing(since(NOW - timedelta(hours=1), OTHER)).reason == "Baking"


@pytest.mark.parametrize(
    ("state", "went", "counts"),
    [
        ("ALARM", NOW, True),
        ("ALARM", NOW - timedelta(minutes=2), False),  # before the roll-out began
        ("OK", NOW, False),
        ("INSUFFICIENT_DATA", NOW, False),
        ("", NOW, False),
    ],
)
def test_an_alarm_counts_that_went_off_since_the_rollout_began(state: str, went: datetime, counts: bool):
    snapshot = look(state=state, since=went)
    assert bool(alarms_in(graph(), snapshot)) == counts
    found = standing(snapshot=snapshot)
    assert (found.is_, found.reason) == (("broken", "RolledBack") if counts else ("moving", "Baking"))
    assert found.because == SAID or not counts


def test_without_an_earlier_release_there_is_nothing_to_go_back_to():
    found = standing(replace(LEDGER, revisions=()), look(state="ALARM"))
    assert (found.is_, found.reason) == ("broken", "RolloutFailed")
    assert "no earlier release" in found.because


BAKING = Standing("moving", "it bakes", "Baking")
GIVEN_UP = Standing("broken", SAID, "RolledBack")
BACK = Bake(KEY[:12], rfc3339(NOW), failed=SAID)


@pytest.mark.parametrize(
    ("ledger", "now", "snapshot", "expected"),
    [
        pytest.param(LEDGER, BAKING, look(), Bake(KEY[:12], rfc3339(NOW)), id="it begins"),
        pytest.param(since(NOW), BAKING, look(NOW + timedelta(minutes=1)), since(NOW).baking, id="it goes on"),
        pytest.param(since(NOW), Standing("moving", "1 of 2"), look(), since(NOW).baking, id="a task is replaced"),
        pytest.param(since(NOW, OTHER), OK, look(), None, id="another release is declared by now"),
        pytest.param(LEDGER, OK, look(), None, id="nothing bakes"),
        pytest.param(since(NOW), GIVEN_UP, look(NOW + timedelta(minutes=1)), BACK, id="an alarm ends it"),
        pytest.param(LEDGER, GIVEN_UP, look(), BACK, id="an alarm ends it at once"),
        pytest.param(LEDGER, GIVEN_UP, look(runs="d:1"), None, id="ECS has gone back by itself"),
        pytest.param(replace(LEDGER, revisions=()), GIVEN_UP, look(), None, id="there is nothing to go back to"),
    ],
)
def test_the_ledger_remembers_since_when_and_what_has_to_come_back(
    ledger: Ledger, now: Standing, snapshot: Snapshot, expected: Bake | None
):
    assert kept(ledger, graph(), snapshot, plan(now)).baking == expected


def test_a_bake_is_over_once_the_release_counts():
    done = replace(since(NOW), revisions=(revision(1, KEY, "Serving"),))
    assert kept(done, graph(), look(), plan()).baking is None


def test_the_last_release_comes_back_until_it_runs_and_the_document_says_the_same():
    going = replace(LEDGER, baking=BACK)
    assert coming_back(going, "s") == LEDGER.revisions[0]
    assert coming_back(going, "another") is None
    assert coming_back(since(NOW), "s") is None
    back = graph(runs=OTHER)
    on_its_way = finished(going, back, look(), plan(Standing("moving", "")), Declared("s"), (), done=False, now=NOW)
    assert on_its_way.baking == BACK
    there = finished(going, back, look(), plan(), Declared("s"), (), done=True, now=NOW)
    assert there.baking == replace(BACK, is_back=True)
    assert coming_back(there, "s") is None
    assert there.revisions == going.revisions  # it never stopped being the one that serves
    assert there.conditions["Ready"].status == "False"
    assert there.conditions["Ready"].reason == "RolledBack"


class Declared:
    """All of a Wanted that is asked for here."""

    def __init__(self, spec_digest: str) -> None:
        self.spec_digest = spec_digest


def test_an_alarm_that_cannot_be_read_ends_nothing():
    unread = replace(look(), seen={**look().seen, ALARM: Absent()})
    assert alarms_in(graph(), unread) == ""
