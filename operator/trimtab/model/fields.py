"""The fields of the API as a tree of names: for mistakes, `explain` and the schema."""

import types
import typing
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

from pydantic.fields import FieldInfo

from trimtab.model.base import Model


@cache
def fields_of(model: type[Model]) -> Mapping[str, FieldInfo]:
    """Fields by name, as documents spell them."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def model_in(annotation: Any) -> type[Model] | None:
    """The model that a field holds: itself, in a list, as the values of a mapping, or None for a plain value."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    found = (model_in(argument) for argument in typing.get_args(annotation))
    return next((each for each in found if each is not None), None)


def is_open(annotation: Any) -> bool:
    """Whether a field is a mapping whose keys the writer chooses."""
    if typing.get_origin(annotation) is dict:
        return True
    return typing.get_origin(annotation) in _WRAPPERS and any(is_open(each) for each in typing.get_args(annotation))


_WRAPPERS = (typing.Union, types.UnionType, typing.Annotated)


@lru_cache(4096)
def field_at(model: type[Model], path: str) -> FieldInfo | None:
    """The field at a path ("spec.training.instances", "spec.evaluation.gates[0].metric"), or None.

    A key of an open mapping (an environment variable, a hyper-parameter) stands for the mapping itself.
    """
    found: FieldInfo | None = None
    current: type[Model] | None = model
    parts = [part.partition("[")[0] for part in path.split(".") if part]
    while parts:
        name = parts.pop(0)
        if found is not None and is_open(found.annotation):
            if current is None:
                return found  # the rest, points and all, is one key
            name = parts.pop(0) if parts else ""
            if not name:
                return found
        found = fields_of(current).get(name) if current else None
        if found is None:
            return None
        current = model_in(found.annotation)
    return found


def all_fields(model: type[Model], path: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every field below, with its path, parents first."""
    for name, info in fields_of(model).items():
        here = f"{path}.{name}" if path else name
        yield here, info
        below = model_in(info.annotation)
        if below:
            yield from all_fields(below, f"{here}.<key>" if is_open(info.annotation) else here)
