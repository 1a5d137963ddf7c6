"""What a field means: its text, type, default as applied, bounds, example and fields below. For `trimtab explain`."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from trimtab.core.errors import UserError
from trimtab.model.base import KEY_CLASS, Model
from trimtab.model.codes import CODES
from trimtab.model.fields import all_fields, field_at, fields_of, is_open, model_in
from trimtab.model.load import KINDS
from trimtab.model.mistakes import near
from trimtab.model.reasons import REASONS
from trimtab.model.schema import schema_at


@dataclass(frozen=True, slots=True)
class Explanation:
    """One field. `fields` lists what stands below, each with its text."""

    path: str
    type: str
    text: str
    default: str = ""
    bounds: str = ""
    example: str = ""
    remakes: str = ""  # what changing it does, in words
    fields: tuple[tuple[str, str], ...] = ()


_REMAKES = {
    "result": "changing it makes a new generation of its stage",
    "run": "changing it shapes the next attempt only; nothing is made again",
    "none": "changing it makes nothing again",
}


def explain(path: str) -> Explanation:
    """Explain "spec.training.instances", optionally with a kind before it ("Environment.spec.roles"), a code or a reason.

    Raises UserError when there is nothing of that name.
    """
    if path.upper() in CODES:
        code = CODES[path.upper()]
        return Explanation(path.upper(), "error code", f"{code.title}. {code.text}\n\n  fix: {code.fix}")
    if path in REASONS:
        return Explanation(path, "reason", REASONS[path])
    head, _, rest = path.partition(".")
    kind, fields = (head, rest) if head in KINDS else ("ModelDeployment", path)
    model = KINDS[kind]
    if not fields:
        return Explanation(kind, "document", (model.__doc__ or "").strip(), fields=_below(model))
    info = field_at(model, fields)
    if info is None:
        raise _no_such(path, fields, model)
    node = schema_at(kind, fields)
    extra = cast(Mapping[str, Any], info.json_schema_extra or {})
    below = model_in(info.annotation)
    is_key = is_open(info.annotation) and schema_at(kind, fields) is not schema_at(kind, _name_of(model, fields))
    return Explanation(
        path,
        _words(node),
        info.description or "",
        "" if is_key else _default(info),
        "; ".join(_bounds(node)),
        _shown(info.examples[0]) if info.examples and not is_key else "",
        _REMAKES[str(extra.get(KEY_CLASS, "none"))],
        _below(below) if below else (),
    )


def _below(model: type[Model]) -> tuple[tuple[str, str], ...]:
    return tuple((name, info.description or "") for name, info in fields_of(model).items())


def _name_of(model: type[Model], path: str) -> str:
    """The path of the open mapping that a path goes into, or the path itself."""
    parts = path.split(".")
    heads = (".".join(parts[:count]) for count in range(1, len(parts) + 1))
    return next((head for head in heads if (info := field_at(model, head)) and is_open(info.annotation)), path)


def _no_such(path: str, fields: str, model: type[Model]) -> UserError:
    known = [each for each, _ in all_fields(model)]
    parent = fields
    while parent and field_at(model, parent) is None:
        parent = parent.rpartition(".")[0]
    info = field_at(model, parent) if parent else None
    there = model_in(info.annotation) if info else model
    names = ", ".join(sorted(fields_of(there))) if there else "nothing"
    same = [each for each in known if each.rpartition(".")[2] == fields.rpartition(".")[2]]
    guess = f"; did you mean {same[0]}?" if same else near(fields, known) or near(path, (*CODES, *REASONS))
    where = f"below {parent}" if parent else "at the top"
    return UserError(f"{path}: there is no such field{guess}", code="TT6001", fix=f"name one of those {where}: {names}")


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True, exclude_none=True)
    return "" if value is PydanticUndefined else _shown(value)


def _shown(value: Any) -> str:
    """A value as a document has it: text as it is, the rest as JSON."""
    if value is None:
        return "none"
    return value if isinstance(value, str) and value else json.dumps(value)


def _words(node: Mapping[str, Any]) -> str:
    """A schema's type as a person says it."""
    if "enum" in node or "const" in node:
        return " | ".join(str(each) for each in node.get("enum", [node.get("const")]) if each is not None)
    for alternatives in ("anyOf", "oneOf"):
        if alternatives in node and "properties" not in node:
            words = dict.fromkeys(_words(each) for each in node[alternatives] if each != {"type": "null"})
            return " | ".join(each for each in words if each != "whole number" or "number" not in words)
    type_: str | list[str] = node.get("type", "")
    plain = [each for each in ([type_] if isinstance(type_, str) else type_) if each != "null"]
    if plain == ["array"]:
        return f"list of {_words(node['items'])}" if _words(node["items"]) != "mapping" else "list of mappings"
    if plain == ["object"] and "properties" not in node:
        patterns: Mapping[str, Any] = node.get("patternProperties", {})
        return f"mapping of {_words(next(iter(patterns.values()), node.get('additionalProperties')) or {})}"
    return " | ".join(_TYPES.get(each, each) for each in plain)


_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "mapping",
}


def _bounds(node: Mapping[str, Any]) -> Iterator[str]:
    """What a value must keep to, in words."""
    for name, words in _BOUNDS.items():
        if name in node:
            limit = node[name]
            words = "not empty" if name == "minLength" and limit == 1 else words
            yield words.format(f"{limit:,g}" if isinstance(limit, (int, float)) and limit < 10**12 else limit)
    for alternatives in ("anyOf", "oneOf"):
        if alternatives in node and "properties" not in node:
            for each in node[alternatives]:
                yield from _bounds(each)


_BOUNDS = {
    "minimum": "{} or more",
    "exclusiveMinimum": "more than {}",
    "maximum": "{} or less",
    "exclusiveMaximum": "less than {}",
    "minLength": "{} characters or more",
    "maxLength": "at most {} characters",
    "pattern": "matches {}",
    "minItems": "{} entries or more",
    "maxItems": "at most {} entries",
    "minProperties": "{} entries or more",
    "maxProperties": "at most {} entries",
}
