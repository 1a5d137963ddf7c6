"""The constraints of botocore's models: required members, lengths, values, patterns, enums. In AWS's own words."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

ENUM = "satisfy enum value set"
_FAILED = "failed to satisfy constraint: Member must"


def problems(value: Any, shape: Any, path: str = "") -> Iterator[str]:
    """What of a value breaks its shape, member by member; nothing when all is well."""
    if shape.type_name == "structure":
        yield from _structure(value, shape, path)
        return
    where = path.rstrip(".")
    yield from _bounds(value, shape.metadata, where)
    if isinstance(value, str):
        yield from _text(value, shape, where)
    if shape.type_name == "list":
        for index, item in enumerate(value):
            yield from problems(item, shape.member, f"{where}.{index + 1}.member.")
    if shape.type_name == "map":
        members: Any = value
        for item in members.values():
            yield from problems(item, shape.value, f"{where}.")


def _structure(value: Any, shape: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        return
    members: Any = value  # pyright: ignore[reportUnknownVariableType]
    for name in shape.required_members:
        if members.get(name) is None:
            yield f"Value null at '{path}{name}' {_FAILED} not be null"
    for name, member in shape.members.items():
        if members.get(name) is not None:
            yield from problems(members[name], member, f"{path}{name}.")


def _bounds(value: Any, limits: Any, where: str) -> Iterator[str]:
    if isinstance(value, bool):
        return
    is_number = isinstance(value, (int, float))
    if not is_number and not hasattr(value, "__len__"):
        return
    size: Any = value if is_number else len(value)
    words = "value" if is_number else "length"
    if "min" in limits and size < limits["min"]:
        yield f"Value at '{where}' {_FAILED} have {words} greater than or equal to {limits['min']}"
    if "max" in limits and size > limits["max"]:
        yield f"Value at '{where}' {_FAILED} have {words} less than or equal to {limits['max']}"


def _text(value: str, shape: Any, where: str) -> Iterator[str]:
    pattern = _pattern(shape.metadata["pattern"]) if "pattern" in shape.metadata else None
    if pattern and not pattern.fullmatch(value):
        yield f"Value '{value}' at '{where}' {_FAILED} satisfy regular expression pattern: {pattern.pattern}"
    if getattr(shape, "enum", None) and value not in shape.enum:
        yield f"Value '{value}' at '{where}' {_FAILED} {ENUM}: [{', '.join(shape.enum)}]"


@lru_cache(maxsize=2048)
def _pattern(text: str) -> re.Pattern[str] | None:
    """Some of the models' patterns are Java's; those that Python cannot read are not checked."""
    try:
        return re.compile(text)
    except re.error:
        return None
