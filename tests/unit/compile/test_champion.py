"""The champion: when it is evaluated again, on what, and what that is named by."""

from dataclasses import replace
from typing import Any

import pytest

from samples_compile import DOCUMENT, FACTS, environment, graph, spec
from trimtab.compile.facts import Facts, Pin, ServingModel
from trimtab.core.kind import Ref
from trimtab.graph.node import Graph
from trimtab.resources.gate import Champion
from trimtab.resources.processing_job import Input

JOB, SCRIPT, GATE = "sagemaker.ProcessingJob/champion", "s3.Content/evaluation", "trimtab.Gate/gate"
DECLARED = spec("evaluation.champion", {"metric": "test:accuracy", "toleratedLoss": 0.01})
SERVING = ServingModel("sha256:old", "sha256:before", {"test:accuracy": 0.9}, "deployments/u/artifacts/j-a1/")
OTHER_TEST = replace(FACTS, digests=replace(FACTS.digests, evaluation="sha256:e"), serving_model=SERVING)


def made(document: dict[str, Any] = DECLARED, facts: Facts = OTHER_TEST, **changes: Any) -> Graph:
    return graph(document=document, facts=replace(facts, **changes), known=False)


def champion(graph: Graph) -> Champion:
    return graph.nodes[GATE].desired.champion


def edited(path: str, value: Any) -> dict[str, Any]:
    document = spec(path, value)
    document["spec"].setdefault("evaluation", {})["champion"] = DECLARED["spec"]["evaluation"]["champion"]
    return document


def digests(**changes: Any) -> Facts:
    return replace(OTHER_TEST, digests=replace(OTHER_TEST.digests, **changes))


def test_other_test_data_evaluate_the_champion_again_beside_training():
    after = made()
    job, gate = after.nodes[JOB], after.nodes[GATE].desired
    assert job.stage == "evaluation"
    assert set(job.parents) == {"iam.Role/training", "s3.Content/dataset", "s3.Content/code", "s3.Content/launcher", SCRIPT}
    assert (gate.champion.report, gate.champion.problem) == (Ref(JOB, "report"), Ref(JOB, "problem"))
    assert gate.champion.evaluation == job.key
    uid, box = FACTS.uid, "/opt/ml/processing/input"
    assert job.desired.inputs == (
        Input("model", "s3://data-bucket/deployments/u/artifacts/j-a1/", f"{box}/model"),
        Input("data", f"s3://data-bucket/deployments/{uid}/datasets/d/test/", f"{box}/data/test"),
        Input("code", f"s3://data-bucket/deployments/{uid}/code/t/", f"{box}/code"),
        Input("script", f"s3://data-bucket/deployments/{uid}/evaluation/e/", f"{box}/script"),
        Input("trimtab", f"s3://data-bucket/deployments/{uid}/launchers/launcher/", f"{box}/trimtab"),
    )
    assert job.desired.image == after.nodes["sagemaker.TrainingJob/training"].desired.image
    assert after.nodes[SCRIPT].desired.prefix == f"deployments/{uid}/evaluation/e/"


@pytest.mark.parametrize(
    ("channels", "uri", "path"),
    [
        ({"test": "sha256:2", "train": "sha256:1"}, "datasets/d/test/", "data/test"),
        ({"a": "sha256:1", "b": "sha256:2"}, "datasets/d/", "data"),
        ({"training": "sha256:d"}, "datasets/d/", "data/training"),
        ({"training": "sha256:1"}, "datasets/d/", "data"),
    ],
)
def test_it_is_given_the_data_that_models_are_compared_on_as_training_has_them(channels, uri, path):
    data = made(facts=digests(channels=channels)).nodes[JOB].desired.inputs[1]
    assert (data.uri.endswith(f"{FACTS.uid}/{uri}"), data.path) == (True, f"/opt/ml/processing/input/{path}")


@pytest.mark.parametrize(
    ("facts", "value"),
    [
        pytest.param(replace(OTHER_TEST, serving_model=replace(SERVING, test="sha256:2")), 0.9, id="the same test data"),
        pytest.param(replace(OTHER_TEST, serving_model=None), None, id="nothing serves"),
    ],
)
def test_a_champion_that_is_known_on_this_data_is_not_evaluated_again(facts, value):
    after = made(facts=facts)
    assert not {JOB, SCRIPT} & set(after.nodes)
    assert (champion(after).value if champion(after) else None) == value


VALIDATED = spec("evaluation.champion", {"metric": "validation:accuracy"})
PARTS = {"train": "sha256:1", "validation": "sha256:3", "test": "sha256:2"}
KNOWN = replace(SERVING, test="sha256:2", dataset="sha256:d", metrics={"validation:accuracy": 0.8})


def test_a_metric_of_another_channel_is_compared_where_all_data_are_the_same():
    facts = digests(channels=PARTS)
    assert champion(made(VALIDATED, facts, serving_model=KNOWN)).value == 0.8
    other = made(VALIDATED, facts, serving_model=replace(KNOWN, dataset="sha256:c"))  # with the same folder `test`
    data = other.nodes[JOB].desired.inputs[1]
    assert (data.uri.endswith("/datasets/d/"), data.path) == (True, "/opt/ml/processing/input/data")
    assert names(other) != names(made(VALIDATED, digests(channels=PARTS, dataset="sha256:e"), serving_model=KNOWN))


def test_a_model_that_served_is_met_by_nobody():
    known = graph(document=DECLARED, facts=replace(OTHER_TEST, proven=frozenset(["sha256:model"])))
    assert (JOB in known.nodes, champion(known)) == (False, None)


@pytest.mark.parametrize("metrics", [{}, {"test:loss": 0.1}])
def test_a_metric_that_the_champion_was_never_measured_by_is_measured(metrics):
    after = made(serving_model=replace(SERVING, test="sha256:2", metrics=metrics))
    assert champion(after).evaluation == after.nodes[JOB].key


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        pytest.param(
            {"digests": FACTS.digests},
            "it was evaluated on other test data, and the code has no evaluate.py to evaluate it again",
            id="no script",
        ),
        pytest.param(
            {"digests": FACTS.digests, "serving_model": replace(SERVING, test="sha256:2", metrics={})},
            "it was never measured by test:accuracy, and the code has no evaluate.py to evaluate it again",
            id="no script, and another metric",
        ),
        pytest.param(
            {"serving_model": replace(SERVING, folder="")},
            "it was evaluated on other test data, and where its files lie is not known",
            id="its files are not known",
        ),
    ],
)
def test_where_it_cannot_be_evaluated_again_the_gate_is_told_why(changes, because):
    after = made(**changes)
    assert not {JOB, SCRIPT} & set(after.nodes)
    assert champion(after).uncompared == because


def names(after: Graph) -> tuple[str, str | None]:
    return after.nodes[JOB].desired.name, after.nodes[JOB].key


@pytest.mark.parametrize(
    ("document", "facts"),
    [
        pytest.param(DECLARED, replace(OTHER_TEST, serving_model=replace(SERVING, artifact="sha256:x")), id="model"),
        pytest.param(DECLARED, digests(channels={"train": "sha256:1", "test": "sha256:3"}), id="test data"),
        pytest.param(DECLARED, digests(evaluation="sha256:f"), id="script"),
        pytest.param(edited("evaluation.entryPoint", "score.py"), OTHER_TEST, id="name of the script"),
        pytest.param(DECLARED, digests(training="sha256:u"), id="code that it may import"),
        pytest.param(DECLARED, replace(OTHER_TEST, pins={**FACTS.pins, "training": Pin("t:2", "sha256:x")}), id="image"),
    ],
)
def test_what_decides_its_result_names_the_job(document, facts):
    assert names(made(document, facts)) != names(made())


@pytest.mark.parametrize(
    ("document", "facts"),
    [
        pytest.param(edited("training.hyperparameters.epochs", 9), OTHER_TEST, id="a candidate trained otherwise"),
        pytest.param(edited("training.trigger", "again"), OTHER_TEST, id="a candidate trained again"),
        pytest.param(edited("training.instances.type", "ml.c5.xlarge"), OTHER_TEST, id="instance"),
        pytest.param(edited("evaluation.entryPoint", "evaluate.py"), OTHER_TEST, id="a default written out"),
        pytest.param(edited("evaluation.gates", []), OTHER_TEST, id="gates"),
        pytest.param(
            DECLARED, digests(channels={"train": "sha256:9", "test": "sha256:2"}, dataset="sha256:9"), id="train data"
        ),
        pytest.param(DECLARED, digests(serving="sha256:9"), id="serving code"),
        pytest.param(
            DECLARED, replace(OTHER_TEST, serving_model=replace(SERVING, test="sha256:x")), id="what it had before"
        ),
        pytest.param(
            spec("evaluation.champion", {"metric": "test:loss", "toleratedLoss": 0.5}), OTHER_TEST, id="what is compared"
        ),
    ],
)
def test_the_same_model_on_the_same_data_is_evaluated_once(document, facts):
    assert names(made(document, facts)) == names(made())


def test_a_champion_remakes_no_stage():
    assert made().keys == made(DOCUMENT).keys
    assert not {JOB, SCRIPT} & set(made(DOCUMENT).nodes)


def test_the_next_attempt_follows_what_a_job_runs_on():
    before, after = made().nodes[JOB].desired, made(edited("training.limits.runtime", "20d")).nodes[JOB].desired
    assert (before.max_runtime_s, after.max_runtime_s) == (86_400, 777_600)  # the most that SageMaker allows
    assert before.run != after.run


def test_its_role_is_the_one_of_training():
    own = {name: f"arn:aws:iam::123456789012:role/{name}" for name in ("training", "execution", "task")}
    after = graph(document=DECLARED, environment=environment(roles=own), facts=OTHER_TEST, known=False)
    assert after.nodes[JOB].desired.role_arn == own["training"]
    policy = made().nodes["iam.Role/training"].desired.policy
    assert "log-group:/aws/sagemaker/ProcessingJobs:*" in policy


def test_an_image_of_ones_own_is_given_the_launcher():
    document = edited("training", {"image": "127.0.0.1:4566/mine:1"})
    job = made(document).nodes[JOB].desired
    assert (job.entrypoint, job.arguments) == (("python3", "/opt/ml/processing/input/trimtab/launcher.pyz"), ("evaluate",))
