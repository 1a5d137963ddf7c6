"""What a document changed since the generation before: field by field, and content by name."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

_NOTHING = "(not set)"


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any], path: str = "spec") -> Iterator[str]:
    """Lines "spec.training.hyperparameters.epochs: 8 -> 12", sorted by path; both sides with defaults left out."""
    for name in sorted(before.keys() | after.keys()):
        have: object = before.get(name)
        want: object = after.get(name)
        if isinstance(have, Mapping) and isinstance(want, Mapping):
            nested_have, nested_want = cast(Mapping[str, Any], have), cast(Mapping[str, Any], want)
            yield from changed_fields(nested_have, nested_want, f"{path}.{name}")
        elif have != want:
            yield f"{path}.{name}: {_text(before.get(name))} -> {_text(after.get(name))}"


def changed_contents(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Lines "dataset: other files" for each content whose digest differs."""
    for name, words in (
        ("dataset", "the dataset"),
        ("training", "training code"),
        ("serving", "serving code"),
        ("dockerfile", "Dockerfile"),
    ):
        if before.get(name) != after.get(name):
            yield f"{words}: {_short(before.get(name))} -> {_short(after.get(name))}"


def _text(value: object) -> str:
    return _NOTHING if value is None else str(value)


def _short(digest: object) -> str:
    return str(digest).removeprefix("sha256:")[:12] if digest else _NOTHING
