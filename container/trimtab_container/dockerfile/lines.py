"""The lines of a Dockerfile as instructions, in which each character knows its place.

A line that ends in a backslash goes on in the next; comment lines and empty lines between the two are left out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from trimtab_container.dockerfile import Refused

Place = tuple[int, int]
_CONTINUED = re.compile(r"(?<!\\)\\[ \t]*$")
_DIRECTIVE = re.compile(r"#\s*(\w+)\s*=\s*(\S.*?)\s*$")
_FRONTEND = re.compile(r"(docker\.io/)?docker/dockerfile:1(\.\d+){0,2}(-labs)?(@\S+)?")
_HEREDOC = re.compile(r"(?<!\S)\d*<<-?(['\"]?)(\w[\w.]*)\1")
_WITH_HEREDOC = ("RUN", "COPY", "ADD")


@dataclass(frozen=True)
class Text:
    """Characters and where each stands, with one place more for the end."""

    text: str
    places: tuple[Place, ...]

    def part(self, start: int, end: int | None = None) -> "Text":
        end = len(self.text) if end is None else end
        return Text(self.text[start:end], self.places[start : end + 1])

    @property
    def place(self) -> Place:
        return self.places[0]

    @staticmethod
    def at(text: str, place: Place) -> "Text":
        """Text whose characters are not where they seem, as those of a JSON string."""
        return Text(text, (place,) * (len(text) + 1))


@dataclass(frozen=True)
class Instruction:
    name: str  # in capitals
    place: Place
    rest: Text


def instructions(text: str) -> Iterator[Instruction | Refused]:
    """Every instruction, and in its place what makes one unreadable."""
    lines = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    yield from _directives(lines)
    number = 0
    while number < len(lines):
        if _is_left_out(lines[number]):
            number += 1
            continue
        whole, number = _joined(lines, number)
        instruction = _instruction(whole)
        heredoc = _HEREDOC.search(instruction.rest.text) if instruction.name in _WITH_HEREDOC else None
        if heredoc is None:
            yield instruction
            continue
        place = instruction.rest.places[heredoc.start()]
        yield Refused(place, f"{instruction.name} with a here-document is not read", "put the text into a file and COPY it")
        number = next((after for after in range(number, len(lines)) if lines[after].strip() == heredoc[2]), len(lines)) + 1


def _directives(lines: list[str]) -> Iterator[Refused]:
    """What comments at the top ask of the parser."""
    for number, line in enumerate(lines, 1):
        found = _DIRECTIVE.match(line)
        name = found[1].lower() if found else ""
        if found is None or name not in ("syntax", "escape", "check"):
            return
        place = (number, found.start(2) + 1)
        if name == "syntax" and not _FRONTEND.fullmatch(found[2]):
            yield Refused(place, f"the syntax {found[2]} is not read", "leave it out, or write docker/dockerfile:1")
        if name == "escape" and found[2] != "\\":
            yield Refused(place, f"{found[2]} as the escape character is not read", "leave the directive out")


def _joined(lines: list[str], number: int) -> tuple[Text, int]:
    """The instruction that begins on that line, as one line, and the number of the line after it."""
    text, places = "", list[Place]()
    while number < len(lines):
        line, row = lines[number], number + 1
        number += 1
        if text and _is_left_out(line):
            continue
        end = _CONTINUED.search(line)
        kept = line[: end.start()] if end else line
        text += kept
        places += [(row, column) for column in range(1, len(kept) + 1)]
        if end is None:
            break
    last = places[-1] if places else (number, 0)
    whole = Text(text, (*places, (last[0], last[1] + 1)))
    return whole.part(len(text) - len(text.lstrip()), len(text.rstrip())), number


def _is_left_out(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _instruction(whole: Text) -> Instruction:
    name = re.match(r"\S*", whole.text)
    assert name is not None
    rest = whole.text[name.end() :]
    return Instruction(name[0].upper(), whole.place, whole.part(len(whole.text) - len(rest.lstrip())))
