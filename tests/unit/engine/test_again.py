"""When a deployment is looked at again, by what its pass raised."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from samples_compile import FACTS
from trimtab.core.errors import Bug, Conflict, Denied, NotOurs, Superseded, Throttled, Transient, UserError
from trimtab.core.kind import Failure
from trimtab.core.times import rfc3339
from trimtab.engine.again import after_error, after_outcome
from trimtab.engine.ledger import Ledger
from trimtab.engine.view import Outcome, View
from trimtab.graph.node import Graph
from trimtab.plan.culprit import DELIVERED
from trimtab.plan.drifts import Change, DriftRecord
from trimtab.plan.plan import Action, History, Plan, Standing
from trimtab.plan.snapshot import Snapshot

WRONG = UserError("wrong", code="TT1010")


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (WRONG, "document"),
        (ExceptionGroup("two", [WRONG, WRONG]), "document"),
        (ExceptionGroup("mixed", [WRONG, Transient("gone")]), "document"),
        (ExceptionGroup("mixed", [WRONG, KeyError("x")]), "bug"),
        (Conflict("moved"), "conflict"),
        (Superseded("later"), "conflict"),
        (Denied("no"), "lasting"),
        (NotOurs("theirs"), "lasting"),
        (Throttled("slow"), "throttled"),
        (Transient("gone"), "transient"),
        (ConnectionResetError("reset"), "transient"),
        (Failure("denied", "no"), "lasting"),
        (Failure("quota", "full"), "lasting"),
        (Failure("throttled", "slow"), "throttled"),
        (Failure("transient", "5xx"), "transient"),
        (Failure("unlisted", "?"), "bug"),
        (Bug("ours"), "bug"),
        (KeyError("ours"), "bug"),
    ],
)
def test_the_class_says_what_comes_next(error, what):
    assert after_error(error).what == what


def test_a_bug_names_its_class():
    assert after_error(KeyError("lost")).because == "KeyError: 'lost'"


NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
NODE = "ecs.Service/service"
FOUGHT = Plan((), {NODE: Standing("ok", look_again_s=20.0)})
DRIFTED = Plan((Action("update", NODE, "drift"),), {NODE: Standing("moving")})


def drift(minutes_ago: float, who: str = "") -> DriftRecord:
    at = rfc3339(NOW - timedelta(minutes=minutes_ago))
    return DriftRecord(NODE, (Change("desiredCount", "3", "1"),), at, at, "repaired", at, at, who=who)


def outcome(*drifts: DriftRecord, plan: Plan | None = None, suspended: bool = False) -> Outcome:
    ledger = Ledger("uid", "vision", "digits", "local", "1", "us-east-1", drifts=drifts)
    plan = plan or Plan((), {NODE: Standing("ok")})
    history = History("uid", "shared", {}, {}, {}, True)
    view = View(Graph({}), Snapshot(NOW, {}), plan, FACTS, ledger, history)
    return Outcome(view, plan, ledger, suspended=suspended)


def test_what_is_as_declared_is_left_to_the_sweep():
    assert after_outcome(outcome()) is None
    assert after_outcome(outcome(drift(1, "arn:ana"), drift(30, "unknown"))) is None


def test_a_drift_that_waits_for_a_name_is_looked_at_again_and_not_often():
    assert after_outcome(outcome(drift(0))) == 30
    assert after_outcome(outcome(drift(4))) == 120
    assert after_outcome(outcome(drift(4), drift(1))) == 30
    assert after_outcome(outcome(drift(4), plan=FOUGHT)) == 20  # what comes first counts
    assert after_outcome(outcome(drift(-360))) == 30  # a clock that jumped back
    age, looks = timedelta(), 0
    while age < DELIVERED:
        again = after_outcome(outcome(drift(age.total_seconds() / 60)))
        assert again is not None
        age, looks = age + timedelta(seconds=again), looks + 1
    assert looks < 12  # a pass each
    assert age < 2 * DELIVERED


def test_what_is_suspended_is_left_alone_whatever_has_drifted():
    assert after_outcome(outcome(plan=DRIFTED)) == 0.2
    assert after_outcome(outcome(drift(0), plan=DRIFTED, suspended=True)) is None
    assert replace(outcome(plan=DRIFTED), suspended=True).is_converged is False
