"""Generation keys: a hash of what decides the result of a stage, and of its parents' keys (a Merkle DAG).

Keys hash canonical document values with defaults left out, never compiled requests, so that a new default or a renamed
request field of a later release changes none of them. KEY_VERSION is stored with each generation; golden keys of past
releases are tests.
"""

from collections.abc import Mapping
from typing import Any

from trimtab.core.canonical import digest_of

KEY_VERSION = 1


def generation_key(stage: str, values: Mapping[str, Any], parents: Mapping[str, str]) -> str:
    """Sixty-four hexadecimal digits for a stage's result.

    values: canonical document values and pinned digests; None and empty values are as good as absent.
    parents: key or digest by name.
    """
    body = {name: value for name, value in values.items() if value not in (None, {}, [], ())}
    return digest_of({"keyVersion": KEY_VERSION, "stage": stage, "values": body, "parents": dict(parents)})
