"""An event is told once its effect is seen, and never before."""

from dataclasses import replace

import pytest

from boxes import HISTORY, KINDS, OURS, Box, SeenBox, box, look
from trimtab.core.kind import Broken, Difference, Moving, Progress, Unknown
from trimtab.graph.node import Graph, Node, graph_of
from trimtab.plan.events import MOST, Act, Event, announced, event, folded, seen, thing
from trimtab.plan.plan import Action, plan
from trimtab.plan.snapshot import Absent, Found, Stale

AT, LATER = "2026-11-23T12:00:00Z", "2026-11-23T12:05:00Z"
GRAPH = graph_of([box("a")], {})
NODE = "test.Box/a"


def acts_of(live) -> tuple[Act, ...]:
    snapshot = look(GRAPH, {NODE: live} if live else {})
    return announced((), plan(GRAPH, snapshot, HISTORY, KINDS).writes, GRAPH, AT)


def told(acts, live, graph=GRAPH, **more):
    snapshot = look(graph, {NODE: live} if live else {}, **more)
    events, awaited = seen(acts, graph, snapshot, plan(graph, snapshot, HISTORY, KINDS), LATER)
    return [(each.reason, each.message) for each in events], awaited


def found(**fields) -> Found:
    return Found(SeenBox("", **fields), OURS)


BIG = found(size=5)
CREATE, UPDATE = acts_of(None), acts_of(BIG)


@pytest.mark.parametrize(
    ("acts", "live", "events", "awaited"),
    [
        pytest.param(CREATE, found(), ["Created"], 0, id="made, and there"),
        pytest.param(CREATE, None, [], 0, id="a crash before it was made: it is announced again"),
        pytest.param(CREATE, Unknown("no answer"), [], 1, id="what cannot be read is no proof"),
        pytest.param(CREATE, BIG, ["Created"], 0, id="made, and changed by hand at once"),
        pytest.param(UPDATE, found(), ["Updated"], 0, id="set, and so"),
        pytest.param(UPDATE, BIG, [], 0, id="not set: it is announced again"),
        pytest.param((), found(), [], 0, id="nothing was announced"),
    ],
)
def test_only_what_is_seen_is_told(acts, live, events, awaited):
    said, left = told(acts, live)
    assert ([reason for reason, _ in said], len(left)) == (events, awaited)


def test_an_update_says_what_from_what_to_what():
    assert told(UPDATE, found())[0] == [("Updated", "size of box a: 5 -> 1")]


def test_a_repair_is_told_as_one():
    difference = Difference("imageTagMutability", "MUTABLE", "IMMUTABLE")
    action = Action("update", NODE, "", (difference,), identity="vision/digits", is_drift=True)
    (act,) = announced((), [replace(action, node="ecr.Repository/repository")], GRAPH, AT)
    assert act.reason == "Repaired"
    assert act.message == "imageTagMutability of ECR repository vision/digits: MUTABLE -> IMMUTABLE"


def test_long_work_is_awaited():
    assert told(CREATE, None, transfers={NODE: Progress(1, 9, "bytes")}) == ([], CREATE)


def test_of_another_generation_nothing_is_told():
    other = graph_of([replace(box("a"), key="k2")], {})
    assert told(CREATE, found(), other) == ([], ())


JOBS = KINDS | {"sagemaker.TrainingJob": KINDS["test.Box"]}
JOB = "sagemaker.TrainingJob/training"
JOB_GRAPH = graph_of([Node(JOB, "training", Box(""), key="k")], {})


def test_a_job_is_told_when_it_starts_and_when_it_ends():
    acts = announced((), [Action("create", JOB, "", identity="d-1")], JOB_GRAPH, AT)
    reasons = []
    for state in (Moving("runs"), Moving("runs"), None):
        live = found(state=state) if state else found()
        snapshot = look(JOB_GRAPH, {JOB: live})
        events, acts = seen(acts, JOB_GRAPH, snapshot, plan(JOB_GRAPH, snapshot, HISTORY, JOBS), LATER)
        reasons.append([(each.reason, each.message) for each in events])
    name = "SageMaker training job d-1"
    assert reasons == [[("TrainingStarted", name)], [], [("TrainingCompleted", name)]]
    assert acts == ()


def test_a_job_that_fails_says_why_and_another_attempt_is_another_start():
    acts = announced((), [Action("create", JOB, "", identity="d-1")], JOB_GRAPH, AT)
    snapshot = look(JOB_GRAPH, {JOB: found(state=Broken("TrainingFailed", "d-1 exited 1", again=True))})
    decided = plan(JOB_GRAPH, snapshot, HISTORY, JOBS)
    running, acts = seen((replace(acts[0], verb="end"),), JOB_GRAPH, snapshot, decided, LATER)
    assert [(each.reason, each.message) for each in running] == [("TrainingFailed", "d-1 exited 1")]
    (again,) = announced(acts, decided.writes, JOB_GRAPH, LATER)
    assert "again, since d-1 exited 1" in again.message


@pytest.mark.parametrize(
    ("live", "events", "awaited"),
    [
        (Absent(), ["Deleted"], 0),
        (found(), [], 1),
        (Unknown("no answer"), [], 1),
        (None, [], 0),  # wanted again, or found to be another's
    ],
)
def test_a_delete_is_told_once_the_thing_is_proven_gone(live, events, awaited):
    acts = announced((), [Action("delete", "test.Box/a#old", "", identity="old")], Graph({}), AT)
    stale = (Stale("test.Box/a", "test.Box", "old", live),) if live else ()
    empty = Graph({})
    snapshot = look(empty, {}, stale=stale)
    said, left = seen(acts, empty, snapshot, plan(empty, snapshot, HISTORY, KINDS), LATER)
    assert [(each.reason, each.node) for each in said] == [(reason, "test.Box/a") for reason in events]
    assert len(left) == awaited
    assert announced(left, [Action("delete", "test.Box/a#old", "", identity="old")], empty, LATER)[:awaited] == left


def test_the_same_again_is_counted_and_comes_last():
    a, b = event("Failed", NODE, "no", AT), event("Created", NODE, "box", AT)
    assert folded((a, b), [event("Failed", NODE, "no", LATER)]) == (b, Event("Failed", NODE, "no", AT, LATER, 2))


def test_the_oldest_are_forgotten():
    many = folded((), [event("Created", NODE, str(number), AT) for number in range(MOST + 5)])
    assert (len(many), many[0].message) == (MOST, "5")


def test_a_message_is_one_line_and_bounded():
    long = event("Failed", NODE, "a\nb " + "x" * 5_000, AT).message
    assert len(long) <= 600
    assert long.startswith("a b ")


@pytest.mark.parametrize(
    ("node", "identity", "words"),
    [
        ("ecr.Repository/repository", "vision/digits", "ECR repository vision/digits"),
        ("ecs.Service/service", "main|digits", "ECS service digits"),
        ("elbv2.TargetGroup/targets", "d-1", "target group d-1"),
        ("apigateway.RestApi/api", "a", "rest api a"),
    ],
)
def test_a_thing_is_named_in_words(node, identity, words):
    assert thing(node, identity) == words
