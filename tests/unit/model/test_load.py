"""Documents: what is wrong is said at its place, all of it at once, with a way to mend it."""

import itertools
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml

from samples_compile import DOCUMENT, ENVIRONMENT, spec
from trimtab.core.errors import UserError
from trimtab.core.quantities import FARGATE, cpu_millicores, duration_s, ecs_units, memory_mib, nearest_fargate
from trimtab.model.base import KEY_CLASS
from trimtab.model.codes import CODES
from trimtab.model.explain import explain
from trimtab.model.fields import all_fields
from trimtab.model.load import KINDS, load
from trimtab.model.unbuilt import refuse_unbuilt

CORPUS = Path(__file__).parents[2] / "corpus" / "bad"


def mistakes(text: bytes, file: str = "f.yaml") -> list[UserError]:
    with pytest.raises(ExceptionGroup) as raised:
        load(text, file)
    return [error for error in raised.value.exceptions if isinstance(error, UserError)]


def of(document: Any) -> list[UserError]:
    return mistakes(json.dumps(document).encode())


@pytest.mark.parametrize("case", sorted(CORPUS.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_bad_document_is_answered_as_written_at_its_head(case: Path):
    """The comments at the head of each file are the answers: `# line:column: field: what is wrong [code reason]`."""
    text = case.read_bytes()
    wanted = [line[2:].decode() for line in itertools.takewhile(lambda line: line[:2] == b"# ", text.splitlines())]
    found = mistakes(text, case.name)
    assert [str(each) for each in found] == [f"{case.name}:{line}" for line in wanted]
    assert all(each.fix for each in found)


def test_the_corpus_is_there():
    assert len(list(CORPUS.glob("*.yaml"))) >= 60


def test_every_mistake_is_named_at_once():
    document = spec("serving.replicas", {"min": 0})
    document["spec"]["trainning"] = {}
    document["metadata"]["name"] = "X"
    assert {(each.position.field, each.code) for each in of(document) if each.position} == {
        ("metadata.name", "TT1017"),
        ("spec.serving.replicas.min", "TT1012"),
        ("spec.trainning", "TT1011"),
    }


def test_a_misspelt_field_is_guessed():
    (found,) = of(spec("serving.replcas", {"min": 1}))
    assert "did you mean replicas?" in str(found)


def test_text_is_no_number():
    (found,) = of(spec("serving.replicas", {"min": "2"}))
    assert found.message == "must be a whole number, not text ('2')"


def test_one_name_twice_in_a_file_names_both_places():
    text = (json.dumps(DOCUMENT) + "\n---\n" + json.dumps(DOCUMENT)).encode()
    (found,) = mistakes(text)
    assert found.code == "TT1018"
    assert "first at f.yaml:1:" in str(found)


def test_foreign_documents_are_refused_or_skipped_when_asked():
    text = b"apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n"
    assert mistakes(text)[0].code == "TT1010"
    assert load(text, "f", skip_foreign=True) == ()


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({f"field{number}": {} for number in range(9_000)}, id="unknown fields"),
        pytest.param({"evaluation": {"gates": [{"metrics": 1}] * 6_000}}, id="a list of mistakes"),
        pytest.param({"serving": {"env": {f"A-{number}": number for number in range(9_000)}}}, id="variables"),
    ],
)
def test_a_flood_of_mistakes_takes_seconds_at_most(spec):
    started = time.process_time()
    assert len(of({**DOCUMENT, "spec": {**DOCUMENT["spec"], **spec}})) >= 1
    assert time.process_time() - started < 5


def test_every_warning_stands_beside_its_document():
    text = json.dumps({**DOCUMENT, "spec": {**DOCUMENT["spec"], "suspend": False}})
    assert load(text.encode(), "f.yaml")[0].warnings == ()
    text = text.replace('"apiKey"', '"none"').replace("false", "off")
    (document,) = load(text.encode(), "f.yaml")
    bare, anybody = document.warnings
    assert bare == f"f.yaml:1:{text.index('off') + 1}: bare off is read as false; quote it for text"
    assert anybody.endswith("auth: none lets anybody who knows the URL call the endpoint")


def test_the_model_needs_no_cloud_and_the_core_no_pydantic():
    program = (
        "import sys; import trimtab.core.kind, trimtab.core.quantities, trimtab.core.errors, trimtab.core.canonical;"
        "assert 'pydantic' not in sys.modules;"
        "import trimtab.model.load, trimtab.model.unbuilt, trimtab.model.schema, trimtab.model.explain;"
        "assert not {'boto3', 'botocore', 'moto'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env={"PYTHONPATH": os.pathsep.join(sys.path)})


def test_every_code_that_is_raised_is_explained():
    codes = {
        word
        for path in Path("operator/trimtab").rglob("*.py")
        for word in path.read_text().split('"')
        if word.startswith("TT")
    }
    used = {word for word in codes if len(word) == 6 and word[2:].isdigit()}
    assert used <= set(CODES)


# --- what is not built ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("serving.gateway.auth", "iam"),
        ("serving.gateway.auth", "jwt"),
        ("serving.target", "kubernetes"),
        ("serving.resources.gpu", 1),
        ("serving.rollout.strategy", "canary"),
        ("training.spot.enabled", True),
        ("training.distribution", "torchrun"),
        ("training.framework.name", "tensorflow"),
        ("dataset.pin", "verify"),
        ("dataset.source", "https://git.example.com/data.git"),
        ("code.source", "git@git.example.com:code.git"),
        ("image.packaging", "fetched"),
        ("image.builder", "codebuild"),
        ("monitoring.action", "retrain"),
    ],
)
def test_a_field_whose_part_is_not_built_is_refused_and_says_so(path, value):
    (document,) = load(json.dumps(spec(path, value)).encode(), "f.yaml")
    (found,) = refuse_unbuilt(document)
    assert found.reason == "NotBuiltYet"
    assert found.position is not None
    assert found.position.field.startswith(f"spec.{path}"[: len(found.position.field)])


def test_a_misspelt_framework_is_guessed():
    (document,) = load(json.dumps(spec("training.framework.name", "pytroch")).encode(), "f.yaml")
    (found,) = refuse_unbuilt(document)
    assert "; did you mean pytorch?" in found.message


def test_a_plain_document_asks_for_nothing_that_is_not_built():
    for document in (DOCUMENT, ENVIRONMENT):
        assert refuse_unbuilt(load(json.dumps(document).encode(), "f")[0]) == []


# --- the models -----------------------------------------------------------------------------------------------------


ALL_FIELDS = [
    pytest.param(kind, path, info, id=f"{kind}.{path}") for kind, model in KINDS.items() for path, info in all_fields(model)
]


@pytest.mark.parametrize(("kind", "path", "info"), ALL_FIELDS)
def test_every_field_has_a_text_and_a_key_class_and_is_explained(kind, path, info):
    assert info.description
    assert info.json_schema_extra[KEY_CLASS] in ("result", "run", "none")
    found = explain(f"{kind}.{path}")
    assert found.text == info.description
    assert found.type


def shape(service: str, name: str) -> Any:
    return botocore.session.get_session().get_service_model(service).shape_for(name)


def test_limits_and_choices_are_aws_own():
    parameters = shape("sagemaker", "HyperParameters").metadata
    assert parameters["max"] == 100
    assert shape("sagemaker", "HyperParameterValue").metadata["max"] == 2500
    assert shape("sagemaker", "MetricDefinitionList").metadata["max"] == 40
    assert set(shape("sagemaker", "TrainingInstanceType").enum) >= {"ml.m5.large", "ml.c5.xlarge"}
    from trimtab.local.logs import RETENTIONS

    assert 30 in RETENTIONS


@pytest.mark.parametrize(("text", "millicores"), [("500m", 500), (1, 1000), ("1.5", 1500), (0.25, 250)])
def test_cpu_is_in_millicores(text, millicores):
    assert cpu_millicores(text) == millicores


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (cpu_millicores, "1x"), (cpu_millicores, 0), (cpu_millicores, "0.0001"), (memory_mib, "1Zi"), (memory_mib, "1k"),
        (duration_s, "30"), (duration_s, ""), (duration_s, "1m1h"),
    ],
)  # fmt: skip
def test_what_is_no_quantity_is_refused(function, text):
    with pytest.raises(ValueError):
        function(text)


def test_ecs_units_are_exact_or_refused():
    assert ecs_units(500) == 512
    with pytest.raises(ValueError):
        ecs_units(333)


def test_a_pair_that_fargate_does_not_offer_gets_the_two_nearest():
    assert nearest_fargate(512, 1024) == ((500, 1024),)
    near = nearest_fargate(512, 512)
    assert len(near) == 2
    assert all(ecs_units(cpu) in FARGATE and memory in FARGATE[ecs_units(cpu)] for cpu, memory in near)


# --- replicas -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("replicas", "scaling"),
    [
        ({"min": 2}, None),
        ({"min": 2, "max": 2, "target": {"metric": "cpu"}}, None),
        ({"min": 2, "max": 6}, ("cpu", 60)),
        ({"min": 2, "max": 6, "target": {"metric": "memory"}}, ("memory", 60)),
        ({"min": 2, "max": 6, "target": {"metric": "requests", "value": 600}}, ("requests", 600)),
        ({"min": 2, "max": 6, "target": {"metric": "queue.length", "value": 5}}, ("queue.length", 5)),
    ],
)
def test_what_an_autoscaler_holds(replicas, scaling):
    (document,) = load(json.dumps(spec("serving.replicas", replicas)).encode(), "f.yaml")
    found = document.value.spec.serving.replicas.scaling
    assert (found and (found.metric, found.value)) == scaling


DAY = {"name": "day", "cron": "0 8 ? * MON-FRI *", "min": 4, "max": 8}


@pytest.mark.parametrize(
    ("replicas", "scheduled", "scaling"),
    [
        ({"min": 2, "schedule": [DAY]}, [(4, 8)], True),
        ({"min": 2, "schedule": [{**DAY, "max": 4}]}, [(4, 4)], False),
        ({"min": 2, "max": 6, "schedule": [{"name": "night", "cron": DAY["cron"], "max": 2}]}, [(2, 2)], True),
        ({"min": 2, "max": 6, "schedule": [{"name": "day", "cron": DAY["cron"], "min": 4}]}, [(4, 6)], True),
    ],
)
def test_what_an_action_leaves_out_is_that_of_replicas(replicas, scheduled, scaling):
    (document,) = load(json.dumps(spec("serving.replicas", replicas)).encode(), "f.yaml")
    found = document.value.spec.serving.replicas
    assert (found.scheduled, found.scaling is not None) == (scheduled, scaling)


@pytest.mark.parametrize(
    "cron",
    [
        "0/5 8,9 ? jan-mar mon-fri 2027",
        "0  18 24 12 ? 2026",
        "30 6 L * ? *",
        "30 6 ? * 6L *",
        "30 6 ? * 2#1 *",
        "0 6 3W * ? *",
    ],
)
def test_a_cron_expression_is_spelt_as_aws_has_it(cron):
    (document,) = load(json.dumps(spec("serving.replicas", {"schedule": [{**DAY, "cron": cron}]})).encode(), "f.yaml")
    (found,) = document.value.spec.serving.replicas.schedule
    assert found.cron == " ".join(cron.upper().split())


@pytest.mark.parametrize(
    ("action", "at", "said"),
    [
        ({**DAY, "cron": "0 8 * * *"}, "cron", "has 5 fields"),
        ({**DAY, "cron": "cron(0 8 ? * MON-FRI *)"}, "cron", "leave out cron( and )"),
        ({**DAY, "cron": "0 8 * * * *"}, "cron", "* both as day of the month and of the week"),
        ({**DAY, "cron": "0 8 1 * MON *"}, "cron", "both a day of the month and a day of the week"),
        ({**DAY, "cron": "60 8 * * ? *"}, "cron", "'60' is no minutes"),
        ({**DAY, "cron": "0 8 * JANUARY ? *"}, "cron", "'JANUARY' is no month"),
        ({**DAY, "cron": "0 8/0 * * ? *"}, "cron", "'8/0' is no hours"),
        ({**DAY, "timezone": "Europe/Berln"}, "timezone", "did you mean Europe/Berlin?"),
        ({**DAY, "max": 3}, "", "max 3 is below min 4"),
        ({"name": "day", "cron": DAY["cron"], "min": 4}, "", "max 2 is below min 4"),
        ({**DAY, "min": 0}, "min", "must be 1 or more"),
    ],
)
def test_a_scheduled_action_that_aws_would_not_take(action, at, said):
    (found,) = of(spec("serving.replicas", {"min": 2, "schedule": [action]}))
    assert found.position.field == f"spec.serving.replicas.schedule[0]{at and '.'}{at}"
    assert said in f"{found} {found.fix}"


STEPS = {"above": [{"at": 70, "add": 1}, {"at": 90, "add": 3}], "below": [{"at": 30, "remove": 1}]}


def test_steps_stand_in_place_of_a_target():
    (document,) = load(json.dumps(spec("serving.replicas", {"max": 6, "steps": STEPS})).encode(), "f.yaml")
    found = document.value.spec.serving.replicas.scaling
    assert (found.metric, [each.at for each in found.above], found.below[0].remove) == ("cpu", [70, 90], 1)


@pytest.mark.parametrize(
    ("replicas", "at", "said"),
    [
        ({"steps": STEPS}, "max", "is missing: steps needs it"),
        ({"max": 6, "steps": STEPS, "target": {"metric": "cpu"}}, "steps", "stands beside target"),
        ({"max": 6, "steps": {"metric": "cpu"}}, "steps", "names no step"),
        ({"max": 6, "steps": {"above": [{"at": 101, "add": 1}]}}, "steps.above[0].at", "more than all of it"),
        ({"max": 6, "steps": {"above": STEPS["above"][:1] * 2}}, "steps.above[1].at", "70 stands twice"),
        ({"max": 6, "steps": {**STEPS, "below": [{"at": 70, "remove": 1}]}}, "steps.below", "reaches the steps above"),
        ({"max": 6, "steps": {"below": [{"at": 30, "remove": 0}]}}, "steps.below[0].remove", "must be 1 or more"),
    ],
)
def test_steps_that_no_autoscaler_can_take(replicas, at, said):
    (found,) = of(spec("serving.replicas", replicas))
    assert found.position.field == f"spec.serving.replicas.{at}"
    assert said in str(found)


def test_what_the_page_on_scaling_shows_can_be_written():
    blocks = re.findall(r"```yaml\n(.*?)```", Path("docs/tasks/scale.md").read_text(), re.DOTALL)
    shown = [spec("serving.replicas", yaml.safe_load(block)["replicas"]) for block in blocks]
    assert len(shown) == 2
    assert all(load(json.dumps(each).encode(), "f.yaml")[0].value.spec.serving.replicas.scaling for each in shown)


def test_actions_of_one_name_are_told_apart():
    (found,) = of(spec("serving.replicas", {"min": 2, "schedule": [DAY, DAY]}))
    assert found.position.field == "spec.serving.replicas.schedule[1].name"


@pytest.mark.parametrize(
    ("replicas", "at", "said"),
    [
        ({"min": 2, "target": {"metric": "cpu"}}, "max", "is missing: target needs it"),
        ({"min": 2, "max": 6, "target": {"metric": "requests"}}, "target.value", "is missing: requests has no default"),
        ({"min": 2, "max": 6, "target": {"metric": "cpu", "value": 101}}, "target.value", "more than all of it"),
        ({"min": 2, "max": 6, "target": {"metric": "cpu", "value": 0}}, "target.value", "must be more than 0"),
    ],
)
def test_a_target_that_no_autoscaler_can_hold(replicas, at, said):
    (found,) = of(spec("serving.replicas", replicas))
    assert found.position.field == f"spec.serving.replicas.{at}"
    assert said in str(found)
