"""What a hand changes is put right by an event, however short the names and rare the sweeps are; an alarm wakes, too."""

import time
from collections.abc import Callable

import pytest

from faults.operating import RunningOperator, running
from faults.test_alarms import Alarm
from faults.test_drift_records import Person
from faults.test_releases import edit, full_name
from faults.test_sweep import HANDS
from hands import World
from quick_rollout import name_of, write_project
from trimtab.local.commands import trail

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("heard")]
SOON_S = 10.0


@pytest.fixture
def pair(tmp_path, project):
    """Two documents of one folder: toy, and text."""
    models = tmp_path / "models"
    made = [write_project(models / name, name) for name in ("toy", "text")]
    for each in made:
        edit(each, f"name: {name_of(each)}", f"name: {each.parent.name}")
    return made


def soon(operator: RunningOperator, holds: Callable[[], object], what: str) -> None:
    began = time.monotonic()
    operator.until(holds, what)
    assert time.monotonic() - began < SOON_S, what


def passes(operator: RunningOperator, project) -> int:
    return sum(each["deployment"] == full_name(project) for each in operator.events("pass.ended"))


def repairs(operator: RunningOperator, *projects) -> int:
    told = {full_name(each) for each in projects}
    return sum(each["deployment"] in told for each in operator.events("drift.repaired"))


def of_the_listener(person: Person) -> None:
    """Change what both share."""
    elb = person.client("elbv2")
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    (listener,) = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    gone = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "418", "ContentType": "text/plain"}}
    elb.modify_listener(ListenerArn=listener["ListenerArn"], DefaultActions=[gone])


def test_an_event_undoes_each_hand_and_wakes_nobody_else_and_an_alarm_is_heard(cloud, pair, heard, tmp_path):
    trail(cloud.folder, 0)
    toy, text = pair
    with running(tmp_path / "models", tmp_path, "--config", heard, "--sweep", "1h", "--log-level", "debug") as operator:
        for each in pair:
            operator.until(lambda each=each: operator.is_ready(each), "never ready")
        ana = Person(cloud, "ana")

        def undone(hand: Callable[[World], None], project) -> None:
            before = repairs(operator, project)
            hand(World(ana, project))
            soon(operator, lambda: repairs(operator, project) > before, f"{hand.__name__} woke nobody")
            operator.until(lambda: operator.is_ready(project), hand.__name__)

        others = passes(operator, text)
        for hand in HANDS:
            undone(hand, toy)
        assert passes(operator, text) == others
        for hand in (World.log_retention, World.repository_setting):
            undone(hand, text)
        before = repairs(operator, *pair)
        of_the_listener(ana)
        soon(operator, lambda: repairs(operator, *pair) > before, "what is shared woke nobody")

        alarm = Alarm(cloud, "5xx")
        edit(text, "replicas: {min: 1}", f"replicas: {{min: 1}}, rollout: {{alarms: [{alarm.name}]}}")
        operator.until(lambda: operator.condition(text, "Stalled") == ("True", "AlarmMissing"), "it was never told")
        alarm.make()
        alarm.goes("OK")  # all in the operator's own name: of these calls it has no news, only of the alarm
        soon(operator, lambda: operator.is_ready(text, generation=2), "its alarm woke nobody")
