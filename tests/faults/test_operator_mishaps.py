"""`trimtab run` when things go away under it: itself, its source, many documents at once, a document's name."""

import json
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from faults.operating import RunningOperator, count, running, service_of, vanish
from faults.test_releases import asked_throughout, edit, full_name, run
from quick_rollout import ONE_OF_EACH, inventory, left_behind, name_of, write_project

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("operator-mishaps")]


@pytest.fixture
def models(project):
    return project.parent


@pytest.mark.parametrize("made", ["logs", "jobs", "definitions", "apis"])
def test_killed_at_any_moment_the_next_start_goes_on(cloud, project, models, tmp_path, made):
    with running(models, tmp_path, ends=-signal.SIGKILL) as operator:
        operator.until(lambda: inventory(cloud, name_of(project))[made], f"no {made}")
        operator.process.kill()
    with running(models, tmp_path) as operator:
        operator.until(lambda: operator.is_ready(project), "it did not go on")
        assert inventory(cloud, name_of(project)) == ONE_OF_EACH
        off = vanish(project)
        operator.until(lambda: not known(), "it was never deleted")
    assert set(inventory(cloud, name_of(off)).values()) == {0}


def test_a_source_that_goes_away_deletes_nothing(cloud, project, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    for each in ("deployment.yaml", "data", "model"):
        (tmp_path / each).rename(models / each)
    document = models / "deployment.yaml"
    with running(models, tmp_path) as operator:
        operator.until(lambda: operator.is_ready(document), "never ready")
        models.rename(tmp_path / "elsewhere")
        operator.until(lambda: operator.events("source.unreadable"), "it never missed it")
        looks = count(operator, "trimtab_swept_total")
        operator.until(lambda: count(operator, "trimtab_swept_total") > looks + 2, "what is in force is looked at no more")
        assert known() == [full_name(tmp_path / "elsewhere" / "deployment.yaml")]
        assert not operator.events("deployment.deleting")
        (tmp_path / "elsewhere").rename(models)
        operator.until(lambda: count(operator, "trimtab_source_up") == 1, "it was never found again")
        document.write_text(document.read_text().replace("replicas: {min: 1}", "replicas: {min: 2}"))
        operator.until(lambda: operator.is_ready(document, 2), "the edit was never made")
        vanish(document)
        operator.until(lambda: not known(), "it was never deleted")


def test_what_leaves_a_source_empty_waits_for_a_persons_word(cloud, project, tmp_path, tmp_path_factory):
    models = tmp_path_factory.mktemp("few")
    documents = [write_project(models / str(number), f"brake{number}") for number in range(3)]
    with running(models, tmp_path) as operator:
        operator.until(lambda: all(map(operator.is_ready, documents)), "not all were ready")
        gone = [vanish(each) for each in documents]
        operator.until(lambda: all(noted(operator, each) for each in gone), "the brake was never told")
        gone[0].rename(gone[0].with_suffix(".yaml"))  # one is back, and stays; that lets none of the others go
        operator.until(lambda: not noted(operator, documents[0]), "that it is back was never seen")
        assert len(known()) == 3
        assert not operator.events("deployment.deleting")
        assert all(noted(operator, each) for each in gone[1:])
        code, _, told = run("confirm-deletes", "--yes")
        assert code == 0, told
        operator.until(lambda: known() == [full_name(documents[0])], "they were never deleted")
        vanish(documents[0])  # a single one, though it is the last
        operator.until(lambda: not known(), "the last was never deleted")


def test_a_name_that_is_used_again_at_once_is_a_deployment_of_its_own(cloud, project, models, tmp_path):
    with running(models, tmp_path) as operator:
        operator.until(lambda: operator.is_ready(project), "never ready")
        first = service_of(cloud, project)[2]  # its name ends in digits of the uid
        off = vanish(project)
        operator.until(lambda: operator.events("deployment.deleting"), "it was never deleted")
        off.rename(project)
        operator.until(lambda: operator.events("deployment.deleted"), "its deletion never ended")
        operator.until(lambda: operator.is_ready(project), "it never came again")
        assert service_of(cloud, project)[2] != first
        assert operator.status(project)["revision"] == 1
        assert inventory(cloud, name_of(project)) == ONE_OF_EACH
        vanish(project)
        operator.until(lambda: not known(), "it was never deleted")


def test_credentials_that_expire_touch_nothing_and_it_goes_on_when_they_are_renewed(cloud, project, models, tmp_path):
    with running(models, tmp_path) as operator:
        operator.until(lambda: operator.is_ready(project), "never ready")
        before = inventory(cloud, name_of(project))
        with asked_throughout(project) as codes:
            for service in SERVICES:
                assert run("local", "fault", "add", "--service", service, "--kind", "expired", "--times", "100000")[0] == 0
            edit(project, "replicas: {min: 1}", "replicas: {min: 2}")
            # A write of a pass under way may be refused before them: each pass begins with this read.
            expired = "cannot s3:GetObject: the credentials have expired: renew them"
            operator.until(
                lambda: sum(expired in each["because"] for each in refusals(operator)) > 1, "the refusal was never told"
            )
            assert operator.get("/healthz") == (200, "ok\n")
            assert run("local", "fault", "clear")[0] == 0
            operator.until(lambda: operator.is_ready(project, 2), "it did not go on")
        assert set(codes) == {200}
        assert inventory(cloud, name_of(project)) == before
        vanish(project)
        operator.until(lambda: not known(), "it was never deleted")


def test_a_right_that_is_revoked_while_it_deletes_is_told_and_it_ends_once_that_is_back(cloud, project, models, tmp_path):
    with running(models, tmp_path) as operator:
        operator.until(lambda: operator.is_ready(project), "never ready")
        denied = ("--service", "ecr", "--operation", "DeleteRepository", "--kind", "denied", "--times", "100000")
        assert run("local", "fault", "add", *denied)[0] == 0
        off = vanish(project)
        operator.until(lambda: "AccessDenied" in str(operator.status(off).get("because")), "the refusal was never told")
        told = operator.status(off)
        assert told["deleting"]
        assert any("ecr:DeleteRepository" in each for each in told["because"])
        assert any(each.startswith("ecr.Repository/repository ") for each in told["left"])
        there = inventory(cloud, name_of(off))
        assert (there["definitions"], there["repositories"]) == (0, 1)  # half-way
        assert known() == [full_name(off)]
        assert run("local", "fault", "clear")[0] == 0
        operator.until(lambda: operator.events("deployment.deleted"), "it did not go on")
        assert not operator.status(off)
    assert (known(), left_behind()) == ([], [])
    assert set(inventory(cloud, name_of(off)).values()) == {0}


@pytest.fixture
def silent():
    """The URL of a Git server that takes every connection and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/models.git"


def test_a_git_server_that_stalls_is_told_and_holds_up_no_other_source(cloud, project, models, silent, tmp_path):
    config = {
        "apiVersion": "trimtab.dev/v1alpha1",
        "kind": "OperatorConfig",
        "metadata": {"name": "operator"},
        "spec": {"sources": [{"git": {"repository": silent}}]},
    }
    (tmp_path / "operator.yaml.config").write_text(json.dumps(config))
    with running(models, tmp_path, "--config", str(tmp_path / "operator.yaml.config")) as operator:
        operator.until(lambda: operator.is_ready(project), "the other source waits")
        operator.until(lambda: operator.events("source.unreadable"), "it was never given up")
        (told, *_) = operator.events("source.unreadable")
        assert told["source"] == f"git:{silent}@main:"
        assert f"{silent} cannot be read" in told["because"]
        assert operator.get("/readyz")[0] == operator.get("/healthz")[0] == 200
        assert f'trimtab_source_up{{source="git:{silent}@main:"}} 0.0' in operator.get("/metrics")[1]
        vanish(project)
        operator.until(lambda: not known(), "it was never deleted")


SERVICES = ("s3", "ecs", "sts", "iam", "elbv2", "sagemaker", "apigateway", "apigatewayv2", "logs", "ecr")


def refusals(operator: RunningOperator) -> list[dict[str, Any]]:
    return [each for each in operator.events("pass.failed") if "ExpiredToken" in each["because"]]


def known() -> list[str]:
    """Deployments that exist, by `trimtab status`."""
    listed = json.loads(run("status", "-o", "json")[1])
    return sorted(each["deployment"] for each in listed)


def noted(operator: RunningOperator, project: Path) -> bool:
    file = operator.folder / ".trimtab" / f"{full_name(project)}.json"
    return "confirm-deletes" in str(json.loads(file.read_text()).get("notes", "")) if file.exists() else False
