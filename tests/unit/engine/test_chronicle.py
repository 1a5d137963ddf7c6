"""A change of the ledger tells what happened; a ledger that did not change tells nothing."""

from dataclasses import replace

import pytest

from trimtab.engine.amend import let_go, refreshed, retrained, retried, rolled_back
from trimtab.engine.chronicle import chronicled
from trimtab.engine.ledger import Ledger, Revision, Since, ledger_in
from trimtab.model.events import EVENTS
from trimtab.plan.events import Act
from trimtab.plan.status import Condition, Trouble

AT = "2026-11-23T12:00:00Z"


def revision(number: int, outcome: str, because: str = "converged") -> Revision:
    pins = {"image": "i", "artifact": "a"}
    return Revision(number, number, f"{number:012x}ff", pins, {}, outcome, because, AT, {"serving": {}})


LEDGER = Ledger(
    "u", "vision", "digits", "local", "1", "r",
    generation=2,
    document={"training": {"hyperparameters": {"epochs": 8}}},
    contents={"dataset": "sha256:a"},
    pins={"training": {"text": "x", "digest": "y"}},
    revisions=(revision(1, "Superseded"), revision(2, "Serving")),
)  # fmt: skip
QUARANTINED = replace(LEDGER, quarantine=("000000000002",))
EDITED = replace(
    LEDGER,
    generation=3,
    document={"training": {"hyperparameters": {"epochs": 9}}},
    contents={"dataset": "sha256:b"},
)
GATE = {"passed": False, "because": "accuracy is 0.91, below 0.95", "metrics": {}, "notes": []}
BAD = revision(3, "RolledBack", "exit code 1")
DENIED = Trouble("ecs.Service/service", "AccessDenied", "ci may not ecs:UpdateService (request r-1)", False)


@pytest.mark.parametrize(
    ("before", "after", "reason", "says"),
    [
        pytest.param(
            LEDGER, EDITED, "Declared", "files of dataset, spec.training.hyperparameters.epochs: 8 -> 9", id="edit"
        ),
        pytest.param(LEDGER, rolled_back(LEDGER, 1), "HeldAt", "revision 1 (release 000000000001)", id="rollback"),
        pytest.param(rolled_back(LEDGER, 1), LEDGER, "HoldEnded", "release 000000000001: released", id="release"),
        pytest.param(
            QUARANTINED, retried(QUARANTINED, AT), "Retried", "release 000000000002 is out of quarantine", id="retry"
        ),
        pytest.param(LEDGER, retrained(LEDGER, "k"), "RetrainRequested", "same inputs", id="retrain"),
        pytest.param(LEDGER, refreshed(LEDGER, None), "RefreshRequested", "training", id="refresh"),
        pytest.param(LEDGER, replace(LEDGER, deleting=True), "DeletionStarted", "0 resources go", id="delete"),
        pytest.param(LEDGER, let_go(LEDGER, AT), "Retained", "0 resources stay", id="retain"),
        pytest.param(let_go(LEDGER, AT), LEDGER, "TakenUp", AT, id="taken up"),
        pytest.param(LEDGER, replace(LEDGER, verdicts={"k": GATE}), "GateNotMet", "below 0.95", id="gate"),
        pytest.param(
            LEDGER, replace(LEDGER, verdicts={"k": {**GATE, "passed": True}}), "GatePassed", "", id="a gate that is met"
        ),
        pytest.param(
            LEDGER, replace(LEDGER, revisions=(*LEDGER.revisions, BAD)), "RolledBack", "quarantine: exit code 1", id="bad"
        ),
        pytest.param(
            LEDGER,
            replace(LEDGER, revisions=(*LEDGER.revisions, revision(3, "Serving"))),
            "Released",
            "revision 3 (release 000000000003) serves",
            id="released",
        ),
        pytest.param(
            LEDGER, replace(LEDGER, troubles=(DENIED,)), "Failed", "AccessDenied: ci may not ecs:UpdateService", id="denied"
        ),
        pytest.param(
            LEDGER, replace(LEDGER, troubles=(replace(DENIED, passes=True),)), "Delayed", "AccessDenied", id="for now"
        ),
    ],
)
def test_what_changed_is_told(before, after, reason, says):
    (told,) = chronicled(before, after, AT).events
    assert told.reason == reason
    assert says in told.message
    assert reason in EVENTS
    assert chronicled(after, after, AT) is after  # nothing is written for what did not change


def test_a_document_that_ends_a_rollback_says_so():
    told = chronicled(rolled_back(LEDGER, 1), EDITED, AT).events
    assert [(each.reason, each.message.rpartition(": ")[2]) for each in told][1] == (
        "HoldEnded",
        "a changed document ended it",
    )


def test_a_trouble_that_only_came_again_is_no_news():
    before = replace(LEDGER, troubles=(DENIED,))
    after = replace(LEDGER, troubles=(replace(DENIED, because="ci may not ecs:UpdateService (request r-2)"),))
    assert chronicled(before, after, AT).events == ()


@pytest.mark.parametrize(
    ("type_", "reason", "event"),
    [("Ready", "Ready", "Converged"), ("Stalled", "GateNotMet", "Stalled"), ("Drifted", "Drifted", None)],
)
def test_a_condition_that_becomes_true_is_told_once(type_, reason, event):
    shown = (Condition(type_, "True", reason, "said", 2, AT),)
    after = replace(LEDGER, conditions={type_: Since("True", AT, reason)})
    assert [each.reason for each in chronicled(LEDGER, after, AT, shown=shown).events] == ([event] if event else [])
    assert chronicled(after, after, AT, shown=shown).events == ()


def test_drift_is_told_where_the_policy_leaves_it():
    shown = (
        Condition("Drifted", "True", "Drifted", "desiredCount: 3 -> 1", 2, AT),
        Condition("Ready", "False", "Drifted", "", 2, AT),
    )
    after = replace(LEDGER, conditions={each.type: Since(each.status, AT) for each in shown})
    assert [each.reason for each in chronicled(LEDGER, after, AT, shown=shown).events] == ["Drifted"]


def test_events_survive_in_the_ledger():
    import json
    from dataclasses import asdict

    ledger = chronicled(LEDGER, EDITED, AT)
    ledger = replace(ledger, acts=(Act("create", "n", "", "Created", "m", AT),), stages={"training": Since("ok", AT)})
    assert ledger_in(json.loads(json.dumps(asdict(ledger)))) == ledger
