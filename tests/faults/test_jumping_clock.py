"""A clock that jumps by hours under a deployment that serves: nothing is done on its word, and nothing waits for it."""

from datetime import UTC, datetime, timedelta

import pytest

from faults.test_edited_ledger import Writes
from faults.test_releases import asked_throughout, edit, status
from hands import World
from quick_rollout import ONE_OF_EACH, apply, delete, inventory, name_of
from trimtab.clients.clock import SystemClock

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("jumping-clock")]


@pytest.fixture
def jump(monkeypatch):
    """Set the machine's clock forwards or back, as trimtab reads it."""

    def by(hours: float) -> None:
        monkeypatch.setattr(SystemClock, "now", lambda _: datetime.now(UTC) + timedelta(hours=hours))

    return by


def test_a_clock_that_jumps_changes_nothing_and_holds_nothing_up(cloud, project, jump):
    assert apply(project).how == "converged"
    with asked_throughout(project) as codes:
        for hours in (30, -30, 0):
            jump(hours)
            writes = Writes()
            assert (apply(project, writes).how, writes.made) == ("converged", [])
            World(cloud, project).stage_throttle()  # and drift is repaired by a clock that is off
            assert apply(project).how == "converged"
            if hours > 0:
                edit(project, "serving: {", "serving: {env: {COLOUR: blue}, ")
                assert apply(project).how == "converged"
    assert set(codes) == {200}
    ready = next(each for each in status(project)["conditions"] if each["type"] == "Ready")
    assert ready["status"] == "True"
    assert inventory(cloud, name_of(project)) == {**ONE_OF_EACH, "definitions": 2}
    jump(-30)
    assert delete(project).how == "gone"
    assert set(inventory(cloud, name_of(project)).values()) == {0}
