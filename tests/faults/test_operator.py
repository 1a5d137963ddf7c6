"""`trimtab run` as a process of its own: it makes documents true, keeps them so, and deletes nothing by mistake."""

import json
import time

import pytest

from faults.operating import running, service_of, vanish
from faults.test_drift_records import Person
from faults.test_releases import asked_throughout, edit, full_name, outcomes, run
from hands import World
from quick_rollout import ONE_OF_EACH, inventory, name_of
from trimtab.local.commands import trail

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("operator")]

SWEEP_S = 5


@pytest.fixture
def models(tmp_path, project):
    """A folder of documents with one in it, that of `project`."""
    return project.parent


@pytest.fixture
def operator(models, tmp_path_factory):
    with running(models, tmp_path_factory.mktemp("operator")) as made:
        yield made


def test_it_makes_a_document_true_repairs_drift_and_deletes_what_vanished(cloud, project, operator):
    operator.until(lambda: operator.is_ready(project), "never ready")
    assert operator.get("/healthz") == (200, "ok\n")
    assert operator.get("/readyz")[0] == 200
    ecs, cluster, service = service_of(cloud, project)
    ecs.update_service(cluster=cluster, service=service, desiredCount=3)
    operator.until(lambda: operator.events("drift.repaired"), "the count was never put right")
    operator.until(lambda: operator.is_ready(project))
    described = ecs.describe_services(cluster=cluster, services=[service])["services"][0]
    assert described["desiredCount"] == 1
    assert 'result="success"' in operator.get("/metrics")[1]
    off = vanish(project)
    operator.until(lambda: operator.events("deployment.deleted"), "it was never deleted")
    assert run("status", "-o", "json")[1].strip() == "[]"
    assert not operator.status(off)


def test_what_is_to_be_retained_serves_on_when_its_document_vanishes(cloud, project, models, tmp_path_factory):
    edit(project, "  serving:", "  policy: {deletion: retain}\n  serving:")
    with running(models, tmp_path_factory.mktemp("retaining")) as operator:
        operator.until(lambda: operator.is_ready(project), "never ready")
        before = inventory(cloud, name_of(project))
        assert before == ONE_OF_EACH
        with asked_throughout(project) as codes:
            off = vanish(project)
            operator.until(lambda: operator.events("deployment.retained"), "it was never let go of")
            asked = len(codes)
            operator.until(lambda: len(codes) > asked + 5, "nothing was asked afterwards")
        assert set(codes) == {200}
        assert [each["deployment"] for each in operator.events("deployment.retained")] == [full_name(off)]
        assert not operator.status(off)
    assert not operator.events("deployment.deleting") + operator.events("deployment.deleted")
    assert inventory(cloud, name_of(off)) == before
    assert json.loads(run("status", full_name(off), "-o", "json")[1])["retained"]
    assert run("delete", full_name(off), "--deletion", "delete", "--yes")[0] == 0
    assert set(inventory(cloud, name_of(off)).values()) == {0}


def test_a_bad_document_leaves_the_last_good_one_in_force_and_says_so(cloud, project, operator):
    operator.until(lambda: operator.is_ready(project), "never ready")
    good = project.read_text()
    with asked_throughout(project) as codes:
        project.write_text(good.replace("replicas: {min: 1}", "replicas: {min: 1}, colour: blue"))
        operator.until(lambda: operator.status(project).get("mistakes"), "the mistake was never told")
        (mistake,) = operator.status(project)["mistakes"]
        assert "colour" in mistake["message"]
        assert operator.is_ready(project)
        edit(project, "colour: blue", "env: {PYTHONHOME: /nowhere}")
        operator.until(lambda: operator.condition(project, "Ready") == ("False", "RolledBack"), "it was never given up")
        assert operator.condition(project, "Serving")[0] == "True"
        assert operator.status(project)["quarantine"]
    assert len(codes) > 20
    assert set(codes) == {200}
    project.write_text(good.replace("replicas: {min: 1}", "replicas: {min: 1}, env: {COLOUR: blue}"))
    operator.until(lambda: operator.is_ready(project, 3), "the next good one did not go through")
    assert outcomes(project) == ["Superseded", "RolledBack", "Serving"]


def test_a_bad_release_that_is_taken_back_is_no_drift(cloud, project, operator):
    operator.until(lambda: operator.is_ready(project), "never ready")
    good = project.read_text()
    edit(project, "replicas: {min: 1}", "replicas: {min: 1}, env: {PYTHONHOME: /nowhere}")
    operator.until(lambda: operator.condition(project, "Ready") == ("False", "RolledBack"), "it was never given up")
    told = json.loads(run("events", full_name(project), "-o", "json")[1])
    project.write_text(good)
    operator.until(lambda: operator.is_ready(project, 3), "it was never taken back")
    assert operator.events("drift.repaired") == []
    assert [each for each in told if each["reason"] in ("Drifted", "Repaired")] == []


def test_a_rollback_is_not_undone_by_the_source_and_a_suspended_one_is_left_alone(cloud, project, operator):
    operator.until(lambda: operator.is_ready(project), "never ready")
    edit(project, "replicas: {min: 1}", "replicas: {min: 1}, env: {COLOUR: blue}")
    operator.until(lambda: operator.is_ready(project, 2), "the edit was never made")
    assert run("rollback", full_name(project))[0] == 0
    operator.until(lambda: operator.condition(project, "Ready") == ("False", "Held"), "the hold was never told")
    assert operator.status(project)["held"] == 1
    assert run("release", full_name(project))[0] == 0
    operator.until(lambda: operator.is_ready(project, 2), "it was never released")
    assert run("suspend", full_name(project))[0] == 0
    operator.until(lambda: operator.condition(project, "Suspended")[0] == "True", "it was never told")
    ecs, cluster, service = service_of(cloud, project)
    ecs.update_service(cluster=cluster, service=service, desiredCount=2)
    operator.until(lambda: operator.condition(project, "Drifted")[0] == "True", "the drift was never seen")
    assert operator.condition(project, "Ready") == ("False", "Suspended")
    assert not operator.events("drift.repaired")
    assert run("resume", full_name(project), "--no-wait")[0] == 0
    operator.until(lambda: operator.is_ready(project, 2), "it was never put right")
    assert operator.events("drift.repaired")


def test_who_does_what_the_source_will_undo_is_warned_with_its_name(cloud, project, models, tmp_path_factory):
    with running(models, tmp_path_factory.mktemp("first")) as operator:
        operator.until(lambda: operator.is_ready(project), "never ready")
    good, elsewhere = project.read_text(), project.with_name("elsewhere.txt")
    declared = f"warning: folder:{models} (deployment.yaml), where {full_name(project)} comes from,"
    edit(project, "replicas: {min: 1}", "replicas: {min: 2}")
    elsewhere.write_text(project.read_text())
    project.write_text(good)
    code, _, told = run("apply", str(project))
    assert (code, "warning" in told) == (0, False)  # nothing is undone
    code, _, told = run("apply", str(elsewhere))
    assert code == 0
    assert f"{declared} says otherwise: its next reading undoes this; change it there" in told
    edit(project, "replicas: {min: 1}", "replicas: {min: 1}, env: {COLOUR: blue}")
    code, _, told = run("apply", str(project))
    assert (code, "warning" in told) == (0, False)  # it is the very file that the source reads
    code, _, told = run("rollback", full_name(project))
    assert (code, "warning" in told) == (0, False)  # a hold is not undone
    with running(models, tmp_path_factory.mktemp("second")) as operator:
        operator.until(lambda: operator.condition(project, "Ready") == ("False", "Held"), "the hold was undone")
        code, _, told = run("delete", full_name(project), "--yes")  # the operator deletes beside it, and makes it anew
        assert code == 0, told
        assert f"{declared} declares it: its next reading makes it again; remove it there" in told
        operator.until(lambda: operator.is_ready(project), "the warning was wrong")
        vanish(project)
        operator.until(lambda: operator.events("deployment.deleted"), "it was never deleted")


def repaired_in(cloud, project, operator, count: int) -> float:
    """Seconds from a hand that sets the desired count until it is as declared again."""
    ecs, cluster, service = service_of(cloud, project)

    def wanted() -> int:
        return ecs.describe_services(cluster=cluster, services=[service])["services"][0]["desiredCount"]

    known, declared = len(operator.events("drift.repaired")), wanted()
    ecs.update_service(cluster=cluster, service=service, desiredCount=count)
    began = time.monotonic()
    operator.until(lambda: wanted() == declared, "nobody put the count right")
    spent = time.monotonic() - began
    operator.until(lambda: len(operator.events("drift.repaired")) > known, "the repair was never told")
    operator.until(lambda: operator.is_ready(project))
    return spent


def test_an_event_brings_a_repair_in_seconds_and_long_before_the_next_sweep(cloud, project, models, heard, tmp_path):
    with running(models, tmp_path, "--config", heard, "--sweep", "1h") as operator:
        operator.until(lambda: operator.is_ready(project), "never ready")
        spent = [repaired_in(cloud, project, operator, count) for count in (3, 2)]  # and it goes on listening
        assert max(spent) < 10, spent
        off = vanish(project)
        operator.until(lambda: operator.events("deployment.deleted"), "it was never deleted")
        assert full_name(off) not in run("status", "-o", "json")[1]


def test_without_events_a_repair_comes_with_the_next_sweep(cloud, project, models, tmp_path_factory):
    with running(models, tmp_path_factory.mktemp("operator"), "--sweep", f"{SWEEP_S}s") as operator:
        operator.until(lambda: operator.is_ready(project), "never ready")
        spent = [repaired_in(cloud, project, operator, count) for count in (3, 2)]
        assert max(spent) <= SWEEP_S + 5, spent
        vanish(project)
        operator.until(lambda: operator.events("deployment.deleted"), "it was never deleted")


def test_who_drifted_is_named_long_before_the_next_sweep(cloud, project, models, heard, tmp_path):
    ana = Person(cloud, "ana")
    trail(cloud.folder, 20)
    with running(models, tmp_path, "--config", heard, "--sweep", "1h") as operator:
        operator.until(lambda: operator.is_ready(project), "never ready")
        World(ana, project).desired_count()
        operator.until(lambda: operator.events("drift.repaired"), "no event woke it")
        assert not operator.events("drift.attributed")
        operator.until(lambda: operator.events("drift.attributed"), "nobody looked for who it was")
        assert operator.events("drift.attributed")[0]["who"] == ana.arn
        vanish(project)
        operator.until(lambda: operator.events("deployment.deleted"), "it was never deleted")
