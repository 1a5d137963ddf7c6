"""The task definition of one release: Fargate, awsvpc, one container.

Identity: the family, `<namespace>-<name>-<h12>`, whose digits hash the release key; so one describe finds it, and a twin
that an unanswered register leaves is a harmless second revision. Create: neither named nor idempotent, never repeated.
Of a family's revisions the newest with our owner tag counts; one that somebody registered by hand beside it is left alone,
as the service names a revision. Should the newest of ours not be as declared, another revision is registered.
Cost of observe: 1 DescribeTaskDefinition per family, tags included; 1 list more for a family that has no ACTIVE revision,
since INACTIVE ones (a delete that did not get through) must be found again.
Source: Amazon ECS API, RegisterTaskDefinition, DescribeTaskDefinition, DeleteTaskDefinitions (10 a call, INACTIVE only).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trimtab.core.kind import (
    Broken,
    Call,
    Difference,
    Failure,
    Kind,
    Ref,
    Reply,
    Right,
    Settled,
    State,
    Steps,
    Unknown,
    Verb,
    differences,
    owner_in,
    tag_list,
    tag_map,
    tags_made,
)
from trimtab.resources.shared import (
    WHEN_OURS,
    WHEN_TAGGED_SO,
    allow,
    ask,
    chunks,
    common_prefix,
    insist,
    known,
    tag_changes,
    tags_as_read,
    unknown,
    without_empty,
)

_ARN = "arn:{partition}:ecs:{region}:{account}:task-definition/{name}:*"
_LOOK_BACK = 20  # revisions made by hand above ours that are passed over


@dataclass(frozen=True, slots=True)
class Desired:
    """The template. The image is `<repository_uri>@<image_digest>`: by digest, never by tag."""

    family: str  # at most 255 characters
    repository_uri: str | Ref  # Repository.uri
    image_digest: str | Ref  # Image.digest
    execution_role_arn: str | Ref
    task_role_arn: str | Ref
    cpu_units: int  # 1,024 = 1 vCPU
    memory_mib: int
    log_group: str | Ref
    region: str
    tags: Mapping[str, str]
    command: tuple[str, ...] = ("serve",)
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    port: int = 8080
    container: str = "model"
    user: str = "10001"
    readonly_root: bool = True
    log_prefix: str = "serving"
    stop_timeout_s: int = 30
    architecture: str = "X86_64"
    version: str = field(default="", repr=False, compare=False)  # for a tag: a commit id; no part of what is declared


@dataclass(frozen=True, slots=True)
class Observed:
    family: str
    arn: str  # with the revision
    revision: int
    status: str  # ACTIVE, INACTIVE
    template: Mapping[str, Any]  # what we own of it, as `_template` spells it
    tags: Mapping[str, str] | None


class EcsTaskDefinition:
    name = "ecs.TaskDefinition"
    rank = 90
    rights: Mapping[Verb, tuple[Right, ...]] = {
        "observe": allow("*", "ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions", "ecs:ListTaskDefinitionFamilies"),
        "create": allow(_ARN, "ecs:RegisterTaskDefinition", "ecs:TagResource", when=WHEN_TAGGED_SO)
        + allow("{task_role}", "iam:PassRole", when={"iam:PassedToService": "ecs-tasks.amazonaws.com"})
        + allow("{execution_role}", "iam:PassRole", when={"iam:PassedToService": "ecs-tasks.amazonaws.com"}),
        "update": allow(_ARN, "ecs:RegisterTaskDefinition", when=WHEN_TAGGED_SO)
        + allow("{task_role}", "iam:PassRole", when={"iam:PassedToService": "ecs-tasks.amazonaws.com"})
        + allow("{execution_role}", "iam:PassRole", when={"iam:PassedToService": "ecs-tasks.amazonaws.com"})
        + allow(_ARN, "ecs:TagResource", "ecs:UntagResource", when=WHEN_OURS),
        # ECS has no finer resource for these two, and ListTaskDefinitions finds what is left.
        "delete": allow("*", "ecs:ListTaskDefinitions", "ecs:DeregisterTaskDefinition")
        + allow(_ARN, "ecs:DeleteTaskDefinitions", when=WHEN_OURS),
    }

    def identity(self, desired: Desired) -> str:
        return desired.family

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, Observed | Unknown]]:
        replies = yield from ask(_describe(family) for family in wanted)
        seen: dict[str, Observed | Unknown] = {}
        for family, reply in zip(wanted, replies, strict=True):
            if isinstance(reply, Failure):
                found = (yield from _inactive(family)) if reply.meaning == "absent" else unknown(reply)
            else:
                found = _seen(reply)
                if not owner_in(found.tags or {}):
                    found = yield from _newest_of_ours(found)
            if found:
                seen[family] = found
        return seen

    def tags(self, observed: Sequence[Observed]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        return tags_as_read(observed)

    def state(self, desired: Desired, observed: Observed) -> State:
        if observed.status == "ACTIVE":
            return Settled()
        return Broken("Deregistered", f"every revision of {observed.family} is {observed.status}", again=True)

    def diff(self, desired: Desired, observed: Observed) -> tuple[Difference, ...]:
        if observed.status != "ACTIVE":
            return ()  # nothing to repair: `state` has another one registered
        template = _template(desired)
        return differences(*((path, observed.template.get(path), want) for path, want in template.items()))

    def create(self, desired: Desired) -> Steps[None]:
        yield _register(desired)

    def update(self, desired: Desired, observed: Observed, drift: Sequence[Difference]) -> Steps[None]:
        if any(each.path != "tags" for each in drift):
            yield _register(desired)  # immutable: the declared template is registered once more, with its tags
            return
        added, removed = tag_changes(drift)
        arn = {"resourceArn": observed.arn}
        if added:
            yield Call("ecs", "TagResource", arn | {"tags": tag_list(added, "key", "value")}, repeat="safe")
        if removed:
            yield Call("ecs", "UntagResource", arn | {"tagKeys": removed}, repeat="safe")

    def delete(self, observed: Observed) -> Steps[None]:
        active = yield from _revisions(observed.family, "ACTIVE")
        yield from insist(Call("ecs", "DeregisterTaskDefinition", {"taskDefinition": arn}, repeat="safe") for arn in active)
        inactive = yield from _revisions(observed.family, "INACTIVE")
        gone = list(dict.fromkeys((*active, *inactive)))
        replies = yield from insist(
            Call("ecs", "DeleteTaskDefinitions", {"taskDefinitions": list(part)}, repeat="safe") for part in chunks(gone, 10)
        )
        for reply in replies:
            for failure in reply.get("failures", ()):
                because = f"ecs:DeleteTaskDefinitions: {failure.get('arn')}: {failure.get('reason')}"
                raise Failure("busy", because, code=str(failure.get("reason", "")), operation="ecs:DeleteTaskDefinitions")


# --- reading --------------------------------------------------------------------------------------------------------


def active_families(wanted: Sequence[str]) -> Steps[frozenset[str]]:
    """Which of those families have an ACTIVE revision: 1 list per 100 of the account, where each would take a describe.

    Raises Failure.
    """
    if not wanted:
        return frozenset()
    arguments = without_empty({"status": "ACTIVE", "familyPrefix": common_prefix(wanted)})
    listed = yield Call("ecs", "ListTaskDefinitionFamilies", arguments)
    return frozenset(listed.get("families", ())) & frozenset(wanted)


def _describe(name: str) -> Call:
    return Call("ecs", "DescribeTaskDefinition", {"taskDefinition": name, "include": ["TAGS"]})


def _newest_of_ours(newest: Observed) -> Steps[Observed | Unknown]:
    """The newest revision with an owner tag; where there is none, the newest of all, for its tags to be judged."""
    earlier = range(newest.revision - 1, max(0, newest.revision - 1 - _LOOK_BACK), -1)
    replies = yield from ask(_describe(f"{newest.family}:{revision}") for revision in earlier)
    for reply in replies:
        if isinstance(reply, Failure):
            continue
        found = _seen(reply)
        if found.status == "ACTIVE" and owner_in(found.tags or {}):
            return found
    return newest


def _inactive(family: str) -> Steps[Observed | Unknown | None]:
    """What is left of a family without an ACTIVE revision; None: nothing that a delete could still remove."""
    try:
        arns = yield from _revisions(family, "INACTIVE")
        if not arns:
            return None
        reply = yield _describe(arns[0])
    except Failure as failure:
        return None if failure.meaning == "absent" else unknown(failure)
    return _seen(reply)


def _revisions(family: str, status: str) -> Steps[list[str]]:
    """ARNs of a family's revisions, newest first."""
    arguments = {"familyPrefix": family, "status": status, "sort": "DESC"}
    listed = yield Call("ecs", "ListTaskDefinitions", arguments)
    return [arn for arn in listed.get("taskDefinitionArns", ()) if arn.rpartition("/")[2].rpartition(":")[0] == family]


def _seen(reply: Reply) -> Observed:
    item = reply["taskDefinition"]
    return Observed(
        family=item["family"],
        arn=item["taskDefinitionArn"],
        revision=item["revision"],
        status=item["status"],
        template=_template_of(item),
        tags=tag_map(reply.get("tags") or (), "key", "value"),
    )


# --- the template ---------------------------------------------------------------------------------------------------
# One flat spelling for both sides: what we declare, and what a describe answers of the same fields.


def _template(desired: Desired) -> dict[str, Any]:
    """What we own. A value that is not known yet stays a Ref, which is no difference."""
    image = _image(desired)
    log_group = desired.log_group
    options = {"awslogs-group": log_group, "awslogs-region": desired.region, "awslogs-stream-prefix": desired.log_prefix}
    return {
        "cpu": str(desired.cpu_units),
        "memory": str(desired.memory_mib),
        "executionRoleArn": desired.execution_role_arn,
        "taskRoleArn": desired.task_role_arn,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "runtimePlatform.cpuArchitecture": desired.architecture,
        "container.name": desired.container,
        "container.image": image,
        "container.command": list(desired.command),
        "container.environment": dict(sorted(desired.environment.items())),
        "container.ports": [desired.port],
        "container.user": desired.user,
        "container.readonlyRootFilesystem": desired.readonly_root,
        "container.stopTimeout": desired.stop_timeout_s,
        "container.logs": log_group if isinstance(log_group, Ref) else options,
    }


def _image(desired: Desired) -> str | Ref:
    for part in (desired.repository_uri, desired.image_digest):
        if isinstance(part, Ref):
            return part
    return f"{desired.repository_uri}@{desired.image_digest}"


def _template_of(item: Reply) -> dict[str, Any]:
    containers = item.get("containerDefinitions", ())
    container: Mapping[str, Any] = containers[0] if len(containers) == 1 else {}
    return {
        "cpu": item.get("cpu", ""),
        "memory": item.get("memory", ""),
        "executionRoleArn": item.get("executionRoleArn", ""),
        "taskRoleArn": item.get("taskRoleArn", ""),
        "networkMode": item.get("networkMode", ""),
        "requiresCompatibilities": sorted(item.get("requiresCompatibilities", ())),
        "runtimePlatform.cpuArchitecture": item.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64"),
        "container.name": container.get("name", ""),
        "container.image": container.get("image", ""),
        "container.command": list(container.get("command", ())),
        "container.environment": tag_map(sorted(container.get("environment", ()), key=_by_name), "name", "value"),
        "container.ports": [each.get("containerPort") for each in container.get("portMappings", ())],
        "container.user": container.get("user", ""),
        "container.readonlyRootFilesystem": container.get("readonlyRootFilesystem", False),
        "container.stopTimeout": container.get("stopTimeout", 30),
        "container.logs": dict(container.get("logConfiguration", {}).get("options", {})),
    }


def _by_name(pair: Mapping[str, str]) -> str:
    return pair["name"]


def _register(desired: Desired) -> Call:
    template = _template(desired)
    container = {
        "name": desired.container,
        "image": known(_image(desired)),
        "essential": True,
        "command": list(desired.command),
        "environment": tag_list(desired.environment, "name", "value"),
        "portMappings": [{"containerPort": desired.port, "protocol": "tcp"}],
        "user": desired.user,
        "readonlyRootFilesystem": desired.readonly_root,
        "stopTimeout": desired.stop_timeout_s,
        "logConfiguration": {"logDriver": "awslogs", "options": template["container.logs"]},
    }
    known(desired.log_group)
    arguments = {
        "family": desired.family,
        "taskRoleArn": known(desired.task_role_arn),
        "executionRoleArn": known(desired.execution_role_arn),
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "runtimePlatform": {"cpuArchitecture": desired.architecture, "operatingSystemFamily": "LINUX"},
        "cpu": template["cpu"],
        "memory": template["memory"],
        "containerDefinitions": [without_empty(container)],
        "tags": tag_list(tags_made(desired.tags, desired.version), "key", "value"),
    }
    return Call("ecs", "RegisterTaskDefinition", arguments, repeat="once")


KIND: Kind[Desired, Observed] = EcsTaskDefinition()
