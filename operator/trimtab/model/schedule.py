"""When something is due again and again: a cron expression as AWS spells it, and a time zone.

Source: Application Auto Scaling User Guide, "Schedule recurring scaling actions using cron expressions".
"""

import difflib
import re
from collections.abc import Iterator
from functools import cache
from typing import Annotated, TypeAlias
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field

from trimtab.model.base import rule

_FIX = 'write six fields: minutes hours day-of-month month day-of-week year, as in "0 8 ? * MON-FRI *"'
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_ANY = ("*", "?")
# (name, the lowest number, the highest, names in their place)
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minutes", 0, 59, ()),
    ("hours", 0, 23, ()),
    ("day-of-month", 1, 31, ("L", "LW")),
    ("month", 1, 12, _MONTHS),
    ("day-of-week", 1, 7, (*_DAYS, "L")),
    ("year", 1970, 2199, ()),
)
_PART = re.compile(r"(?P<low>\*|\?|[A-Z]+|[0-9]+[LW]?)(-(?P<high>[A-Z]+|[0-9]+))?(/(?P<step>[0-9]+)|#[1-5])?")


def _cron(text: str) -> str:
    fields = text.upper().split()
    if text.startswith("cron("):
        raise rule(f"{text!r} has more than the fields", fix="leave out cron( and )")
    if len(fields) != len(_FIELDS):
        raise rule(f"{text!r} has {len(fields)} fields", fix=_FIX)
    for given, (name, least, most, names) in zip(fields, _FIELDS, strict=True):
        for part in given.split(","):
            if not _is_part(part, least, most, names):
                raise rule(f"{part!r} is no {name}", fix=f"write {least} to {most}, a name, a list or a range of them, or *")
    if fields[2] not in _ANY and fields[4] not in _ANY:
        raise rule(f"{text!r} has both a day of the month and a day of the week", fix="put ? in place of one of them")
    if "?" not in (fields[2], fields[4]):
        raise rule(f"{text!r} has * both as day of the month and of the week", fix="put ? in place of one of them")
    return " ".join(fields)


def _is_part(part: str, least: int, most: int, names: tuple[str, ...]) -> bool:
    match = _PART.fullmatch(part)
    if match is None or match["step"] == "0":
        return False
    if match["low"] in _ANY:
        return match["high"] is None and (match["low"] == "*" or least == 1)
    return all(_is_value(each, least, most, names) for each in _bounds(match))


def _bounds(match: re.Match[str]) -> Iterator[str]:
    yield match["low"]
    if match["high"]:
        yield match["high"]


def _is_value(text: str, least: int, most: int, names: tuple[str, ...]) -> bool:
    if text in names:
        return True
    number = text.rstrip("LW") if "L" in names else text
    return number.isdecimal() and least <= int(number) <= most


def _zone(text: str) -> str:
    if (there := _zones()) and text not in there:
        near = difflib.get_close_matches(text, there, 1)
        fix = f"did you mean {near[0]}?" if near else "write a name such as Europe/Berlin"
        raise rule(f"there is no time zone {text!r}", fix=fix)
    return text


@cache
def _zones() -> frozenset[str]:
    """Those that this machine knows of; none where it has no list of them: AWS judges then."""
    return frozenset(available_timezones())


# Spelt alike whatever its spaces and capitals: a spelling is no change.
Cron: TypeAlias = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_cron)]
Timezone: TypeAlias = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_zone)]
