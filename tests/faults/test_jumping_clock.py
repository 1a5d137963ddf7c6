"""A clock that jumps by hours under a deployment that serves: nothing is done on its word, and nothing waits for it."""

import os
import signal
from datetime import UTC, datetime, timedelta

import pytest

from faults.operating import running, vanish
from faults.test_edited_ledger import Writes
from faults.test_releases import asked_throughout, edit, status
from hands import World
from quick_rollout import ONE_OF_EACH, apply, delete, inventory, name_of
from trimtab.clients.clock import SystemClock
from trimtab.local.commands import clock

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


LOOK = "DescribeTargetHealth"  # by nobody but the operator
DAY_S = 86_400.0


def written(cloud, operator, since: int, looks: int = 2) -> list[str]:
    """What was written after that number, once the operator has looked so often since."""

    def made(operation: str) -> int:
        return sum(each["operation"] == operation for each in cloud.journal(since))

    operator.until(lambda: made(LOOK) >= looks, "it looks no more")
    return [each["operation"] for each in cloud.journal(since) if each["write"]]


def test_an_operator_whose_clock_jumps_by_a_day_writes_nothing_and_stays_ready(cloud, project, tmp_path_factory):
    def last_number() -> int:
        return cloud.journal()[-1]["number"]

    with running(project.parent, tmp_path_factory.mktemp("operator"), "--clock", cloud.info.endpoint) as operator:
        operator.until(lambda: operator.is_ready(project), "never ready")
        operator.until(lambda: written(cloud, operator, last_number()) == [], "it goes on writing")
        said, since, left = operator.status(project), last_number(), DAY_S
        os.kill(operator.process.pid, signal.SIGSTOP)  # as a machine that sleeps: all of the day comes at one look
        try:
            while left:
                left = clock(cloud.folder, advanceSeconds=left)["leftSeconds"]
        finally:
            os.kill(operator.process.pid, signal.SIGCONT)
        with asked_throughout(project) as codes:
            assert written(cloud, operator, since, looks=6) == []
        assert set(codes) == {200}
        assert operator.is_ready(project)
        assert operator.status(project) == said
        vanish(project)
        operator.until(lambda: operator.events("deployment.deleted"), "it was never deleted")
