"""Which edit reaches which node: told by trying each edit on the document before it."""

import copy
import json
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import samples_compile as samples
from trimtab.compile.facts import Digests
from trimtab.compile.graph import compile_graph
from trimtab.core.kind import Failure
from trimtab.engine.contents import Content
from trimtab.engine.former import changes
from trimtab.engine.ledger import Ledger, Resource
from trimtab.engine.wanted import Wanted, declared_spec
from trimtab.model.load import load
from trimtab_container.digests import Entry

JOB, IMAGE, RELEASE, SERVICE = (
    "sagemaker.TrainingJob/training",
    "ecr.Image/image",
    "ecs.TaskDefinition/release",
    "ecs.Service/service",
)
ACTED = (JOB, "trimtab.Artifact/model", IMAGE, RELEASE, SERVICE)
DIGESTS = samples.FACTS.digests


class Answers:
    """A driver with one manifest in the bucket."""

    def __init__(self, body: dict | None) -> None:
        self.body = body
        self.asked: list[str] = []

    def make(self, call):
        self.asked.append(call.arguments["Key"])
        if self.body is None:
            raise Failure("denied", "no")
        return {"Body": json.dumps(self.body).encode()}


def value_of(document):
    return load(json.dumps(document).encode(), "d.json")[0].value


def wanted(document, digests: Digests = DIGESTS, contents=None) -> Wanted:
    deployment = value_of(document)
    return Wanted("vision", "digits", deployment, declared_spec(deployment), digests, contents or {})


def told(after: Wanted, driver=None, before=samples.DOCUMENT, acted=ACTED, resources=()):
    first = wanted(before)
    ledger = Ledger(
        samples.FACTS.uid, "vision", "digits", "local", "123456789012", "us-east-1",
        generation=1, document=first.declared, contents={**asdict(DIGESTS)}, resources=resources,
    )  # fmt: skip
    environment = value_of(samples.ENVIRONMENT)
    facts = replace(samples.FACTS, digests=after.digests)
    view = SimpleNamespace(ledger=ledger, facts=facts, graph=compile_graph(after.deployment, environment, facts))
    return changes(view, after, environment, driver or Answers(None), acted)  # type: ignore[arg-type]


def reached(found) -> dict[str, list[str]]:
    return {
        node: [getattr(each, "path", None) or each.name for each in cause.inputs]
        for node, cause in found.causes.by_node.items()
        if cause.inputs and not node.startswith("s3.Content/")
    }


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("training.hyperparameters.epochs", 10, {JOB: ["spec.training.hyperparameters.epochs"]}),
        ("serving.resources.memory", "2Gi", {RELEASE: ["spec.serving.resources.memory"]}),
        ("serving.replicas.min", 3, {SERVICE: ["spec.serving.replicas.min"]}),
        ("image.packaging", "fetched", {IMAGE: ["spec.image.packaging"]}),
        (
            "serving.gateway.throttle.rate",
            7,
            {
                "apigateway.Stage/stage": ["spec.serving.gateway.throttle.rate"],
                "apigateway.UsagePlan/plan": ["spec.serving.gateway.throttle.rate"],
            },
        ),
    ],
)
def test_an_edit_stands_at_the_node_that_it_reaches(path, value, expected):
    found = reached(told(wanted(samples.spec(path, value))))
    assert {node: paths for node, paths in found.items() if node in expected} == expected
    assert not (set(found) & {JOB, IMAGE, RELEASE, SERVICE}) - set(expected)


def test_what_stands_below_changes_because_of_what_stands_above():
    found = told(wanted(samples.spec("training.hyperparameters.epochs", 10)))
    above = {node: cause.above for node, cause in found.causes.by_node.items() if cause.above}
    assert above["trimtab.Artifact/model"] == JOB
    assert above[SERVICE] == RELEASE


def test_two_edits_at_once_each_stand_where_they_belong():
    document = samples.spec("training.hyperparameters.epochs", 10)
    document["spec"]["serving"]["resources"] = {"memory": "2Gi"}
    found = reached(told(wanted(document)))
    assert found[JOB] == ["spec.training.hyperparameters.epochs"]
    assert found[RELEASE] == ["spec.serving.resources.memory"]


def test_edits_that_are_valid_only_together_are_told_together():
    document = copy.deepcopy(samples.DOCUMENT)
    del document["spec"]["training"]["framework"], document["spec"]["training"]["entryPoint"]
    document["spec"]["training"]["image"] = "123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:1"
    found = reached(told(wanted(document)))
    assert "spec.training.image" in found[JOB]
    assert "spec.training.framework.name" in found[JOB]


@pytest.mark.parametrize(("path", "value"), [("revisionHistoryLimit", 3), ("training.instances.type", "ml.c5.large")])
def test_an_edit_by_which_nothing_is_done_now_is_said_to(path, value):
    found = told(wanted(samples.spec(path, value)), acted=())
    assert [each.path for each in found.causes.without_effect] == [f"spec.{path}"]


def test_a_dataset_tells_its_files_from_the_manifest_of_the_upload_before():
    new = Content(Path(), (Entry("train/a", 1, "1"), Entry("train/b", 1, "9"), Entry("train/c", 1, "3")), "sha256:n")
    digests = replace(DIGESTS, dataset="sha256:n", channels={"train": "sha256:n"})
    driver = Answers({"digest": "sha256:d", "files": [["train/a", 1, "1"], ["train/b", 1, "2"]]})
    resource = Resource("s3.Content/dataset", "s3.Content", "data-bucket|deployments/u/datasets/d", key="sha256:d")
    found = told(wanted(samples.DOCUMENT, digests, {"dataset": new}), driver, resources=(resource,))
    assert driver.asked == ["deployments/u/datasets/d.json"]
    (edit,) = found.contents
    assert (edit.added, edit.changed, edit.removed) == (("train/c",), ("train/b",), ())
    assert reached(found) == {JOB: ["dataset"]}


def test_a_manifest_that_is_denied_leaves_the_digests():
    new = Content(Path(), (Entry("a", 1, "1"),), "sha256:n")
    resource = Resource("s3.Content/code", "s3.Content", "b|deployments/u/code/t", key="sha256:t")
    found = told(
        wanted(samples.DOCUMENT, replace(DIGESTS, training="sha256:n"), {"training": new}),
        Answers(None),
        resources=(resource,),
    )
    (edit,) = found.contents
    assert (edit.name, edit.before, edit.after, edit.changed) == ("training", "sha256:t", "sha256:n", ())


def test_the_first_generation_changes_nothing():
    environment = value_of(samples.ENVIRONMENT)
    ledger = Ledger("u", "vision", "digits", "local", "1", "r")
    view = SimpleNamespace(ledger=ledger, facts=samples.FACTS, graph=None)
    found = changes(view, wanted(samples.DOCUMENT), environment, Answers(None), ())  # type: ignore[arg-type]
    assert (found.edits, found.contents) == ((), ())
