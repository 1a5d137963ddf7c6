"""Releases that fail, and going back: what served keeps serving, and nothing is trained or built for it."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from outside import meanwhile

from quick_rollout import Calls, apply, delete, name_of
from trimtab.cli.main import program
from trimtab.core.kind import Call

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("releases")]


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(program, arguments, catch_exceptions=False, standalone_mode=False)
    return done.return_value or 0, done.stdout, done.stderr


def full_name(project: Path) -> str:
    return f"crash/{name_of(project)}"


def status(project: Path) -> dict:
    return json.loads(run("status", full_name(project), "-o", "json")[1])


def conditions(project: Path) -> dict[str, tuple[str, str]]:
    return {each["type"]: (each["status"], each["reason"]) for each in status(project)["conditions"]}


def outcomes(project: Path) -> list[str]:
    return [each["outcome"] for each in json.loads(run("history", full_name(project), "-o", "json")[1])]


def edit(project: Path, old: str, new: str) -> None:
    text = project.read_text()
    assert old in text
    project.write_text(text.replace(old, new))


class Counted(Calls):
    """Counts writes by operation."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def after(self, call: Call) -> None:
        if call.repeat != "read" and call.service not in ("trimtab", "s3"):
            self.made.append(call.operation)


@contextmanager
def asked_throughout(project: Path) -> Iterator[list[int]]:
    """Send predictions through API Gateway all the while; yields the answers' status codes."""
    url = status(project)["endpoint"]["url"]
    key = run("key", full_name(project))[1].strip()
    body = json.dumps({"instances": [[0.0, 1.0]]}).encode()
    codes: list[int] = []

    def ask() -> None:
        request = urllib.request.Request(f"{url}/invocations", body, {"Content-Type": "application/json", "x-api-key": key})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                codes.append(answer.status)
        except urllib.error.HTTPError as error:
            codes.append(error.code)

    with meanwhile(ask):
        yield codes


BAD = "serving: {replicas: {min: 1}, env: {PYTHONHOME: /nowhere}}"
GOOD = "serving: {replicas: {min: 1}}"
OTHER = "serving: {replicas: {min: 1}, env: {COLOUR: blue}}"


def test_a_server_that_cannot_start_is_given_up_and_quarantined_while_the_old_one_answers(cloud, project):
    assert apply(project).how == "converged"
    proof = status(project)["proof"]
    assert {name: each["is"] for name, each in proof.items()} == dict.fromkeys(("rotation", "version", "golden"), "proven")
    edit(project, GOOD, BAD)
    with asked_throughout(project) as codes:
        end = apply(project)
    assert end.how == "stuck"
    assert len(codes) > 20
    assert set(codes) == {200}
    seen = conditions(project)
    assert seen["Ready"] == ("False", "RolledBack")
    assert (seen["Stalled"][0], seen["Serving"][0]) == ("True", "True")
    assert outcomes(project) == ["Serving", "RolledBack"]
    because = json.loads(run("history", full_name(project), "-o", "json")[1])[-1]["because"]
    assert "exit code 1" in because
    assert "it wrote last" in because

    again = Counted()  # the same document is not rolled out a second time
    assert apply(project, again).how == "stuck"
    assert again.made == []

    edit(project, BAD, OTHER)  # the next good edit goes straight through
    assert apply(project).how == "converged"
    assert conditions(project)["Ready"] == ("True", "Ready")
    assert outcomes(project) == ["Superseded", "RolledBack", "Serving"]
    assert delete(project).how == "gone"


def test_a_retry_asks_once_more(cloud, project):
    assert apply(project).how == "converged"
    edit(project, GOOD, BAD)
    assert apply(project).how == "stuck"
    code, _, told = run("retry", full_name(project))
    assert code == 1
    assert "RolledBack" in told
    assert status(project)["revision"] == 1
    assert delete(project).how == "gone"


def test_a_rollback_trains_and_builds_nothing_and_holds_until_it_is_released(cloud, project):
    assert apply(project).how == "converged"
    edit(project, GOOD, OTHER)
    assert apply(project).how == "converged"
    assert status(project)["revision"] == 2

    with asked_throughout(project) as codes:
        code, _, told = run("rollback", full_name(project))
    assert code == 0, told
    assert set(codes) == {200}
    assert status(project)["revision"] == 1
    assert status(project)["held"] == 1
    assert conditions(project)["Ready"] == ("False", "Held")
    environment = _running_environment(cloud, project)
    assert "COLOUR" not in environment

    again = Counted()  # the declared document does not undo it
    assert apply(project, again).how == "converged"
    assert again.made == []

    code, _, told = run("retrain", full_name(project))  # nor does a new model
    assert code == 0, told
    assert status(project)["revision"] == 1
    assert _jobs(cloud, project) == 2

    assert run("release", full_name(project))[0] == 0
    assert conditions(project)["Ready"] == ("True", "Ready")
    assert _running_environment(cloud, project)["COLOUR"] == "blue"

    assert run("rollback", full_name(project), "1")[0] == 0
    edit(project, OTHER, "serving: {replicas: {min: 1}, env: {COLOUR: red}}")  # a changed document ends a hold
    assert apply(project).how == "converged"
    assert status(project)["held"] is None
    assert _running_environment(cloud, project)["COLOUR"] == "red"
    assert delete(project).how == "gone"


def test_more_replicas_are_ready_once_all_of_them_are_healthy(cloud, project):
    assert apply(project).how == "converged"
    edit(project, GOOD, "serving: {replicas: {min: 3}}")
    assert apply(project).how == "converged"
    assert _health(cloud, project) == ["healthy"] * 3
    assert status(project)["proof"]["rotation"]["said"].startswith("3 healthy targets")
    assert delete(project).how == "gone"


def test_an_edit_that_comes_before_anybody_saw_the_last_one_converge_leaves_it_in_history(cloud, project):
    for _ in range(60):
        assert run("apply", str(project), "--no-wait")[0] == 0
        waited = run("wait", full_name(project), "--timeout", "3s")
        if waited[0] == 0:
            break
    assert waited[0] == 0, waited
    assert outcomes(project) == []
    edit(project, GOOD, OTHER)
    assert apply(project).how == "converged"
    assert outcomes(project) == ["Superseded", "Serving"]
    assert run("rollback", full_name(project))[0] == 0
    assert "COLOUR" not in _running_environment(cloud, project)
    assert delete(project).how == "gone"


def test_generations_beyond_the_history_limit_are_collected(cloud, project):
    project.write_text(project.read_text().rstrip() + "\n  revisionHistoryLimit: 1\n")
    assert apply(project).how == "converged"
    last = GOOD
    for colour in ("red", "green", "blue"):
        now = f"serving: {{replicas: {{min: 1}}, env: {{COLOUR: {colour}}}}}"
        edit(project, last, now)
        last = now
        assert apply(project).how == "converged"
    assert outcomes(project) == ["Superseded", "Serving"]
    families = [arn for arn in cloud.client("ecs").list_task_definitions()["taskDefinitionArns"] if name_of(project) in arn]
    assert len(families) == 2  # what serves, and what a rollback would go to
    again = Counted()
    assert apply(project, again).how == "converged"
    assert again.made == []
    assert run("rollback", full_name(project))[0] == 0
    assert _running_environment(cloud, project)["COLOUR"] == "green"
    assert delete(project).how == "gone"


def _health(cloud, project: Path) -> list[str]:
    elb = cloud.client("elbv2")
    groups = elb.describe_target_groups()["TargetGroups"]
    (arn,) = [each["TargetGroupArn"] for each in groups if name_of(project) in each["TargetGroupName"]]
    targets = elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    return [each["TargetHealth"]["State"] for each in targets]


def _running_environment(cloud, project: Path) -> dict[str, str]:
    ecs = cloud.client("ecs")
    (service,) = [arn for arn in ecs.list_services(cluster=_cluster(cloud))["serviceArns"] if name_of(project) in arn]
    (described,) = ecs.describe_services(cluster=_cluster(cloud), services=[service])["services"]
    definition = ecs.describe_task_definition(taskDefinition=described["taskDefinition"])["taskDefinition"]
    return {each["name"]: each["value"] for each in definition["containerDefinitions"][0]["environment"]}


def _cluster(cloud) -> str:
    (arn,) = cloud.client("ecs").list_clusters()["clusterArns"]
    return arn


def _jobs(cloud, project: Path) -> int:
    jobs = cloud.client("sagemaker").list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
    return sum(name_of(project) in each["TrainingJobName"] for each in jobs)


def test_a_newer_base_is_told_and_taken_on_refresh_alone(cloud, project):
    assert apply(project).how == "converged"
    assert conditions(project)["PinsOutdated"] == ("False", "AsPinned")
    newer = _moved_tag(cloud, "trimtab/host-python", "3.11")
    again = Counted()
    assert apply(project, again).how == "converged"
    assert again.made == []
    (told,) = [each for each in status(project)["conditions"] if each["type"] == "PinsOutdated"]
    assert (told["status"], told["reason"]) == ("True", "PinsOutdated")
    assert newer.removeprefix("sha256:")[:12] in told["message"]
    assert "trimtab refresh" in told["message"]

    code, _, said = run("refresh", full_name(project), "--only", "serving")
    assert code == 0, said
    assert conditions(project)["PinsOutdated"][0] == "True"  # the training image has the same tag, and was not asked for
    assert (status(project)["revision"], _jobs(cloud, project)) == (2, 1)
    assert run("refresh", full_name(project))[0] == 0
    assert conditions(project)["PinsOutdated"] == ("False", "AsPinned")
    assert _jobs(cloud, project) == 2
    assert delete(project).how == "gone"


def _moved_tag(cloud, repository: str, tag: str) -> str:
    """Let the tag stand for another image with the same content; answers its digest."""
    ecr = cloud.client("ecr")
    (image,) = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": tag}])["images"]
    manifest = json.dumps(json.loads(image["imageManifest"]) | {"annotations": {"moved": "yes"}})
    media_type = image["imageManifestMediaType"]
    put = ecr.put_image(repositoryName=repository, imageManifest=manifest, imageManifestMediaType=media_type, imageTag=tag)
    return put["image"]["imageId"]["imageDigest"]
