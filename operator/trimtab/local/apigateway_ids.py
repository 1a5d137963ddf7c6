"""Ids and key values as API Gateway makes them."""

import secrets
import string

_LETTERS = string.ascii_lowercase + string.digits


def short_id(length: int = 10) -> str:
    """ "a1b2c3d4e5"."""
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


def key_value() -> str:
    """Forty characters."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(40))
