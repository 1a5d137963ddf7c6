"""Serving on Amazon ECS: Fargate tasks behind the environment's internal load balancer."""

from trimtab.core.kind import Ref
from trimtab.graph.node import Node
from trimtab.resources import (
    deployment_alarm,
    ecs_cluster,
    ecs_service,
    ecs_task_definition,
    listener,
    listener_rule,
    load_balancer,
    target_group,
)
from trimtab.targets.release import PORT, Release
from trimtab.targets.scaling import scaling_nodes

CLUSTER, TASK_DEFINITION, SERVICE = "ecs.Cluster/cluster", "ecs.TaskDefinition/release", "ecs.Service/service"
BALANCER, LISTENER = "elbv2.LoadBalancer/balancer", "elbv2.Listener/listener"
TARGETS, RULE = "elbv2.TargetGroup/targets", "elbv2.ListenerRule/route"
ALARM = deployment_alarm.KIND.name


def ecs_nodes(release: Release) -> tuple[Node, ...]:
    """The shared cluster, balancer and listener, and the deployment's own template, targets, route, service and scaling."""
    alarms = _alarms(release)
    template = _task_definition(release, tuple(each.id for each in alarms))
    return (
        *_shared(release),
        *_route(release),
        *alarms,
        template,
        _service(release),
        *scaling_nodes(release, SERVICE, BALANCER, TARGETS),
    )


def _shared(release: Release) -> tuple[Node, ...]:
    tags = release.shared_tags
    balancer = load_balancer.Desired(release.names["balancer"], release.subnets, release.balancer_security_groups, tags)
    return (
        Node(CLUSTER, "environment", ecs_cluster.Desired(release.names["cluster"], tags), shared=True),
        Node(BALANCER, "environment", balancer, shared=True),
        Node(LISTENER, "environment", listener.Desired(Ref(BALANCER, "arn"), tags, release.balancer_port), shared=True),
    )


def _route(release: Release) -> tuple[Node, ...]:
    targets = target_group.Desired(release.names["targets"], release.vpc, release.tags, PORT)
    rule = listener_rule.Desired(Ref(LISTENER, "arn"), release.names["host"], Ref(TARGETS, "arn"), release.tags)
    return Node(TARGETS, "release", targets), Node(RULE, "release", rule)


def _alarms(release: Release) -> tuple[Node, ...]:
    numbered = enumerate(release.alarms, 1)
    return tuple(Node(f"{ALARM}/{number}", "release", deployment_alarm.Desired(each)) for number, each in numbered)


def _task_definition(release: Release, alarms: tuple[str, ...]) -> Node:
    """alarms: ids of their nodes. None takes over unwatched; what has served before, and comes back, waits for none."""
    after = release.after if release.is_held else (*release.after, *alarms)
    if release.known_after:
        return Node(TASK_DEFINITION, "release", None, after=after, known_after=release.known_after)
    desired = ecs_task_definition.Desired(
        family=release.names["family"],
        repository_uri=release.repository_uri,
        image_digest=release.image_digest,
        execution_role_arn=release.execution_role,
        task_role_arn=release.task_role,
        cpu_units=release.cpu_millicores * 1024 // 1000,
        memory_mib=release.memory_mib,
        log_group=release.log_group,
        region=release.region,
        tags=release.release_tags,
        environment=release.environment,
        port=PORT,
        version=release.version,
    )
    return Node(TASK_DEFINITION, "release", desired, after=after, key=release.key)


def _service(release: Release) -> Node:
    desired = ecs_service.Desired(
        cluster=release.names["cluster"],
        name=release.names["service"],
        task_definition=Ref(TASK_DEFINITION, "arn"),
        target_group_arn=Ref(TARGETS, "arn"),
        subnets=release.subnets,
        security_groups=release.task_security_groups,
        tags=release.tags,
        desired_count=release.min_replicas,
        min_count=min((release.min_replicas, *(each.least for each in release.schedule))),
        max_count=max((release.max_replicas, *(each.most for each in release.schedule))),
        alarms=tuple(deployment_alarm.name_in(each) for each in release.alarms),
        port=PORT,
        attempt=release.attempt,
    )
    # ECS refuses a target group that no listener routes to, and a cluster that is not there.
    return Node(SERVICE, "release", desired, after=(CLUSTER, RULE))
