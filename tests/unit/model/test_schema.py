"""The JSON Schema takes what the loader takes, and says of every field what it is."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from trimtab.model.fields import all_fields
from trimtab.model.load import KINDS, load
from trimtab.model.schema import json_schema, schema_at
from trimtab.model.yaml_loader import read

TOP = Path(__file__).parents[3]
GOOD = sorted((TOP / "tests" / "corpus" / "good").iterdir())
EXAMPLES = sorted((TOP / "examples").glob("*/*.yaml"))
BAD = sorted((TOP / "tests" / "corpus" / "bad").glob("*.yaml"))

# What a schema cannot say: rules between values, and what is wrong before there are values.
BEYOND_SCHEMA = (
    "Fargate does not offer",
    "below min",
    "stands twice",
    "is no regular expression",
    "groups; the value",
    "has more than 100 groups",
    "is no amount of",
    "is no whole number of mebibytes",
    "must be 1s to 28d",
    "is no duration",
    "is set by trimtab",
    "is a role of account",
    "is a reserved tag",
)


def validator(kind: str) -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(json_schema(kind))


def nodes(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for name, child in schema.items():
            for each in child.values() if name in ("properties", "patternProperties") else (child,):
                yield from nodes(each)
    elif isinstance(schema, list):
        for child in schema:
            yield from nodes(child)


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_is_valid_draft_7_without_references(kind):
    schema = json_schema(kind)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    jsonschema.Draft7Validator.check_schema(schema)
    text = json.dumps(schema)
    assert not any(word in text for word in ("$ref", "$defs", "definitions", "x-trimtab-key", '"prefixItems"'))
    assert schema["required"] == ["apiVersion", "kind", "metadata", "spec"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_property_is_described_and_every_mapping_is_closed_or_open_on_purpose(kind):
    for node in nodes(json_schema(kind)):
        if "description" not in node and "properties" not in node:
            continue
        for name, child in node.get("properties", {}).items():
            assert "not" in child or child.get("description"), name
        if node.get("type") in ("object", ["object", "null"]) and "properties" in node:
            assert node["additionalProperties"] is False
    paths = [path for path, _ in all_fields(KINDS[kind])]
    assert all(schema_at(kind, path).get("description") for path in paths)


@pytest.mark.parametrize("kind", KINDS)
def test_every_text_list_and_mapping_has_a_bound(kind):
    for path, _ in all_fields(KINDS[kind]):
        for node in nodes(schema_at(kind, path)):
            types = node.get("type", [])
            if types in ("string", ["string", "null"]) and "enum" not in node and "const" not in node:
                assert {"maxLength", "pattern"} & set(node), path
            if types == "array":
                assert "maxItems" in node, path
            if types == "object" and "properties" not in node:
                assert "maxProperties" in node, path


@pytest.mark.parametrize("file", [*GOOD, *EXAMPLES], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_the_loader_takes_the_schema_takes(file):
    for tree, document in zip(read(file.read_bytes(), file.name), load(file.read_bytes(), file.name), strict=True):
        errors = [error.message for error in validator(document.kind).iter_errors(tree.value)]
        assert errors == []


@pytest.mark.parametrize("file", BAD, ids=lambda path: path.stem)
def test_what_the_loader_refuses_the_schema_refuses_where_it_can(file):
    with pytest.raises(ExceptionGroup) as raised:
        load(file.read_bytes(), file.name)
    told = [error for error in raised.value.exceptions if error.reason == "InvalidSpec"]
    if not told or len(told) < len(raised.value.exceptions) or file.stem == "name-twice":
        return
    if all(any(words in str(error) for words in BEYOND_SCHEMA) for error in told):
        return
    trees = read(file.read_bytes(), file.name)
    values = [tree.value for tree in trees]
    kinds = [value.get("kind") if isinstance(value, dict) else None for value in values]
    valid = [
        isinstance(kind, str) and kind in KINDS and validator(kind).is_valid(value)
        for kind, value in zip(kinds, values, strict=True)
    ]
    assert not all(valid)
