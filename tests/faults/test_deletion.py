"""A deletion that retains lets go of everything and touches nothing; the same name takes it up again."""

import json

import pytest
from click.testing import CliRunner, Result

from quick_rollout import ONE_OF_EACH, Calls, apply, delete, inventory, name_of, rolled_back
from trimtab.cli.main import program
from trimtab.core.errors import UserError
from trimtab.core.kind import UID, Call, Failure

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("deletion")]


class Writes(Calls):
    """Notes what is written, as "<service>:<operation>"."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def before(self, call: Call) -> None:
        if call.repeat != "read" and call.service != "trimtab":
            self.made.append(f"{call.service}:{call.operation}")


class Operations(Calls):
    """Notes what is called, in order."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def before(self, call: Call) -> None:
        self.made.append(call.operation)


def trimtab(*words: str) -> Result:
    return CliRunner().invoke(program, list(words), catch_exceptions=False)


def keep(project) -> None:
    project.write_text(project.read_text() + "  policy: {deletion: retain}\n")


def test_what_is_retained_stays_and_is_taken_up_by_the_same_name(cloud, project):
    keep(project)
    assert apply(project).how == "converged"
    name = f"crash/{name_of(project)}"
    told = trimtab("delete", name, "--yes")
    assert told.exit_code == 0
    assert "(stays)" in told.stderr
    assert f"{name} is let go of" in told.stderr
    assert inventory(cloud, name_of(project)) == ONE_OF_EACH
    assert json.loads(trimtab("status", name, "-o", "json").stdout)["retained"].endswith("Z")
    assert "Retained" in trimtab("status").stdout
    with pytest.raises(UserError, match="let go of") as refused:
        rolled_back(project)
    assert refused.value.code == "TT3010"
    writes = Writes()
    assert delete(project, writes).how == "retained"
    assert writes.made == []
    assert apply(project, writes).how == "converged"
    assert writes.made == ["s3:PutObject"]  # the ledger: it is a deployment again
    assert trimtab("status", name, "-o", "json").stdout.count("retained") == 0
    assert trimtab("delete", name, "--yes", "--deletion", "delete").exit_code == 0
    assert set(inventory(cloud, name_of(project)).values()) == {0}


def test_what_was_let_go_of_can_be_deleted_after_all(cloud, project):
    keep(project)
    assert apply(project).how == "converged"
    assert delete(project).how == "retained"
    assert trimtab("delete", f"crash/{name_of(project)}", "--yes", "--deletion", "delete").exit_code == 0
    assert set(inventory(cloud, name_of(project)).values()) == {0}


def test_what_carries_the_tag_of_another_by_now_is_left_and_named(cloud, project):
    assert apply(project).how == "converged"
    ecr = cloud.client("ecr")
    repository = next(
        each for each in ecr.describe_repositories()["repositories"] if name_of(project) in each["repositoryName"]
    )
    ecr.tag_resource(resourceArn=repository["repositoryArn"], tags=[{"Key": UID, "Value": "another"}])
    told = trimtab("delete", f"crash/{name_of(project)}", "--yes")
    assert told.exit_code == 0
    left = [line for line in told.stderr.splitlines() if line.startswith("left: ")]
    assert [line.split()[1] for line in left] == ["ecr.Image/image", "ecr.Repository/repository"]  # tagged as one
    assert all(line.endswith(": carries the owner tag of another: not ours to delete") for line in left)
    assert {kind for kind, count in inventory(cloud, name_of(project)).items() if count} == {"repositories"}
    ecr.delete_repository(repositoryName=repository["repositoryName"], force=True)


def orphans() -> list[dict[str, str]]:
    told = trimtab("orphans", "-o", "json")
    assert told.exit_code == 0
    return json.loads(told.stdout)


def test_orphans_are_what_no_living_deployment_owns(cloud, project):
    keep(project)
    assert apply(project).how == "converged"
    name = f"crash/{name_of(project)}"
    assert orphans() == []
    assert delete(project).how == "retained"
    kept = orphans()
    assert {each["fate"] for each in kept} == {"retained"}
    assert {each["deployment"] for each in kept} == {name}
    assert ONE_OF_EACH["roles"] == sum(each["kind"] == "iam.Role" for each in kept)
    kinds = {each["kind"] for each in kept}
    assert {"ecs.Service", "ecr.Repository", "logs.LogGroup", "s3.Content", "elbv2.ListenerRule"} <= kinds
    assert {"apigateway.RestApi", "apigateway.ApiKey", "sagemaker.TrainingJob"} <= kinds
    assert "retained" in trimtab("orphans").stdout
    state = "trimtab-local-state"
    cloud.client("s3").delete_object(Bucket=state, Key=f"ledgers/{name}.json")  # lost: nobody knows them now
    lost = orphans()
    assert {each["fate"] for each in lost} == {"leftover"}
    assert {each["arn"] for each in lost} == {each["arn"] for each in kept}
    assert apply(project).how == "converged"  # the same uid, by the tag of its log group
    assert orphans() == []
    assert trimtab("delete", name, "--yes", "--deletion", "delete").exit_code == 0
    assert set(inventory(cloud, name_of(project)).values()) == {0}
    assert orphans() == []


def test_what_goes_later_is_not_read_before_its_turn(cloud, project):
    assert apply(project).how == "converged"
    calls = Operations()
    assert delete(project, calls).how == "gone"
    turns = ["DeleteService", "DescribeRepositories", "DeleteRepository", "GetAccountAuthorizationDetails", "DeleteRole"]
    assert sorted(turns, key=calls.made.index) == turns
    assert set(inventory(cloud, name_of(project)).values()) == {0}


class OvertakenOnce(Calls):
    """Another deletion writes to what is shared at the same moment."""

    def __init__(self) -> None:
        self.refused = 0

    def before(self, call: Call) -> None:
        if call.operation == "PutObject" and call.arguments["Key"].startswith("environments/") and not self.refused:
            self.refused += 1
            raise Failure("conflict", "s3:PutObject: PreconditionFailed", operation="s3:PutObject")


def test_two_that_go_at_the_same_moment_leave_nothing_that_they_shared(cloud, project):
    assert apply(project).how == "converged"
    calls = OvertakenOnce()
    assert delete(project, calls).how == "gone"
    assert calls.refused == 1
    assert cloud.client("ecs").list_clusters()["clusterArns"] == []
    assert cloud.client("elbv2").describe_load_balancers()["LoadBalancers"] == []
    assert "Contents" not in cloud.client("s3").list_objects_v2(Bucket="trimtab-local-state", Prefix="environments/")
