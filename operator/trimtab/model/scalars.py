"""What a plain (unquoted) scalar of YAML is, by kubectl's rules.

Measured against kubectl 1.32, whose rules are YAML 1.1 without base 60, with 0o14 and 1e3: the table of the measurements
is tests/corpus/kubectl-scalars.json.
"""

import math
import re
from typing import TypeAlias

Scalar: TypeAlias = str | int | float | bool | None

_BOOLEANS = {
    spelling: truth
    for truth, words in ((True, ("y", "yes", "true", "on")), (False, ("n", "no", "false", "off")))
    for word in words
    for spelling in (word, word.capitalize(), word.upper())
}
_WORDS: dict[str, Scalar] = {
    **_BOOLEANS,
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **{f"{sign}.{word}": float(f"{sign}inf") for sign in ("", "+", "-") for word in ("inf", "Inf", "INF")},
}

_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[oO]?([0-7]+)|0[bB]([01]+)|(0|[1-9][0-9]*))")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_DOT_FLOAT = re.compile(r"\.[0-9](_?[0-9])*([eE][-+]?[0-9]+)?")  # one that starts with its point keeps Go's rule for "_"


def scalar(text: str) -> Scalar:
    """The value of a plain scalar: text, a number, a boolean, or None. Dates and 12:30 are text."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] == ".":
        return _number(text.replace("_", "")) if _DOT_FLOAT.fullmatch(text) else text
    if text[0] not in "+-0123456789":
        return text
    return _number(text.replace("_", ""), text)


def is_ambiguous(text: str) -> bool:
    """A word that kubectl takes for a boolean, and that readers of YAML 1.2, editors among them, take for text."""
    return text in _BOOLEANS and text.lower() not in ("true", "false")


def _number(plain: str, text: str = "") -> Scalar:
    """The number that digits without "_" stand for, or the text as it was written."""
    match = _INTEGER.fullmatch(plain)
    if match:
        sign, *digits = match.groups()
        base, found = next((base, each) for base, each in zip((16, 8, 2, 10), digits, strict=True) if each)
        value = int(sign + found, base) if len(found) <= _LONGEST[base] else 2**64
        if -(2**63) <= value < 2**64:
            return value
    if _FLOAT.fullmatch(plain) and math.isfinite(value := float(plain)):
        return value
    return text or plain


_LONGEST = {16: 16, 8: 22, 2: 64, 10: 20}  # digits that 64 bits can need; more are out of range without being counted
