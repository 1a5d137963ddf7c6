"""One spelling of a value, so that equal values have equal bytes and equal hashes."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, cast


def canonical_json(value: Any) -> str:
    """Spell a JSON value with sorted keys, no spaces and no NaN.

    Whole floats are written as integers (8.0 and 8 are one value in a document).
    Raises ValueError for NaN and infinities.
    """
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(value: Any) -> str:
    """SHA-256 of the canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def h12(*parts: str) -> str:
    """Twelve hexadecimal digits that stand for those parts in a name."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


_AS_THEY_ARE = frozenset({str, int, bool, type(None)})


def _plain(value: Any) -> Any:
    if type(value) in _AS_THEY_ARE:
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, (list, tuple)):
        return [child if type(child) in _AS_THEY_ARE else _plain(child) for child in cast(Sequence[Any], value)]
    if isinstance(value, (dict, Mapping)):  # a dict first: whether something else is a Mapping is slow to tell
        pairs = cast(Mapping[Any, Any], value).items()
        return {str(key): child if type(child) in _AS_THEY_ARE else _plain(child) for key, child in pairs}
    return value
