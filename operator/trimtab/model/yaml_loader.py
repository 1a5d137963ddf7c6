"""Read YAML as kubectl does, with a position for every node; stricter where kubectl is silent.

Explicit tags, duplicate keys, keys that are not the text they show, and files without a document are refused. Size, depth
and the number of nodes after alias expansion are bounded while events come in, before any value is built. JSON is YAML.
Plain scalars: scalars.py. Source: kubectl 1.32, which reads with sigs.k8s.io/yaml.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import yaml

from trimtab.core.errors import Position, UserError
from trimtab.model.scalars import is_ambiguous, scalar

MAX_BYTES, MAX_DEPTH, MAX_NODES = 256 * 1024, 32, 20_000

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")  # what YAML 1.1 takes for the end of a line
_SURROGATES = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


@dataclass(frozen=True, slots=True)
class Tree:
    """One document: its value, where each of its paths stands, what is wrong and what is odd about its spelling."""

    value: Any
    values: dict[str, Position]  # by field path: where the value begins
    keys: dict[str, Position]  # by field path: where the key begins
    mistakes: tuple[UserError, ...]
    warnings: tuple[str, ...]


def read(text: bytes, file: str) -> tuple[Tree, ...]:
    """Read every document of a file.

    Raises UserError, with a position, for what cannot be read at all: no YAML, no document, too much. Mistakes that leave
    a document readable (a key twice, a tag) are in its tree.
    """
    decoded = _decode(text, file)
    try:
        roots = list(_Composer(decoded, file).documents())
    except yaml.YAMLError as error:
        raise _no_yaml(error, decoded, file) from error
    if not roots:
        raise _refused("the file holds no document", Position(file), "TT1002", "write one into it")
    return tuple(_Reader(file).tree(root) for root in roots)


# --- text -----------------------------------------------------------------------------------------------------------


def _decode(text: bytes, file: str) -> str:
    if len(text) > MAX_BYTES:
        raise _too_much(f"the file has {len(text):,} bytes; at most {MAX_BYTES:,} are read", Position(file))
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = _place(text[: error.start].decode("utf-8-sig", errors="ignore"), file)
        raise _refused("this is not UTF-8", place, "TT1003", "save the file as UTF-8") from error
    found = _UNPRINTABLE.search(decoded)
    if found:
        name = "a NUL" if found[0] == "\0" else f"the control character U+{ord(found[0]):04X}"
        raise _refused(f"there is {name}", _place(decoded[: found.start()], file), "TT1003", "remove it")
    # JSON spells what is beyond U+FFFF as two escapes, which YAML does not read.
    return _SURROGATES.sub(_joined, decoded) if decoded.lstrip()[:1] in ("{", "[") else decoded


def _place(before: str, file: str) -> Position:
    """The place after this text."""
    lines = _BREAK.split(before)
    return Position(file, len(lines), len(lines[-1]) + 1)


def _within(lines: Sequence[str], mark: Any, file: str) -> Position:
    """A place of the parser's; what stands after the last line stands at its end."""
    if mark.line < len(lines) or not lines:
        return Position(file, mark.line + 1, mark.column + 1)
    return Position(file, len(lines), len(lines[-1]) + 1)


def _joined(pair: re.Match[str]) -> str:
    high, low = int(pair[1], 16) - 0xD800, int(pair[2], 16) - 0xDC00
    return f"\\U{0x10000 + (high << 10) + low:08x}"


def _no_yaml(error: yaml.YAMLError, text: str, file: str) -> UserError:
    """What the parser says, where it gave up."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return _refused(f"this is no YAML: {error}", Position(file), "TT1001", "check the text")
    mark, lines = error.problem_mark or error.context_mark, text.splitlines()
    if error.context_mark and mark and mark.index >= len(text.rstrip()):
        mark = error.context_mark  # the text ended: what was opened and not closed is the place to look at
    place = _within(lines, mark, file) if mark else Position(file)
    line = lines[place.line - 1] if lines else ""
    at_tab = "\t" in line[: place.column] and line[: place.column].isspace()
    fix = "indent with spaces, not tabs" if at_tab else "check the indentation, colons and quotes around this place"
    what = " ".join(part for part in (error.context, error.problem) if part)
    return _refused(f"this is no YAML: {what}", place, "TT1001", fix)


def _refused(message: str, position: Position, code: str, fix: str) -> UserError:
    return UserError(message, position=position, code=code, reason="InvalidYAML", fix=fix)


def _too_much(message: str, position: Position) -> UserError:
    return _refused(message, position, "TT1004", "split it, or make it simpler")


# --- nodes ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Text:
    place: Position
    text: str
    plain: bool
    tag: str | None


@dataclass(frozen=True, slots=True)
class _List:
    place: Position
    items: "Sequence[_Node]"
    tag: str | None


@dataclass(frozen=True, slots=True)
class _Map:
    place: Position
    pairs: "Sequence[tuple[_Node, _Node]]"
    tag: str | None


_Node: TypeAlias = _Text | _List | _Map


@dataclass(slots=True)
class _Anchored:
    """What an alias stands for, and how much of it there is once it is expanded."""

    node: _Node | None = None  # None while it is still being read
    nodes: int = 0
    depth: int = 0


@dataclass(slots=True)
class _Composer:
    """Makes nodes of the parser's events, and stops at the event that is too much."""

    text: str
    file: str
    nodes: int = 0
    deepest: int = 0  # of what was read since the anchor that is being read, aliases expanded
    anchors: dict[str, _Anchored] = field(default_factory=dict[str, _Anchored])
    lines: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.lines = self.text.splitlines()

    def documents(self) -> Iterator[_Node]:
        """Every document that is not empty."""
        events = yaml.parse(self.text, Loader=_LOADER)
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                self.anchors.clear()
                root = self._node(next(events), events, 0)
                if not (isinstance(root, _Text) and root.plain and not root.text and not root.tag):
                    yield root

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> _Node:
        place = _within(self.lines, event.start_mark, self.file)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor), place, depth)
        anchored, outer, before = _Anchored(), self.deepest, self.nodes
        if event.anchor:
            self.anchors[event.anchor] = anchored
        self.deepest = depth
        self._count(1, depth + (not isinstance(event, yaml.ScalarEvent)), place)
        node = self._made(event, events, depth, place)
        anchored.node, anchored.nodes, anchored.depth = node, self.nodes - before, self.deepest - depth
        self.deepest = max(outer, self.deepest)
        return node

    def _made(self, event: Any, events: Iterator[Any], depth: int, place: Position) -> _Node:
        if isinstance(event, yaml.ScalarEvent):
            return _Text(place, str(event.value), not event.style, event.tag)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[_Node] = []
            while not isinstance(each := next(events), yaml.SequenceEndEvent):
                items.append(self._node(each, events, depth + 1))
            return _List(place, items, event.tag)
        pairs: list[tuple[_Node, _Node]] = []
        while not isinstance(each := next(events), yaml.MappingEndEvent):
            key = self._node(each, events, depth + 1)
            pairs.append((key, self._node(next(events), events, depth + 1)))
        return _Map(place, pairs, event.tag)

    def _alias(self, name: str, place: Position, depth: int) -> _Node:
        found = self.anchors.get(name)
        if found is None:
            raise _refused(f"there is no anchor &{name} before *{name}", place, "TT1001", "name an anchor that is there")
        if found.node is None:
            raise _too_much(f"the alias *{name} stands inside what it names", place)
        self._count(found.nodes, depth + found.depth, place)
        return replace(found.node, place=place)

    def _count(self, nodes: int, depth: int, place: Position) -> None:
        self.nodes += nodes
        self.deepest = max(self.deepest, depth)
        if depth > MAX_DEPTH:
            raise _too_much(f"this is nested deeper than {MAX_DEPTH} levels", place)
        if self.nodes > MAX_NODES:
            raise _too_much(f"there are more than {MAX_NODES:,} values once aliases are expanded", place)


def _is_itself(key: str, value: Any) -> bool:
    """Whether kubectl keeps a key as it is written: of n: 5 it makes "false", of 012: 5 "10", of 8.0: 5 "8"."""
    if isinstance(value, (bool, int)):
        return key == json.dumps(value) and value < 2**63
    return isinstance(value, str)


# --- values ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Reader:
    """Builds the value of one document and remembers where each path stands."""

    file: str
    values: dict[str, Position] = field(default_factory=dict[str, Position])
    keys: dict[str, Position] = field(default_factory=dict[str, Position])
    mistakes: list[UserError] = field(default_factory=list[UserError])
    warnings: list[str] = field(default_factory=list[str])

    def tree(self, root: _Node) -> Tree:
        value = self._value(root, "")
        return Tree(value, self.values, self.keys, tuple(self.mistakes), tuple(dict.fromkeys(self.warnings)))

    def _value(self, node: _Node, path: str) -> Any:
        self.values[path] = replace(node.place, field=path)
        if node.tag is not None:
            self._tagged(node, path, node.tag)
        if isinstance(node, _Map):
            return self._mapping(node, path)
        if isinstance(node, _List):
            return [self._value(child, f"{path}[{index}]") for index, child in enumerate(node.items)]
        return self._scalar(node, path)

    def _mapping(self, node: _Map, path: str) -> dict[str, Any]:
        built: dict[str, Any] = {}
        merged: set[str] = set()
        for key_node, value_node in node.pairs:
            key = self._key(key_node, path)
            if key is None:
                continue
            if key == "<<" and isinstance(key_node, _Text) and key_node.plain:
                for name, pair in self._merged(value_node, path).items():
                    if name not in built:
                        self._put(built, name, *pair, path)
                        merged.add(name)
                    elif name not in merged:
                        self._twice(name, pair[0], path)
            elif key in built and key not in merged:
                self._twice(key, key_node, path)
            else:
                merged.discard(key)
                self._put(built, key, key_node, value_node, path)
        return built

    def _put(self, built: dict[str, Any], key: str, key_node: _Node, value_node: _Node, path: str) -> None:
        child = f"{path}.{key}" if path else key
        self.keys[child] = replace(key_node.place, field=child)
        built[key] = self._value(value_node, child)

    def _key(self, node: _Node, path: str) -> str | None:
        """The text of a key, or None for what is no key (a mistake, noted)."""
        if not isinstance(node, _Text):
            self._wrong(node, path, "a key must be text", "TT1005", "write text")
            return None
        child = f"{path}.{node.text}" if path else node.text
        if node.tag is not None:
            self._tagged(node, child, node.tag)
        value = scalar(node.text) if node.plain else node.text
        if not _is_itself(node.text, value):
            shown = "another number" if isinstance(value, float) else json.dumps(value)
            self._wrong(
                node, child, f"the key {node.text} is read as {shown}, not as text", "TT1019", f'write "{node.text}"'
            )
        return node.text

    def _merged(self, node: _Node, path: str) -> dict[str, tuple[_Node, _Node]]:
        """Keys and values that a merge (<<) brings in, earlier mappings first; a repeated key keeps the first."""
        found: dict[str, tuple[_Node, _Node]] = {}
        for each in node.items if isinstance(node, _List) else (node,):
            if not isinstance(each, _Map):
                self._wrong(each, path, "a merge (<<) takes a mapping, or a list of them", "TT1006", "write a mapping")
                continue
            for key_node, value_node in each.pairs:
                key = self._key(key_node, path)
                if key == "<<":
                    found = {**self._merged(value_node, path), **found}
                elif key is not None:
                    found.setdefault(key, (key_node, value_node))
        return found

    def _twice(self, key: str, node: _Node, path: str) -> None:
        child = f"{path}.{key}" if path else key
        first = self.keys[child].line
        self._wrong(node, child, f"{key!r} stands twice; first in line {first}", "TT1007", "keep one of the two")

    def _scalar(self, node: _Text, path: str) -> Any:
        if not node.plain:
            return node.text
        value = scalar(node.text)
        if is_ambiguous(node.text):
            self.warnings.append(f"{node.place}: bare {node.text} is read as {str(value).lower()}; quote it for text")
        if isinstance(value, float) and not math.isfinite(value):
            self._wrong(node, path, f"{node.text} is no number that JSON knows", "TT1020", "write a finite number")
            return 0
        return value

    def _tagged(self, node: _Node, path: str, tag: str) -> None:
        shown = tag.encode("unicode_escape").decode()  # %0a in a tag is a line break by now
        self._wrong(node, path, f"the tag {shown} is not read", "TT1008", "remove it; quote what is to be text")

    def _wrong(self, node: _Node, path: str, message: str, code: str, fix: str) -> None:
        self.mistakes.append(_refused(message, replace(node.place, field=path), code, fix))
