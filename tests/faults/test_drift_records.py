"""Who changed what is remembered and told once the trail delivers; who is repaired again and again is left to a person."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from outside import meanwhile

from clouds import RunningCloud, running_cloud
from faults.operating import RunningOperator, count, running
from faults.test_releases import full_name, run
from hands import World, Writes
from quick_rollout import apply, delete, name_of, quick_training
from shaped import checked
from trimtab.cli.context import environment_named, ledger_of, remembered, session
from trimtab.core.kind import Call, Failure
from trimtab.core.times import rfc3339
from trimtab.engine.ledger import Ledger
from trimtab.local.commands import clock, trail, user
from trimtab.plan.drifts import Change, DriftRecord

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("drift-records")]
LOGS, SERVICE = "logs.LogGroup/logs", "ecs.Service/service"


class Person:
    """A cloud as one of its users has it: what they do is done in their name."""

    def __init__(self, cloud: RunningCloud, name: str) -> None:
        self._cloud, self._key = cloud, user(cloud.folder, name)
        self.arn = self.client("sts").get_caller_identity()["Arn"]

    def client(self, service: str) -> Any:
        client = boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self._cloud.info.endpoint,
            region_name=self._cloud.info.region,
            aws_access_key_id=self._key["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self._key["AWS_SECRET_ACCESS_KEY"],
        )
        return checked(client)


def records(project: Path) -> list[dict[str, Any]]:
    return json.loads(run("drift", full_name(project), "--history", "-o", "json")[1])["history"]


def repairs_told(project: Path) -> list[str]:
    events = json.loads(run("events", full_name(project), "-o", "json")[1])
    return [each["message"] for each in events if each["reason"] == "Repaired"]


def ready(project: Path) -> dict[str, str]:
    status = json.loads(run("status", full_name(project), "-o", "json")[1])
    return {each["type"]: each for each in status["conditions"]}["Ready"]


def test_a_person_who_changes_things_is_named_with_what_was_changed(cloud, project):
    trail(cloud.folder, 0)
    assert apply(project).how == "converged"
    assert records(project) == []
    ana, bob = Person(cloud, "ana"), Person(cloud, "bob")
    for hand, person, event, path, have in (
        (World.desired_count, ana, "UpdateService", "desiredCount", "3"),
        (World.tag, bob, "UntagResource", "tags.trimtab.dev/deployment", "(not set)"),
        (World.task_definition, ana, "UpdateService", "taskDefinition", "by-hand:1"),
        (World.repository_setting, bob, "PutImageTagMutability", "imageTagMutability", "MUTABLE"),
        (World.log_retention, ana, "PutRetentionPolicy", "retentionInDays", "1"),
    ):
        hand(World(person, project))
        assert apply(project).how == "converged", hand
        record = records(project)[-1]
        assert (record["who"], record["event"], record["done"]) == (person.arn, event, "repaired"), record
        (change,) = record["changes"]
        assert change["path"] == path
        assert change["have"].endswith(have)
        assert record["changedAt"] <= record["firstSeen"] <= record["repairedAt"] == record["endedAt"]
        assert f"(set by user/{person.arn.rpartition('/')[2]} at " in repairs_told(project)[-1]
    assert len(records(project)) == 5
    _, table, _ = run("drift", full_name(project), "--history")
    assert "user/ana, UpdateService at " in table
    again = Writes()
    assert apply(project, again).how == "converged"
    assert again.made == []
    assert delete(project).how == "gone"


def test_what_we_do_by_the_same_principal_names_nobody(cloud, project):
    trail(cloud.folder, 0)
    assert apply(project).how == "converged"
    World(cloud, project).log_retention()  # by the operator's own user
    assert apply(project).how == "converged"
    assert [(each["who"], each["done"]) for each in records(project)] == [("", "repaired")]
    assert delete(project).how == "gone"


class TrailDenied(Writes):
    """CloudTrail may not be asked."""

    def before(self, call: Call) -> None:
        super().before(call)
        if call.service == "cloudtrail":
            self.made.append(call.operation)
            message = f"cloudtrail:LookupEvents: ops may not (request r-{len(self.made)})"
            raise Failure("denied", message, operation="cloudtrail:LookupEvents")


def test_where_the_trail_may_not_be_asked_drift_is_repaired_and_that_is_told_once(cloud, project):
    assert apply(project).how == "converged"
    ana, kept = Person(cloud, "ana"), retention(cloud, project)
    for _ in range(2):
        World(ana, project).log_retention()
        denied = TrailDenied()
        assert apply(project, denied).how == "converged"
        assert "LookupEvents" in denied.made
        assert retention(cloud, project) == kept
    events = json.loads(run("events", full_name(project), "-o", "json")[1])
    (told,) = [each for each in events if each["reason"] == "Unattributed"]
    assert (told["message"], told["count"]) == ("cloudtrail:LookupEvents: ops may not", 1)
    assert [each["done"] for each in records(project)] == ["repaired", "repaired"]
    assert delete(project).how == "gone"


@pytest.fixture
def slow_trail(tmp_path, monkeypatch, project):
    """A cloud of its own, whose clock may be moved: its events would be ahead of what others look at."""
    with running_cloud(tmp_path / "state") as made:
        quick_training(made)
        monkeypatch.setenv("TRIMTAB_LOCAL_STATE", str(made.folder))
        yield made


def test_a_repair_does_not_wait_for_the_trail_and_is_amended_when_it_delivers(project, slow_trail):
    assert apply(project).how == "converged"
    ana = Person(slow_trail, "ana")
    World(ana, project).log_retention()
    assert apply(project).how == "converged"
    (record,) = records(project)
    assert (record["done"], record["who"]) == ("repaired", "")
    assert "set by" not in repairs_told(project)[-1]
    clock(slow_trail.folder, advanceSeconds=300)
    assert apply(project).how == "converged"
    (record,) = records(project)
    assert (record["who"], record["event"]) == (ana.arn, "PutRetentionPolicy")
    assert "(set by user/ana at " in repairs_told(project)[-1]
    again = Writes()
    assert apply(project, again).how == "converged"
    assert again.made == []
    assert delete(project).how == "gone"


def amend(project: Path, change: Callable[[Ledger], Ledger]) -> None:
    with session(environment_named("local")) as found:
        found.reconciler.amend("crash", name_of(project), change)


def ledger(project: Path) -> Ledger:
    with session(environment_named("local")) as found:
        return ledger_of(found, full_name(project))


def aged(times: int) -> Callable[[Ledger], Ledger]:
    """So many repairs of the log group's retention, all more than an hour ago: time that a test does not wait for."""
    at = [rfc3339(datetime.now(UTC) - timedelta(hours=2 + each)) for each in range(times)]
    changes = (Change("retentionInDays", "1", "30"),)
    done = [DriftRecord(LOGS, changes, each, each, "repaired", each, each, who="unknown") for each in at]
    return lambda ledger: replace(ledger, drifts=tuple(reversed(done)))


def retention(cloud: Any, project: Path) -> int:
    groups = cloud.client("logs").describe_log_groups(logGroupNamePrefix="/trimtab/")["logGroups"]
    return next(each["retentionInDays"] for each in groups if name_of(project) in each["logGroupName"])


def test_a_person_may_repair_what_is_fought_over_and_may_lift_it(cloud, project):
    trail(cloud.folder, 0)
    assert apply(project).how == "converged"
    kept = retention(cloud, project)
    amend(project, aged(6))
    World(Person(cloud, "bob"), project).log_retention()
    assert (ready(project)["status"], ready(project)["reason"]) == ("False", "Fighting")
    assert "policy.ignore" in ready(project)["message"]
    code, rows, _ = run("drift", full_name(project), "-o", "json")
    assert (code, [each["policy"] for each in json.loads(rows)["drift"]]) == (2, ["held"])
    code, _, said = run("apply", str(project))
    assert code == 0
    assert "repaired logs.LogGroup/logs: retentionInDays: 1 -> " in said
    assert "trimtab run leaves it alone: retentionInDays was changed again after 6 repairs" in said
    assert retention(cloud, project) == kept
    assert run("retry", full_name(project))[0] == 0
    World(Person(cloud, "bob"), project).log_retention()
    assert ready(project)["reason"] != "Fighting"
    assert delete(project).how == "gone"


def fought_over(times: int) -> Callable[[Ledger], Ledger]:
    """So many repairs of the service's count."""
    changes = (Change("desiredCount", "3", "1"),)
    over_logs = aged(times)
    return lambda ledger: replace(
        ledger, drifts=tuple(replace(each, node=SERVICE, changes=changes) for each in over_logs(ledger).drifts)
    )


def test_a_fight_over_one_field_keeps_no_other_of_the_same_resource_from_being_repaired(cloud, project):
    assert apply(project).how == "converged"
    amend(project, fought_over(6))
    World(cloud, project).desired_count()
    World(cloud, project).tag()
    guarded = Writes()
    with session(environment_named("local"), before=guarded.before, after=guarded.after) as found:
        wanted = remembered(ledger_of(found, full_name(project)))
        found.reconciler.pass_(wanted)
        after = found.reconciler.pass_(wanted)
    assert ("TagResource" in guarded.made, "UpdateService" in guarded.made) == (True, False)
    assert [(each.path, each.have) for each in after.plan.standings[SERVICE].drift] == [("desiredCount", 3)]
    assert [(each["done"], each["changes"][0]["path"]) for each in records(project)[-2:]] == [
        ("repaired", "tags.trimtab.dev/deployment"),
        ("held", "desiredCount"),
    ]
    told = {each["type"]: (each["status"], each["reason"]) for each in status_of(project)}
    assert (told["Drifted"], told["Ready"]) == (("True", "Fighting"), ("False", "Fighting"))
    assert apply(project).how == "converged"  # a person's own apply repairs both
    assert status_of(project)[0]["status"] == "True"
    assert delete(project).how == "gone"


def status_of(project: Path) -> list[dict[str, str]]:
    return json.loads(run("status", full_name(project), "-o", "json")[1])["conditions"]


@contextmanager
def undoing(hand: Callable[[], None], is_undone: Callable[[], bool]) -> Iterator[None]:
    """Do it again whenever it was put right."""

    def meddle() -> None:
        if is_undone():
            hand()

    with meanwhile(meddle, 0.2):
        yield


def settled(operator: RunningOperator) -> Callable[[], bool]:
    """Whether three more sweeps have passed since."""
    sweeps = "trimtab_sweep_time_seconds_count"
    before = count(operator, sweeps)
    return lambda: count(operator, sweeps) >= before + 3


def test_the_operator_backs_off_from_who_undoes_its_repairs_and_leaves_it_to_a_person(cloud, project, tmp_path_factory):
    trail(cloud.folder, 0)
    with running(project.parent, tmp_path_factory.mktemp("operator")) as operator:
        operator.until(lambda: operator.is_ready(project), "never ready")
        kept, bob = retention(cloud, project), Person(cloud, "bob")
        hand = World(bob, project)
        with undoing(hand.log_retention, lambda: retention(cloud, project) == kept):
            operator.until(lambda: operator.condition(project, "Ready") == ("False", "BackOff"), "it never backed off")
            assert [each["done"] for each in records(project)] == [*["repaired"] * 3, "waiting"]
            operator.until(settled(operator), "no sweep")
            assert len(operator.events("drift.repaired")) == 3
            amend(project, aged(5))
            operator.until(lambda: operator.condition(project, "Ready") == ("False", "Fighting"), "it never gave way")
            assert operator.condition(project, "Drifted")[0] == "True"
            assert operator.condition(project, "Serving")[0] == "True"
            operator.until(lambda: "(last by user/bob)" in said(operator, project), "it never said who it was")
            operator.until(lambda: all(each["who"] for each in records(project)), "who it was was never told")
            was = ledger(project)
            operator.until(settled(operator), "no sweep")
            assert ledger(project) == was  # nothing is written while it is left alone
            assert len(operator.events("drift.repaired")) == 4
        assert retention(cloud, project) == 1
        assert [each["who"] for each in records(project)[-2:]] == [bob.arn, bob.arn]
        text = project.read_text()
        project.write_text(text.replace("replicas: {min: 1}", "replicas: {min: 1}, env: {COLOUR: blue}"))
        operator.until(lambda: operator.is_ready(project, 2), "an edit did not lift it")
        assert retention(cloud, project) == kept
        assert [each["node"] for each in operator.events("drift.attributed")][-1] == LOGS
    reasons = [each["reason"] for each in json.loads(run("events", full_name(project), "-o", "json")[1])]
    assert "Fighting" in reasons
    assert "FightLifted" in reasons
    assert delete(project).how == "gone"


def said(operator: RunningOperator, project: Path) -> str:
    return next(each["message"] for each in operator.status(project)["conditions"] if each["type"] == "Ready")
