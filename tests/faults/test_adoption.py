"""What is there already under a name that we want: left alone, adopted, or taken over, as document and environment say."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from faults.killed import Kill
from faults.killed import run as killed
from faults.test_releases import conditions, full_name, run, status
from hands import World, Writes
from quick_rollout import apply, delete
from trimtab.cli.context import documents, environment_named, resolved, session
from trimtab.core.errors import UserError
from trimtab.core.kind import DEPLOYMENT, ENVIRONMENT, UID, Call, Failure
from trimtab.engine.ledger import Ledger, Shared
from trimtab.graph.node import Node

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("adoption")]
LOGS, REPOSITORY, CLUSTER = "logs.LogGroup/logs", "ecr.Repository/repository", "ecs.Cluster/cluster"
TARGETS, SERVICE = "elbv2.TargetGroup/targets", "ecs.Service/service"


class Made(Writes):
    """Writes with what they were about, in order."""

    def __init__(self, refuse: str = "") -> None:
        super().__init__()
        self.calls: list[Call] = []
        self._refuse = refuse

    def before(self, call: Call) -> None:
        super().before(call)
        if call.repeat != "read":
            self.calls.append(call)
        if call.operation == self._refuse:
            raise Failure("invalid", f"{call.service}:{call.operation}: not so", operation=call.operation)

    def on(self, name: str) -> list[str]:
        """Those of the service that has such a thing; others name it, and change nothing of it."""
        service = "logs" if name.startswith("/") else "ecr"
        return [call.operation for call in self.calls if call.service == service and name in repr(call.arguments)]


def adopting(project: Path, mode: str, more: str = "") -> None:
    """Let the document say so."""
    text = project.read_text().partition("\n  policy:")[0].rstrip()
    project.write_text(f"{text}\n  policy: {{adoption: {mode}{more}}}\n")


@pytest.fixture
def take_over(cloud) -> Iterator[Callable[..., None]]:
    """Lets the environment allow it."""
    file = cloud.folder / "environment.yaml"
    kept = file.read_text()

    def allow(namespaces: list[str], prefixes: list[str]) -> None:
        bounds = json.dumps({"namespaces": namespaces, "prefixes": prefixes})
        file.write_text(f"{kept.rstrip()}\n  takeOver: {bounds}\n")

    yield allow
    file.write_text(kept)


def log_group(project: Path) -> str:
    return f"/trimtab/local/{full_name(project)}"


def by_hand(cloud: Any, project: Path, days: int | None = None, tags: Mapping[str, str] | None = None) -> None:
    """A log group under the name that the deployment wants, with a line in it."""
    logs, name = cloud.client("logs"), log_group(project)
    logs.create_log_group(logGroupName=name, tags=dict(tags or {"team": "platform"}))
    logs.create_log_stream(logGroupName=name, logStreamName="mine")
    if days:
        logs.put_retention_policy(logGroupName=name, retentionInDays=days)


def live(cloud: Any, project: Path) -> tuple[int | None, dict[str, str], list[str]]:
    """(retention, tags, streams made by hand) of that log group."""
    logs, name = cloud.client("logs"), log_group(project)
    (group,) = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    streams = [each["logStreamName"] for each in logs.describe_log_streams(logGroupName=name)["logStreams"]]
    tags = logs.list_tags_for_resource(resourceArn=group["arn"].removesuffix(":*"))["tags"]
    return group.get("retentionInDays"), tags, [each for each in streams if each == "mine"]


def planned(project: Path, node: str) -> dict[str, Any]:
    (row,) = [each for each in json.loads(run("plan", str(project), "-o", "json")[1])["actions"] if each["node"] == node]
    return row


def adoptions(project: Path) -> list[str]:
    events = json.loads(run("events", full_name(project), "-o", "json")[1])
    return [each["node"] for each in events if each["reason"] == "Adopted"]


def said_of(project: Path) -> str:
    return next(each["message"] for each in status(project)["conditions"] if each["type"] == "Stalled")


def test_what_was_there_is_left_then_adopted_once_it_is_as_declared(cloud, project):
    by_hand(cloud, project, days=1)
    was = live(cloud, project)
    assert apply(project).how == "stuck"
    assert conditions(project)["Ready"] == ("False", "NameTaken")

    adopting(project, "ifIdentical")
    row = planned(project, LOGS)
    assert (row["does"], [(each["path"], each["have"]) for each in row["differences"]]) == (
        "refuse",
        [("retentionInDays", 1)],
    )
    left = Made()
    assert apply(project, left).how == "stuck"
    assert "ifIdentical leaves it, since it differs in retentionInDays" in said_of(project)
    assert left.on(log_group(project)) == []
    assert live(cloud, project) == was

    kept = row["differences"][0]["want"]
    cloud.client("logs").put_retention_policy(logGroupName=log_group(project), retentionInDays=kept)
    row = planned(project, LOGS)
    assert (row["does"], row["because"]) == ("adopt", "it is there as declared")
    assert {each["path"] for each in row["differences"]} >= {f"tags.{UID}", f"tags.{DEPLOYMENT}", f"tags.{ENVIRONMENT}"}
    made = Made()
    assert apply(project, made).how == "converged"
    assert made.on(log_group(project))[0] == "TagResource"
    assert "PutRetentionPolicy" not in made.made
    _, tags, streams = live(cloud, project)
    assert (tags["team"], tags[DEPLOYMENT], streams) == ("platform", full_name(project), ["mine"])
    assert adoptions(project) == [LOGS]
    assert conditions(project)["Ready"] == ("True", "Ready")
    assert run("drift", full_name(project))[0] == 0

    again = Made()
    assert apply(project, again).how == "converged"
    assert again.made == []
    World(cloud, project).log_retention()  # from then on it is repaired as any other
    assert run("drift", full_name(project))[0] == 2
    assert apply(project).how == "converged"
    assert live(cloud, project)[0] == kept
    assert delete(project).how == "gone"
    assert cloud.client("logs").describe_log_groups(logGroupNamePrefix=log_group(project))["logGroups"] == []


def test_another_owners_is_never_touched(cloud, project, take_over):
    take_over(["crash"], ["/trimtab/"])
    by_hand(cloud, project, 1, {UID: "0" * 32, DEPLOYMENT: "crash/other"})
    was = live(cloud, project)
    for mode in ("never", "ifIdentical", "takeOver"):
        adopting(project, mode)
        made = Made()
        assert apply(project, made).how == "stuck", mode
        assert f"carries the owner tag of {'0' * 32}" in said_of(project)
        assert made.on(log_group(project)) == []
        assert live(cloud, project) == was
    assert delete(project).how == "gone"
    assert live(cloud, project) == was


def test_a_take_over_goes_as_far_as_the_environment_allows(cloud, project, take_over):
    ecr, name = cloud.client("ecr"), f"trimtab/local/{full_name(project)}"
    ecr.create_repository(repositoryName=name)
    adopting(project, "takeOver")
    for namespaces, prefixes, lacking in (
        ([], [], '"crash" in spec.takeOver.namespaces and'),
        (["crash"], [], f'adoption: takeOver needs "{name}", or what it begins with, in spec.takeOver.prefixes'),
        (["other"], ["trimtab/"], 'adoption: takeOver needs "crash" in spec.takeOver.namespaces of environment local'),
    ):
        take_over(namespaces, prefixes)
        refused = Made()
        assert apply(project, refused).how == "stuck"
        assert lacking in said_of(project)
        assert refused.on(name) == []
    assert repository(ecr, name) == ("MUTABLE", False)

    take_over(["crash"], ["trimtab/local/crash/"])
    row = planned(project, REPOSITORY)
    assert (row["does"], row["drift"]) == ("adopt", False)
    assert {each["path"] for each in row["differences"]} >= {"imageTagMutability", "imageScanningConfiguration.scanOnPush"}
    made = Made()
    assert apply(project, made).how == "converged"
    assert [each for each in made.made if each in ("TagResource", "PutImageTagMutability")][:2] == [
        "TagResource",
        "PutImageTagMutability",
    ]
    assert repository(ecr, name) == ("IMMUTABLE", True)
    assert adoptions(project) == [REPOSITORY]
    again = Made()
    assert apply(project, again).how == "converged"
    assert again.made == []
    assert delete(project).how == "gone"
    assert name not in [each["repositoryName"] for each in ecr.describe_repositories()["repositories"]]


def test_a_saved_plan_takes_over_what_was_read_and_nothing_else(cloud, project, take_over):
    take_over(["crash"], ["trimtab/local/crash/"])
    adopting(project, "takeOver")
    ecr, name, plan = cloud.client("ecr"), f"trimtab/local/{full_name(project)}", str(project.parent / "saved.plan")
    ecr.create_repository(repositoryName=name)
    assert run("plan", str(project), "--out", plan)[0] == 2
    ecr.put_image_scanning_configuration(repositoryName=name, imageScanningConfiguration={"scanOnPush": True})
    with pytest.raises(UserError, match=r"the plan is stale: .*scanOnPush: False -> True"):
        run("apply", plan)
    assert repository(ecr, name) == ("MUTABLE", True)
    assert run("plan", str(project), "--out", plan)[0] == 2
    code, _, said = run("apply", plan)
    assert code == 0, said
    assert f"adopted {REPOSITORY}: {name}: it is there, and differs in imageTagMutability" in said
    assert repository(ecr, name) == ("IMMUTABLE", True)
    assert delete(project).how == "gone"


def repository(ecr: Any, name: str) -> tuple[str, bool]:
    (found,) = ecr.describe_repositories(repositoryNames=[name])["repositories"]
    return found["imageTagMutability"], found["imageScanningConfiguration"]["scanOnPush"]


def known_beforehand(project: Path) -> Mapping[str, Node]:
    """What the deployment wants, with the names that it will have: its ledger is there before its first pass."""
    ((loaded, folder),) = documents((str(project),))
    wanted = resolved(loaded, folder, digests=False)
    environment = environment_named("local")
    spec = environment.spec
    with session(environment, dict(wanted.contents)) as found:
        ledger = Ledger("c0ffee" + "0" * 26, wanted.namespace, wanted.name, "local", spec.account, spec.region)
        found.ledgers.save(ledger, None)
        if found.ledgers.load_shared("local").value is None:
            found.ledgers.save_shared(Shared("5ea1ed" + "0" * 26, "local"), None)
        return found.reconciler.look(wanted).graph.nodes


def made_before(cloud: Any, nodes: Mapping[str, Node]) -> None:
    """The cluster as declared; the target group with another health check and a slow drain."""
    cloud.client("ecs").create_cluster(clusterName=nodes[CLUSTER].desired.name)
    targets = nodes[TARGETS].desired
    cloud.client("elbv2").create_target_group(
        Name=targets.name, Protocol="HTTP", Port=targets.port, VpcId=targets.vpc, TargetType="ip", HealthCheckPath="/old"
    )


def test_a_cluster_and_a_target_group_are_taken_over(cloud, project, take_over):
    adopting(project, "takeOver")
    nodes = known_beforehand(project)
    made_before(cloud, nodes)
    cluster, targets = nodes[CLUSTER].desired.name, nodes[TARGETS].desired.name
    take_over(["crash"], [cluster])
    assert apply(project).how == "stuck"
    assert targets in said_of(project)
    take_over(["crash"], [cluster, targets[:8]])
    made = Made()
    assert apply(project, made).how == "converged"
    assert "CreateTargetGroup" not in made.made
    assert set(adoptions(project)) == {CLUSTER, TARGETS}
    (group,) = cloud.client("elbv2").describe_target_groups(Names=[targets])["TargetGroups"]
    assert group["HealthCheckPath"] == "/ping"
    again = Made()
    assert apply(project, again).how == "converged"
    assert again.made == []
    assert delete(project).how == "gone"
    assert cluster not in str(cloud.client("ecs").list_clusters()["clusterArns"])


def test_what_was_not_tagged_yet_is_left_by_a_deletion(cloud, project):
    adopting(project, "ifIdentical")
    by_hand(cloud, project, kept_days())
    was = live(cloud, project)
    denied = Made(refuse="TagResource")
    assert apply(project, denied).how == "stuck"
    assert conditions(project)["Ready"] == ("False", "Rejected")
    assert delete(project).how == "gone"
    assert live(cloud, project) == was


def test_a_take_over_that_is_interrupted_after_the_tag_goes_on(cloud, project, take_over):
    take_over(["crash"], ["/trimtab/local/"])
    adopting(project, "takeOver")
    by_hand(cloud, project, 1)
    assert apply(project, Made(refuse="PutRetentionPolicy")).how == "stuck"
    retention, tags, _ = live(cloud, project)
    assert (retention, tags[DEPLOYMENT]) == (1, full_name(project))
    assert adoptions(project) == [LOGS]
    assert apply(project).how == "converged"
    retention, _, streams = live(cloud, project)
    assert (retention, streams) == (kept_days(), ["mine"])
    assert adoptions(project) == [LOGS]
    assert delete(project).how == "gone"


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("operation", ["TagResource", "PutRetentionPolicy"])
def test_a_kill_at_either_write_of_a_take_over_is_harmless(cloud, project, take_over, operation, late):
    take_over(["crash"], ["/trimtab/local/"])
    adopting(project, "takeOver")
    by_hand(cloud, project, 1)
    was, kill = live(cloud, project), Kill(1, operation, late)
    assert killed("apply", project, kill).killed
    if (operation, late) == ("TagResource", False):  # announced, and not ours: a deletion leaves it
        assert delete(project).how == "gone"
        assert live(cloud, project) == was
        return
    assert apply(project).how == "converged"
    retention, tags, streams = live(cloud, project)
    assert (retention, tags["team"], streams) == (kept_days(), "platform", ["mine"])
    assert adoptions(project) == [LOGS]
    assert delete(project).how == "gone"
    assert cloud.client("logs").describe_log_groups(logGroupNamePrefix=log_group(project))["logGroups"] == []


def kept_days() -> int:
    return environment_named("local").spec.logs.retention_days or 0


def test_an_owner_tag_that_a_person_took_away_is_set_again_where_the_policy_says_so(cloud, project):
    assert apply(project).how == "converged"
    world = World(cloud, project)
    cloud.client("ecs").untag_resource(resourceArn=world.service, tagKeys=[UID])
    assert apply(project).how == "stuck"
    assert conditions(project)["Ready"] == ("False", "NameTaken")
    adopting(project, "ifIdentical")
    made = Made()
    assert apply(project, made).how == "converged"
    assert "UpdateService" not in made.made
    assert adoptions(project) == [SERVICE]
    assert delete(project).how == "gone"


def test_a_retained_one_stays_when_its_deployment_goes(cloud, project):
    adopting(project, "ifIdentical", ", deletion: retain")
    by_hand(cloud, project, kept_days())
    assert apply(project).how == "converged"
    assert run("delete", full_name(project), "--yes")[0] == 0
    assert live(cloud, project)[2] == ["mine"]
    code, _, said = run("delete", full_name(project), "--yes", "--deletion", "delete")
    assert code == 0
    assert f"logs.LogGroup  {log_group(project)}  (adopted: it was there before)" in said
