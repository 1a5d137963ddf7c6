"""A sweep looks at what is as declared without a pass of it, and finds whatever somebody has changed."""

import pytest

from faults.operating import RunningOperator, count, running
from faults.test_drift_records import Person, records
from faults.test_releases import full_name, run
from hands import World
from quick_rollout import delete
from trimtab.local.commands import trail

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("sweep")]
PASSES, SWEEPS = "controller_runtime_reconcile_total", "trimtab_sweep_time_seconds_count"
STANDS = 'trimtab_swept_total{result="stands"}'
HANDS = (
    World.desired_count,
    World.task_definition,
    World.tag,
    World.log_retention,
    World.repository_setting,
    World.role_policy,
    World.listener_rule,
    World.stage_throttle,
    World.deleted_rule,
)


def rests(operator: RunningOperator) -> None:
    """Wait for two sweeps in a row that leave it alone, with no pass meanwhile."""

    def alone() -> bool:
        passes, stands, sweeps = (count(operator, each) for each in (PASSES, STANDS, SWEEPS))
        operator.until(lambda: count(operator, SWEEPS) >= sweeps + 2, "no sweep")
        return count(operator, PASSES) == passes and count(operator, STANDS) >= stands + 2

    operator.until(alone, "passes go on")


def test_a_sweep_of_what_is_as_declared_makes_no_pass_and_finds_what_a_hand_has_changed(cloud, project, tmp_path_factory):
    trail(cloud.folder, 0)
    with running(project.parent, tmp_path_factory.mktemp("operator")) as operator:
        operator.until(lambda: operator.is_ready(project), "never ready")
        rests(operator)
        since = cloud.journal()[-1]["number"]
        sweeps = count(operator, SWEEPS)
        operator.until(lambda: count(operator, SWEEPS) >= sweeps + 3, "no sweep")
        made = cloud.journal(since)
        assert made
        assert [each["operation"] for each in made if each["write"]] == []
        assert run("suspend", full_name(project))[0] == 0
        operator.until(lambda: operator.condition(project, "Suspended")[0] == "True", "not suspended")
        rests(operator)
        assert run("resume", full_name(project))[0] == 0
        operator.until(lambda: operator.condition(project, "Suspended")[0] == "False", "not resumed")
        ana = Person(cloud, "ana")
        for found, hand in enumerate(HANDS, start=1):
            hand(World(ana, project))
            operator.until(lambda found=found: len(records(project)) == found, f"{hand.__name__} was not found")
            operator.until(lambda: operator.is_ready(project) and records(project)[-1]["done"] == "repaired", hand.__name__)
        rests(operator)
        assert len(records(project)) == len(HANDS)
        assert operator.events("sweep.failed") == []
    assert delete(project).how == "gone"
