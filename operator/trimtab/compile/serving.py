"""image -> release -> gateway: what serves the accepted model."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trimtab.compile.context import Context
from trimtab.compile.evaluation import GATE
from trimtab.compile.keys import roles_text
from trimtab.compile.policies import execution_policy
from trimtab.compile.training import MODEL
from trimtab.core.kind import HOLD, QUARANTINE, Ref, mark_of
from trimtab.graph.node import Node
from trimtab.model.replicas import Replicas, ScalingSteps, ScalingTarget
from trimtab.model.serving import Serving
from trimtab.resources import ecr_image, ecr_repository, log_group
from trimtab.targets.release import Release, ScheduledBounds, Stepping, Tracking

REPOSITORY, IMAGE, LOGS = "ecr.Repository/repository", "ecr.Image/image", "logs.LogGroup/logs"


def image_nodes(context: Context) -> tuple[Node, ...]:
    """The repository, and the image once the model is known."""
    name = f"trimtab/{context.names.path}"
    repository = Node(REPOSITORY, "image", ecr_repository.Desired(name, context.tags()))
    key = context.keys.get("image")
    if key is None:
        return repository, Node(IMAGE, "image", None, after=(GATE, REPOSITORY), known_after=MODEL)
    if context.facts.digests.is_own_image:
        desired = ecr_image.Desired(
            **_made_of(context, name, key), dockerfile=context.spec.image.dockerfile, code_uri="", launcher_uri=""
        )
        return repository, Node(IMAGE, "image", desired, after=(GATE,), key=key)
    desired = ecr_image.Desired(
        **_made_of(context, name, key),
        code_uri=context.uri("serving", context.facts.digests.serving) if context.spec.code else "",
        launcher_uri=context.uri("launchers", context.facts.pins["launcher"].digest),
    )
    code = ("s3.Content/serving",) if context.spec.code else ()
    return repository, Node(IMAGE, "image", desired, after=(GATE, "s3.Content/launcher", *code), key=key)


def _made_of(context: Context, repository: str, key: str) -> dict[str, Any]:
    """What every serving image has."""
    return {
        "repository": repository,
        "repository_uri": Ref(REPOSITORY, "uri"),
        "tag": key[:32],
        "base": context.pinned("serving"),
        "model_uri": Ref(MODEL, "uri"),
        "artifact_digest": Ref(MODEL, "digest"),
        "packaging": context.spec.image.packaging,
    }


def log_node(context: Context) -> Node:
    desired = log_group.Desired(
        name=context.names.log_group,
        tags={**context.tags(), HOLD: mark_of(context.facts.holds), QUARANTINE: mark_of(context.facts.quarantine)},
        retention_days=context.environment.spec.logs.retention_days,
    )
    return Node(LOGS, "release", desired)


def role_nodes(context: Context) -> tuple[tuple[Node, ...], str | Ref, str | Ref]:
    """(nodes, execution role, task role)."""
    roles = context.environment.spec.roles
    if not isinstance(roles, str):
        return (), roles.execution, roles.task or ""
    repository, logs = f"trimtab/{context.names.path}", context.names.log_group
    service = "ecs-tasks.amazonaws.com"
    execution = context.role("execution", service, execution_policy(repository, logs, context.region, context.account))
    task = context.role("task", service, "")  # a baked image has all it needs: the serving code may do nothing
    return (execution, task), Ref(execution.id, "arn"), Ref(task.id, "arn")


@dataclass(frozen=True, slots=True)
class _Template:
    """What runs: the document's own, or that of the release a person rolled back to."""

    key: str | None
    image: str | Ref  # digest
    artifact: str  # digest
    serving: Serving
    after: tuple[str, ...]  # what must be so before it may run
    version: str  # of the document that declared it


def _template(context: Context) -> _Template:
    held = context.facts.held
    if held:  # it has served before: no gate and no build stands before it
        return _Template(held.key, held.image, held.artifact, held.serving, (REPOSITORY, LOGS), held.version)
    after = (GATE, IMAGE, LOGS)
    key, serving, version = context.keys.get("release"), context.spec.serving, context.facts.version
    return _Template(key, Ref(IMAGE, "digest"), context.artifact, serving, after, version)


def release_of(context: Context, execution: str | Ref, task: str | Ref) -> Release:
    """The container template that runs, and where."""
    serving, network = context.spec.serving, context.environment.spec.network
    template, names = _template(context), context.names
    key = template.key
    return Release(
        key=key,
        known_after=None if key else MODEL,
        is_held=context.facts.held is not None,
        after=template.after,
        names={
            "family": names.keyed(key, 255) if key else "",
            "service": names.plain(255),
            "cluster": names.shared(255),
            "targets": names.plain(32),
            "balancer": names.shared(32),
            "above": names.plain(255, "above"),
            "below": names.plain(255, "below"),
            "host": f"{names.plain(63)}.trimtab.internal",
        },
        repository_uri=Ref(REPOSITORY, "uri"),
        image_digest=template.image,
        execution_role=execution,
        task_role=task,
        cpu_millicores=template.serving.resources.cpu_millicores,
        memory_mib=template.serving.resources.memory_mib,
        environment=_environment(template),
        log_group=names.log_group,
        region=context.region,
        account=context.account,
        vpc=network.vpc,
        subnets=tuple(network.subnets),
        task_security_groups=tuple(network.security_groups.tasks),
        balancer_security_groups=tuple(network.security_groups.load_balancer),
        balancer_port=network.load_balancer.port,
        min_replicas=serving.replicas.bounds.least,
        max_replicas=serving.replicas.bounds.most,
        scaling=_scaling(serving.replicas.scaling),
        schedule=tuple(_schedule(serving.replicas)),
        alarms=serving.rollout.alarms,
        deployment=f"{context.names.namespace}/{context.names.name}",
        tags=context.tags(),
        release_tags=context.tags(key or ""),
        version=template.version,
        attempt=1 + context.facts.attempts.get(key or "", 0),
        shared_tags=context.shared_tags(),
    )


def _scaling(given: ScalingTarget | ScalingSteps | None) -> Tracking | Stepping | None:
    if isinstance(given, ScalingTarget):
        return Tracking(given.metric, given.value)
    if given is None:
        return None
    above = tuple((each.at, each.add) for each in given.above)
    return Stepping(given.metric, above, tuple((each.at, each.remove) for each in given.below))


def _schedule(replicas: Replicas) -> Iterator[ScheduledBounds]:
    for each, bounds in zip(replicas.schedule, replicas.scheduled, strict=True):
        yield ScheduledBounds(each.name, each.cron, each.timezone, bounds.least, bounds.most)


def _environment(template: _Template) -> Mapping[str, str]:
    """The user's variables, and ours: what the server must prove of itself."""
    ours = {"TRIMTAB_RELEASE": (template.key or "")[:12], "TRIMTAB_ARTIFACT_DIGEST": template.artifact}
    return {**template.serving.env, **ours}


__all__ = ["IMAGE", "LOGS", "REPOSITORY", "image_nodes", "log_node", "release_of", "role_nodes", "roles_text"]
