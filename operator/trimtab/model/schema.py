"""JSON Schema (draft 7) of the API, for editors: from the same models that check documents."""

from typing import Any

from trimtab.model.base import KEY_CLASS
from trimtab.model.load import KINDS

DRAFT = "http://json-schema.org/draft-07/schema#"
_MOVED = {"$defs": "definitions"}


def json_schema(kind: str) -> dict[str, Any]:
    """The schema of one kind. Raises KeyError for an unknown kind."""
    made = KINDS[kind].model_json_schema(by_alias=True)
    return {"$schema": DRAFT, **_draft7(made)}


def _draft7(value: Any) -> Any:
    """From pydantic's 2020-12 to draft 7: definitions renamed, tuples as lists, titles dropped."""
    if isinstance(value, list):
        return [_draft7(each) for each in value]  # pyright: ignore
    if not isinstance(value, dict):
        return value.replace("#/$defs/", "#/definitions/") if isinstance(value, str) else value
    kept: dict[str, Any] = {}
    for name, child in value.items():  # pyright: ignore
        if name == KEY_CLASS or (name == "title" and isinstance(child, str)):
            continue
        kept[_MOVED.get(str(name), str(name))] = _draft7(child)  # pyright: ignore
    return kept
