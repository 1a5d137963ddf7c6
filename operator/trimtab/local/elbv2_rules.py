"""Which rule a request meets: conditions of listener rules, validated and matched.

Source: Elastic Load Balancing, "Condition types for listener rules": paths are case-sensitive,
host names and values of headers are not; `*` stands for any characters, `?` for one.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from trimtab.local.overlay import ServiceError

Document = Mapping[str, Any]

# Where the values of each field stand, and how many wildcards it knows.
CONFIGURATIONS = {
    "host-header": "HostHeaderConfig",
    "path-pattern": "PathPatternConfig",
    "http-header": "HttpHeaderConfig",
    "http-request-method": "HttpRequestMethodConfig",
    "query-string": "QueryStringConfig",
    "source-ip": "SourceIpConfig",
}
MOST_VALUES = 5  # per rule, over all its conditions


@dataclass(frozen=True, slots=True)
class Asked:
    """What conditions look at in a request."""

    host: str  # without a port
    path: str  # as sent, without the query
    method: str
    headers: Mapping[str, str]  # case-insensitive
    query: Sequence[tuple[str, str]]
    source: str  # IP address of the client


def matches(conditions: Sequence[Document], asked: Asked) -> bool:
    """True when every condition of a rule holds."""
    return all(MATCHERS[condition["Field"]](condition, asked) for condition in conditions)


def values_of(condition: Document) -> list[Any]:
    """The values of a condition, given in its own configuration or in the older `Values`."""
    configuration = condition.get(CONFIGURATIONS.get(condition["Field"], ""), {})
    return list(configuration.get("Values") or condition.get("Values") or [])


def like(pattern: str, text: str, ignore_case: bool = True) -> bool:
    return _compiled(pattern, ignore_case).fullmatch(text) is not None


@lru_cache(maxsize=4096)
def _compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    parts = ("." if char == "?" else ".*" if char == "*" else re.escape(char) for char in pattern)
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _header(condition: Document, asked: Asked) -> bool:
    have = asked.headers.get(condition["HttpHeaderConfig"]["HttpHeaderName"])
    return have is not None and any(like(value, have) for value in values_of(condition))


def _query(condition: Document, asked: Asked) -> bool:
    def holds(wanted: Document) -> bool:
        return any(
            like(wanted["Value"], value) and ("Key" not in wanted or like(wanted["Key"], key)) for key, value in asked.query
        )

    return any(holds(wanted) for wanted in values_of(condition))


def _source(condition: Document, asked: Asked) -> bool:
    address = ipaddress.ip_address(asked.source)
    return any(address in ipaddress.ip_network(value, strict=False) for value in values_of(condition))


MATCHERS: Mapping[str, Callable[[Document, Asked], bool]] = {
    "host-header": lambda condition, asked: any(like(value, asked.host) for value in values_of(condition)),
    "path-pattern": lambda condition, asked: any(like(value, asked.path, False) for value in values_of(condition)),
    "http-header": _header,
    "http-request-method": lambda condition, asked: asked.method in values_of(condition),
    "query-string": _query,
    "source-ip": _source,
}


def check_conditions(conditions: Sequence[Document]) -> None:
    """Refuse conditions that AWS refuses. Raises ServiceError."""
    if not conditions:
        raise ServiceError("ValidationError", "A rule must have at least one condition")
    for condition in conditions:
        field = condition.get("Field", "")
        if field not in CONFIGURATIONS:
            known = ", ".join(CONFIGURATIONS)
            raise ServiceError("ValidationError", f"Condition field '{field}' must be one of '[{known}]'")
        if _has_regex(condition):
            raise ServiceError("ValidationError", f"Regex values are not supported by the local cloud (condition '{field}')")
        if not values_of(condition):
            raise ServiceError("ValidationError", f"A condition value must be specified for field '{field}'")
        if field == "http-header" and not condition.get("HttpHeaderConfig", {}).get("HttpHeaderName"):
            raise ServiceError("ValidationError", "A header name must be specified for field 'http-header'")
    fields = [condition["Field"] for condition in conditions if condition["Field"] not in ("http-header", "query-string")]
    if len(fields) != len(set(fields)):
        raise ServiceError(
            "ValidationError", "A rule can have only one condition of each of the fields " + ", ".join(fields)
        )
    if sum(len(values_of(condition)) for condition in conditions) > MOST_VALUES:
        raise ServiceError("TooManyConditionValues", f"A rule can only have '{MOST_VALUES}' condition values")


def _has_regex(condition: Document) -> bool:
    configuration = condition.get(CONFIGURATIONS[condition["Field"]], {})
    return bool(condition.get("RegexValues") or configuration.get("RegexValues"))
