"""Patterns of file names: those of COPY, and those of .dockerignore, which leave files out of the folder.

Source: Go's filepath.Match; Docker's build context, ".dockerignore files".
"""

import posixpath
import re
from collections.abc import Callable, Sequence

from trimtab_container.dockerfile import Refused

IGNORE = ".dockerignore"


def pattern(text: str) -> "re.Pattern[str]":
    """`*` and `?` stop at a slash, `**` does not, `[a-z]` and `[^a-z]` are classes. Raises re.error."""
    out, at = list[str](), 0
    while at < len(text):
        char = text[at]
        if text.startswith("**", at):
            at += 2
            slash = text.startswith("/", at)
            out.append("(?:.*/)?" if slash else ".*")
            at += slash
            continue
        if char == "[":
            end = text.find("]", at + 2)
            if end < 0:
                raise re.error("[ is not closed")
            out.append(f"[{text[at + 1 : end]}]")
            at = end
        elif char == "\\" and at + 1 < len(text):
            at += 1
            out.append(re.escape(text[at]))
        else:
            out.append({"*": "[^/]*", "?": "[^/]"}.get(char) or re.escape(char))
        at += 1
    return re.compile("".join(out))


def ignoring(paths: Sequence[str], dockerfile: str, read: Callable[[str], bytes]) -> tuple[list[str], str, list[Refused]]:
    """(the files that are left, the file that says so, what in it is no pattern).

    One named after the Dockerfile goes before .dockerignore. The last pattern that matches a file or a folder above it wins.
    """
    named = next((name for name in (f"{dockerfile}{IGNORE}", IGNORE) if name in paths), "")
    if not named:
        return list(paths), "", []
    rules, mistakes = list[tuple[bool, "re.Pattern[str]"]](), list[Refused]()
    for number, line in enumerate(read(named).decode(errors="replace").removeprefix("\ufeff").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        keeps = text.startswith("!")
        cleaned = posixpath.normpath(text.removeprefix("!").strip()).lstrip("/")
        if cleaned == ".":
            continue
        try:
            rules.append((keeps, pattern(cleaned)))
        except re.error:
            mistakes.append(Refused((number, 1), f"{text!r} is no pattern", "close the bracket"))
    return [path for path in paths if _is_kept(path, rules)], named, mistakes


def _is_kept(path: str, rules: "Sequence[tuple[bool, re.Pattern[str]]]") -> bool:
    parts = path.split("/")
    names = ["/".join(parts[: number + 1]) for number in range(len(parts))]
    return next((keeps for keeps, rule in reversed(rules) if any(map(rule.fullmatch, names))), True)
