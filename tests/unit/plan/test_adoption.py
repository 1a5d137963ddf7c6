"""What is there already and is not ours: a table of policies and what they let become of it."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from boxes import HISTORY, KINDS, OURS, Box, SeenBox, box, look
from trimtab.core.kind import DEPLOYMENT, ENVIRONMENT, UID, Difference, Unknown
from trimtab.graph.node import Node, graph_of
from trimtab.plan.adoption import UNFIT, Adoption, adopting, holder_in
from trimtab.plan.drift import Rules, settled_digest
from trimtab.plan.events import announced, seen
from trimtab.plan.forecast import forecast
from trimtab.plan.plan import plan
from trimtab.plan.snapshot import Found
from trimtab.resources import KINDS as ALL_KINDS

NODE = "test.Box/one"
DECLARED = {UID: "uid1", DEPLOYMENT: "vision/one", "team": "vision"}
GRAPH = graph_of([Node(NODE, "release", Box("one", tags=DECLARED))], {})
OTHERS = Adoption("takeOver", "vision", "local")
ALLOWED = replace(OTHERS, prefixes=("x", "on"), namespaces=("other", "vision"))
IDENTICAL = Adoption("ifIdentical", "vision", "local")
TEAM = {"team": "vision"}


def decided(adoption: Adoption, tags: object, size: int = 1, history=HISTORY, drift="correct"):
    snapshot = look(GRAPH, {NODE: Found(SeenBox("one", size=size), tags)})  # type: ignore[arg-type]
    return plan(GRAPH, snapshot, history, KINDS, Rules(drift, adoption=adoption))


@pytest.mark.parametrize(
    ("adoption", "tags", "size", "expected"),
    [
        pytest.param(Adoption(), TEAM, 1, "this deployment's is uid1", id="never"),
        pytest.param(IDENTICAL, TEAM, 1, [], id="identical"),
        pytest.param(IDENTICAL, {**TEAM, "cost": "12"}, 1, [], id="identical, with a tag that nobody declares"),
        pytest.param(IDENTICAL, TEAM, 2, "ifIdentical leaves it, since it differs in size", id="a field differs"),
        pytest.param(IDENTICAL, {}, 1, "since it differs in tags.team", id="a tag that is declared is missing"),
        pytest.param(IDENTICAL, {"team": "b"}, 2, "since it differs in size, tags.team", id="both"),
        pytest.param(ALLOWED, TEAM, 1, [], id="taken over as it is"),
        pytest.param(ALLOWED, {}, 2, ["size"], id="taken over and changed"),
        pytest.param(OTHERS, TEAM, 1, 'needs "vision" in spec.takeOver.namespaces and "one", or', id="nothing allowed"),
        pytest.param(replace(OTHERS, prefixes=("one",)), TEAM, 1, "spec.takeOver.namespaces of env", id="no namespace"),
        pytest.param(
            replace(ALLOWED, prefixes=("One", "ones")), TEAM, 1, "in spec.takeOver.prefixes of env", id="no prefix"
        ),
    ],
)  # fmt: skip
def test_what_nobody_holds_is_adopted_as_far_as_the_policy_goes(adoption, tags, size, expected):
    (action,) = decided(adoption, tags, size).actions
    standing = decided(adoption, tags, size).standings[NODE]
    if isinstance(expected, str):
        assert (action.verb, standing.is_, standing.reason) == ("refuse", "refused", "NameTaken")
        assert expected in standing.because
        return
    assert (action.verb, standing.is_, action.is_drift) == ("adopt", "pending", False)
    first, *rest = action.differences
    assert first == Difference("tags", {name: each for name, each in tags.items() if name in DECLARED}, DECLARED)
    assert [each.path for each in rest] == expected


@pytest.mark.parametrize("adoption", [Adoption(), IDENTICAL, OTHERS, ALLOWED], ids=lambda each: each.mode)
@pytest.mark.parametrize("tags", [{**TEAM, UID: "uid2"}, {**TEAM, DEPLOYMENT: "vision/two"}], ids=["uid", "deployment"])
def test_what_another_deployment_holds_is_never_touched(adoption, tags):
    made = decided(adoption, tags)
    assert made.writes == ()
    assert f"carries the owner tag of {holder_in(tags, DECLARED)}" in made.standings[NODE].because


@pytest.mark.parametrize("tags", [None, Unknown("throttled"), Unknown("no", "denied")])
def test_nothing_is_adopted_on_tags_that_were_not_read(tags):
    assert decided(ALLOWED, tags).actions == ()


def test_what_cannot_be_changed_in_place_is_not_taken_over():
    graph = graph_of([box("one", size=-1)], {})
    seen = look(graph, {NODE: Found(SeenBox("one"), {})})
    (action,) = plan(graph, seen, HISTORY, KINDS, Rules(adoption=ALLOWED)).actions
    assert (action.verb, action.because.rpartition(". ")[2]) == (
        "refuse",
        "adoption: takeOver leaves it, since size cannot be changed in place",
    )


PAIR = graph_of([box("child", "parent"), box("parent")], {})
CHILD = "test.Box/child"


@pytest.mark.parametrize("holds", ["id-1", "another"])
def test_whether_it_is_as_declared_is_told_once_that_is_known_and_foreseen_before(holds):
    untagged = {CHILD: Found(SeenBox("child", holds=holds), {})}
    before = forecast(PAIR, look(PAIR, untagged), HISTORY, KINDS, Rules(adoption=IDENTICAL))
    assert [(each.verb, each.node) for each in before.actions] == [("create", "test.Box/parent"), ("adopt", CHILD)]
    there = {**untagged, "test.Box/parent": Found(SeenBox("parent", id="id-1"), OURS)}
    (now,) = plan(PAIR, look(PAIR, there), HISTORY, KINDS, Rules(adoption=IDENTICAL)).actions
    assert now.verb == ("adopt" if holds == "id-1" else "refuse")


def test_an_owner_tag_that_was_taken_away_is_drift_and_other_fields_are_left_to_the_drift_policy():
    history = replace(HISTORY, settled={NODE: settled_digest(GRAPH.nodes[NODE])})
    allowed = replace(ALLOWED, prefixes=("one",))
    (corrected,) = decided(allowed, TEAM, 2, history).actions
    assert (corrected.is_drift, [each.path for each in corrected.differences]) == (True, ["tags", "size"])
    (reported,) = decided(allowed, TEAM, 2, history, "report").actions
    assert [each.path for each in reported.differences] == ["tags"]


def test_ours_are_never_adopted_and_are_repaired_as_ever():
    (action,) = decided(ALLOWED, DECLARED, 2).actions
    assert action.verb == "update"


def test_the_tag_is_written_before_anything_else():
    (action,) = decided(ALLOWED, {}, 2).actions
    assert [[each.path for each in part] for part in adopting(action.differences)] == [["tags"], ["size"]]
    (only,) = adopting(decided(IDENTICAL, TEAM).actions[0].differences)
    assert [each.path for each in only] == ["tags"]


def told(tags: Mapping[str, str] | None, size: int) -> list[tuple[str, str]]:
    """What is told of a take-over by the pass after it."""
    acts = announced((), decided(ALLOWED, {}, 2).actions, GRAPH, "then")
    snapshot = look(GRAPH, {NODE: Found(SeenBox("one", size=size), tags)})
    after = plan(GRAPH, snapshot, HISTORY, KINDS, Rules(adoption=ALLOWED))
    events, left = seen(acts, GRAPH, snapshot, after, "now")
    assert left == ()
    return [(each.reason, each.message) for each in events]


def test_an_adoption_is_told_once_our_tag_is_seen_and_its_changes_once_they_are():
    adopted = ("Adopted", "box one, which was there already")
    assert told(DECLARED, 1) == [adopted, ("Updated", "size of box one: 2 -> 1")]
    assert told(DECLARED, 2) == [adopted]  # a crash came between
    assert told({}, 2) == []  # refused, or never made
    assert told({UID: "uid2"}, 2) == []


# Everything whose resources carry tags of their own, and may have a name that somebody else took first.
FIT = {
    "autoscaling.ScalableTarget", "cloudwatch.Alarm", "ecr.Repository", "ecs.Cluster", "ecs.Service", "ecs.TaskDefinition",
    "elbv2.Listener", "elbv2.ListenerRule", "elbv2.LoadBalancer", "elbv2.TargetGroup", "logs.LogGroup",
}  # fmt: skip
# Found among those that carry our tag alone, or by an address or parent that is ours; or only looked at.
NEVER_ANOTHERS = {
    "apigateway.ApiKey", "apigateway.RestApi", "apigateway.Stage", "apigateway.UsagePlan", "apigatewayv2.VpcLink",
    "autoscaling.ScalingPolicy", "autoscaling.ScheduledAction", "cloudwatch.DeploymentAlarm", "ecr.Image", "s3.Content",
    "trimtab.Artifact", "trimtab.Gate",
}  # fmt: skip


def test_of_every_kind_it_is_said_whether_it_may_be_adopted():
    assert {*FIT, *UNFIT, *NEVER_ANOTHERS} == {*ALL_KINDS}


@pytest.mark.parametrize("kind", sorted(FIT))
def test_the_rights_of_a_create_let_our_tags_be_set(kind):
    tagged = f"aws:RequestTag/{ENVIRONMENT}"
    rights = [each.action for each in ALL_KINDS[kind].rights["create"] if tagged in each.conditions]
    assert any(action.partition(":")[2] in ("TagResource", "AddTags") for action in rights)


@pytest.mark.parametrize("kind", sorted(UNFIT))
@pytest.mark.parametrize("adoption", [IDENTICAL, ALLOWED], ids=lambda each: each.mode)
def test_what_cannot_be_compared_whole_is_not_adopted(kind, adoption):
    assert f"{kind} is never adopted" in adoption.bar(kind, "one", ())
