"""What scales a service of ECS: the autoscaler's bounds, what it goes by between them, and what moves them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from trimtab.core.kind import Ref
from trimtab.graph.node import Node
from trimtab.resources import cloudwatch_alarm, scalable_target, scaling_policy, scheduled_action
from trimtab.resources.scaling_policy import CUSTOM_DIMENSION, CUSTOM_NAMESPACE
from trimtab.targets.release import Release, Stepping, Tracking

POLICY, ALARM, SCHEDULED = scaling_policy.KIND.name, cloudwatch_alarm.KIND.name, scheduled_action.KIND.name
SCALABLE, TRACKING = f"{scalable_target.KIND.name}/replicas", f"{POLICY}/replicas"


def scaling_nodes(release: Release, service: str, balancer: str, targets: str) -> tuple[Node, ...]:
    """None where the document leaves an autoscaler nothing to choose. service, balancer, targets: ids of their nodes."""
    if release.scaling is None and not release.schedule:
        return ()
    bounds = scalable_target.Desired(
        release.names["cluster"],
        release.names["service"],
        release.min_replicas,
        release.max_replicas,
        release.tags,
        scheduled=tuple((each.least, each.most) for each in release.schedule),
    )
    scalable = Node(SCALABLE, "release", bounds, after=(service,))
    return scalable, *_policies(release, balancer, targets), *_schedule(release)


def _policies(release: Release, balancer: str, targets: str) -> Iterator[Node]:
    if isinstance(release.scaling, Tracking):
        yield _tracking(release, release.scaling, balancer, targets)
    elif isinstance(release.scaling, Stepping):
        yield from _stepping(release, release.scaling, balancer, targets)


def _tracking(release: Release, given: Tracking, balancer: str, targets: str) -> Node:
    by_requests = given.metric == "requests"
    policy = scaling_policy.Desired(
        release.names["cluster"],
        release.names["service"],
        name="trimtab",
        metric=given.metric,
        value=given.value,
        deployment=release.deployment,
        balancer=Ref(balancer, "arn_suffix") if by_requests else "",
        target_group=Ref(targets, "arn_suffix") if by_requests else "",
    )
    return Node(TRACKING, "release", policy, after=(SCALABLE,))


def _schedule(release: Release) -> Iterator[Node]:
    cluster, service = release.names["cluster"], release.names["service"]
    for each in release.schedule:
        cron = f"cron({each.cron})"
        action = scheduled_action.Desired(cluster, service, each.name, cron, each.timezone, each.least, each.most)
        yield Node(f"{SCHEDULED}/{each.name}", "release", action, after=(SCALABLE,))


# --- steps ----------------------------------------------------------------------------------------------------------

_Given: TypeAlias = tuple[tuple[float, int], ...]  # (at which value of the metric, how many), at least one
_Steps: TypeAlias = tuple[float, tuple[scaling_policy.Step, ...]]  # (threshold of the alarm, steps by distance from it)


def _steps_out(given: _Given) -> _Steps:
    """Each from its value up to the next one's."""
    values, counts = zip(*sorted(given), strict=True)
    first, ends = values[0], (*values[1:], None)
    steps = zip(values, ends, counts, strict=True)
    return first, tuple(scaling_policy.Step(at - first, None if to is None else to - first, add) for at, to, add in steps)


def _steps_in(given: _Given) -> _Steps:
    """Each from its value down to the next one's: the same, upside down."""
    first, steps = _steps_out(tuple((-at, remove) for at, remove in given))
    return -first, tuple(scaling_policy.Step(_down(each.high), _down(each.low), -each.add) for each in steps)


def _down(distance: float | None) -> float | None:
    return None if distance is None else -distance


@dataclass(frozen=True, slots=True)
class _Way:
    """Out, or in: after as long as target tracking takes."""

    role: str
    comparison: str
    minutes: int  # in a row beyond the threshold
    cooldown_s: int


_OUT = _Way("above", "GreaterThanOrEqualToThreshold", 3, 60)
_IN = _Way("below", "LessThanOrEqualToThreshold", 15, 300)


def _stepping(release: Release, given: Stepping, balancer: str, targets: str) -> Iterator[Node]:
    """A policy and its alarm for each way that has steps."""
    ways = [(_OUT, _steps_out(given.above))] if given.above else []
    ways += [(_IN, _steps_in(given.below))] if given.below else []
    cluster, service = release.names["cluster"], release.names["service"]
    for way, (threshold, steps) in ways:
        policy = scaling_policy.Stepped(cluster, service, f"trimtab-{way.role}", steps, way.cooldown_s)
        yield Node(f"{POLICY}/{way.role}", "release", policy, after=(SCALABLE,))
        alarm = _alarm(release, given.metric, way, threshold, balancer, targets)
        yield Node(f"{ALARM}/{way.role}", "release", alarm)


def _alarm(
    release: Release, metric: str, way: _Way, threshold: float, balancer: str, targets: str
) -> cloudwatch_alarm.Desired:
    namespace, name, statistic, dimensions = _watched(release, metric, balancer, targets)
    return cloudwatch_alarm.Desired(
        name=release.names[way.role],
        namespace=namespace,
        metric=name,
        dimensions=dimensions,
        statistic=statistic,
        comparison=way.comparison,
        threshold=threshold,
        tags=release.tags,
        periods=way.minutes,
        to_alarm=way.minutes,
        description=f"Scales {release.deployment}: spec.serving.replicas.steps.{way.role}",
        actions=(Ref(f"{POLICY}/{way.role}", "arn"),),
    )


def _watched(release: Release, metric: str, balancer: str, targets: str) -> tuple[str, str, str, Mapping[str, str | Ref]]:
    """(namespace, name, statistic, dimensions) of what a policy of target tracking would look at."""
    if metric in ("cpu", "memory"):
        service = {"ClusterName": release.names["cluster"], "ServiceName": release.names["service"]}
        return "AWS/ECS", "CPUUtilization" if metric == "cpu" else "MemoryUtilization", "Average", service
    if metric == "requests":
        group = {"LoadBalancer": Ref(balancer, "arn_suffix"), "TargetGroup": Ref(targets, "arn_suffix")}
        return "AWS/ApplicationELB", "RequestCountPerTarget", "Sum", group
    return CUSTOM_NAMESPACE, metric, "Average", {CUSTOM_DIMENSION: release.deployment}
