"""The ECS cluster that an environment's services run in.

Identity: the cluster's name. Create: same settings (a second CreateCluster answers the one that is there). Cost of
observe: 1 DescribeClusters per 100 clusters, tags included. An INACTIVE one is gone: ECS keeps describing it for a while.
Source: Amazon ECS API, CreateCluster, DescribeClusters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trimtab.core.kind import (
    Broken,
    Call,
    Difference,
    Failure,
    Kind,
    Moving,
    Reply,
    Right,
    Settled,
    State,
    Steps,
    Unknown,
    Verb,
    differences,
    tag_list,
    tag_map,
)
from trimtab.resources.shared import (
    WHEN_OURS,
    WHEN_TAGGED_SO,
    allow,
    ask,
    chunks,
    paths,
    tag_changes,
    tags_as_read,
    unknown,
)

INSIGHTS = "settings.containerInsights"
_ARN = "arn:{partition}:ecs:{region}:{account}:cluster/{name}"


@dataclass(frozen=True, slots=True)
class Desired:
    name: str  # at most 255 characters
    tags: Mapping[str, str]
    insights: str = "disabled"  # disabled, enabled, enhanced


@dataclass(frozen=True, slots=True)
class Observed:
    name: str
    arn: str
    status: str  # ACTIVE, PROVISIONING, DEPROVISIONING, FAILED
    insights: str
    tags: Mapping[str, str] | None
    services: int = 0
    running: int = 0


class EcsCluster:
    name = "ecs.Cluster"
    rank = 70
    rights: Mapping[Verb, tuple[Right, ...]] = {
        "observe": allow(_ARN, "ecs:DescribeClusters"),
        "create": allow(_ARN, "ecs:CreateCluster", "ecs:TagResource", when=WHEN_TAGGED_SO),
        "update": allow(_ARN, "ecs:UpdateClusterSettings", "ecs:TagResource", "ecs:UntagResource", when=WHEN_OURS),
        "delete": allow(_ARN, "ecs:DeleteCluster", when=WHEN_OURS),
    }

    def identity(self, desired: Desired) -> str:
        return desired.name

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, Observed | Unknown]]:
        parts = chunks(wanted, 100)
        replies = yield from ask(
            Call("ecs", "DescribeClusters", {"clusters": list(part), "include": ["TAGS", "SETTINGS"]}) for part in parts
        )
        seen: dict[str, Observed | Unknown] = {}
        for part, reply in zip(parts, replies, strict=True):
            if isinstance(reply, Failure):
                seen |= dict.fromkeys(part, unknown(reply))
                continue
            seen |= {item["clusterName"]: _seen(item) for item in reply.get("clusters", ()) if item["status"] != "INACTIVE"}
            for failure in reply.get("failures", ()):
                if failure.get("reason") != "MISSING":
                    name = str(failure.get("arn", "")).rpartition("/")[2]
                    seen[name] = Unknown(f"ecs:DescribeClusters: {name}: {failure.get('reason')}")
        return seen

    def tags(self, observed: Sequence[Observed]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        return tags_as_read(observed)

    def state(self, desired: Desired, observed: Observed) -> State:
        if observed.status == "ACTIVE":
            return Settled()
        if observed.status == "FAILED":
            return Broken("ClusterFailed", f"cluster {observed.name} is FAILED")
        return Moving(f"cluster {observed.name} is {observed.status}")

    def diff(self, desired: Desired, observed: Observed) -> tuple[Difference, ...]:
        return differences((INSIGHTS, observed.insights, desired.insights))

    def create(self, desired: Desired) -> Steps[None]:
        arguments = {
            "clusterName": desired.name,
            "settings": _settings(desired),
            "tags": tag_list(desired.tags, "key", "value"),
        }
        yield Call("ecs", "CreateCluster", arguments, repeat="safe")

    def update(self, desired: Desired, observed: Observed, drift: Sequence[Difference]) -> Steps[None]:
        if INSIGHTS in paths(drift):
            settings = {"cluster": desired.name, "settings": _settings(desired)}
            yield Call("ecs", "UpdateClusterSettings", settings, repeat="safe")
        added, removed = tag_changes(drift)
        arn = {"resourceArn": observed.arn}
        if added:
            yield Call("ecs", "TagResource", arn | {"tags": tag_list(added, "key", "value")}, repeat="safe")
        if removed:
            yield Call("ecs", "UntagResource", arn | {"tagKeys": removed}, repeat="safe")

    def delete(self, observed: Observed) -> Steps[None]:
        yield Call("ecs", "DeleteCluster", {"cluster": observed.name}, repeat="safe")


def _settings(desired: Desired) -> list[dict[str, str]]:
    return [{"name": "containerInsights", "value": desired.insights}]


def _seen(item: Reply) -> Observed:
    settings = {each["name"]: each["value"] for each in item.get("settings", ())}
    return Observed(
        name=item["clusterName"],
        arn=item["clusterArn"],
        status=item["status"],
        insights=settings.get("containerInsights", "disabled"),
        tags=tag_map(item.get("tags", ()), "key", "value"),
        services=item.get("activeServicesCount", 0),
        running=item.get("runningTasksCount", 0),
    )


KIND: Kind[Desired, Observed] = EcsCluster()
