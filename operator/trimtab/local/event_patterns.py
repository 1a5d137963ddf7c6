"""EventBridge's event patterns: whether one is valid, and whether an event matches. Pure.

A pattern names fields; each must match one of its array's values or filters. A field of an event that is an array matches
with any of its items; the fields of one object in an array are matched together. `$or` needs one of its patterns.
Source: Amazon EventBridge User Guide, "Creating event patterns" and "Comparison operators for use in event patterns".
"""

import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

MOST_LETTERS = 2048  # of a pattern
_BOUND = 5e9  # numbers of a numeric filter lie within it, to both sides
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "=": lambda value, bound: value == bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}
_RANGES = {(low, high) for low in (">", ">=") for high in ("<", "<=")}
_TEXTS: Mapping[str, Callable[[str, str], bool]] = {
    "prefix": lambda value, wanted: value.startswith(wanted),
    "suffix": lambda value, wanted: value.endswith(wanted),
    "equals-ignore-case": lambda value, wanted: value.casefold() == wanted.casefold(),
    "wildcard": lambda value, wanted: bool(_wildcard(wanted).fullmatch(value)),
}
_ABSENT = object()


class InvalidPattern(ValueError):
    """A pattern that EventBridge refuses; its text is the reason."""


@lru_cache(maxsize=1024)
def parsed(text: str) -> Mapping[str, Any]:
    """A pattern from its JSON text. Raises InvalidPattern."""
    if len(text) > MOST_LETTERS:
        raise InvalidPattern(f"the pattern is longer than {MOST_LETTERS} characters")
    try:
        value: Any = json.loads(text)
    except ValueError as error:
        raise InvalidPattern(f"it is not JSON: {error}") from None
    if not isinstance(value, dict) or not value:
        raise InvalidPattern("a pattern is an object with at least one field")
    pattern = cast(dict[str, Any], value)
    _check_fields(pattern)
    return pattern


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Whether an event matches. pattern: valid, as `parsed` answers it."""
    for name, wanted in pattern.items():
        if name == "$or":
            if not any(matches(each, event) for each in wanted):
                return False
        elif isinstance(wanted, dict):
            below = cast(dict[str, Any], wanted)
            if not any(matches(below, each) for each in _objects(event.get(name))):
                return False
        elif not _leaf(cast(list[Any], wanted), event.get(name, _ABSENT)):
            return False
    return True


def _objects(value: Any) -> Sequence[Mapping[str, Any]]:
    """The objects that a field holds; an empty one when it holds none, in which every field is absent."""
    items: list[Any] = cast(list[Any], value) if isinstance(value, list) else [value]
    return [cast(dict[str, Any], each) for each in items if isinstance(each, dict)] or [{}]


def _leaf(wanted: Sequence[Any], value: Any) -> bool:
    items: list[Any] = cast(list[Any], value) if isinstance(value, list) else [value]
    return any(_meets(each, item) for each in wanted for item in items)


def _meets(wanted: Any, value: Any) -> bool:
    if not isinstance(wanted, dict):
        return _same(wanted, value)
    ((name, argument),) = cast(dict[str, Any], wanted).items()
    if name == "exists":
        return (value is not _ABSENT and not isinstance(value, dict)) == argument
    if value is _ABSENT:
        return False
    if name == "anything-but":
        return not isinstance(value, dict) and not _excluded(argument, value)
    if name == "numeric":
        return _numeric(argument, value)
    if name == "cidr":
        return _within(argument, value)
    return isinstance(value, str) and _text(name, argument, value)


def _same(wanted: Any, value: Any) -> bool:
    """EventBridge compares numbers as they are written: 300 is not 300.0."""
    return type(wanted) is type(value) and wanted == value


def _text(name: str, argument: Any, value: str) -> bool:
    if isinstance(argument, dict):  # prefix or suffix, ignoring case
        wanted = str(cast(dict[str, Any], argument)["equals-ignore-case"])
        return _TEXTS[name](value.casefold(), wanted.casefold())
    return _TEXTS[name](value, argument)


def _excluded(argument: Any, value: Any) -> bool:
    if isinstance(argument, dict):
        ((name, given),) = cast(dict[str, Any], argument).items()
        wanted: list[Any] = cast(list[Any], given) if isinstance(given, list) else [given]
        return isinstance(value, str) and any(_text(name, each, value) for each in wanted)
    items: list[Any] = cast(list[Any], argument) if isinstance(argument, list) else [argument]
    return any(_same(each, value) for each in items)


def _numeric(argument: Sequence[Any], value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return all(_COMPARE[sign](value, bound) for sign, bound in zip(argument[::2], argument[1::2], strict=True))


def _within(block: str, value: Any) -> bool:
    try:
        return isinstance(value, str) and ipaddress.ip_address(value) in ipaddress.ip_network(block, strict=False)
    except ValueError:
        return False


@lru_cache(maxsize=1024)
def _wildcard(text: str) -> re.Pattern[str]:
    """`*` stands for any characters; `\\*` and `\\\\` for themselves."""
    parts = re.findall(r"\\[*\\]|\*|[^*]", text, re.DOTALL)
    return re.compile("".join(".*" if each == "*" else re.escape(each[-1]) for each in parts), re.DOTALL)


# --- what is valid ---


def _check_fields(pattern: Mapping[str, Any]) -> None:
    for name, wanted in pattern.items():
        if name == "$or":
            _check_or(wanted)
        elif isinstance(wanted, dict):
            if not wanted:
                raise InvalidPattern(f'empty objects are not allowed: "{name}"')
            _check_fields(cast(dict[str, Any], wanted))
        elif isinstance(wanted, list):
            if not wanted:
                raise InvalidPattern(f'empty arrays are not allowed: "{name}"')
            for each in cast(list[Any], wanted):
                _check_value(name, each)
        else:
            raise InvalidPattern(f'"{name}" must be an object or an array')


def _check_or(wanted: Any) -> None:
    if not isinstance(wanted, list) or len(cast(list[Any], wanted)) < 2:
        raise InvalidPattern('"$or" must be an array of at least two objects')
    for each in cast(list[Any], wanted):
        if not isinstance(each, dict) or not each:
            raise InvalidPattern('"$or" must be an array of objects')
        _check_fields(cast(dict[str, Any], each))


def _check_value(name: str, wanted: Any) -> None:
    if isinstance(wanted, list):
        raise InvalidPattern(f'"{name}" has an array within its array')
    if not isinstance(wanted, dict):
        return
    given = cast(dict[str, Any], wanted)
    if len(given) != 1:
        raise InvalidPattern(f'"{name}": a filter has one operator, not {len(given)}')
    ((operator, argument),) = given.items()
    for problem in _problems(operator, argument):
        raise InvalidPattern(f'"{name}": {problem}')


def _problems(operator: str, argument: Any) -> Iterator[str]:
    """What is wrong with a filter."""
    if operator == "exists":
        if not isinstance(argument, bool):
            yield '"exists" must be true or false'
    elif operator == "numeric":
        yield from _numeric_problems(argument)
    elif operator == "cidr":
        yield from _cidr_problems(argument)
    elif operator == "anything-but":
        yield from _anything_but_problems(argument)
    elif operator in ("prefix", "suffix") and isinstance(argument, dict):
        yield from _ignoring_case_problems(operator, cast(dict[str, Any], argument))
    elif operator in _TEXTS:
        yield from _text_problems(operator, argument)
    else:
        yield f'"{operator}" is no operator'


def _text_problems(operator: str, argument: Any) -> Iterator[str]:
    if not isinstance(argument, str):
        yield f'"{operator}" must be a text'
    elif operator == "wildcard" and re.search(r"(?<!\\)(?:\\\\)*\*\*", argument):
        yield "consecutive wildcards are not allowed"
    elif operator == "wildcard" and re.search(r"(?<!\\)(?:\\\\)*\\(?![*\\])", argument):
        yield "a backslash escapes * or another backslash, and nothing else"


def _ignoring_case_problems(operator: str, argument: Mapping[str, Any]) -> Iterator[str]:
    if list(argument) != ["equals-ignore-case"] or not isinstance(argument["equals-ignore-case"], str):
        yield f'"{operator}" must be a text, or an object with equals-ignore-case'


def _anything_but_problems(argument: Any) -> Iterator[str]:
    if isinstance(argument, dict):
        given = cast(dict[str, Any], argument)
        if len(given) != 1 or next(iter(given)) not in _TEXTS:
            yield f'"anything-but" takes one of {", ".join(_TEXTS)}'
            return
        ((operator, below),) = given.items()
        wanted: list[Any] = cast(list[Any], below) if isinstance(below, list) and below else [below]
        for each in wanted:
            yield from _text_problems(operator, each)
        return
    items: list[Any] = cast(list[Any], argument) if isinstance(argument, list) else [argument]
    kinds = {"text" if isinstance(each, str) else "number" if _is_number(each) else "other" for each in items}
    if len(kinds) != 1 or "other" in kinds:
        yield '"anything-but" takes texts or numbers, not both and nothing else'


def _numeric_problems(argument: Any) -> Iterator[str]:
    items: list[Any] = cast(list[Any], argument) if isinstance(argument, list) else []
    signs, bounds = items[::2], items[1::2]
    if len(items) not in (2, 4) or not all(sign in _COMPARE for sign in signs) or not all(map(_is_number, bounds)):
        yield '"numeric" must be an operator and a number, or two such pairs'
    elif len(items) == 4 and (tuple(signs) not in _RANGES or bounds[0] >= bounds[1]):
        yield '"numeric" with two pairs must be a range, its lower end first'
    elif any(abs(bound) > _BOUND for bound in bounds):
        yield '"numeric" takes numbers between -5.0e9 and 5.0e9'


def _cidr_problems(argument: Any) -> Iterator[str]:
    try:
        if isinstance(argument, str):
            ipaddress.ip_network(argument, strict=False)
            return
    except ValueError:
        pass
    yield '"cidr" must be a block of addresses, such as 10.0.0.0/24'


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
