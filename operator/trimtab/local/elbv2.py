"""Elastic Load Balancing v2 of the local cloud: application load balancers that really balance.

The records are here and in elbv2_*; requests run in balancer.py. Other overlays call `route` (where a listener listens) and
`enrol`, `withdraw`, `health_of`, `drained` (the life of a target), under the cloud's lock like every call.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from trimtab.local.elbv2_balancers import LoadBalancers
from trimtab.local.elbv2_base import find, overdue
from trimtab.local.elbv2_groups import TargetGroups, check_address
from trimtab.local.elbv2_listeners import Listeners
from trimtab.local.elbv2_records import Document, Enrolled, Listener, LoadBalancer, Rule, Tags, TargetGroup
from trimtab.local.overlay import Arguments, Context, Reply, ServiceError

MOST_ARNS = 20  # of one DescribeTags


class Elbv2(LoadBalancers, TargetGroups, Listeners):
    service = "elbv2"
    whole = True

    def tick(self, now: datetime) -> None:
        for balancer in self.book.balancers:
            if balancer.state == "provisioning":
                balancer.state = "active"
                self.book.balancers.put(balancer)
        for group in self.book.groups:
            if gone := [each for each in group.targets if overdue(group, each, now)]:
                group.targets = [each for each in group.targets if each not in gone]
                self.book.groups.put(group)
                self.settle(group)

    def recover(self) -> Sequence[str]:
        """Listen again and check every target anew. Answers a sentence per listener that could not be opened."""
        lost: list[str] = []
        for listener in self.book.listeners:
            try:
                self.publish(listener)
            except ServiceError as error:
                lost.append(f"Listener {listener.arn} does not answer. {error.message}.")
        self.settle_all()
        return lost

    def close(self) -> None:
        """Before the HTTP plane stops: end the health checks."""
        self.balancer.stop()

    # For other overlays

    def route(self, listener_arn: str) -> tuple[str, int]:
        """Address and port where a listener really listens. Raises ServiceError when there is no such listener."""
        return self.endpoint(self.listener(listener_arn))

    def attached(self, group_arn: str) -> bool | None:
        """True when a load balancer routes to a target group; None when there is no such group."""
        return None if self.book.groups.get(group_arn) is None else bool(self.book.balancers_of(group_arn))

    def enrol(self, group_arn: str, id: str, port: int) -> None:
        """Register one target."""
        group = self.group(group_arn)
        check_address(id)
        self._enrol(group, id, port)
        self.book.groups.put(group)
        self.settle(group)

    def withdraw(self, group_arn: str, id: str, port: int) -> None:
        """Deregister one target: no new requests; what is in flight may end. Harmless for one that is not registered."""
        group = self.book.groups.get(group_arn)
        found = find(group, id, port) if group else None
        if group is not None and found is not None and found.withdrawn is None:
            found.withdrawn = self.world.clock.now()
            self.book.groups.put(group)
            self.settle(group)

    def health_of(self, group_arn: str, id: str, port: int) -> Document:
        """State, Reason and Description of one target, as DescribeTargetHealth answers; unused when its group is gone."""
        group = self.book.groups.get(group_arn)
        return {"State": "unused", "Reason": "Target.NotRegistered"} if group is None else self.health(group, id, port)

    def drained(self, group_arn: str, id: str, port: int) -> bool:
        """True when a deregistered target has nothing in flight, or its delay has gone by.

        AWS: with nothing in flight, deregistration completes at once, although `draining` is shown until the delay is over.
        """
        group = self.book.groups.get(group_arn)
        found = find(group, id, port) if group else None
        if group is None or found is None or overdue(group, found, self.world.clock.now()):
            return True
        return found.withdrawn is not None and self.pool(group_arn).idle((id, port))

    # Tags

    def add_tags(self, arguments: Arguments, context: Context) -> Reply:
        given = {each["Key"]: each.get("Value", "") for each in arguments["Tags"]}
        if len(given) < len(arguments["Tags"]):
            raise ServiceError("DuplicateTagKeys", "Tag keys must be unique")
        tagged = [self._tagged(arn) for arn in arguments["ResourceArns"]]
        for record in tagged:
            if len(record.tags | given) > 50:
                raise ServiceError("TooManyTags", "The limit is 50 tags per resource")
        for record in tagged:
            record.tags.update(given)
            self._keep(record)
        return {}

    def remove_tags(self, arguments: Arguments, context: Context) -> Reply:
        for record in [self._tagged(arn) for arn in arguments["ResourceArns"]]:
            for key in arguments["TagKeys"]:
                record.tags.pop(key, None)
            self._keep(record)
        return {}

    def describe_tags(self, arguments: Arguments, context: Context) -> Reply:
        arns: list[str] = arguments["ResourceArns"]
        if len(arns) > MOST_ARNS:
            raise ServiceError("ValidationError", f"Cannot describe tags of more than {MOST_ARNS} resources")
        return {"TagDescriptions": [{"ResourceArn": arn, "Tags": shown_tags(self._tags(arn))} for arn in arns]}

    def tagged(self) -> Iterator[tuple[str, Tags]]:
        """(ARN, tags) of load balancers, listeners, rules and target groups."""
        for shelf in (self.book.balancers, self.book.listeners, self.book.rules, self.book.groups):
            yield from ((each.arn, each.tags) for each in shelf)

    def _tags(self, arn: str) -> Tags:
        return {} if any(each.default_rule == arn for each in self.book.listeners) else self._tagged(arn).tags

    def _tagged(self, arn: str) -> "LoadBalancer | TargetGroup | Listener | Rule":
        kind = arn.split(":", 5)[-1].split("/")[0]
        look_up = {
            "loadbalancer": self.load_balancer,
            "targetgroup": self.group,
            "listener": self.listener,
            "listener-rule": self.rule,
        }
        if kind not in look_up:
            raise ServiceError(
                "ValidationError", f"'{arn}' is not a valid load balancer, target group, listener or rule ARN"
            )
        return look_up[kind](arn)

    def _keep(self, record: "LoadBalancer | TargetGroup | Listener | Rule") -> None:
        if isinstance(record, LoadBalancer):
            self.book.balancers.put(record)
        elif isinstance(record, TargetGroup):
            self.book.groups.put(record)
        elif isinstance(record, Listener):
            self.book.listeners.put(record)
        else:
            self.book.rules.put(record)


def shown_tags(tags: Tags) -> list[Document]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


__all__ = ["Elbv2", "Enrolled"]
