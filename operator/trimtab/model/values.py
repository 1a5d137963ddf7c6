"""Values that fields share: quantities, durations, sources, patterns. Each says what is wrong and how to mend it."""

import re
import warnings
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from trimtab.core.quantities import cpu_millicores, cpu_text, duration_s, memory_bytes, memory_text
from trimtab.model.base import rule

INSTANCE = r"^ml\.[a-z0-9-]+\.[a-z0-9]+$"
FILE = r"^[^/\x00][^\x00]*$"
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
DOMAIN = r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$"
BUCKET = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
ORIGIN = r"^(\*|https?://([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?)$"
METRIC = r"^[A-Za-z0-9_./-]+$"
NUMBERED = r"[0-9]+(\.[0-9]+)?"


def _cpu(given: Any) -> Any:
    if not isinstance(given, (str, int, float)):
        return given
    try:
        return cpu_text(cpu_millicores(given))
    except ValueError as error:
        raise rule(str(error), fix='write millicores ("500m") or cores (0.5)') from error


def _memory(given: Any) -> Any:
    if not isinstance(given, (str, int, float)):
        return given
    try:
        size = memory_bytes(given)
    except ValueError as error:
        raise rule(str(error), fix='write it as "512Mi" or "1Gi"') from error
    if size % 2**20:
        raise rule(f"{given!r} is no whole number of mebibytes", fix='write it as "512Mi" or "1Gi"')
    return memory_text(size)


def duration(shortest_s: int, longest_s: int) -> Any:
    """The validator of a duration between two bounds in seconds."""

    def check(given: Any) -> Any:
        if not isinstance(given, (str, int, float)):
            return given
        try:
            seconds = duration_s(given)
        except ValueError as error:
            raise rule(str(error), fix='write it with units: "90s", "30m", "1h30m"') from error
        if not shortest_s <= seconds <= longest_s:
            raise rule(f"must be {_span(shortest_s)} to {_span(longest_s)}, not {given}", fix="write one between the two")
        return given

    return BeforeValidator(check)


def _span(seconds: int) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


_BRACKETS = 100  # more are no expression for a log line, and nested they exhaust the parser


def _source(text: str) -> str:
    """An S3 URI names a bucket, by the rules for such names (Amazon S3 user guide); anything else is looked at later."""
    if text.startswith("s3://") and not re.match(BUCKET, text.removeprefix("s3://").partition("/")[0]):
        raise rule(f"{text!r} names no bucket", fix="write s3://<bucket>/<prefix>")
    return text


def _expression(text: str) -> str:
    shown = repr(text if len(text) <= 60 else f"{text[:60]}...")
    if text.count("(") > _BRACKETS:
        raise rule(f"{shown} has more than {_BRACKETS} groups", fix="write a simpler expression")
    try:
        with warnings.catch_warnings(action="ignore"):  # of expressions that a later Python will read otherwise
            groups = re.compile(text).groups
    except (re.error, OverflowError) as error:
        raise rule(f"{shown} is no regular expression: {error}", fix="correct it, and quote it singly in YAML") from error
    if groups != 1:
        fix = "put round brackets around the number, and (?:...) around other groups"
        raise rule(f"{shown} has {groups} groups; the value is taken from exactly one", fix=fix)
    return text


def distinct(given: tuple[Any, ...]) -> tuple[Any, ...]:
    """No entry twice."""
    for each in given:
        if given.count(each) > 1:
            raise rule(f"{each!r} stands twice", fix="keep one of the two")
    return given


# In canonical spelling, as Kubernetes keeps them: 0.5 is "500m", 1024Mi is "1Gi". So a spelling is no change.
Cpu: TypeAlias = Annotated[
    str,
    BeforeValidator(_cpu),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": f"^{NUMBERED}m?$"}, {"type": "number", "exclusiveMinimum": 0}]}),
]
Memory: TypeAlias = Annotated[
    str,
    BeforeValidator(_memory),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": f"^{NUMBERED}(Ki|Mi|Gi|Ti|k|M|G|T)?$"},
                {"type": "integer", "exclusiveMinimum": 0},
            ]
        }
    ),
]
Duration: TypeAlias = Annotated[
    str, Field(max_length=32, json_schema_extra={"pattern": "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"})
]
Expression: TypeAlias = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_expression)]
Source: TypeAlias = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[^\x00]*$"), AfterValidator(_source)]
Patterns: TypeAlias = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=255)], ...], Field(max_length=100)]
InstanceType: TypeAlias = Annotated[str, Field(max_length=63, pattern=INSTANCE)]
Hyperparameter: TypeAlias = bool | int | float | Annotated[str, Field(max_length=2500)]
