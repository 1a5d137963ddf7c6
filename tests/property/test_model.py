"""Documents of any content are read alike in any spelling, or refused in our own words; nothing else ever comes out."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from trimtab.core.errors import UserError
from trimtab.model.codes import CODES
from trimtab.model.deployment import ModelDeployment, effective
from trimtab.model.load import Document, load
from trimtab.model.reasons import REASONS
from trimtab.model.schema import json_schema
from trimtab.model.unbuilt import refuse_unbuilt
from trimtab.model.yaml_loader import read

GOOD = Path(__file__).parents[1] / "corpus" / "good"
WHOLE = [read((GOOD / name).read_bytes(), name)[0].value for name in ("full.yaml", "design.yaml", "environment.yaml")]
SCHEMAS = {kind: jsonschema.Draft7Validator(json_schema(kind)) for kind in ("ModelDeployment", "Environment")}

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\ufffe\uffff"), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6
)
SLOW = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a document."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in below for place in places(child, (*path, key)))]


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(copy[path[0]], path[1:], new) if path[0] in copy or isinstance(value, list) else new
    return copy


def shuffled(value: Any, draw: Any) -> Any:
    if isinstance(value, dict):
        names = draw(st.permutations(list(value)))
        return {name: shuffled(value[name], draw) for name in names}
    return [shuffled(each, draw) for each in value] if isinstance(value, list) else value


def answer(text: bytes) -> tuple[Document, ...] | list[UserError]:
    """Documents, or mistakes that keep to what is promised of them."""
    try:
        return load(text, "d.yaml")
    except ExceptionGroup as group:
        for each in group.exceptions:
            assert isinstance(each, UserError)
            assert each.position is not None
            assert each.position.line <= max(1, len(text.decode(errors="replace").splitlines()))
            assert each.position.column >= 1
            assert each.fix
            assert each.code in CODES
            assert each.reason in REASONS
            assert "\n" not in each.message
        return list(group.exceptions)


@given(st.data(), st.sampled_from(WHOLE))
@SLOW
def test_the_order_of_fields_does_not_matter(data, document):
    (given_,) = load(json.dumps(document).encode(), "d")
    (other,) = load(json.dumps(shuffled(document, data.draw)).encode(), "d")
    assert other.value == given_.value


@pytest.mark.parametrize("style", [False, True, None])
@given(st.sampled_from(WHOLE), st.integers(2, 8), st.integers(20, 200))
@settings(max_examples=20, deadline=None)
def test_block_flow_and_json_are_one(style, document, indent, width):
    text = yaml.safe_dump(document, default_flow_style=style, indent=indent, width=width, allow_unicode=True)
    (spelled,) = load(text.encode(), "d")
    assert spelled.value == load(json.dumps(document, indent=indent).encode(), "d")[0].value


@pytest.mark.parametrize("name", ["full.yaml", "design.yaml", "shortest.yaml", "existing-model.yaml", "anchors.yaml"])
def test_a_document_with_every_default_written_out_is_the_same(name):
    for document in load((GOOD / name).read_bytes(), name):
        assert isinstance(document.value, ModelDeployment)
        written = {
            "apiVersion": document.value.api_version,
            "kind": document.kind,
            "metadata": document.value.metadata.model_dump(mode="json", by_alias=True),
            "spec": effective(document.value),
        }
        (again,) = load(json.dumps(written).encode(), name)
        assert again.value == document.value
        assert effective(again.value) == effective(document.value)
        assert len(refuse_unbuilt(again)) == len(refuse_unbuilt(document))


@given(st.data(), st.sampled_from(WHOLE), VALUES)
@SLOW
def test_any_value_at_any_place_is_taken_or_refused_in_words(data, document, value):
    place = data.draw(st.sampled_from(places(document)))
    changed = put(document, place, value)
    found = answer(json.dumps(changed).encode())
    if isinstance(found, tuple):
        # What the loader takes, an editor takes: the schema is no stricter.
        kind = found[0].kind
        assert [error.message for error in SCHEMAS[kind].iter_errors(changed)] == []


@given(st.data(), st.sampled_from(WHOLE), TEXT, VALUES)
@SLOW
def test_a_field_that_does_not_exist_is_always_refused(data, document, name, value):
    closed = [place for place in places(document) if _is_closed(document, place)]
    place = data.draw(st.sampled_from(closed))
    node = document
    for part in place:
        node = node[part]
    new = f"{name}-"  # no field of ours ends so
    found = answer(json.dumps(put(document, (*place, new), value)).encode())
    assert isinstance(found, list)
    assert [each.code for each in found] == ["TT1011"]
    assert found[0].position is not None
    assert found[0].position.field.endswith(new)


OPEN = ("labels", "annotations", "hyperparameters", "metrics", "env", "ranges", "tags")


def _is_closed(document: Any, place: tuple[Any, ...]) -> bool:
    node = document
    for part in place:
        node = node[part]
    is_open = (bool(place) and place[-1] in OPEN) or place[-2:] == ("images", "training")
    return isinstance(node, dict) and not is_open


@given(st.data(), st.sampled_from(sorted(GOOD.glob("*.yaml"))))
@SLOW
def test_a_damaged_file_is_read_or_refused_in_words(data, file):
    text = file.read_bytes()
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, min(len(text), start + 20)))
    answer(text[:start] + data.draw(st.binary(max_size=6) | TEXT.map(str.encode)) + text[stop:])


@given(st.text("{}[]:,-?&*!|>%@`\"'#\n\t ax0._~<", max_size=60))
@example("{!%0a,}")
@settings(max_examples=1500, deadline=None)
def test_any_punctuation_is_read_or_refused_in_words(text):
    answer(text.encode())
