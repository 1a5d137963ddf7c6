"""image -> release -> gateway: what serves the accepted model."""

from collections.abc import Mapping

from trimtab.compile.context import Context
from trimtab.compile.evaluation import GATE
from trimtab.compile.keys import roles_text
from trimtab.compile.policies import execution_policy, task_policy
from trimtab.compile.training import MODEL
from trimtab.core.kind import Ref
from trimtab.graph.node import Node
from trimtab.resources import ecr_image, ecr_repository, log_group
from trimtab.targets.release import Release

REPOSITORY, IMAGE, LOGS = "ecr.Repository/repository", "ecr.Image/image", "logs.LogGroup/logs"


def image_nodes(context: Context) -> tuple[Node, ...]:
    """The repository, and the image once the model is known."""
    name = f"trimtab/{context.names.path}"
    repository = Node(REPOSITORY, "image", ecr_repository.Desired(name, context.tags()))
    key = context.keys.get("image")
    if key is None:
        return repository, Node(IMAGE, "image", None, after=(GATE, REPOSITORY), known_after=MODEL)
    serving, launcher = context.facts.pins["serving"], context.facts.pins["launcher"]
    desired = ecr_image.Desired(
        repository=name,
        repository_uri=Ref(REPOSITORY, "uri"),
        tag=key[:32],
        base=f"{serving.text.partition('@')[0].rpartition(':')[0]}@{serving.digest}",
        requirements="serving",
        code="serving",
        launcher_uri=context.uri("launchers", launcher.digest),
        model_uri=Ref(MODEL, "uri"),
        artifact_digest=Ref(MODEL, "digest"),
        packaging=context.spec.image.packaging,
    )
    return repository, Node(IMAGE, "image", desired, after=(GATE, "s3.Content/launcher"), key=key)


def log_node(context: Context) -> Node:
    desired = log_group.Desired(
        name=f"/trimtab/{context.names.path}",
        tags=context.tags(),
        retention_days=context.environment.spec.logs.retention_days,
    )
    return Node(LOGS, "release", desired)


def role_nodes(context: Context) -> tuple[tuple[Node, ...], str | Ref, str | Ref]:
    """(nodes, execution role, task role)."""
    roles = context.environment.spec.roles
    if not isinstance(roles, str):
        return (), roles.execution, roles.task or ""
    repository, logs = f"trimtab/{context.names.path}", f"/trimtab/{context.names.path}"
    service = "ecs-tasks.amazonaws.com"
    execution = context.role("execution", service, execution_policy(repository, logs, context.region, context.account))
    task = context.role("task", service, task_policy(context.data_bucket, context.names.bucket_folder()))
    return (execution, task), Ref(execution.id, "arn"), Ref(task.id, "arn")


def release_of(context: Context, execution: str | Ref, task: str | Ref) -> Release:
    """The container template that runs, and where."""
    serving, network = context.spec.serving, context.environment.spec.network
    key = context.keys.get("release")
    names = context.names
    artifact = context.facts.artifacts.get(context.keys["training"], {}).get("digest", "")
    return Release(
        key=key,
        known_after=None if key else MODEL,
        after=(GATE, IMAGE, LOGS),
        names={
            "family": names.keyed(key, 255) if key else "",
            "service": names.plain(255),
            "cluster": names.shared(255),
            "targets": names.plain(32),
            "balancer": names.shared(32),
            "host": f"{names.plain(63)}.trimtab.internal",
        },
        repository_uri=Ref(REPOSITORY, "uri"),
        image_digest=Ref(IMAGE, "digest"),
        execution_role=execution,
        task_role=task,
        cpu_millicores=serving.resources.cpu_millicores,
        memory_mib=serving.resources.memory_mib,
        environment=_environment(context, key or "", artifact),
        log_group=f"/trimtab/{names.path}",
        region=context.region,
        account=context.account,
        vpc=network.vpc,
        subnets=tuple(network.subnets),
        task_security_groups=tuple(network.security_groups.tasks),
        balancer_security_groups=tuple(network.security_groups.load_balancer),
        balancer_port=network.load_balancer.port,
        min_replicas=serving.replicas.min,
        max_replicas=serving.replicas.most,
        tags=context.tags(),
        release_tags=context.tags(key or ""),
        shared_tags=context.shared_tags(),
    )


def _environment(context: Context, key: str, artifact: str) -> Mapping[str, str]:
    """The user's variables, and ours: what the server must prove of itself."""
    ours = {"TRIMTAB_RELEASE": key[:12], "TRIMTAB_ARTIFACT_DIGEST": artifact}
    return {**context.spec.serving.env, **ours}


__all__ = ["IMAGE", "LOGS", "REPOSITORY", "image_nodes", "log_node", "release_of", "role_nodes", "roles_text"]
