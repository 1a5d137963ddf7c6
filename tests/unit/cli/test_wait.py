"""When `trimtab wait` is over, by what is seen of a deployment."""

import pytest

from trimtab.cli.wait import _ended, _lacking


def seen(ready: str = "True", *, version: str | None = "abc123", recorded: bool = True, **more):
    conditions = [{"type": "Ready", "status": ready, "message": "not yet"}, *more.pop("conditions", ())]
    return {"deployment": "a/b", "version": version, "conditions": conditions, "isRecorded": recorded, **more}


STALLED = {"type": "Stalled", "status": "True", "reason": "GateNotMet", "message": "0.3 < 0.9"}


@pytest.mark.parametrize(
    ("value", "version", "code"),
    [
        (seen(), None, 0),
        (seen(recorded=False), None, 0),
        (seen("False"), None, None),
        (seen("False", conditions=[STALLED]), None, 1),
        (seen(), "abc", 0),
        (seen(recorded=False), "abc", None),
        (seen(), "def", None),
        (seen("False", conditions=[STALLED]), "def", None),
        (seen("False", conditions=[STALLED]), "abc", 1),
        (seen(version=None), "abc", None),
        (None, "abc", None),
        (seen(retained="2026-11-26T10:00:00Z"), None, 1),
    ],
)
def test_it_ends_when_it_is_so_or_will_not_be(value, version, code):
    assert _ended(value, "ready", version)[0] == code


def test_what_is_lacking_is_said():
    assert _lacking(None, "ready", "abc") == "it does not exist"
    assert _lacking(seen(version=None), "ready", "abc") == "it is at version (none), not abc"
    assert _lacking(seen("False"), "ready", None) == "not ready: not yet"
