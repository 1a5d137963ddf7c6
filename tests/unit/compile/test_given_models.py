"""A document that serves a model without training it."""

from dataclasses import replace
from typing import Any

import pytest

from samples_compile import DOCUMENT, ENVIRONMENT, FACTS, loaded
from trimtab.compile.facts import Digests, ServingModel
from trimtab.compile.graph import compile_graph
from trimtab.core.kind import Ref
from trimtab.graph.node import Graph
from trimtab.resources.artifact import Given

SPEC = {name: part for name, part in DOCUMENT["spec"].items() if name not in ("dataset", "code", "training")}
GIVEN: dict[str, Any] = {**DOCUMENT, "spec": {**SPEC, "model": {"source": "s3://models/7"}}}
PINS = {name: pin for name, pin in FACTS.pins.items() if name != "training"}
MODEL = replace(FACTS, digests=Digests("", {}, "", "", model="sha256:aa"), pins=PINS)


def made(document: dict[str, Any] = GIVEN, facts: Any = MODEL) -> Graph:
    return compile_graph(loaded(document), loaded(ENVIRONMENT), facts)


def edited(**fields: Any) -> dict[str, Any]:
    return {**GIVEN, "spec": {**GIVEN["spec"], **fields}}


def test_there_is_no_job_no_dataset_and_nothing_to_wait_for():
    graph = made()
    assert not [id for id in graph.nodes if "TrainingJob" in id or id in ("s3.Content/dataset", "s3.Content/code")]
    assert "iam.Role/training" not in graph.nodes
    assert not [node.id for node in graph if node.known_after]
    assert graph.nodes["trimtab.Artifact/model"].desired.origin == Given("sha256:aa")
    assert graph.nodes["ecs.TaskDefinition/release"].desired.environment["TRIMTAB_ARTIFACT_DIGEST"] == "sha256:aa"


def test_its_gate_judges_by_what_is_told_beside_the_model():
    gate = made().nodes["trimtab.Gate/gate"].desired
    assert gate.job_metrics == Ref("trimtab.Artifact/model", "metrics")


def test_another_model_is_another_image_and_release_and_the_same_by_another_name_is_not():
    other = made(facts=replace(MODEL, digests=replace(MODEL.digests, model="sha256:bb")))
    assert all(made().keys[stage] != other.keys[stage] for stage in ("training", "image", "release"))
    promoted = {"from": {"environment": "staging", "deployment": "vision/digits", "revision": 7}}
    assert made(edited(model=promoted)).keys == made().keys


def test_code_beside_it_is_served_with_it():
    document = edited(code={"source": "./hooks"})
    graph = made(document, replace(MODEL, digests=replace(MODEL.digests, serving="sha256:ss")))
    assert "s3.Content/serving" in graph.nodes
    assert "s3.Content/code" not in graph.nodes
    assert graph.nodes["ecr.Image/image"].desired.code_uri.endswith("/serving/ss/")
    assert made().nodes["ecr.Image/image"].desired.code_uri == ""


OWN = replace(MODEL, digests=replace(MODEL.digests, dockerfile="d" * 64, base="$TRIMTAB_BASE"))


def test_a_dockerfile_in_its_folder_says_what_the_image_is_and_nothing_of_ours_goes_in():
    graph = made(facts=OWN)
    image = graph.nodes["ecr.Image/image"]
    assert (image.desired.dockerfile, image.desired.code_uri, image.desired.launcher_uri) == ("Dockerfile", "", "")
    assert image.desired.base == "127.0.0.1:4566/t/serving@sha256:serving"
    assert image.after == ("trimtab.Gate/gate",)
    assert not [id for id in graph.nodes if id.startswith("s3.Content")]
    assert graph.nodes["ecs.TaskDefinition/release"].desired.command == ("serve",)  # as SageMaker runs it


@pytest.mark.parametrize(
    ("fields", "stages"),
    [
        ({"model": "sha256:bb"}, {"training", "image", "release"}),
        ({"dockerfile": "e" * 64}, {"image", "release"}),
        ({"base": "other:1"}, set()),  # what it was pinned to counts
    ],
)
def test_any_file_of_that_folder_is_in_the_images_key(fields, stages):
    after = made(facts=replace(OWN, digests=replace(OWN.digests, **fields)))
    assert {
        stage for stage in ("training", "image", "release") if after.keys[stage] != made(facts=OWN).keys[stage]
    } == stages


def test_a_newer_launcher_or_another_dockerfile_of_the_same_text():
    pins = {**OWN.pins, "launcher": replace(OWN.pins["launcher"], digest="sha256:new")}
    assert made(facts=replace(OWN, pins=pins)).keys == made(facts=OWN).keys
    assert made(edited(image={"dockerfile": "gpu/Dockerfile"}), OWN).keys["image"] != made(facts=OWN).keys["image"]


@pytest.mark.parametrize(
    ("evaluated_on", "serving", "same"),
    [("sha256:t", "sha256:t", True), ("sha256:t", "sha256:u", False), ("", "", False)],
)
def test_a_champion_is_met_on_the_same_data_only(evaluated_on, serving, same):
    document = edited(evaluation={"champion": {"metric": "test:accuracy"}})
    facts = replace(
        MODEL,
        digests=replace(MODEL.digests, evaluated_on=evaluated_on),
        serving_model=ServingModel("sha256:old", serving, {"test:accuracy": 0.9}),
    )
    graph = made(document, facts)
    champion = graph.nodes["trimtab.Gate/gate"].desired.champion
    assert (champion.value == 0.9, champion.uncompared == "") == (same, same)
    assert "sagemaker.ProcessingJob/champion" not in graph.nodes  # a promoted model has no data and no code here
