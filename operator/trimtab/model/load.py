"""Documents: YAML text in, checked models with positions out. Every mistake is found, then all are raised at once."""

import difflib
import json
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from trimtab.core.errors import Position, UserError
from trimtab.model.base import API_VERSION
from trimtab.model.deployment import ModelDeployment
from trimtab.model.environment import Environment
from trimtab.model.yaml_loader import Tree, read

KINDS: Mapping[str, type[ModelDeployment] | type[Environment]] = {
    "ModelDeployment": ModelDeployment,
    "Environment": Environment,
}
_UNIONS = (typing.Union, types.UnionType)


@dataclass(frozen=True, slots=True)
class Positions:
    """Where each field of a document stands."""

    _values: Mapping[str, Position]
    _keys: Mapping[str, Position]
    _file: str

    def of(self, path: str) -> Position:
        """Where the value stands; for one that is not written, its nearest parent. `field` is always the path asked for."""
        nearest = path
        while nearest and nearest not in self._values:
            nearest = nearest.rpartition(".")[0] if not nearest.endswith("]") else nearest.rpartition("[")[0]
        found = self._values.get(nearest, Position(self._file))
        return Position(found.file, found.line, found.column, path)

    def of_key(self, path: str) -> Position:
        found = self._keys.get(path, self.of(path))
        return Position(found.file, found.line, found.column, path)

    def has(self, path: str) -> bool:
        """Whether the field is written out."""
        return path in self._values


@dataclass(frozen=True, slots=True)
class Document:
    """One checked document."""

    value: ModelDeployment | Environment
    positions: Positions
    file: str
    warnings: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return self.value.kind


def load(text: bytes, file: str, *, skip_foreign: bool = False) -> tuple[Document, ...]:
    """Read every document of a file.

    skip_foreign: leave out documents of other API groups, as a source does; else they are mistakes.
    Raises an ExceptionGroup of UserError: every mistake of the file.
    """
    try:
        trees = read(text, file)
    except UserError as error:
        raise ExceptionGroup(f"{file} cannot be read", [error]) from error
    documents: list[Document] = []
    mistakes: list[UserError] = []
    for tree in trees:
        if skip_foreign and _is_foreign(tree.value):
            continue
        found = _document(tree, file)
        if isinstance(found, Document):
            documents.append(found)
        else:
            mistakes += found
    mistakes += _twice(documents)
    if mistakes:
        raise ExceptionGroup(f"{len(mistakes)} mistakes in {file}", mistakes)
    return tuple(documents)


def _is_foreign(value: Any) -> bool:
    return isinstance(value, dict) and not str(value.get("apiVersion", "")).startswith("trimtab.dev/")  # pyright: ignore


def _document(tree: Tree, file: str) -> Document | list[UserError]:
    positions = Positions(tree.values, tree.keys, file)
    value: Any = tree.value
    if not isinstance(value, dict):
        return [
            UserError(
                "a document is a mapping", position=positions.of(""), code="TT1009", fix="begin with apiVersion and kind"
            )
        ]
    fields: dict[str, Any] = dict(value)  # pyright: ignore[reportUnknownArgumentType]
    model = KINDS.get(str(fields.get("kind")))
    if fields.get("apiVersion") != API_VERSION:
        return [
            _wrong(
                positions, "apiVersion", f"must be {API_VERSION}, not {fields.get('apiVersion')!r}", f"write {API_VERSION}"
            )
        ]
    if model is None:
        near = _near(str(fields.get("kind")), list(KINDS))
        return [
            _wrong(positions, "kind", f"must be {' or '.join(KINDS)}, not {fields.get('kind')!r}{near}", "correct the kind")
        ]
    try:
        # Strict, and as JSON: "8" is no number, as kubectl has it, and a list is what JSON calls one.
        return Document(model.model_validate_json(json.dumps(fields), strict=True), positions, file, tree.warnings)
    except ValidationError as error:
        found = [_mistake(each, model, positions) for each in error.errors(include_url=False)]
        return sorted(found, key=lambda each: each.position or Position(file))


def _wrong(positions: Positions, path: str, message: str, fix: str) -> UserError:
    return UserError(message, position=positions.of(path), code="TT1010", fix=fix)


def _mistake(error: Any, model: type[BaseModel], positions: Positions) -> UserError:
    """Say one of pydantic's errors in our words, at its place."""
    path = _path(error["loc"])
    kind, context, given = str(error["type"]), error.get("ctx", {}), error.get("input")
    if kind == "extra_forbidden":
        parent, _, name = path.rpartition(".")
        known = _fields_at(parent, model)
        near = _near(name, known)
        fix = f"remove it, or use one of: {', '.join(known)}" if known else "remove it"
        return UserError(f"there is no such field{near}", position=positions.of_key(path), code="TT1011", fix=fix)
    if kind == "missing":
        return UserError("is missing", position=positions.of(path), code="TT1013", fix=f"write {path.rpartition('.')[2]}")
    if kind in ("literal_error", "enum"):
        choices = [each.strip(" '") for each in str(context.get("expected", "")).replace(" or ", ",").split(",")]
        message = f"must be one of {', '.join(choices)}, not {given!r}{_near(str(given), choices)}"
        return UserError(message, position=positions.of(path), code="TT1014", fix="choose one of them")
    message, fix = _bound(kind, context, given)
    if kind == "value_error":
        message, fix = str(context.get("error", error["msg"])), ""
    return UserError(message, position=positions.of(path), code=_CODES.get(kind, "TT1015"), fix=fix or "correct the value")


_CODES = {"value_error": "TT1016", "string_pattern_mismatch": "TT1017"} | dict.fromkeys(
    (
        "greater_than_equal",
        "greater_than",
        "less_than_equal",
        "less_than",
        "too_long",
        "too_short",
        "string_too_long",
        "string_too_short",
    ),
    "TT1012",
)


_WORDS = {
    "int": "a whole number",
    "int_from_float": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "dict": "a mapping",
    "model": "a mapping",
    "list": "a list",
    "tuple": "a list",
}


def _bound(kind: str, context: Mapping[str, Any], given: Any) -> tuple[str, str]:
    """(message, fix) for a value of the wrong type or out of bounds."""
    rules = {
        "greater_than_equal": ("must be {ge} or more, not {given}", "set it to {ge} or more"),
        "greater_than": ("must be more than {gt}, not {given}", "set it to more than {gt}"),
        "less_than_equal": ("must be {le} or less, not {given}", "set it to {le} or less"),
        "less_than": ("must be less than {lt}, not {given}", "set it to less than {lt}"),
        "string_pattern_mismatch": ("{given!r} does not match {pattern}", "write it so that it matches"),
        "string_too_long": ("has more than {max_length} characters", "shorten it"),
        "string_too_short": ("must not be empty", "write something"),
        "too_long": ("has more than {max_length} entries", "take some out"),
        "too_short": ("needs {min_length} entries or more", "add some"),
    }
    if kind in rules:
        message, fix = rules[kind]
        return message.format(given=given, **context), fix.format(given=given, **context)
    wanted = kind.removesuffix("_type").removesuffix("_parsing").removesuffix("_attributes")
    wanted = _WORDS.get(wanted, wanted)
    return f"must be {wanted}, not {_kind_of(given)}", f"write {wanted}"


def _kind_of(value: Any) -> str:
    names: dict[Any, str] = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "text",
        dict: "a mapping",
        list: "a list",
        type(None): "nothing",
    }
    text = names.get(type(value), type(value).__name__)
    return f"{text} ({value!r})" if isinstance(value, (bool, int, float, str)) and len(str(value)) < 60 else text


def _path(location: tuple[str | int, ...]) -> str:
    """A field path as a person writes it; pydantic's names of union members are left out."""
    parts = ""
    for each in location:
        if isinstance(each, int):
            parts += f"[{each}]"
        elif each in _UNION_TAGS or "[" in each or each.endswith("__"):
            continue
        else:
            parts += f".{each}" if parts else each
    return parts


_UNION_TAGS = {"str", "int", "float", "bool", "Roles", "literal['managed']", "constrained-str"}


def _fields_at(path: str, model: type[BaseModel]) -> list[str]:
    """Names of the fields that stand at a path, as documents spell them."""
    current: type[BaseModel] | None = model
    for part in [each.partition("[")[0] for each in path.split(".") if each]:
        field = (
            next((info for name, info in current.model_fields.items() if (info.alias or name) == part), None)
            if current
            else None
        )
        current = next(_models_in(field.annotation), None) if field else None
    return sorted(info.alias or name for name, info in current.model_fields.items()) if current else []


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _models_in(argument)


def _near(name: str, choices: list[str]) -> str:
    lowered = {choice.lower(): choice for choice in choices}
    found = difflib.get_close_matches(name.lower(), lowered, 1, 0.6)
    return f"; did you mean {lowered[found[0]]}?" if found else ""


def _twice(documents: list[Document]) -> Iterator[UserError]:
    seen: dict[tuple[str, str, str], Document] = {}
    for document in documents:
        metadata = document.value.metadata
        identity = (document.kind, metadata.namespace, metadata.name)
        if identity in seen:
            first = seen[identity].positions.of("metadata.name")
            yield UserError(
                f"{document.kind} {metadata.namespace}/{metadata.name} stands twice; first at {first}",
                position=document.positions.of("metadata.name"),
                code="TT1018",
                fix="rename one, or remove it",
            )
        seen.setdefault(identity, document)
