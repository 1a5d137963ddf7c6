"""What is wrong with a document, in words: each mistake at its place, with what was expected and how to mend it."""

import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias, cast

from trimtab.core.errors import UserError
from trimtab.model.base import LABEL, Model, absent
from trimtab.model.fields import all_fields, field_at, fields_of, is_open, model_in
from trimtab.model.positions import Positions
from trimtab.model.scalars import scalar

Fault: TypeAlias = Mapping[str, Any]  # one of pydantic's errors


@dataclass(frozen=True, slots=True)
class _Case:
    """One fault, and where in the document it is."""

    path: str
    at_key: bool
    fault: Fault
    model: type[Model]

    @property
    def type(self) -> str:
        return str(self.fault["type"])

    @property
    def given(self) -> Any:
        return self.fault.get("input")

    @property
    def context(self) -> Mapping[str, Any]:
        return self.fault.get("ctx", {})

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]


def said(faults: Iterable[Fault], value: Any, model: type[Model], positions: Positions) -> list[UserError]:
    """Every mistake of a document, in the order of its lines.

    faults: pydantic's errors; value: what was validated; model: what it was validated as.
    """
    cases: dict[str, list[_Case]] = {}
    for fault in faults:
        path, at_key = _path(fault, value)
        cases.setdefault(path, []).append(_Case(path, at_key, fault, model))
    plain = [_plainest(group) for group in cases.values()]
    meant = {_below(case.path.rpartition(".")[0], _guess(case)) for case in plain if case.type == "extra_forbidden"}
    found = [
        _mistake(case, positions)
        for case in plain
        if not _is_only_counted(case) and (case.type != "missing" or case.path not in meant)
    ]
    found += (
        UserError(message, position=positions.of(path), code=_rule_code(message), fix=fix)
        for path, message, fix in _unwritten(value, model, "")
    )
    once = {(str(each.position), each.message): each for each in found}
    return sorted(once.values(), key=lambda each: (each.position is not None, each.position))


def _is_only_counted(case: _Case) -> bool:
    """Whether enough entries are there, and pydantic did not count those that have mistakes of their own."""
    return case.type == "too_short" and len(case.given or ()) >= case.context["min_length"]


def near(name: str, choices: Iterable[str]) -> str:
    """ "; did you mean replicas?", or nothing when no choice is like the name."""
    found = nearest(name, choices)
    return f"; did you mean {found}?" if found else ""


def nearest(name: str, choices: Iterable[str]) -> str:
    """The choice that is most like the name, or ""; case, hyphens and underscores do not count."""
    plain = {_letters(choice): choice for choice in choices}
    found = difflib.get_close_matches(_letters(name), plain, 1, 0.6)
    return plain[found[0]] if found else ""


def _letters(text: str) -> str:
    return re.sub(r"[-_]", "", text).lower()


# --- where ----------------------------------------------------------------------------------------------------------


def _path(fault: Fault, value: Any) -> tuple[str, bool]:
    """(path as a person writes it, whether the key is meant); names of a union's members are left out."""
    path, at_key, location = "", False, cast(tuple[str | int, ...], fault["loc"])
    for index, each in enumerate(location):
        is_last = index == len(location) - 1
        if isinstance(each, int) and isinstance(value, list):
            items = cast(list[Any], value)
            path, value = f"{path}[{each}]", items[each] if each < len(items) else None
        elif isinstance(value, dict) and each in value:
            path, value = _below(path, str(each)), cast(dict[str, Any], value)[str(each)]
        elif each == "[key]":
            at_key = True
        elif is_last and fault["type"] == "missing":
            path = _below(path, str(each))
    at = str(fault.get("ctx", {}).get("at", "")) if fault["type"] == "rule" else ""
    return (_below(path, at) if at else path), at_key


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _unwritten(value: Any, model: type[Model], path: str) -> Iterator[tuple[str, str, str]]:
    """(path, message, fix) of broken rules on which fields are written: found beside any other mistake of the part."""
    if not isinstance(value, dict):
        return
    given, known = cast(dict[str, Any], value), fields_of(model)
    # A misspelt field is written too: that it is misspelt is said, and that is enough.
    written = [name if name in known else nearest(name, known) for name, each in given.items() if each is not None]
    for at, message, fix in absent(model, written):
        yield (_below(path, at) if at else path), message, fix
    for name, info in known.items():
        below, here, child = model_in(info.annotation), _below(path, name), given.get(name)
        if below is None:
            continue
        if isinstance(child, list):
            for index, each in enumerate(cast(list[Any], child)):
                yield from _unwritten(each, below, f"{here}[{index}]")
        elif isinstance(child, dict) and is_open(info.annotation):
            for key, each in cast(dict[str, Any], child).items():
                yield from _unwritten(each, below, _below(here, key))
        else:
            yield from _unwritten(child, below, here)


def _plainest(group: Sequence[_Case]) -> _Case:
    """One fault of those at one place: a union names each of its members, and the one that was meant says most."""
    telling = [case for case in group if not case.type.endswith("_type")]
    if telling or len(group) == 1:
        return (telling or group)[0]
    wanted = list(dict.fromkeys(_wanted(case.type) for case in group))
    if "a number" in wanted and "a whole number" in wanted:
        wanted.remove("a whole number")
    first = group[0]
    return _Case(first.path, first.at_key, {**first.fault, "type": "union", "ctx": {"wanted": _or(wanted)}}, first.model)


# --- what -----------------------------------------------------------------------------------------------------------


def _mistake(case: _Case, positions: Positions) -> UserError:
    code, say = _SAYINGS.get(case.type, ("TT1015", _of_wrong_type))
    message, fix = say(case)
    at_key = case.at_key or case.type == "extra_forbidden"
    code = _rule_code(message) if case.type == "rule" else code
    return UserError(message, position=(positions.of_key if at_key else positions.of)(case.path), code=code, fix=fix)


def _rule_code(message: str) -> str:
    return "TT1013" if message.startswith("is missing") else "TT1016"


def _siblings(case: _Case) -> list[str]:
    """The fields that there are where a field is."""
    parent = case.path.rpartition(".")[0]
    info = field_at(case.model, parent) if parent else None
    model = model_in(info.annotation) if info else None if parent else case.model
    return sorted(fields_of(model)) if model else []


def _guess(case: _Case) -> str:
    return nearest(case.name, _siblings(case))


def _unknown(case: _Case) -> tuple[str, str]:
    guess = _guess(case)
    if guess:
        return f"there is no such field; did you mean {guess}?", f"write {guess}, or remove it"
    elsewhere = _elsewhere(case.model).get(case.name, "")
    if elsewhere:
        return f"there is no such field; did you mean {elsewhere}?", f"move it to {elsewhere}"
    return "there is no such field", f"remove it, or use one of: {', '.join(_siblings(case))}"


@cache
def _elsewhere(model: type[Model]) -> Mapping[str, str]:
    """By name: the shortest path of a field that has it."""
    paths = sorted((path for path, _ in all_fields(model)), key=len, reverse=True)
    return {path.rpartition(".")[2]: path for path in paths}


def _missing(case: _Case) -> tuple[str, str]:
    return "is missing", f"write {case.name}{_example(case)}"


def _choice(case: _Case) -> tuple[str, str]:
    choices = re.findall(r"'([^']*)'", str(case.context.get("expected", "")))
    guess = near(case.given, choices) if isinstance(case.given, str) else ""
    wanted = f"one of {', '.join(choices)}" if len(choices) > 1 else "".join(choices)
    info = field_at(case.model, case.path)
    wanted += " or a mapping" if info and model_in(info.annotation) else ""
    bare = [each for each in choices if scalar(each) is case.given]
    fix = f'quote it: "{bare[0]}"; bare {bare[0]} is {_shown(case.given)}' if bare else f"write {_or(choices)}"
    return f"must be {wanted}, not {_shown(case.given)}{guess}", fix


def _rule(case: _Case) -> tuple[str, str]:
    return str(case.context["message"]), str(case.context["fix"])


def _pattern(case: _Case) -> tuple[str, str]:
    pattern = str(case.context.get("pattern"))
    if not case.given:
        return _empty(case)
    if pattern == LABEL:
        slug = re.sub(r"[^a-z0-9]+", "-", str(case.given).lower()).strip("-")
        message = f"{_shown(case.given)} must be small letters, digits and hyphens, and begin and end with no hyphen"
        return message, f"write {slug or 'a name'}"
    return f"{_shown(case.given)} does not match {pattern}", f"write it so that it matches{_example(case)}"


def _bound(word: str, key: str) -> Callable[[_Case], tuple[str, str]]:
    def say(case: _Case) -> tuple[str, str]:
        limit = _number(case.context[key])
        info = field_at(case.model, case.path)
        default = info.default if info and isinstance(info.default, (int, float)) else None
        out = f", or leave it out ({_number(default)} is the default)" if default is not None else ""
        return f"must be {word.format(limit)}, not {_number(case.given)}", f"set {case.name} to {word.format(limit)}{out}"

    return say


def _empty(case: _Case) -> tuple[str, str]:
    return "must not be empty", f"write something{_example(case)}"


def _long_text(case: _Case) -> tuple[str, str]:
    limit = case.context["max_length"]
    return f"has {len(str(case.given)):,} characters; at most {limit:,} are taken", "shorten it"


def _short_text(case: _Case) -> tuple[str, str]:
    limit = case.context["min_length"]
    if limit == 1:
        return _empty(case)
    return f"has {len(str(case.given))} characters; it needs {limit} or more", "lengthen it"


def _many(case: _Case) -> tuple[str, str]:
    limit = case.context["max_length"]
    return f"has {len(case.given or ()):,} entries; at most {limit:,} are taken", "take some out"


def _few(case: _Case) -> tuple[str, str]:
    limit, count = case.context["min_length"], len(case.given or ())
    return f"needs {limit} {'entry' if limit == 1 else 'entries'} or more, not {count}", "add some"


def _of_wrong_type(case: _Case) -> tuple[str, str]:
    wanted = str(case.context.get("wanted") or _wanted(case.type))
    return f"must be {wanted}, not {_kind(case.given)}", _retyped(case, wanted)


def _retyped(case: _Case, wanted: str) -> str:
    """How to write what was given as what was wanted, where it can be told."""
    given = case.given
    info = field_at(case.model, case.path)
    if given is None and not (info and info.is_required()):
        return f"write {wanted}, or leave it out"
    if wanted == "text" and isinstance(given, bool):
        return "put it in quotes"
    if wanted == "text" and isinstance(given, (int, float)):
        return f"quote it: {json.dumps(json.dumps(given))}"
    if wanted == "a list" and isinstance(given, str):
        return f"write [{given}]"
    if isinstance(given, str) and "number" in wanted and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", given):
        return f"write {given}, without quotes"
    if isinstance(given, str) and wanted == "true or false" and given.lower() in ("true", "false", "yes", "no", "on", "off"):
        return f"write {'true' if given.lower() in ('true', 'yes', 'on') else 'false'}, without quotes"
    return f"write {wanted}{_example(case)}"


_SAYINGS: Mapping[str, tuple[str, Callable[[_Case], tuple[str, str]]]] = {
    "extra_forbidden": ("TT1011", _unknown),
    "missing": ("TT1013", _missing),
    "literal_error": ("TT1014", _choice),
    "rule": ("TT1016", _rule),
    "string_pattern_mismatch": ("TT1017", _pattern),
    "greater_than_equal": ("TT1012", _bound("{} or more", "ge")),
    "greater_than": ("TT1012", _bound("more than {}", "gt")),
    "less_than_equal": ("TT1012", _bound("{} or less", "le")),
    "less_than": ("TT1012", _bound("less than {}", "lt")),
    "string_too_long": ("TT1012", _long_text),
    "string_too_short": ("TT1012", _short_text),
    "too_long": ("TT1012", _many),
    "too_short": ("TT1012", _few),
}

_TYPES = {
    "int": "a whole number",
    "int_from_float": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "dict": "a mapping",
    "model": "a mapping",
    "model_attributes": "a mapping",
    "list": "a list",
    "tuple": "a list",
}


def _wanted(type_: str) -> str:
    return _TYPES.get(type_.removesuffix("_type").removesuffix("_parsing"), "another value")


def _kind(value: Any) -> str:
    kinds = {str: "text", dict: "a mapping", list: "a list", type(None): "nothing"}
    text = next((words for kind, words in kinds.items() if isinstance(value, kind)), "a number")
    if value == "" or isinstance(value, bool):
        return "empty text" if value == "" else _shown(value)
    is_plain = isinstance(value, (int, float, str))
    return f"{text} ({_shown(value)})" if is_plain and len(str(value)) <= _SHOWN else text


_SHOWN = 60  # characters of a value that a message repeats


def _shown(value: Any) -> str:
    """A value as documents spell it, cut where it is long."""
    if isinstance(value, (dict, list)):
        return _kind(value)  # pyright: ignore[reportUnknownArgumentType]
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...{text[0] if isinstance(value, str) else ''}"


def _number(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else str(value)


def _or(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else "".join(words)


def _example(case: _Case) -> str:
    """ ", for example ml.m5.large", where the field has an example for this very value."""
    info = field_at(case.model, case.path)
    plain = info is not None and not case.path.endswith("]") and not is_open(info.annotation)
    examples = info.examples if info and plain else None
    return f", for example {json.dumps(examples[0])}" if examples else ""
