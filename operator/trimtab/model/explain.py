"""What a field means: its text, type, default as applied, bounds, example and fields below. For `trimtab explain`."""

import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from annotated_types import BaseMetadata
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from trimtab.core.errors import UserError
from trimtab.model.base import KEY_CLASS
from trimtab.model.codes import CODES
from trimtab.model.load import KINDS


@dataclass(frozen=True, slots=True)
class Explanation:
    """One field. `fields` lists what stands below, each with its text."""

    path: str
    type: str
    text: str
    default: str
    bounds: str
    example: str
    remakes: str  # what changing it does, in words
    fields: tuple[tuple[str, str], ...]


_REMAKES = {
    "result": "changing it makes a new generation of its stage",
    "run": "changing it shapes the next attempt only; nothing is made again",
    "none": "changing it makes nothing again",
}


def explain(path: str) -> Explanation:
    """Explain "spec.training.instances", optionally with a kind before it ("Environment.spec.roles"), or a code.

    Raises UserError when there is no such field.
    """
    if path in CODES:
        return Explanation(path, "error code", CODES[path], "", "", "", "", ())
    parts = [part for part in path.replace("[]", "").split(".") if part]
    kind = parts.pop(0) if parts and parts[0] in KINDS else "ModelDeployment"
    model: type[BaseModel] | None = KINDS[kind]
    field: FieldInfo | None = None
    for part in parts:
        fields = {info.alias or name: info for name, info in model.model_fields.items()} if model else {}
        if part not in fields:
            there = ", ".join(sorted(fields)) or "nothing"
            raise UserError(f"{path}: there is no {part!r}; there is {there}", code="TT6001", fix="name one of them")
        field = fields[part]
        model = next(_models(field.annotation), None)
    below = tuple((info.alias or name, info.description or "") for name, info in model.model_fields.items()) if model else ()
    if field is None:
        return Explanation(kind, "document", (KINDS[kind].__doc__ or "").strip(), "", "", "", "", below)
    extra: Any = field.json_schema_extra or {}
    return Explanation(
        path,
        _words(field.annotation),
        field.description or "",
        _default(field),
        _bounds(field),
        str(field.examples[0]) if field.examples else "",
        _REMAKES[extra.get(KEY_CLASS, "none")],
        below,
    )


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _models(argument)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True)
    return "" if value is PydanticUndefined else str(value)


def _bounds(field: FieldInfo) -> str:
    found = [str(each) for each in field.metadata if isinstance(each, BaseMetadata) or "pattern" in str(each)]
    return "; ".join(found)


def _words(annotation: Any) -> str:
    """A type as a person says it."""
    origin: Any = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    plain: dict[Any, str] = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    if origin is typing.Literal:
        return " | ".join(str(each) for each in arguments)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(_words(each) for each in arguments if each is not type(None))
    if origin is typing.Annotated:
        return _words(arguments[0])
    if origin in (tuple, list):
        return f"list of {_words(arguments[0])}"
    if origin is dict:
        return f"mapping of {_words(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "mapping"
    name: Any = annotation  # pyright: ignore[reportUnknownVariableType]
    return plain.get(name, str(name))
