"""What is collected, and what never is."""

from dataclasses import replace

import pytest

from trimtab.engine.collect import collected, condemned, in_two_phases, kept_revisions, not_yet_condemned, superfluous
from trimtab.engine.ledger import Ledger, Resource, Revision
from trimtab.graph.node import Graph, Node
from trimtab.plan.plan import Action, Plan
from trimtab.plan.snapshot import Absent, Found, Stale


def revision(number: int, outcome: str) -> Revision:
    pins = {"release": f"r{number}", "imageKey": f"i{number}", "dataset": "d", "training": f"t{number}"}
    return Revision(number, number, f"r{number}", pins, {}, outcome, "", "2026-11-23T12:00:00Z")


def ledger(*outcomes: str) -> Ledger:
    revisions = tuple(revision(number, outcome) for number, outcome in enumerate(outcomes, 1))
    resources = [Resource("ecs.TaskDefinition/release", "ecs.TaskDefinition", f"td{n}", f"r{n}") for n in range(1, 8)]
    resources += [Resource("sagemaker.TrainingJob/training", "sagemaker.TrainingJob", f"j{n}", f"t{n}") for n in range(1, 8)]
    resources += [
        Resource("sagemaker.ProcessingJob/champion", "sagemaker.ProcessingJob", "e", "e"),
        Resource("s3.Content/evaluation", "s3.Content", "v", "v"),
        Resource("s3.Content/dataset", "s3.Content", "d", "d"),
        Resource("ecs.Service/service", "ecs.Service", "s"),
    ]
    return Ledger("u", "n", "d", "local", "1", "r", revisions=revisions, resources=tuple(resources))


@pytest.mark.parametrize(
    ("outcomes", "limit", "kept"),
    [
        (("Superseded", "Superseded", "Superseded", "Serving"), 2, [3, 4]),
        (("Superseded", "Superseded", "Superseded", "Serving"), 1, [3, 4]),  # what a rollback would go to
        (("Superseded", "Serving", "GateFailed", "RolledBack", "RolledBack"), 1, [1, 2, 5]),
        (("Serving",), 1, [1]),
        ((), 3, []),
    ],
)
def test_the_newest_are_kept_and_what_is_needed_whatever_the_limit(outcomes, limit, kept):
    assert [each.number for each in kept_revisions(ledger(*outcomes), limit)] == kept


def test_the_same_release_under_another_number_is_no_way_back():
    had = ledger("Superseded", "Superseded", "Superseded", "Serving")
    same = tuple(replace(each, release="r4") if each.number > 1 else each for each in had.revisions)
    assert [each.number for each in kept_revisions(replace(had, revisions=same), 1)] == [1, 4]


def test_a_held_revision_is_kept():
    outcomes = ("Serving", "Superseded", "Superseded", "Superseded")
    assert [each.number for each in kept_revisions(replace(ledger(*outcomes), holds=("r1",)), 1)] == [1, 4]


def test_only_generations_that_nothing_needs_are_superfluous():
    had = ledger("Superseded", "Superseded", "Superseded", "Serving")
    graph = Graph({"ecs.TaskDefinition/release": Node("ecs.TaskDefinition/release", "release", None, key="r7")})
    assert [each.identity for each in superfluous(had, graph, 2)] == ["td1", "td2", "td5", "td6"]


def test_deletes_are_marked_first():
    had = ledger("Serving")
    doomed = ["ecs.TaskDefinition/release#td2"]
    assert not_yet_condemned(had, doomed) == set(doomed)
    marked = condemned(had, doomed)
    assert [each.identity for each in marked.resources if each.condemned] == ["td2"]
    assert not_yet_condemned(marked, doomed) == set()
    again = marked.announced((replace(had.resources[1], condemned=False),))  # wanted again
    assert not any(each.condemned for each in again.resources)


def test_a_pass_deletes_only_what_an_earlier_one_has_marked():
    other = Action("update", "ecs.Service/service", "drifted")
    decided = Plan((Action("delete", "ecs.TaskDefinition/release#td2", "beyond the limit"), other), {})
    marked, first = in_two_phases(ledger("Serving"), decided)
    assert first.actions == (other,)
    assert in_two_phases(marked, decided) == (marked, decided)


def test_what_is_proven_gone_is_forgotten_and_what_is_there_is_not():
    had = ledger("Serving")
    release = "ecs.TaskDefinition/release"
    stale = [
        Stale(release, "ecs.TaskDefinition", "td2", Absent()),
        Stale(release, "ecs.TaskDefinition", "td3", Found(object())),
    ]
    left = {each.identity for each in collected(had, stale, 10).resources}
    assert "td2" not in left
    assert "td3" in left
