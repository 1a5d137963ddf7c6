"""What a pass leaves in the ledger."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

import samples_compile as samples
from trimtab.compile.facts import ServingModel
from trimtab.compile.graph import compile_graph
from trimtab.engine.ledger import Ledger, Provenance, Resource, Revision, Shared
from trimtab.engine.reconcile import _declared
from trimtab.engine.remember import ARTIFACT, CHAMPION, GATE, RELEASE, SERVICE, facts_from, finished, with_troubles
from trimtab.engine.wanted import Wanted
from trimtab.graph.node import Graph, Node
from trimtab.plan.plan import Plan, Standing
from trimtab.plan.snapshot import Absent, Found, Snapshot
from trimtab.plan.status import Trouble
from trimtab.resources.gate import Verdict

LEDGER = Ledger("uid", "vision", "digits", "local", "123456789012", "us-east-1")


def test_a_trouble_that_comes_again_under_another_request_id_is_no_news():
    first = with_troubles(LEDGER, [Trouble("a/b", "AccessDenied", "ecs:X: no (request r-1)", False)])
    assert with_troubles(first, [Trouble("a/b", "AccessDenied", "ecs:X: no (request r-2)", False)]) == first
    assert with_troubles(first, [Trouble("a/b", "AccessDenied", "ecs:X: nope (request r-2)", False)]) != first
    assert with_troubles(first, []) == LEDGER


SHARED = Shared("e" * 20, "local")
PINS = {"artifact": "sha256:old", "test": "sha256:before", "dataset": "sha256:all", "training": "t1", "release": "r1"}
SERVING = Revision(1, 1, "r1", PINS, {"test:accuracy": 0.9}, "Serving", "converged", "2026-11-23T12:00:00Z")


def serving_model(artifacts: Mapping[str, Mapping[str, Any]]) -> ServingModel | None:
    document = samples.loaded(samples.DOCUMENT)
    wanted = Wanted("vision", "digits", document, {}, samples.FACTS.digests)
    return facts_from(replace(LEDGER, revisions=(SERVING,), artifacts=artifacts), SHARED, wanted).serving_model


@pytest.mark.parametrize(
    ("artifacts", "folder"),
    [
        pytest.param({"t1": {"digest": "sha256:old", "record": "a/j-a1.json"}}, "a/j-a1/", id="its own"),
        pytest.param(
            {
                "t1": {"digest": "sha256:new", "record": "a/j-a2.json"},
                "t0": {"digest": "sha256:old", "record": "a/i-a1.json"},
            },
            "a/i-a1/",
            id="trained again with other bytes, and another of the same digest",
        ),
        pytest.param({"t1": {"digest": "sha256:new", "record": "a/j-a2.json"}}, "", id="trained again with other bytes"),
        pytest.param({}, "", id="not known"),
    ],
)
def test_the_serving_model_is_found_by_its_digest(artifacts, folder):
    metrics = {"test:accuracy": 0.9}
    assert serving_model(artifacts) == ServingModel("sha256:old", "sha256:before", metrics, folder, "sha256:all")


OK, BROKEN = Standing("ok"), Standing("broken", "no data", "ChampionUnevaluated")
GATE_NODE = Node(GATE, "evaluation", None)
LAUNCHER = Node("s3.Content/launcher", "training", None, key="l")
GRAPH = Graph({LAUNCHER.id: LAUNCHER, GATE: GATE_NODE}, {"training": "t2"})


@pytest.mark.parametrize(
    ("model", "outcomes"),
    [(Standing("pending", "known after training"), ["Serving"]), (OK, ["Serving", "GateFailed"])],
)
def test_a_champion_that_cannot_be_evaluated_fails_the_revision_once_its_model_is_there(model, outcomes):
    waiting = Standing("pending", f"known after {CHAMPION}")
    standings = {CHAMPION: BROKEN, ARTIFACT: model, GATE: waiting, SERVICE: OK, LAUNCHER.id: OK}
    document = samples.loaded(samples.DOCUMENT)
    wanted = Wanted("vision", "digits", document, {}, samples.FACTS.digests)
    now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    snapshot = Snapshot(now, {LAUNCHER.id: Absent(), GATE: Absent(), SERVICE: Absent()})
    ledger = replace(LEDGER, revisions=(SERVING,))
    after = finished(ledger, GRAPH, snapshot, Plan((), standings), wanted, (), done=True, now=now)
    assert [each.outcome for each in after.revisions] == outcomes
    assert after.revisions[-1].because == ("no data" if len(outcomes) > 1 else "converged")


def test_a_revision_keeps_what_the_gate_said_of_it():
    verdict = Verdict(True, "met", {"test:accuracy": 0.9}, ("test:accuracy is 0.9, at least 0.8",), "not compared")
    now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    snapshot = Snapshot(now, {LAUNCHER.id: Absent(), GATE: Found(verdict), SERVICE: Absent()})
    wanted = Wanted("vision", "digits", samples.loaded(samples.DOCUMENT), {}, samples.FACTS.digests)
    plan = Plan((), {GATE: OK, SERVICE: OK, LAUNCHER.id: OK})
    (made,) = finished(LEDGER, GRAPH, snapshot, plan, wanted, (), done=True, now=now).revisions
    assert (made.outcome, made.notes) == ("Serving", ("test:accuracy is 0.9, at least 0.8", "not compared"))


FIRST, SECOND = Provenance("git:models@main:", "d.yaml", "c1"), Provenance("git:models@main:", "d.yaml", "c2")


def version_in_tags(ledger: Ledger, provenance: Provenance | None, *, says_new: bool) -> str:
    """Of what a pass would make."""
    wanted = Wanted("vision", "digits", samples.loaded(samples.DOCUMENT), {}, samples.FACTS.digests, provenance=provenance)
    ledger = replace(ledger, spec_digest="another" if says_new else wanted.spec_digest)
    return facts_from(ledger, SHARED, wanted).version


@pytest.mark.parametrize(
    ("known", "declared", "says_new", "version"),
    [
        pytest.param(None, FIRST, True, "c1", id="the first"),
        pytest.param(FIRST, SECOND, True, "c2", id="one that says something new"),
        pytest.param(FIRST, SECOND, False, "c1", id="one that says nothing new"),
        pytest.param(FIRST, None, False, "c1", id="from memory"),
        pytest.param(FIRST, None, True, "", id="a person's own, which no commit has"),
        pytest.param(None, None, True, "", id="no source"),
    ],
)
def test_the_commit_in_tags_is_the_last_that_said_something_new(known, declared, says_new, version):
    assert version_in_tags(replace(LEDGER, provenance=known), declared, says_new=says_new) == version


@pytest.mark.parametrize(
    ("declared", "says_new", "kept"),
    [
        (SECOND, True, SECOND),
        (SECOND, False, FIRST),
        (None, False, FIRST),
        (None, True, replace(FIRST, version="")),
    ],
)
def test_the_status_and_the_history_name_the_same_commit(declared, says_new, kept):
    wanted = Wanted("vision", "digits", samples.loaded(samples.DOCUMENT), {}, samples.FACTS.digests, provenance=declared)
    ledger = replace(LEDGER, provenance=FIRST, spec_digest="another" if says_new else wanted.spec_digest)
    assert _declared(ledger, wanted).provenance == kept


def test_a_commit_that_says_what_a_person_has_applied_is_known_from_then_on():
    wanted = Wanted("vision", "digits", samples.loaded(samples.DOCUMENT), {}, samples.FACTS.digests, provenance=SECOND)
    applied = replace(LEDGER, provenance=replace(FIRST, version=""), spec_digest=wanted.spec_digest)
    assert _declared(applied, wanted).provenance == SECOND


def test_a_release_that_comes_back_is_of_the_commit_that_declared_it():
    back = replace(SERVING, pins={**PINS, "image": "sha256:i"}, release="r" * 64, version="c1")
    wanted = Wanted("vision", "digits", samples.loaded(samples.DOCUMENT), {}, samples.FACTS.digests)
    ledger = replace(LEDGER, provenance=SECOND, spec_digest=wanted.spec_digest, revisions=(back,), holds=("r" * 12,))
    facts = facts_from(ledger, SHARED, wanted)
    assert (facts.version, facts.held.version) == ("c2", "c1")
    graph = compile_graph(wanted.deployment, samples.loaded(samples.ENVIRONMENT), replace(samples.FACTS, held=facts.held))
    assert graph.nodes["ecs.TaskDefinition/release"].desired.version == "c1"


def revision(number: int, outcome: str) -> Revision:
    return replace(SERVING, number=number, generation=number, release=f"r{number}", outcome=outcome)


@pytest.mark.parametrize(
    ("runs", "outcomes"),
    [("d-1:1", ["Serving", "GateFailed", "RolledBack"]), ("by-hand:4", ["Superseded", "GateFailed", "RolledBack"])],
)
def test_a_release_that_served_and_was_gone_back_from_serves_no_longer(runs: str, outcomes: list[str]):
    node = Node(SERVICE, "release", None)
    graph = Graph({LAUNCHER.id: LAUNCHER, SERVICE: node}, {"training": "t1", "release": "r3"})
    service = SimpleNamespace(
        running=1, desired_count=1, task_definition=f"arn:aws:ecs:us-east-1:123456789012:task-definition/{runs}"
    )
    now = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
    snapshot = Snapshot(now, {LAUNCHER.id: Absent(), SERVICE: Found(service)})
    made = tuple(Resource(RELEASE, "ecs.TaskDefinition", f"d-{number}", f"r{number}") for number in (1, 3))
    revisions = (revision(1, "Superseded"), revision(2, "GateFailed"), revision(3, "Serving"))
    wanted = Wanted("vision", "digits", samples.loaded(samples.DOCUMENT), {}, samples.FACTS.digests)
    plan = Plan((), {SERVICE: Standing("broken", "ECS gave up d-3:1", "RolledBack"), LAUNCHER.id: OK})
    ledger = replace(LEDGER, revisions=revisions, resources=made)
    after = finished(ledger, graph, snapshot, plan, wanted, (), done=True, now=now)
    assert [each.outcome for each in after.revisions] == outcomes
    given_up = after.revisions[-1]
    assert (given_up.because, given_up.at) == ("ECS gave up d-3:1", "2026-11-23T18:00:00Z")
    assert after.quarantine == ("r3",)
