"""`explain` says of every field what it is, what it may be, what it is when left out, and what changing it does."""

import pytest

from trimtab.core.errors import UserError
from trimtab.model.codes import CODES
from trimtab.model.explain import explain
from trimtab.model.reasons import REASONS


def test_a_field_is_explained():
    found = explain("spec.serving.replicas.min")
    assert found.type == "whole number"
    assert found.default == "2"
    assert found.bounds == "1 or more; 1,000 or less"
    assert found.remakes == "changing it makes nothing again"


def test_a_mapping_lists_its_fields_and_its_defaults():
    found = explain("spec.serving.replicas")
    assert [name for name, _ in found.fields] == ["min", "max", "target", "steps", "schedule"]
    assert found.default == '{"min": 2, "schedule": []}'


@pytest.mark.parametrize(
    ("path", "type_"),
    [
        ("spec.serving.target", "ecs | kubernetes | sagemaker"),
        ("spec.serving.resources.cpu", "text | number"),
        ("spec.serving.env", "mapping of text"),
        ("spec.serving.env.LOG_LEVEL", "text"),
        ("spec.training.hyperparameters", "mapping of true or false | number | text"),
        ("spec.training.hyperparameters.learning-rate", "true or false | number | text"),
        ("spec.training.tuning.ranges.learning-rate.min", "number"),
        ("spec.evaluation.gates", "list of mappings"),
        ("spec.evaluation.gates[0].metric", "text"),
        ("spec.evaluation.gates.metric", "text"),
        ("spec.suspend", "true or false"),
        ("Environment.spec.roles", "managed | mapping"),
        ("Environment.spec.roles.task", "text"),
        ("ModelDeployment", "document"),
        ("", "document"),
    ],
)
def test_a_type_is_said_in_words(path, type_):
    assert explain(path).type == type_


def test_codes_and_reasons_are_explained():
    assert all(explain(code).text.startswith(CODES[code].title) for code in CODES)
    assert explain("tt1012") == explain("TT1012")
    assert all(explain(reason).text == text for reason, text in REASONS.items())


@pytest.mark.parametrize(
    ("path", "guess"),
    [
        ("spec.serving.replcas", "spec.serving.replicas"),
        ("spec.replicas", "spec.serving.replicas"),
        ("serving.replicas", "spec.serving.replicas"),
        ("TT1O12", "TT1012"),
        ("GateNotMat", "GateNotMet"),
    ],
)
def test_what_is_not_there_is_guessed(path, guess):
    with pytest.raises(UserError) as raised:
        explain(path)
    assert f"did you mean {guess}?" in str(raised.value)
    assert raised.value.fix


@pytest.mark.parametrize("code", CODES)
def test_a_code_has_a_title_a_text_and_a_fix(code):
    title, text, fix = CODES[code]
    assert all((title, text, fix))
    assert not title.endswith(".")
    assert text.endswith(".")
    assert fix.endswith(".")
