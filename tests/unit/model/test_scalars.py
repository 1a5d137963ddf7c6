"""Plain scalars are what kubectl makes of them, measured with kubectl 1.32.4 (`kubectl annotate --local -o json`)."""

import json
import math
from pathlib import Path

import pytest

from trimtab.model.load import load
from trimtab.model.scalars import is_ambiguous, scalar
from trimtab.model.yaml_loader import read

MEASURED = json.loads((Path(__file__).parents[2] / "corpus" / "kubectl-scalars.json").read_text())


@pytest.mark.parametrize(("text", "measured"), MEASURED.items(), ids=[repr(text) for text in MEASURED])
def test_a_plain_scalar_is_what_kubectl_makes_of_it(text, measured):
    value = scalar(text)
    if measured == {"refused": True}:
        assert isinstance(value, float)
        assert not math.isfinite(value)
        return
    is_number = isinstance(measured, (int, float)) and not isinstance(measured, bool)
    assert (isinstance(value, (int, float)) and not isinstance(value, bool)) == is_number
    # kubectl prints numbers beyond 2**53 as the nearest double.
    assert float(value) == float(measured) if is_number else value is measured or value == measured


def test_what_kubectl_refuses_is_refused_at_its_place():
    refused = [text for text, measured in MEASURED.items() if measured == {"refused": True}]
    assert len(refused) >= 4
    for text in refused:
        (tree,) = read(f"a: {text}".encode(), "f")
        assert [(str(each.position), each.code) for each in tree.mistakes] == [("f:1:4", "TT1020")]


def test_an_empty_scalar_is_nothing():
    assert scalar("") is None


@pytest.mark.parametrize("text", ["y", "N", "yes", "No", "ON", "off"])
def test_words_that_editors_take_for_text_are_ambiguous(text):
    assert is_ambiguous(text)


@pytest.mark.parametrize("text", ["true", "False", "null", "~", "", "yEs", "1", "yesterday"])
def test_other_words_are_not_ambiguous(text):
    assert not is_ambiguous(text)


@pytest.mark.parametrize("key", ["epochs", "12", "-3", "true", "false", "yEs", "12:30", "2026-11-23", "0o8", '"n"', "'012'"])
def test_a_key_that_kubectl_keeps_is_taken(key):
    (tree,) = read(f"{key}: 1".encode(), "f")
    assert tree.mistakes == ()
    assert tree.value == {key.strip("\"'"): 1}


@pytest.mark.parametrize(
    "key", ["n", "y", "on", "True", "012", "0x1F", "+1", "1_000", "1e3", "8.0", "~", "null", str(2**64 - 1)]
)
def test_a_key_that_kubectl_makes_another_of_is_refused(key):
    (tree,) = read(f"{key}: 1".encode(), "f")
    assert [(str(each.position), each.code, each.fix) for each in tree.mistakes] == [("f:1:1", "TT1019", f'write "{key}"')]


def test_whole_floats_are_whole_numbers_as_in_json():
    text = b"""
apiVersion: trimtab.dev/v1alpha1
kind: ModelDeployment
metadata: {name: a}
spec:
  model: {source: ./model}
  revisionHistoryLimit: 1e1
"""
    assert load(text, "f")[0].value.spec.revision_history_limit == 10
