"""JSON Schema (draft 7) of the API, for editors and linters: from the same models that check documents.

Everything stands where it is used: draft 7 ignores what is beside a $ref, descriptions among it.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, cast

from trimtab.model.base import KEY_CLASS
from trimtab.model.load import KINDS

DRAFT = "http://json-schema.org/draft-07/schema#"
_LEFT_OUT = ("title", "discriminator", "$defs", KEY_CLASS)
_BY_NAME = ("properties", "patternProperties")  # mappings of schemas by field, whose keys are no keywords


def json_schema(kind: str) -> dict[str, Any]:
    """The schema of one kind. Raises KeyError for an unknown kind."""
    made = _schema(kind)
    return {"$schema": DRAFT, "title": kind, **made, "required": ["apiVersion", "kind", *made["required"]]}


def schema_at(kind: str, path: str) -> dict[str, Any]:
    """The part of a kind's schema that a field has ("spec.training.hyperparameters"); {} where there is none.

    Lists are looked through, and a key of an open mapping stands for any.
    """
    node = _schema(kind)
    parts = [part.partition("[")[0] for part in path.split(".") if part]
    while parts:
        node = _element(node)
        fields = node.get("properties", {})
        if parts[0] in fields:
            node = fields[parts.pop(0)]
        elif "additionalProperties" in node or "patternProperties" in node:
            below = _below(node)
            # The keys of an open mapping may hold points: the rest is one key, unless there are fields below it.
            parts = parts[1:] if _element(below).get("properties") else []
            node = below
        else:
            return {}
    return node


@cache
def _schema(kind: str) -> dict[str, Any]:
    made = KINDS[kind].model_json_schema(by_alias=True)
    return _inlined(made, made.get("$defs", {}))


def _inlined(node: Any, definitions: Mapping[str, Any]) -> Any:
    """A schema without $ref, and without what editors have no use for."""
    if isinstance(node, list):
        return [_inlined(each, definitions) for each in cast(list[Any], node)]
    if not isinstance(node, dict):
        return node
    given = cast(dict[str, Any], node)
    if "$ref" in given:
        there = definitions[str(given["$ref"]).rpartition("/")[2]]
        given = {**there, **{name: each for name, each in given.items() if name != "$ref"}}
    made = {
        name: {key: _inlined(each, definitions) for key, each in child.items()}
        if name in _BY_NAME
        else child
        if name in ("default", "examples", "const", "enum")
        else _inlined(child, definitions)
        for name, child in given.items()
        if name not in _LEFT_OUT and not (name == "default" and child is None)
    }
    if "patternProperties" in made:
        made["additionalProperties"] = False
    return _nullable(made)


def _nullable(node: dict[str, Any]) -> dict[str, Any]:
    """One alternative beside null is that alternative, with null among its types: editors show it so."""
    choices = node.get("anyOf", [])
    others = [each for each in choices if each != {"type": "null"}]
    if len(choices) != 2 or len(others) != 1 or "type" not in others[0]:
        return node
    (other,) = others
    merged = {**other, **{name: each for name, each in node.items() if name != "anyOf"}, "type": [other["type"], "null"]}
    if "enum" in other:
        merged["enum"] = [*other["enum"], None]
    return merged


def _element(node: dict[str, Any]) -> dict[str, Any]:
    """What a list holds, or the mapping among alternatives, or the node itself."""
    if "items" in node:
        return _element(node["items"])
    for each in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        if "properties" in each:
            return each
    return node


def _below(node: dict[str, Any]) -> dict[str, Any]:
    patterns = node.get("patternProperties")
    return next(iter(patterns.values())) if patterns else node["additionalProperties"]
