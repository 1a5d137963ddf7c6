"""Words of an instruction: how they are split, and what variables and quotes in them come to.

As BuildKit does it: single quotes keep all, double quotes all but `$` and `\\`, a backslash keeps the next character.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from trimtab_container.dockerfile import Refused
from trimtab_container.dockerfile.lines import Place, Text

_NAME = re.compile(r"[A-Za-z_]\w*|\d+")
_NO_PATTERNS = "write the value out: of ${...} only - + ? with or without a colon are read"


def plain_words(text: Text) -> list[Text]:
    """Split at white space, whatever stands in quotes: as for COPY and FROM."""
    return [text.part(found.start(), found.end()) for found in re.finditer(r"\S+", text.text)]


def quoted_words(text: Text) -> list[Text]:
    """Split at white space outside quotes: as for ENV, LABEL and ARG. Raises Refused for a quote that is not closed."""
    found, start, quote, at = list[Text](), -1, "", 0
    while at < len(text.text):
        char = text.text[at]
        if not quote and char.isspace():
            if start >= 0:
                found.append(text.part(start, at))
            start = -1
            at += 1
            continue
        start = at if start < 0 else start
        if char == "\\" and quote != "'":
            at += 1
        elif char in "'\"" and quote in ("", char):
            quote = "" if quote else char
        at += 1
    if quote:
        raise _unclosed(text.part(start).place, quote)
    return [*found, text.part(start)] if start >= 0 else found


def json_words(text: Text) -> list[str] | None:
    """The exec form, `["python3", "server.py"]`; None when it is not one."""
    try:
        value: Any = json.loads(text.text)
    except ValueError:
        return None
    words = cast("list[Any]", value) if isinstance(value, list) else []
    return [str(word) for word in words] if words and all(isinstance(word, str) for word in words) else None


def flags(text: Text) -> tuple[list[Text], Text]:
    """The `--name=value` words at the beginning, and the rest."""
    found, at = list[Text](), 0
    for word in plain_words(text):
        if not word.text.startswith("--"):
            break
        found.append(word)
        at = text.text.index(word.text, at) + len(word.text)
    rest = text.text[at:]
    return found, text.part(at + len(rest) - len(rest.lstrip()))


def expanded(text: Text, variables: Mapping[str, str]) -> str:
    """The word without its quotes, with variables filled in; one that is not set is empty. Raises Refused."""
    try:
        return _until(text, 0, "", variables)[0]
    except RecursionError:
        raise Refused(text.place, "variables stand too deep in one another", "write the value out") from None


def _until(text: Text, at: int, stop: str, variables: Mapping[str, str], opened: int = 0) -> tuple[str, int]:
    """Read up to the character `stop` or the end; (what it comes to, where it ended). opened: where what it closes began."""
    out = list[str]()
    while at < len(text.text):
        char = text.text[at]
        if char == stop:
            return "".join(out), at + 1
        if char == "'":
            end = text.text.find("'", at + 1)
            if end < 0:
                raise _unclosed(text.places[at], "'")
            out.append(text.text[at + 1 : end])
            at = end + 1
        elif char == '"':
            inner, at = _double(text, at, variables)
            out.append(inner)
        elif char == "$":
            value, at = _dollar(text, at, variables)
            out.append(value)
        elif char == "\\":
            out.append(text.text[at + 1 : at + 2])
            at += 2
        else:
            out.append(char)
            at += 1
    if stop:
        raise Refused(text.places[opened], f"{stop} is missing", "close it")
    return "".join(out), at


def _double(text: Text, at: int, variables: Mapping[str, str]) -> tuple[str, int]:
    out, opened = list[str](), at
    at += 1
    while at < len(text.text):
        char = text.text[at]
        if char == '"':
            return "".join(out), at + 1
        if char == "$":
            value, at = _dollar(text, at, variables)
            out.append(value)
        elif char == "\\" and text.text[at + 1 : at + 2] in ('"', "$", "\\"):
            out.append(text.text[at + 1])
            at += 2
        else:
            out.append(char)
            at += 1
    raise _unclosed(text.places[opened], '"')


def _dollar(text: Text, at: int, variables: Mapping[str, str]) -> tuple[str, int]:
    place, braced = text.places[at], text.text[at + 1 : at + 2] == "{"
    name = _NAME.match(text.text, at + 1 + braced)
    if not braced:
        return (variables.get(name[0], ""), name.end()) if name else ("$", at + 1)
    if name is None:
        raise Refused(place, "a name is missing after ${", "write ${NAME}")
    after = text.text[name.end() : name.end() + 2]
    if after[:1] == "}":
        return variables.get(name[0], ""), name.end() + 1
    colon = after[:1] == ":"
    how = after[1:2] if colon else after[:1]
    if how not in ("-", "+", "?"):
        raise Refused(place, f"${{{name[0]}{after}...}} is not read", _NO_PATTERNS)
    word, end = _until(text, name.end() + 1 + colon, "}", variables, at)
    value = variables.get(name[0])
    is_set = bool(value) if colon else value is not None
    if how == "?" and not is_set:
        raise Refused(place, f"{name[0]} is not set: {word or 'it must be'}", f"write ARG {name[0]}=... before it")
    return ((word if is_set else "") if how == "+" else (value or "") if is_set else word), end


def _unclosed(place: Place, quote: str) -> Refused:
    return Refused(place, f"the quote {quote} is not closed", "close it; file names with spaces need the JSON form")
