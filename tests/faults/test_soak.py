"""`make soak` at a small size: edits, hands and a SIGKILL through a few hours of the cloud's time."""

import pytest
from outside import Outside
from soak import failures, played

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("soak")]


def test_an_operator_goes_on_after_a_kill_and_holds_what_it_takes(tmp_path):
    outside = Outside(tmp_path)
    try:
        outside.up("--trail-delay", "0s")
        result = played(outside, size=3, hours=4, killed_in=1, workers=1)
    finally:
        outside.down("--purge")
    assert [(each["hour"], each["start"]) for each in result["samples"]] == [(1, 1), (2, 2), (3, 2), (4, 2)]
    assert failures(result) == []
