"""What `make soak` makes of what it has seen: samples of a process, growth, and promises that do not hold."""

import os
import threading
from pathlib import Path

import pytest
from soak import failures, grown, sample

FLAT = {"from": 100.0, "to": 104.0, "ratio": 1.04}
HELD = {"memory_mib": FLAT, "handles": FLAT, "threads": FLAT, "quiet_writes": []}


def test_a_sample_tells_what_a_process_holds_of_its_own():
    over = threading.Event()
    before = sample(os.getpid(), 1, 2)
    held = bytearray(64 * 2**20)
    thread = threading.Thread(target=over.wait)
    thread.start()
    with Path(os.devnull).open():
        after = sample(os.getpid(), 1, 2)
    over.set()
    thread.join()
    assert len(held) == 64 * 2**20
    assert (after.hour, after.start) == (1, 2)
    assert 60 < after.memory_mib - before.memory_mib < 80
    assert (after.handles - before.handles, after.threads - before.threads) == (1, 1)


@pytest.mark.parametrize(
    ("values", "ratio"),
    [
        ([100, 200, 200, 200, 200, 200, 200, 200], 1.0),  # it warms up
        ([100, 100, 100, 100, 100, 100, 110, 110], 1.1),
        ([100, 100, 100, 100, 900, 900, 100, 100], 1.0),  # it gives back what it took
        ([100], 1.0),
    ],
)
def test_growth_is_from_the_second_quarter_to_the_last(values, ratio):
    assert grown(values)["ratio"] == ratio


def test_promises_that_hold_are_no_failures():
    assert failures(HELD) == []


@pytest.mark.parametrize(("name", "most"), [("memory_mib", 105), ("handles", 110), ("threads", 110)])
def test_what_grows_is_said(name, most):
    def wrong(to: int) -> list[str]:
        return failures({**HELD, name: {"from": 100.0, "to": to, "ratio": to / 100}})

    assert wrong(most) == []
    assert wrong(most + 1) == [f"{name} held flat: 100 grew to {most + 1}"]


def test_a_write_without_a_cause_is_said():
    assert failures({**HELD, "quiet_writes": ["ecs:UpdateService"]}) == [
        "no write while nothing had changed: ecs:UpdateService"
    ]
