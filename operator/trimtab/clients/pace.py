"""Keeps our calls below AWS's limits: a token bucket for each class of operations, at half of what an account is allowed.

The other half is for people and their other tools. A call waits for its token; where several wait, those that somebody waits
for go first, then in the order in which they came.
Sources: Amazon ECS API Reference, "Request throttling"; CloudWatch and CloudWatch Logs service quotas; API Gateway quotas;
Elastic Load Balancing publishes none: those that AWS's own load balancer controller holds itself to.
"""

import heapq
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TypeAlias

SHARE = 0.5  # of AWS's own
_LEAST = 1e-9  # of a token: sums of parts of it are not exact
_URGENCY: ContextVar[int] = ContextVar("urgency", default=0)


@dataclass(frozen=True, slots=True)
class Limit:
    """Of a class of operations, for an account and region."""

    burst: float  # calls at once
    rate: float  # calls a second, sustained


Table: TypeAlias = Mapping[str, tuple[Limit, frozenset[str]]]

_ALL = frozenset({"*"})
# By "service: class"; operations by name. What is not in it has no published limit that a loop would reach.
LIMITS: Table = {
    "ecs: services read": (Limit(100, 20), frozenset({"DescribeServices", "ListServices"})),
    "ecs: tasks read": (Limit(100, 20), frozenset({"DescribeTasks", "ListTasks"})),
    "ecs: definitions read": (
        Limit(50, 20),
        frozenset({"DescribeTaskDefinition", "ListTaskDefinitions", "ListTaskDefinitionFamilies"}),
    ),
    "ecs: clusters read": (Limit(50, 20), frozenset({"DescribeClusters", "ListClusters"})),
    "ecs: tags read": (Limit(50, 20), frozenset({"ListTagsForResource"})),
    "ecs: services written": (Limit(50, 5), frozenset({"CreateService", "UpdateService", "DeleteService"})),
    "ecs: definitions written": (Limit(20, 1), frozenset({"RegisterTaskDefinition", "DeregisterTaskDefinition"})),
    "ecs: definitions deleted": (Limit(5, 1), frozenset({"DeleteTaskDefinitions"})),
    "cloudwatch: alarms read": (Limit(9, 9), frozenset({"DescribeAlarms"})),
    "cloudwatch: alarms written": (Limit(3, 3), frozenset({"PutMetricAlarm"})),
    "cloudwatch: metrics read": (Limit(50, 50), frozenset({"GetMetricData"})),
    "logs: groups read": (Limit(5, 5), frozenset({"DescribeLogGroups"})),
    "logs: groups made": (Limit(10, 10), frozenset({"CreateLogGroup"})),
    "logs: streams read": (Limit(25, 25), frozenset({"DescribeLogStreams"})),
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
    "apigateway: all": (Limit(40, 10), _ALL),
}


@dataclass(frozen=True, slots=True)
class Bucket:
    """Tokens that were there at a time. Times are seconds that never go back."""

    limit: Limit
    tokens: float
    at: float

    def filled(self, now: float) -> "Bucket":
        """As it is then."""
        return replace(self, tokens=min(self.limit.burst, self.tokens + (now - self.at) * self.limit.rate), at=now)

    def taken(self, now: float) -> tuple["Bucket", float]:
        """(without one more token; seconds until there is one, 0 where it was taken)."""
        here = self.filled(now)
        if here.tokens < 1.0 - _LEAST:
            return here, (1.0 - here.tokens) / self.limit.rate
        return replace(here, tokens=here.tokens - 1.0), 0.0


@dataclass(slots=True)
class _Class:
    bucket: Bucket
    changed: threading.Condition = field(default_factory=threading.Condition)
    waiting: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])  # a heap of (urgency, number)


@contextmanager
def urgent(urgency: int) -> Generator[None]:
    """Calls made within go ahead of those of a higher number."""
    token = _URGENCY.set(urgency)
    try:
        yield
    finally:
        _URGENCY.reset(token)


class Pace:
    """Of one account and region. Safe to use from several threads.

    monotonic: seconds that never go back. waited: told of each wait, by class and seconds.
    """

    def __init__(
        self, monotonic: Callable[[], float], *, table: Table = LIMITS, waited: Callable[[str, float], None] | None = None
    ) -> None:
        self._monotonic = monotonic
        self._waited = waited
        self._numbers = count()
        self._closed = threading.Event()
        now = monotonic()
        self._classes = {name: _Class(_full(limit, now)) for name, (limit, _) in table.items()}
        self._names = {
            (name.partition(":")[0], operation): name for name, (_, operations) in table.items() for operation in operations
        }

    def pay(self, service: str, operation: str) -> None:
        """Wait until the call may be made."""
        name = self._name(service, operation)
        if name is None or self._closed.is_set():
            return
        here, began = self._classes[name], self._monotonic()
        ticket = (_URGENCY.get(), next(self._numbers))
        with here.changed:
            heapq.heappush(here.waiting, ticket)
            while (wait_s := self._wait_s(here, ticket)) != 0.0 and not self._closed.is_set():
                here.changed.wait(wait_s)
            here.waiting.remove(ticket)
            heapq.heapify(here.waiting)
            here.changed.notify_all()
        if self._waited and (waited := self._monotonic() - began) > 0.01:
            self._waited(name, waited)

    def refused(self, service: str, operation: str) -> None:
        """AWS throttled such a call: somebody else is at it, too. All of its class wait for a second's worth of tokens."""
        name = self._name(service, operation)
        if name is not None:
            here = self._classes[name]
            with here.changed:
                bucket = here.bucket.filled(self._monotonic())
                here.bucket = replace(bucket, tokens=min(bucket.tokens, 1.0 - bucket.limit.rate))

    def close(self) -> None:
        """Let all go that wait, and hold nobody from now on: what is under way is to end."""
        self._closed.set()
        for here in self._classes.values():
            with here.changed:
                here.changed.notify_all()

    def _name(self, service: str, operation: str) -> str | None:
        return self._names.get((service, operation)) or self._names.get((service, "*"))

    def _wait_s(self, here: _Class, ticket: tuple[int, int]) -> float | None:
        """0 where the token was taken; else how long to wait: None until it is our turn."""
        if here.waiting[0] != ticket:
            return None
        here.bucket, wait_s = here.bucket.taken(self._monotonic())
        return wait_s


def _full(limit: Limit, now: float) -> Bucket:
    ours = Limit(max(1.0, limit.burst * SHARE), limit.rate * SHARE)
    return Bucket(ours, ours.burst, now)
