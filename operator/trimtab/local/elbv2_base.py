"""What the operations of Elastic Load Balancing share: lookups, refusals, paging, and the bridge to the data plane."""

import hashlib
import ipaddress
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from trimtab.local.balancer import Balancer, Fixed, Forward, Redirect, Route, Routes
from trimtab.local.elbv2_records import Book, Document, Enrolled, Listener, LoadBalancer, Rule, Tags, TargetGroup, groups_in
from trimtab.local.elbv2_targets import HealthCheck, Pool, Target, codes_in
from trimtab.local.overlay import Arguments, ServiceError, World

T = TypeVar("T")
ADDRESSES = ipaddress.ip_network("127.64.0.0/10")
LOW_PORTS_ADD = 8000  # a listener on 80 listens on 8080: ports below 1024 need privileges
PAGE = 400


class Base:
    """State and shared words; the operations are mixed in."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.book = Book(world)
        self.balancer = Balancer(plane=world.http, changed=world.wake.set)
        self.pools: dict[str, Pool] = {}

    # Lookups

    def load_balancer(self, arn: str) -> LoadBalancer:
        if (found := self.book.balancers.get(arn)) is None:
            raise ServiceError("LoadBalancerNotFound", f"Load balancer '{arn}' not found")
        return found

    def group(self, arn: str) -> TargetGroup:
        if (found := self.book.groups.get(arn)) is None:
            raise ServiceError("TargetGroupNotFound", f"Target groups '{arn}' not found")
        return found

    def listener(self, arn: str) -> Listener:
        if (found := self.book.listeners.get(arn)) is None:
            raise ServiceError("ListenerNotFound", f"Listener '{arn}' not found")
        return found

    def rule(self, arn: str) -> Rule:
        if any(each.default_rule == arn for each in self.book.listeners):
            raise ServiceError("OperationNotPermitted", f"Default rule '{arn}' cannot be modified")
        if (found := self.book.rules.get(arn)) is None:
            raise ServiceError("RuleNotFound", f"Rule '{arn}' not found")
        return found

    def arn(self, rest: str) -> str:
        return f"arn:aws:elasticloadbalancing:{self.world.region}:{self.world.account}:{rest}"

    # The data plane

    def publish(self, listener: Listener) -> None:
        """Hand a listener's whole table to the data plane. Raises ServiceError when its port is taken on this machine."""
        host, port = self.endpoint(listener)
        rules = [(rule.conditions, rule.actions) for rule in self.book.rules_of(listener.arn)]
        none: list[Document] = []
        table = tuple(
            Route(tuple(conditions), self._action(actions)) for conditions, actions in [*rules, (none, listener.actions)]
        )
        idle_s = float(self.load_balancer(listener.balancer).attributes["idle_timeout.timeout_seconds"])
        try:
            self.balancer.serve(host, port, Routes(listener.port, idle_s, table, listener.balancer))
        except OSError as error:
            raise ServiceError(
                "InvalidConfigurationRequest", f"The local cloud cannot listen on {host}:{port}: {error.strerror or error}"
            ) from error

    def endpoint(self, listener: Listener) -> tuple[str, int]:
        """Address and port where a listener really listens."""
        port = listener.port + LOW_PORTS_ADD if listener.port < 1024 else listener.port
        return self.load_balancer(listener.balancer).address, port

    def _action(self, actions: Sequence[Document]) -> Fixed | Redirect | Forward:
        last = actions[-1]
        if last["Type"] == "fixed-response":
            given = last["FixedResponseConfig"]
            body = given.get("MessageBody", "")
            return Fixed(int(given["StatusCode"]), given.get("ContentType") or "text/plain", body)
        if last["Type"] == "redirect":
            given = last["RedirectConfig"]
            keys = ("Protocol", "Host", "Port", "Path", "Query")
            protocol, host, port, path, query = (
                given.get(key, default) for key, default in zip(keys, REDIRECT, strict=True)
            )
            return Redirect(int(given["StatusCode"].removeprefix("HTTP_")), protocol, host, port, path, query)
        return Forward(tuple((self.pool(arn), weight) for arn, weight in groups_in(last).items()))

    def pool(self, group_arn: str) -> Pool:
        if (found := self.pools.get(group_arn)) is None:
            found = self.pools[group_arn] = Pool(group_arn, health_check(self.group(group_arn)))
        return found

    def settle(self, group: TargetGroup) -> None:
        """Make the rotation of a group what its record says. Nothing is checked until a load balancer routes to it."""
        pool, used = self.pool(group.arn), bool(self.book.balancers_of(group.arn))
        pool.check = health_check(group)
        wanted = {(each.id, each.port) for each in group.targets if used and each.withdrawn is None}
        draining = {(each.id, each.port) for each in group.targets if each.withdrawn is not None}
        for key, target in list(pool.targets.items()):
            if key in draining:
                pool.withdraw(key)
            elif key not in wanted or target.state == "draining":
                pool.remove(key)
        for id, port in sorted(wanted - pool.targets.keys()):
            self.balancer.enrol(pool, Target(id, port))

    def settle_all(self) -> None:
        for group in self.book.groups:
            self.settle(group)

    def free_address(self, name: str) -> str:
        """An address that no load balancer of this cloud has; hashed with the state folder, as clouds live side by side."""
        taken = {each.address for each in self.book.balancers}
        seed = hashlib.sha256(f"{self.world.folder}|{name}".encode()).digest()
        start = int.from_bytes(seed[:8], "big")
        for step in range(ADDRESSES.num_addresses):
            address = str(ADDRESSES[1 + (start + step) % (ADDRESSES.num_addresses - 2)])
            if address not in taken:
                return address
        raise ServiceError("TooManyLoadBalancers", "No loopback address is free")


REDIRECT = ("#{protocol}", "#{host}", "#{port}", "/#{path}", "#{query}")


def health_check(group: TargetGroup) -> HealthCheck:
    settings = group.settings
    port = settings["HealthCheckPort"]
    return HealthCheck(
        path=settings["HealthCheckPath"],
        port=None if port == "traffic-port" else int(port),
        interval_s=settings["HealthCheckIntervalSeconds"],
        timeout_s=settings["HealthCheckTimeoutSeconds"],
        passes=settings["HealthyThresholdCount"],
        failures=settings["UnhealthyThresholdCount"],
        codes=codes_in(settings["Matcher"]["HttpCode"]),
    )


def find(group: TargetGroup, id: str, port: int) -> Enrolled | None:
    return next((each for each in group.targets if (each.id, each.port) == (id, port)), None)


def overdue(group: TargetGroup, target: Enrolled, now: datetime) -> bool:
    """True when a deregistered target's delay has gone by."""
    return target.withdrawn is not None and (now - target.withdrawn).total_seconds() >= group.delay_s


def page(arguments: Arguments, items: Sequence[T], name: str, shown: Callable[[T], Document]) -> Document:
    """One page of a list. Marker is the index of the first item, PageSize 1 to 400."""
    start, size = int(arguments.get("Marker") or 0), int(arguments.get("PageSize") or PAGE)
    if not 1 <= size <= PAGE:
        raise ServiceError("ValidationError", f"PageSize must be between 1 and {PAGE}")
    reply: Document = {name: [shown(each) for each in items[start : start + size]]}
    if start + size < len(items):
        reply["NextMarker"] = str(start + size)
    return reply


def listed(arguments: Arguments, key: str) -> list[Any]:
    """A list argument; empty when it was not given."""
    return list(arguments.get(key, ()))


def tags_in(arguments: Arguments) -> Tags:
    """Tags of a create call. Raises ServiceError for a key given twice."""
    given = listed(arguments, "Tags")
    tags = {each["Key"]: each.get("Value", "") for each in given}
    if len(tags) < len(given):
        raise ServiceError("DuplicateTagKeys", "Tag keys must be unique")
    if len(tags) > 50:
        raise ServiceError("TooManyTags", "The limit is 50 tags per resource")
    return tags


def set_attributes(have: dict[str, str], given: Sequence[Document], what: str) -> None:
    """Change attributes in place. Raises ServiceError for a key that does not exist."""
    for each in given:
        if each["Key"] not in have:
            raise ServiceError("ValidationError", f"{what} attribute key '{each['Key']}' is not recognized")
    have.update({each["Key"]: each.get("Value", "") for each in given})


def shown_attributes(have: dict[str, str]) -> list[Document]:
    return [{"Key": key, "Value": value} for key, value in have.items()]
