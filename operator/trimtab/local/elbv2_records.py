"""What Elastic Load Balancing keeps: load balancers, target groups, listeners and rules.

Settings that are only kept and answered stay in AWS's spelling; what the code reads has a field of its own.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from trimtab.local.overlay import World
from trimtab.local.shelf import Shelf

Document = dict[str, Any]
Tags = dict[str, str]


@dataclass(slots=True)
class LoadBalancer:
    arn: str
    name: str
    scheme: str  # "internal" or "internet-facing"
    vpc: str
    zones: list[tuple[str, str]]  # (availability zone, subnet id), one per subnet
    security_groups: list[str]
    ip_address_type: str
    created: datetime
    address: str  # its own loopback address, which is its DNS name too
    attributes: dict[str, str]
    state: str = "provisioning"  # then "active"
    tags: Tags = field(default_factory=Tags)


@dataclass(slots=True)
class Enrolled:
    """A target of a group. AWS keys targets by id and port, and so do we."""

    id: str
    port: int
    withdrawn: datetime | None = None  # when it was deregistered: shown as draining until the delay has gone by


@dataclass(slots=True)
class TargetGroup:
    arn: str
    name: str
    vpc: str
    settings: Document  # Protocol, Port, HealthCheck*, Matcher, TargetType ... as AWS answers them
    attributes: dict[str, str]
    targets: list[Enrolled] = field(default_factory=list[Enrolled])
    tags: Tags = field(default_factory=Tags)

    @property
    def delay_s(self) -> float:
        return float(self.attributes["deregistration_delay.timeout_seconds"])


@dataclass(slots=True)
class Listener:
    arn: str
    balancer: str  # ARN
    port: int
    protocol: str
    actions: list[Document]
    attributes: dict[str, str]
    default_rule: str  # ARN of the rule that DescribeRules shows with priority "default"
    tags: Tags = field(default_factory=Tags)


@dataclass(slots=True)
class Rule:
    arn: str
    listener: str  # ARN
    priority: int
    conditions: list[Document]
    actions: list[Document]
    tags: Tags = field(default_factory=Tags)


class Book:
    """The records of the service, by ARN."""

    def __init__(self, world: World) -> None:
        store = world.store
        self.balancers = Shelf(store, "elbv2.balancer", LoadBalancer, lambda each: each.arn)
        self.groups = Shelf(store, "elbv2.group", TargetGroup, lambda each: each.arn)
        self.listeners = Shelf(store, "elbv2.listener", Listener, lambda each: each.arn)
        self.rules = Shelf(store, "elbv2.rule", Rule, lambda each: each.arn)
        self._users: tuple[tuple[int, int], dict[str, list[str]]] = ((-1, -1), {})

    def listeners_of(self, balancer_arn: str) -> list[Listener]:
        return [each for each in self.listeners if each.balancer == balancer_arn]

    def rules_of(self, listener_arn: str) -> list[Rule]:
        """Rules in the order in which they are tried."""
        return sorted((each for each in self.rules if each.listener == listener_arn), key=lambda each: each.priority)

    def balancers_of(self, group_arn: str) -> list[str]:
        """ARNs of the load balancers that route to a target group."""
        state = (self.listeners.changes, self.rules.changes)
        if self._users[0] != state:
            self._users = (state, self._index())
        return self._users[1].get(group_arn, [])

    def _index(self) -> dict[str, list[str]]:
        users: dict[str, list[str]] = {}
        balancers = {listener.arn: listener.balancer for listener in self.listeners}
        routes = [(listener.arn, listener.actions) for listener in self.listeners]
        routes += [(rule.listener, rule.actions) for rule in self.rules]
        for listener, actions in routes:
            for group in {group for action in actions for group in groups_in(action)}:
                arns = users.setdefault(group, [])
                if balancers[listener] not in arns:
                    arns.append(balancers[listener])
        return users


def groups_in(action: Document) -> dict[str, int]:
    """Weight by ARN of the target groups that an action forwards to; empty for the other types."""
    if action["Type"] != "forward":
        return {}
    listed = action.get("ForwardConfig", {}).get("TargetGroups", [])
    weights = {each["TargetGroupArn"]: each.get("Weight", 1) for each in listed}
    return weights or ({action["TargetGroupArn"]: 1} if "TargetGroupArn" in action else {})
