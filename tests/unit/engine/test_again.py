"""When a deployment is looked at again, by what its pass raised."""

import pytest

from trimtab.core.errors import Bug, Conflict, Denied, NotOurs, Superseded, Throttled, Transient, UserError
from trimtab.core.kind import Failure
from trimtab.engine.again import after_error

WRONG = UserError("wrong", code="TT1010")


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (WRONG, "document"),
        (ExceptionGroup("two", [WRONG, WRONG]), "document"),
        (ExceptionGroup("mixed", [WRONG, Transient("gone")]), "document"),
        (ExceptionGroup("mixed", [WRONG, KeyError("x")]), "bug"),
        (Conflict("moved"), "conflict"),
        (Superseded("later"), "conflict"),
        (Denied("no"), "lasting"),
        (NotOurs("theirs"), "lasting"),
        (Throttled("slow"), "throttled"),
        (Transient("gone"), "transient"),
        (ConnectionResetError("reset"), "transient"),
        (Failure("denied", "no"), "lasting"),
        (Failure("quota", "full"), "lasting"),
        (Failure("throttled", "slow"), "throttled"),
        (Failure("transient", "5xx"), "transient"),
        (Failure("unlisted", "?"), "bug"),
        (Bug("ours"), "bug"),
        (KeyError("ours"), "bug"),
    ],
)
def test_the_class_says_what_comes_next(error, what):
    assert after_error(error).what == what


def test_a_bug_names_its_class():
    assert after_error(KeyError("lost")).because == "KeyError: 'lost'"
