"""Read YAML as kubectl does, with a position for every node; stricter where kubectl is silent.

Explicit tags, duplicate keys and files without a document are refused. Size, depth and the number of nodes after alias
expansion are bounded before any object is built. Measured against kubectl 1.32: yes/on/no are booleans, 012 is ten, 12:30 is
text, 1e3 is a number, 0o14 is twelve.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from trimtab.core.errors import Position, UserError

MAX_BYTES, MAX_DEPTH, MAX_NODES = 256 * 1024, 32, 20_000

_BOOLEANS = {word: truth for truth, words in ((True, "y yes true on"), (False, "n no false off")) for word in words.split()}
_BARE = re.compile(r"(?i:yes|no|on|off)")
_INTEGER = re.compile(r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[1-9][0-9_]*|0)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = {".inf": math.inf, "+.inf": math.inf, "-.inf": -math.inf, ".nan": math.nan}


@dataclass(frozen=True, slots=True)
class Tree:
    """One document: its value, where each of its paths stands, and what is odd about it."""

    value: Any
    values: dict[str, Position]  # by field path: where the value begins
    keys: dict[str, Position]  # by field path: where the key begins
    warnings: tuple[str, ...]


def read(text: bytes, file: str) -> tuple[Tree, ...]:
    """Read every document of a file. Raises UserError with a position."""
    decoded = _decode(text, file)
    try:
        _bound_depth(decoded, file)
        roots = [root for root in yaml.compose_all(decoded, Loader=_LOADER) if not _is_empty(root)]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Position(file, mark.line + 1, mark.column + 1) if mark else Position(file)
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise UserError(
            f"this is no YAML: {what}", position=place, code="TT1001", reason="InvalidYAML", fix=_hint(what)
        ) from error
    except yaml.YAMLError as error:
        raise UserError(
            f"this is no YAML: {error}", position=Position(file), code="TT1001", reason="InvalidYAML", fix=_hint("")
        ) from error
    if not roots:
        raise UserError(
            "the file holds no document",
            position=Position(file),
            code="TT1002",
            reason="InvalidYAML",
            fix="write one into it",
        )
    return tuple(_tree(root, file) for root in roots)


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _decode(text: bytes, file: str) -> str:
    if len(text) > MAX_BYTES:
        raise _too_much(file, f"the file has {len(text)} bytes; at most {MAX_BYTES} are read")
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1
        column = error.start - (text.rfind(b"\n", 0, error.start) + 1) + 1
        place = Position(file, line, column)
        raise UserError(
            "this is not UTF-8", position=place, code="TT1003", reason="InvalidYAML", fix="save the file as UTF-8"
        ) from error
    if "\0" in decoded:
        line = decoded[: decoded.index("\0")].count("\n") + 1
        raise UserError(
            "there is a NUL", position=Position(file, line), code="TT1003", reason="InvalidYAML", fix="remove it"
        )
    return decoded


def _too_much(file: str, what: str, position: Position | None = None) -> UserError:
    return UserError(
        what, position=position or Position(file), code="TT1004", reason="InvalidYAML", fix="split it, or make it simpler"
    )


def _bound_depth(text: str, file: str) -> None:
    """Stop at the event that goes too deep, before any node is made of it."""
    depth = 0
    events: Any = yaml.parse(text, Loader=_LOADER)
    for event in events:
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            depth += 1
            if depth > MAX_DEPTH:
                mark: Any = event.start_mark
                place = Position(file, mark.line + 1, mark.column + 1)
                raise _too_much(file, f"this is nested deeper than {MAX_DEPTH} levels", place)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            depth -= 1


def _is_empty(root: yaml.Node | None) -> bool:
    return root is None or (isinstance(root, yaml.ScalarNode) and root.value == "" and not root.style)


def _tree(root: yaml.Node, file: str) -> Tree:
    reader = _Reader(file)
    reader.count(root)
    value = reader.build(root, "")
    return Tree(value, reader.values, reader.keys, tuple(reader.warnings))


class _Reader:
    """Builds the value of one document and remembers where each path stands."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.values: dict[str, Position] = {}
        self.keys: dict[str, Position] = {}
        self.warnings: list[str] = []
        self._sizes: dict[int, int] = {}

    def count(self, root: yaml.Node) -> int:
        """Nodes below, aliases expanded; each node is counted once and its sum remembered."""
        known = self._sizes.get(id(root))
        if known == -1:
            raise _too_much(self._file, "an alias stands inside what it names", self._at(root))
        if known is not None:
            return known
        self._sizes[id(root)] = -1
        total = 1
        for child in _children(root):
            total += self.count(child)
            if total > MAX_NODES:
                raise _too_much(
                    self._file, f"there are more than {MAX_NODES} values once aliases are expanded", self._at(child)
                )
        self._sizes[id(root)] = total
        return total

    def build(self, node: yaml.Node, path: str) -> Any:
        self.values[path] = self._at(node, path)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            self._no_tag(node, "tag:yaml.org,2002:seq")
            return [self.build(child, f"{path}[{index}]") for index, child in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[str, Any]:
        self._no_tag(node, "tag:yaml.org,2002:map")
        built: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise UserError(
                    "a key must be text", position=self._at(key_node), code="TT1005", reason="InvalidYAML", fix="write text"
                )
            key = str(key_node.value)
            child = f"{path}.{key}" if path else key
            if key == "<<" and not key_node.style:
                raise UserError(
                    "merge keys are not read",
                    position=self._at(key_node, child),
                    code="TT1006",
                    reason="InvalidYAML",
                    fix="write it out",
                )
            if key in built:
                raise UserError(
                    f"{key!r} stands twice; first in line {self.keys[child].line}",
                    position=self._at(key_node, child),
                    code="TT1007",
                    reason="InvalidYAML",
                    fix="keep one of the two",
                )
            self.keys[child] = self._at(key_node, child)
            built[key] = self.build(value_node, child)
        return built

    def _scalar(self, node: yaml.ScalarNode, path: str) -> Any:
        text, plain = str(node.value), not node.style
        resolved_tags = ("str", "int", "float", "bool", "null", "timestamp", "value", "merge")
        self._no_tag(node, *(f"tag:yaml.org,2002:{name}" for name in resolved_tags))
        if not plain:
            return text
        if _BARE.fullmatch(text):
            self.warnings.append(
                f"{self._at(node)}: bare {text} is read as {str(_BOOLEANS[text.lower()]).lower()}; quote it for text"
            )
        return scalar(text)

    def _no_tag(self, node: yaml.Node, *usual: str) -> None:
        if node.tag not in usual:
            raise UserError(
                f"the tag {node.tag} is not read",
                position=self._at(node),
                code="TT1008",
                reason="InvalidYAML",
                fix="remove it",
            )

    def _at(self, node: yaml.Node, path: str = "") -> Position:
        return Position(self._file, node.start_mark.line + 1, node.start_mark.column + 1, path)


def scalar(text: str) -> Any:
    """What a plain scalar is, by kubectl's rules."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in (text.lower(), text.upper(), text.capitalize()) and text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    if _INTEGER.fullmatch(text):
        return _integer(text.replace("_", ""))
    if text.lower() in _SPECIAL:
        return _SPECIAL[text.lower()]
    if _FLOAT.fullmatch(text):
        return float(text.replace("_", ""))
    return text


def _integer(text: str) -> int:
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.lstrip("+"))
    for prefix, base in (("0b", 2), ("0o", 8), ("0x", 16)):
        if digits.startswith(prefix):
            return sign * int(digits[2:], base)
    return sign * int(digits, 8 if len(digits) > 1 and digits[0] == "0" else 10)


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _hint(what: str) -> str:
    if "\\t" in what or "tab" in what:
        return "indent with spaces"
    return "check the indentation, colons and quotes around this place"
