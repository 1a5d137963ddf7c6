"""Roll-outs watched by alarms: one that goes off rolls back, is in quarantine and told; one that stays OK lets it finish.

The operator follows the local cloud's clock, so a bake of ten minutes takes a moment.
"""

import pytest

from faults.operating import RunningOperator, running, service_of, vanish
from faults.test_releases import asked_throughout, edit, full_name, outcomes
from quick_rollout import delete, name_of
from trimtab.cli.context import environment_named, ledger_of, session
from trimtab.local.commands import clock

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("alarms")]

BAKE_S = 600


class Alarm:
    """An alarm of the account, which keeps the state that it is put in."""

    def __init__(self, cloud, name: str) -> None:
        self.watch, self.name = cloud.client("cloudwatch"), name

    def make(self) -> None:
        self.watch.put_metric_alarm(
            AlarmName=self.name, Namespace="test", MetricName="errors", Statistic="Sum", Period=10, EvaluationPeriods=1,
            Threshold=1, ComparisonOperator="GreaterThanThreshold", TreatMissingData="ignore",
        )  # fmt: skip

    def goes(self, state: str) -> None:
        self.watch.set_alarm_state(AlarmName=self.name, StateValue=state, StateReason=f"a test says {state}")

    @property
    def arn(self) -> str:
        (found,) = self.watch.describe_alarms(AlarmNames=[self.name])["MetricAlarms"]
        return found["AlarmArn"]


@pytest.fixture
def alarm(cloud, project) -> Alarm:
    made = Alarm(cloud, f"{name_of(project)}-errors")
    made.make()
    edit(project, "replicas: {min: 1}", f"replicas: {{min: 1}}, rollout: {{alarms: [{made.name}], bake: 10m}}")
    return made


@pytest.fixture
def operator(cloud, project, tmp_path_factory):
    with running(project.parent, tmp_path_factory.mktemp("operator"), "--clock", cloud.info.endpoint) as made:
        yield made


def bakes(operator: RunningOperator, project) -> bool:
    return operator.condition(project, "Released") == ("Unknown", "Baking")


def says(operator: RunningOperator, project) -> str:
    """What Ready says."""
    found = (each["message"] for each in operator.status(project).get("conditions", ()) if each["type"] == "Ready")
    return next(found, "")


def goes_by(cloud, seconds: float) -> None:
    assert clock(cloud.folder, advanceSeconds=seconds)["leftSeconds"] == 0


def released(cloud, operator, project, generation: int = 1) -> None:
    """Let the newest release bake to its end."""
    operator.until(lambda: bakes(operator, project), "it never bakes")
    assert operator.condition(project, "Serving")[0] == "True"
    goes_by(cloud, BAKE_S / 2)
    assert not operator.is_ready(project, generation)
    goes_by(cloud, BAKE_S)
    operator.until(lambda: operator.is_ready(project, generation), "it never became ready after its bake")


def test_an_alarm_that_goes_off_ends_a_bake_and_the_last_release_serves_on(cloud, project, alarm, operator):
    released(cloud, operator, project)
    ecs, cluster, service = service_of(cloud, project)

    def runs() -> str:
        return ecs.describe_services(cluster=cluster, services=[service])["services"][0]["taskDefinition"]

    good = runs()
    with asked_throughout(project) as codes:
        edit(project, "replicas: {min: 1}", "replicas: {min: 1}, env: {COLOUR: blue}")
        operator.until(lambda: bakes(operator, project), "it never bakes")
        bad = runs()
        assert bad != good
        goes_by(cloud, BAKE_S / 3)
        alarm.goes("ALARM")
        operator.until(lambda: outcomes(project) == ["Serving", "RolledBack"], "it was never given up")
        operator.until(lambda: runs() == good, "the last release never came back")
        stuck = ("True", "RolledBack")
        operator.until(lambda: operator.condition(project, "Stalled") == stuck, "it was never told")
        assert operator.condition(project, "Ready") == ("False", "RolledBack")
        assert operator.condition(project, "Serving")[0] == "True"
        assert f"alarm {alarm.name} went off (a test says ALARM)" in says(operator, project)
    assert set(codes) == {200}
    with session(environment_named("local")) as found:
        ledger = ledger_of(found, full_name(project))
    assert ledger.quarantine == (ledger.revisions[-1].release[:12],)
    goes_by(cloud, 2 * BAKE_S)  # neither a sweep nor time changes its mind
    assert (runs(), outcomes(project)) == (good, ["Serving", "RolledBack"])

    alarm.goes("OK")
    edit(project, "COLOUR: blue", "COLOUR: green")
    released(cloud, operator, project, generation=3)
    assert outcomes(project) == ["Superseded", "RolledBack", "Serving"]
    assert runs() not in (good, bad)
    vanish(project)
    operator.until(lambda: operator.events("deployment.deleted"), "it was never deleted")
    assert alarm.arn  # which is not ours to delete


def test_an_alarm_that_goes_off_while_a_release_takes_over_is_ecs_own_to_act_on(cloud, project, alarm, operator):
    released(cloud, operator, project)
    ecs, cluster, service = service_of(cloud, project)

    def shown() -> dict:
        return ecs.describe_services(cluster=cluster, services=[service])["services"][0]

    good = shown()["taskDefinition"]
    edit(project, "replicas: {min: 1}", "replicas: {min: 1}, env: {COLOUR: blue}")
    # ECS watches for ten seconds more once the old task has left: it says so by keeping both deployments.
    operator.until(lambda: [each["runningCount"] for each in shown()["deployments"]] == [1, 0], "it never took over")
    alarm.goes("ALARM")
    operator.until(lambda: "is in quarantine" in says(operator, project), "it was never told")
    assert operator.condition(project, "Stalled") == ("True", "RolledBack")
    assert shown()["taskDefinition"] == good
    assert any("deployment failed: alarm detected." in each["message"] for each in shown()["events"])
    assert "alarm detected" in says(operator, project)
    assert f"alarm {alarm.name} went off (a test says ALARM)" in says(operator, project)
    assert outcomes(project) == ["Serving", "RolledBack"]
    vanish(project)
    operator.until(lambda: operator.events("deployment.deleted"), "it was never deleted")


def test_no_release_takes_over_while_an_alarm_is_missing(cloud, project, tmp_path_factory):
    alarm = Alarm(cloud, f"{name_of(project)}-late")
    edit(project, "replicas: {min: 1}", f"replicas: {{min: 1}}, rollout: {{alarms: [{alarm.name}]}}")
    with running(project.parent, tmp_path_factory.mktemp("operator")) as operator:
        operator.until(lambda: operator.condition(project, "Stalled") == ("True", "AlarmMissing"), "it was never told")
        assert operator.condition(project, "Serving")[0] == "False"
        alarm.make()
        operator.until(lambda: operator.is_ready(project), "never ready")
        edit(project, alarm.name, alarm.arn)  # the same alarm: nothing is rolled out, and nothing changed
        operator.until(lambda: operator.is_ready(project, generation=2), "never ready again")
        assert outcomes(project) == ["Serving"]
    assert delete(project).how == "gone"
