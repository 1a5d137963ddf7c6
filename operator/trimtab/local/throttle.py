"""AWS's own limits of calls: a token bucket for each class of operations of an account and region. Off until asked for.

Only what comes in by HTTP counts. Tokens come back with real time: how fast a client calls is real, whatever the clock of
the cloud does. A call that is refused changes nothing.
Sources: Amazon ECS API Reference, "Request throttling"; quotas of CloudWatch, CloudWatch Logs, SageMaker (ListTrainingJobs),
CloudTrail (LookupEvents) and API Gateway (all operations of an account together). Elastic Load Balancing publishes none:
those that AWS's own load balancer controller holds itself to.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from trimtab.local.faults import THROTTLED
from trimtab.local.overlay import ServiceError

_LEAST = 1e-9  # of a token: sums of parts of it are not exact


@dataclass(frozen=True, slots=True)
class Limit:
    """Calls at once, and a second in the long run."""

    burst: float
    rate: float


CLASSES: Mapping[str, tuple[Limit, frozenset[str]]] = {  # by "service: class"; "*" is every operation of the service
    "ecs: services read": (Limit(100, 20), frozenset({"DescribeServices", "ListServices"})),
    "ecs: tasks read": (Limit(100, 20), frozenset({"DescribeTasks", "ListTasks"})),
    "ecs: definitions read": (
        Limit(50, 20),
        frozenset({"DescribeTaskDefinition", "ListTaskDefinitions", "ListTaskDefinitionFamilies"}),
    ),
    "ecs: clusters read": (Limit(50, 20), frozenset({"DescribeClusters", "ListClusters"})),
    "ecs: tags read": (Limit(50, 20), frozenset({"ListTagsForResource"})),
    "ecs: deployments read": (Limit(50, 20), frozenset({"DescribeServiceDeployments", "ListServiceDeployments"})),
    "ecs: revisions read": (Limit(50, 20), frozenset({"DescribeServiceRevisions"})),
    "ecs: services written": (Limit(50, 5), frozenset({"CreateService", "UpdateService", "DeleteService"})),
    "ecs: definitions written": (Limit(20, 1), frozenset({"RegisterTaskDefinition", "DeregisterTaskDefinition"})),
    "ecs: definitions deleted": (Limit(5, 1), frozenset({"DeleteTaskDefinitions"})),
    "cloudwatch: alarms read": (Limit(9, 9), frozenset({"DescribeAlarms"})),
    "cloudwatch: alarms written": (Limit(3, 3), frozenset({"PutMetricAlarm"})),
    "cloudwatch: metrics read": (Limit(50, 50), frozenset({"GetMetricData"})),
    "cloudwatch: metrics listed": (Limit(25, 25), frozenset({"ListMetrics"})),
    "logs: groups read": (Limit(5, 5), frozenset({"DescribeLogGroups"})),
    "logs: groups made": (Limit(10, 10), frozenset({"CreateLogGroup"})),
    "logs: streams read": (Limit(25, 25), frozenset({"DescribeLogStreams"})),
    "sagemaker: training jobs listed": (Limit(2, 2), frozenset({"ListTrainingJobs"})),
    "cloudtrail: events read": (Limit(2, 2), frozenset({"LookupEvents"})),
    "elbv2: read": (
        Limit(40, 10),
        frozenset(
            {
                "DescribeListeners",
                "DescribeLoadBalancers",
                "DescribeRules",
                "DescribeTags",
                "DescribeTargetGroupAttributes",
                "DescribeTargetGroups",
                "DescribeTargetHealth",
            }
        ),
    ),
    "elbv2: targets written": (Limit(20, 4), frozenset({"RegisterTargets", "DeregisterTargets"})),
    "apigateway: all": (Limit(40, 10), frozenset({"*"})),
}


@dataclass(frozen=True, slots=True)
class Bucket:
    """Tokens that were there at a time, in seconds; and how it has gone so far."""

    limit: Limit
    tokens: float
    at: float
    lowest: float
    taken: int = 0
    refused: int = 0


def full(limit: Limit, now: float) -> Bucket:
    return Bucket(limit, limit.burst, now, limit.burst)


def take(bucket: Bucket, now: float) -> tuple[Bucket, bool]:
    """(the bucket after one more call, whether that is let through)."""
    tokens = min(bucket.limit.burst, bucket.tokens + max(0.0, now - bucket.at) * bucket.limit.rate)
    if tokens < 1.0 - _LEAST:
        return replace(bucket, tokens=tokens, at=now, refused=bucket.refused + 1), False
    left = tokens - 1.0
    return replace(bucket, tokens=left, at=now, lowest=min(bucket.lowest, left), taken=bucket.taken + 1), True


@dataclass(slots=True)
class Throttle:
    """Safe to use from several threads. monotonic: seconds that never go back."""

    monotonic: Callable[[], float]
    _buckets: dict[str, Bucket] = field(default_factory=dict[str, Bucket])  # empty: it is off
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def turn(self, *, on: bool) -> None:
        """On: with every bucket full, and nothing counted yet."""
        now = self.monotonic()
        with self._lock:
            self._buckets = {name: full(limit, now) for name, (limit, _) in CLASSES.items()} if on else {}

    def strike(self, service: str, operation: str) -> None:
        """Let a call through, or raise ServiceError in the words of its service."""
        name = _CLASS.get((service, operation)) or _CLASS.get((service, "*"))
        if name is None:
            return
        with self._lock:
            if name not in self._buckets:
                return
            self._buckets[name], is_let_through = take(self._buckets[name], self.monotonic())
        if not is_let_through:
            code, status = THROTTLED.get(service, ("ThrottlingException", 400))
            raise ServiceError(code, "Rate exceeded", status)

    def shown(self) -> list[dict[str, Any]]:
        """Of each class that was asked for: its limit, how low its bucket was, calls let through and refused."""
        with self._lock:
            return [
                {
                    "class": name,
                    "burst": each.limit.burst,
                    "rate": each.limit.rate,
                    "lowest": round(each.lowest, 1),
                    "taken": each.taken,
                    "refused": each.refused,
                }
                for name, each in self._buckets.items()
                if each.taken or each.refused
            ]

    @property
    def is_on(self) -> bool:
        return bool(self._buckets)


_CLASS: Mapping[tuple[str, str], str] = {
    (name.partition(":")[0], operation): name for name, (_, operations) in CLASSES.items() for operation in operations
}
