"""Which edit runs which stage: the acceptance test of the generation keys, below the refusal of what is not built."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import botocore.session
import pytest

from samples_compile import DOCUMENT, ENVIRONMENT, FACTS, environment, facts_with_model, graph, loaded, spec
from trimtab.compile.facts import Pin
from trimtab.compile.graph import compile_graph
from trimtab.core.canonical import digest_of
from trimtab.core.kind import Ref
from trimtab.graph.node import Graph
from trimtab.resources.scaling_policy import Step

STAGES = ("train", "image", "release")


def keys(made: Graph) -> dict[str, str | None]:
    return {"train": made.keys.get("training"), "image": made.keys.get("image"), "release": made.keys.get("release")}


def changed(before: Graph, after: Graph) -> set[str]:
    one, other = keys(before), keys(after)
    return {stage for stage in STAGES if one[stage] != other[stage]}


def nodes_changed(before: Graph, after: Graph) -> set[str]:
    return {id for id in before.nodes.keys() | after.nodes.keys() if repr(before.nodes.get(id)) != repr(after.nodes.get(id))}


BEFORE = graph()
EVERYTHING = set(STAGES)


def edited(path: str, value: Any) -> Graph:
    return graph(document=spec(path, value))


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({**DOCUMENT, "spec": dict(reversed(list(DOCUMENT["spec"].items())))}, id="order of fields"),
        pytest.param(spec("serving.resources.cpu", "500m"), id="a default written out"),
        pytest.param({**DOCUMENT, "metadata": {**DOCUMENT["metadata"], "labels": {"team": "x"}}}, id="labels"),
        pytest.param(spec("training.hyperparameters.epochs", 8.0), id="another spelling of a number"),
    ],
)
def test_spelling_changes_nothing(document):
    after = graph(document=document)
    assert changed(BEFORE, after) == set()
    assert nodes_changed(BEFORE, after) == set()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("training.entryPoint", "other.py"),
        ("training.hyperparameters.epochs", 9),
        ("training.framework.version", "2.9"),
        ("training.trigger", "2026-12"),
        ("training.metrics", {"loss": "loss=([0-9.]+);"}),
    ],
)
def test_what_decides_the_model_remakes_everything(path, value):
    assert changed(BEFORE, edited(path, value)) == EVERYTHING


@pytest.mark.parametrize("name", ["dataset", "training"])
def test_other_bytes_of_data_or_training_code_remake_everything(name):
    facts = replace(FACTS, digests=replace(FACTS.digests, **{name: "sha256:other"}))
    assert changed(BEFORE, graph(facts=facts)) == EVERYTHING


def test_a_serving_file_remakes_the_image():
    facts = replace(FACTS, digests=replace(FACTS.digests, serving="sha256:other"))
    assert changed(BEFORE, graph(facts=facts)) == {"image", "release"}


def test_a_dockerfile_remakes_the_image():
    facts = replace(FACTS, digests=replace(FACTS.digests, dockerfile="0" * 64))
    assert changed(BEFORE, graph(facts=facts)) == {"image", "release"}


def test_packaging_remakes_the_image():
    assert changed(BEFORE, edited("image.packaging", "fetched")) == {"image", "release"}


def test_other_data_of_a_fetched_model_releases_without_an_image():
    fetched = spec("image.packaging", "fetched")
    facts = replace(FACTS, digests=replace(FACTS.digests, dataset="sha256:other"))
    before, after = graph(document=fetched), graph(document=fetched, facts=facts)
    assert changed(before, after) == {"train", "release"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("training.instances.type", "ml.c5.xlarge"),
        ("training.instances.fallback", ["ml.c5.xlarge"]),
        ("training.spot.enabled", True),
        ("training.limits.runtime", "2h"),
    ],
)
def test_what_a_job_runs_on_shapes_only_the_next_attempt(path, value):
    after = edited(path, value)
    assert changed(BEFORE, after) == set()
    assert nodes_changed(BEFORE, after) <= {"sagemaker.TrainingJob/training"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("evaluation.gates", [{"metric": "test:accuracy", "atLeast": 0.99}]),
        ("evaluation.champion", {"metric": "test:accuracy", "toleratedLoss": 0.01}),
    ],
)
def test_a_threshold_changes_only_the_verdict(path, value):
    after = edited(path, value)
    assert changed(BEFORE, after) == set()
    assert nodes_changed(BEFORE, after) <= {"trimtab.Gate/gate"}


@pytest.mark.parametrize(("path", "value"), [("serving.resources.memory", "2Gi"), ("serving.env", {"A": "b"})])
def test_the_container_template_releases_without_an_image(path, value):
    assert changed(BEFORE, edited(path, value)) == {"release"}


SCALING = ("autoscaling.ScalableTarget/replicas", "autoscaling.ScalingPolicy/replicas")


@pytest.mark.parametrize(
    ("path", "value", "nodes"),
    [
        ("serving.replicas.min", 3, {"ecs.Service/service"}),
        ("serving.replicas.max", 6, {"ecs.Service/service", *SCALING}),
        ("serving.rollout.bake", "5m", set()),
        ("serving.gateway.throttle.rate", 7, {"apigateway.Stage/stage", "apigateway.UsagePlan/plan"}),
        ("serving.gateway.cors.allowOrigins", ["https://a.example"], {"apigateway.RestApi/api"}),
        ("policy.drift", "report", set()),
        ("revisionHistoryLimit", 3, set()),
        ("suspend", True, set()),
        ("monitoring.action", "retrain", set()),
    ],
)
def test_a_setting_changes_its_own_resource_and_no_key(path, value, nodes):
    after = edited(path, value)
    assert changed(BEFORE, after) == set()
    assert nodes_changed(BEFORE, after) == nodes


def test_another_target_changes_the_policy_alone():
    scaled = edited("serving.replicas", {"min": 2, "max": 6})
    other = edited("serving.replicas", {"min": 2, "max": 6, "target": {"metric": "requests", "value": 600}})
    assert changed(scaled, other) == set()
    assert nodes_changed(scaled, other) == {"autoscaling.ScalingPolicy/replicas"}
    default = edited("serving.replicas", {"min": 2, "max": 6, "target": {"metric": "cpu", "value": 60}})
    assert nodes_changed(scaled, default) == set()


def test_a_range_of_one_count_leaves_nothing_to_choose():
    same = edited("serving.replicas", {"min": 2, "max": 2, "target": {"metric": "cpu"}})
    assert nodes_changed(BEFORE, same) == set()


ABOVE = [{"at": 90, "add": 3}, {"at": 70, "add": 1}]
BELOW = [{"at": 30, "remove": 1}, {"at": 10, "remove": 2}]


def stepping(metric: str) -> Graph:
    steps = {"metric": metric, "above": ABOVE, "below": BELOW}
    return edited("serving.replicas", {"min": 2, "max": 6, "steps": steps})


def test_steps_are_a_policy_and_its_alarm_each_way():
    after = stepping("cpu")
    policies = {f"autoscaling.ScalingPolicy/{way}" for way in ("above", "below")}
    alarms = {f"cloudwatch.Alarm/{way}" for way in ("above", "below")}
    assert changed(BEFORE, after) == set()
    assert nodes_changed(BEFORE, after) == {"ecs.Service/service", SCALING[0], *policies, *alarms}
    out, back = (after.nodes[f"autoscaling.ScalingPolicy/{way}"].desired for way in ("above", "below"))
    assert out.steps == (Step(0, 20, 1), Step(20, None, 3))  # by their distance from 70
    assert back.steps == (Step(-20, 0, -1), Step(None, -20, -2))  # from 30
    high, low = (after.nodes[f"cloudwatch.Alarm/{way}"].desired for way in ("above", "below"))
    assert (high.threshold, high.comparison, high.periods) == (70, "GreaterThanOrEqualToThreshold", 3)
    assert (low.threshold, low.comparison, low.periods) == (30, "LessThanOrEqualToThreshold", 15)
    assert high.actions == (Ref("autoscaling.ScalingPolicy/above", "arn"),)
    assert high.name != low.name
    one_way = edited("serving.replicas", {"min": 2, "max": 6, "steps": {"above": ABOVE}})
    assert {id for id in one_way.nodes if id.startswith("cloudwatch.Alarm/")} == {"cloudwatch.Alarm/above"}


@pytest.mark.parametrize(
    ("metric", "namespace", "name", "statistic", "dimensions"),
    [
        ("memory", "AWS/ECS", "MemoryUtilization", "Average", {"ClusterName", "ServiceName"}),
        ("requests", "AWS/ApplicationELB", "RequestCountPerTarget", "Sum", {"LoadBalancer", "TargetGroup"}),
        ("queue", "trimtab", "queue", "Average", {"Deployment"}),
    ],
)
def test_steps_go_by_the_metrics_that_a_target_would(metric, namespace, name, statistic, dimensions):
    alarm = stepping(metric).nodes["cloudwatch.Alarm/above"].desired
    assert (alarm.namespace, alarm.metric, alarm.statistic) == (namespace, name, statistic)
    assert alarm.dimensions.keys() == dimensions


def test_a_metric_of_ones_own_is_told_apart_as_the_page_says():
    assert stepping("queue").nodes["cloudwatch.Alarm/above"].desired.dimensions == {"Deployment": "vision/digits"}
    tracked = edited("serving.replicas", {"min": 2, "max": 6, "target": {"metric": "queue", "value": 5}})
    assert tracked.nodes[SCALING[1]].desired.deployment == "vision/digits"


SCHEDULE = [
    {"name": "day", "cron": "0 8 ? * MON-FRI *", "timezone": "Europe/Berlin", "min": 4, "max": 8},
    {"name": "night", "cron": "0 20 * * ? *", "min": 1},
]


def test_a_schedule_is_an_action_each_and_widens_what_the_service_may_have():
    after = edited("serving.replicas", {"min": 2, "max": 6, "schedule": SCHEDULE})
    assert changed(BEFORE, after) == set()
    day, night = (after.nodes[f"autoscaling.ScheduledAction/{name}"].desired for name in ("day", "night"))
    assert (day.schedule, day.timezone, day.least, day.most) == ("cron(0 8 ? * MON-FRI *)", "Europe/Berlin", 4, 8)
    assert (night.schedule, night.timezone, night.least, night.most) == ("cron(0 20 * * ? *)", "UTC", 1, 6)
    target, service = after.nodes[SCALING[0]].desired, after.nodes["ecs.Service/service"].desired
    assert (target.least, target.most, target.scheduled) == (2, 6, ((4, 8), (1, 6)))
    assert (service.desired_count, service.least, service.most) == (2, 1, 8)


def test_counts_that_a_schedule_alone_moves_need_no_policy():
    fixed = [{"name": "day", "cron": "0 8 * * ? *", "min": 4, "max": 4}]
    after = edited("serving.replicas", {"min": 2, "schedule": fixed})
    new = {"autoscaling.ScheduledAction/day", "autoscaling.ScalableTarget/replicas", "ecs.Service/service"}
    assert nodes_changed(BEFORE, after) == new
    room = edited("serving.replicas", {"min": 2, "schedule": [{**fixed[0], "max": 5}]})
    assert nodes_changed(BEFORE, room) == {*new, "autoscaling.ScalingPolicy/replicas"}


def test_another_auth_kind_is_another_api():
    after = edited("serving.gateway.auth", "none")
    assert changed(BEFORE, after) == set()
    assert BEFORE.nodes["apigateway.RestApi/api"].desired.name != after.nodes["apigateway.RestApi/api"].desired.name
    assert "apigateway.ApiKey/key" not in after.nodes


@pytest.mark.parametrize(
    ("field", "value", "stages"),
    [
        ("tags", {"team": "vision"}, set()),
        ("logs", {"retentionDays": 7}, set()),
    ],
)
def test_settings_of_the_environment_remake_nothing(field, value, stages):
    after = graph(environment=environment(**{field: value}))
    assert changed(BEFORE, after) == stages


def roles(**changes: str) -> Mapping[str, str]:
    base = {name: f"arn:aws:iam::123456789012:role/{name}" for name in ("training", "execution", "task")}
    return base | changes


OTHER = "arn:aws:iam::123456789012:role/other"


@pytest.mark.parametrize(("role", "stages"), [("training", set()), ("execution", {"release"}), ("task", {"release"})])
def test_only_roles_of_what_serves_release(role, stages):
    before = graph(environment=environment(roles=roles()))
    after = graph(environment=environment(roles=roles(**{role: OTHER})))
    assert changed(before, after) == stages


def test_a_newer_launcher_or_base_changes_nothing_while_the_pin_stands():
    # A pin keeps its digest whatever its text resolves to today; only another digest in the ledger is another key.
    again = replace(FACTS, pins={name: Pin(pin.text, pin.digest) for name, pin in FACTS.pins.items()})
    assert changed(BEFORE, graph(facts=again)) == set()


def test_the_same_key_trained_again_with_other_bytes_remakes_what_stands_on_it():
    other = facts_with_model(FACTS, artifact="sha256:other")
    after = compile_graph(loaded(DOCUMENT), loaded(ENVIRONMENT), other)
    assert changed(BEFORE, after) == {"image", "release"}


def test_back_to_an_earlier_document_is_the_old_generation():
    there = edited("training.hyperparameters.epochs", 9)
    assert changed(BEFORE, there) == EVERYTHING
    assert keys(graph()) == keys(BEFORE)
    assert repr(graph()) == repr(BEFORE)


def test_keys_of_this_release_stay_for_ever():
    assert digest_of(keys(BEFORE)) == "bad2b182978f6923fdf4a05e3692bd10cec4533c0f1a3db5a7080a19db156fe8"


def test_nothing_below_training_is_named_before_the_model_is_known():
    unknown = graph(known=False)
    waiting = {node.id for node in unknown if node.known_after}
    assert waiting == {"ecr.Image/image", "ecs.TaskDefinition/release"}


# (node, field) -> (service, shape of botocore's with the limit), or the limit where the models have none.
LIMITS: dict[tuple[str, str], tuple[str, str] | int] = {
    ("iam.Role/training", "name"): ("iam", "roleNameType"),
    ("iam.Role/execution", "name"): ("iam", "roleNameType"),
    ("iam.Role/task", "name"): ("iam", "roleNameType"),
    ("ecr.Repository/repository", "name"): ("ecr", "RepositoryName"),
    ("ecr.Image/image", "tag"): ("ecr", "ImageTag"),
    ("logs.LogGroup/logs", "name"): ("logs", "LogGroupName"),
    ("sagemaker.TrainingJob/training", "name"): ("sagemaker", "TrainingJobName"),
    ("apigatewayv2.VpcLink/link", "name"): 128,
    ("elbv2.TargetGroup/targets", "name"): 32,
    ("elbv2.LoadBalancer/balancer", "name"): 32,
    ("elbv2.ListenerRule/route", "host"): 128,
    ("ecs.TaskDefinition/release", "family"): 255,
    ("ecs.Service/service", "name"): 255,
    ("ecs.Cluster/cluster", "name"): 255,
    ("cloudwatch.Alarm/above", "name"): ("cloudwatch", "AlarmName"),
    ("cloudwatch.Alarm/below", "name"): ("cloudwatch", "AlarmName"),
}
SHARED = {"elbv2.LoadBalancer/balancer", "ecs.Cluster/cluster", "apigatewayv2.VpcLink/link"}
BY_PATH = {"ecr.Repository/repository", "logs.LogGroup/logs"}  # the names of a deployment themselves, which are unique
BY_KEY = {"ecr.Image/image"}  # the same content, in a repository of its own


def limit_of(limit: tuple[str, str] | int) -> tuple[int, str]:
    """(characters, pattern)."""
    if isinstance(limit, int):
        return limit, r"[A-Za-z0-9.-]+"
    metadata = botocore.session.get_session().get_service_model(limit[0]).shape_for(limit[1]).metadata
    return metadata["max"], metadata.get("pattern", ".+")


def test_the_longest_names_stay_within_every_limit_and_never_collide():
    steps = spec("serving.replicas", {"min": 2, "max": 6, "steps": {"above": ABOVE, "below": BELOW}})
    long = {**steps, "metadata": {"name": "n" * 63, "namespace": "s" * 63}}
    away = {**ENVIRONMENT, "metadata": {"name": "e" * 63}}
    one = graph(long, away)
    other = graph(long, away, replace(FACTS, uid="f" * 20))
    for (id, field), limit in LIMITS.items():
        name = getattr(one.nodes[id].desired, field)
        most, pattern = limit_of(limit)
        attempts = len("-a999") if id == "sagemaker.TrainingJob/training" else 0
        assert len(name) + attempts <= most, id
        assert re.fullmatch(pattern, name), id
        if id not in SHARED | BY_PATH | BY_KEY:
            assert name != getattr(other.nodes[id].desired, field), id


def test_every_name_that_is_given_has_a_limit_that_is_held():
    named = {
        (node.id, field)
        for node in BEFORE
        for field in ("name", "family", "host", "tag")
        if isinstance(getattr(node.desired, field, None), str)
    }
    # Free text for API Gateway, cut to 128 characters all the same; the stage is always called "live".
    free = ("ApiKey/key", "RestApi/api", "UsagePlan/plan", "Stage/stage")
    assert named - set(LIMITS) == {(f"apigateway.{each}", "name") for each in free}
