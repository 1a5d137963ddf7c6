"""Documents: YAML text in, checked models with positions out. Every mistake is found, then all are raised at once."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from pydantic import ValidationError

from trimtab.core.errors import Position, UserError
from trimtab.model.base import API_VERSION
from trimtab.model.deployment import ModelDeployment
from trimtab.model.environment import Environment
from trimtab.model.mistakes import near, said
from trimtab.model.operator import OperatorConfig
from trimtab.model.positions import Positions
from trimtab.model.yaml_loader import Tree, read

__all__ = ["KINDS", "Document", "Positions", "load"]

Value: TypeAlias = ModelDeployment | Environment | OperatorConfig
_Kind: TypeAlias = type[ModelDeployment] | type[Environment] | type[OperatorConfig]
KINDS: Mapping[str, _Kind] = {
    "ModelDeployment": ModelDeployment,
    "Environment": Environment,
    "OperatorConfig": OperatorConfig,
}
_GROUP = API_VERSION.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Document:
    """One checked document."""

    value: Value
    positions: Positions
    file: str
    warnings: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return self.value.kind


def load(text: bytes, file: str, *, skip_foreign: bool = False) -> tuple[Document, ...]:
    """Read every document of a file.

    skip_foreign: leave out documents of other API groups, as a source does; else they are mistakes.
    Raises an ExceptionGroup of UserError: every mistake of the file, in the order of its lines.
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
        document, found = _document(tree, file)
        documents += [document] if document else []
        mistakes += found
    mistakes += _twice(documents)
    if mistakes:
        noun = "mistake" if len(mistakes) == 1 else "mistakes"
        raise ExceptionGroup(f"{len(mistakes)} {noun} in {file}", mistakes)
    return tuple(documents)


def _is_foreign(value: Any) -> bool:
    """Whether a document is of another group. One without apiVersion is not known to be: it is a mistake."""
    version = cast(dict[str, Any], value).get("apiVersion") if isinstance(value, dict) else None
    return isinstance(version, str) and version.partition("/")[0] != _GROUP


def _document(tree: Tree, file: str) -> tuple[Document | None, list[UserError]]:
    """The document if it is one, and every mistake in it."""
    positions = Positions(tree.values, tree.keys, file)
    model, found = _model(tree.value, positions)
    checked = None
    if model is not None:
        value = _as_json(tree.value)
        try:
            # Strict, and as JSON: "8" is no number, as kubectl has it, and a list is what JSON calls one.
            checked = model.model_validate_json(json.dumps(value), strict=True, by_alias=True, by_name=False)
        except ValidationError as error:
            faults = error.errors(include_url=False)
            found += said(cast(list[Mapping[str, Any]], faults), value, model, positions)
    spelling = {each.position.field for each in tree.mistakes if each.position}
    found = [each for each in found if not (each.position and each.position.field in spelling)]
    mistakes = sorted([*tree.mistakes, *found], key=_place)
    if checked is None or mistakes:
        return None, mistakes
    return Document(checked, positions, file, (*tree.warnings, *_warnings(checked, positions))), []


def _place(error: UserError) -> Position:
    return error.position or Position("")


def _model(
    value: Any, positions: Positions
) -> tuple[type[ModelDeployment] | type[Environment] | type[OperatorConfig] | None, list[UserError]]:
    """What a document is by its apiVersion and kind, or what is wrong with the two."""

    def wrong(path: str, message: str, fix: str, code: str = "TT1010") -> UserError:
        return UserError(message, position=positions.of(path), code=code, fix=fix)

    if not isinstance(value, dict):
        return None, [wrong("", "a document is a mapping", "begin with apiVersion and kind", "TT1009")]
    fields = cast(dict[str, Any], value)
    version, kind = fields.get("apiVersion"), fields.get("kind")
    if _is_foreign(fields):
        message = f"must be {API_VERSION}, not {version!r}: that is another group"
        return None, [wrong("apiVersion", message, "move the document to a file of its own")]
    found: list[UserError] = []
    if version is None:
        found.append(wrong("apiVersion", "is missing", f"write apiVersion: {API_VERSION}", "TT1013"))
    elif version != API_VERSION:
        found.append(wrong("apiVersion", f"must be {API_VERSION}, not {version!r}", f"write {API_VERSION}"))
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if kind is None:
        found.append(wrong("kind", "is missing", f"write kind: {' or '.join(KINDS)}", "TT1013"))
    elif model is None:
        message = f"must be {' or '.join(KINDS)}, not {kind!r}{near(str(kind), KINDS)}"
        found.append(wrong("kind", message, "correct the kind"))
    return (None if found else model), found


def _as_json(value: Any) -> Any:
    """As JSON has numbers: 8.0 and 8 are one, and 1e3 is 1000."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, list):
        return [_as_json(each) for each in cast(list[Any], value)]
    if isinstance(value, dict):
        return {key: _as_json(each) for key, each in cast(dict[str, Any], value).items()}
    return value


def _warnings(value: Value, positions: Positions) -> Iterator[str]:
    """What is allowed and should be meant."""
    if isinstance(value, ModelDeployment) and value.spec.serving.gateway.auth == "none":
        place = positions.of("spec.serving.gateway.auth")
        yield f"{place}: auth: none lets anybody who knows the URL call the endpoint"


def _twice(documents: list[Document]) -> Iterator[UserError]:
    seen: dict[tuple[str, str, str], Document] = {}
    for document in documents:
        metadata = document.value.metadata
        # An environment's name is unique, whatever namespace is written.
        namespace = metadata.namespace if isinstance(document.value, ModelDeployment) else ""
        identity = (document.kind, namespace, metadata.name)
        if identity in seen:
            first = seen[identity].positions.of("metadata.name")
            name = f"{namespace}/{metadata.name}" if namespace else metadata.name
            yield UserError(
                f"{document.kind} {name} stands twice; first at {first}",
                position=document.positions.of("metadata.name"),
                code="TT1018",
                fix="rename one, or remove it",
            )
        seen.setdefault(identity, document)
