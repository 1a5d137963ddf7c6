"""Which files of the code a stage uses: gitignore-like patterns, the last that matches wins.

`**` stands for any number of folders, `*` for what has no slash, a trailing slash for all below a folder; a pattern with
no slash matches a name at any depth; `!` takes out again.
"""

import re
from collections.abc import Iterable, Sequence


def selected(paths: Iterable[str], patterns: Sequence[str]) -> tuple[str, ...]:
    """Those paths that the patterns keep, sorted."""
    rules = [(not pattern.startswith("!"), _expression(pattern.removeprefix("!"))) for pattern in patterns]
    return tuple(sorted(path for path in paths if _kept(path, rules)))


def _kept(path: str, rules: Sequence[tuple[bool, re.Pattern[str]]]) -> bool:
    return next((keeps for keeps, rule in reversed(rules) if rule.fullmatch(path)), False)


def _expression(pattern: str) -> re.Pattern[str]:
    body = pattern.rstrip("/")
    anchored = body.startswith("/") or "/" in body
    parts = [_part(part) for part in body.lstrip("/").split("/")]
    middle = "/".join(parts).replace("(?:.*)/", "(?:.*/)?")
    head = "" if anchored else "(?:.*/)?"
    tail = "/.*" if pattern.endswith("/") else "(?:/.*)?"
    return re.compile(f"{head}{middle}{tail}")


def _part(part: str) -> str:
    if part == "**":
        return "(?:.*)"
    return "".join("[^/]*" if char == "*" else "[^/]" if char == "?" else re.escape(char) for char in part)
