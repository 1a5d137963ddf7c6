"""A call that the account refuses: said by name, kept in the status, waited for only where waiting may help."""

import json
from datetime import timedelta

import pytest
from click.testing import CliRunner

from quick_rollout import ONE_OF_EACH, Calls, apply, delete, inventory, name_of
from trimtab.cli.main import program
from trimtab.core.kind import Call, Failure, Meaning

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("refusals")]


class Refuse(Calls):
    """Refuses one operation, as the service would: always, or a number of times."""

    def __init__(self, operation: str, meaning: Meaning, times: int = 1_000) -> None:
        self.refused = 0
        self._operation, self._meaning, self._times = operation, meaning, times

    def before(self, call: Call) -> None:
        if call.operation == self._operation and self.refused < self._times:
            self.refused += 1
            message = f"{call.service}:{call.operation}: no (request r-{self.refused})"
            raise Failure(self._meaning, message, operation=f"{call.service}:{call.operation}")


@pytest.fixture
def rights_known(monkeypatch):
    """As if our roles had been written long ago: a denial is one."""
    monkeypatch.setattr("trimtab.engine.apply._RIGHTS_SETTLE", timedelta(0))


def status(document) -> dict[str, tuple[str, str, str]]:
    shown = CliRunner().invoke(program, ["status", f"crash/{name_of(document)}", "-o", "json"], catch_exceptions=False)
    assert shown.exit_code == 0, shown.output
    conditions = json.loads(shown.stdout)["conditions"]
    assert all(each["lastTransitionTime"].endswith("Z") for each in conditions)
    return {each["type"]: (each["status"], each["reason"], each["message"]) for each in conditions}


@pytest.mark.parametrize(
    ("operation", "meaning", "reason"),
    [
        ("CreateRepository", "denied", "AccessDenied"),
        ("CreateLoadBalancer", "quota", "QuotaExceeded"),
        ("CreateUsagePlan", "invalid", "Rejected"),
    ],
)
def test_a_refused_write_stalls_names_itself_and_goes_on_once_allowed(
    cloud, project, rights_known, operation, meaning, reason
):
    end = apply(project, Refuse(operation, meaning))
    assert end.how == "stuck"
    seen = status(project)
    assert seen["Stalled"][:2] == ("True", reason)
    assert seen["Ready"][:2] == ("False", reason)
    assert operation in seen["Stalled"][2]
    assert apply(project).how == "converged"
    seen = status(project)
    assert (seen["Ready"][0], seen["Stalled"][0]) == ("True", "False")
    assert inventory(cloud, name_of(project)) == ONE_OF_EACH
    assert delete(project).how == "gone"


def test_a_denial_just_after_our_own_role_was_written_is_waited_out(cloud, project):
    refuse = Refuse("CreateTrainingJob", "denied", times=3)
    assert apply(project, refuse).how == "converged"
    assert refuse.refused == 3
    assert delete(project).how == "gone"


def test_a_refused_delete_ends_with_what_is_left_and_the_reason(cloud, project, rights_known):
    assert apply(project).how == "converged"
    end = delete(project, Refuse("DeleteRepository", "denied"))
    assert end.how == "stuck"
    shown = CliRunner().invoke(program, ["status", f"crash/{name_of(project)}"], catch_exceptions=False)
    assert "DeleteRepository" in shown.output
    shown = CliRunner().invoke(program, ["status", f"crash/{name_of(project)}", "-o", "json"], catch_exceptions=False)
    kinds = {each.partition(" ")[0] for each in json.loads(shown.output)["left"]}
    assert "ecr.Repository" in kinds
    # What goes before it is gone by now, and is not listed; what goes after it is.
    assert not kinds & {"ecs.Service", "ecs.TaskDefinition", "apigateway.RestApi", "elbv2.TargetGroup"}
    standing = inventory(cloud, name_of(project))
    assert ("iam.Role" in kinds, "logs.LogGroup" in kinds) == (standing["roles"] > 0, standing["logs"] > 0)
    assert delete(project).how == "gone"
    assert set(inventory(cloud, name_of(project)).values()) == {0}


def test_a_denied_read_is_told_and_nothing_is_made_twice(cloud, project):
    assert apply(project).how == "converged"
    end = apply(project, Refuse("DescribeRepositories", "denied"))
    assert end.how == "stuck"
    assert status(project)["Ready"][0] == "True"  # this reader is allowed to read
    assert inventory(cloud, name_of(project)) == ONE_OF_EACH
    assert delete(project).how == "gone"
