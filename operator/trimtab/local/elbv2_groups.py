"""Target groups and their targets: CreateTargetGroup, RegisterTargets, DescribeTargetHealth and their kin."""

import ipaddress
import secrets
from collections.abc import Sequence

from trimtab.local.elbv2_balancers import check_name
from trimtab.local.elbv2_base import (
    Base,
    find,
    health_check,
    listed,
    overdue,
    page,
    set_attributes,
    shown_attributes,
    tags_in,
)
from trimtab.local.elbv2_network import vpc_exists
from trimtab.local.elbv2_records import Document, Enrolled, TargetGroup
from trimtab.local.elbv2_targets import MESSAGES, codes_in
from trimtab.local.overlay import Arguments, Context, Reply, ServiceError

HEALTH_CHECKS = {  # AWS's defaults
    "HealthCheckProtocol": "HTTP",
    "HealthCheckPort": "traffic-port",
    "HealthCheckEnabled": True,
    "HealthCheckPath": "/",
    "HealthCheckIntervalSeconds": 30,
    "HealthCheckTimeoutSeconds": 5,
    "HealthyThresholdCount": 5,
    "UnhealthyThresholdCount": 2,
    "Matcher": {"HttpCode": "200"},
}
ATTRIBUTES = {
    "deregistration_delay.timeout_seconds": "300",
    "load_balancing.algorithm.anomaly_mitigation": "off",
    "load_balancing.algorithm.type": "round_robin",
    "load_balancing.cross_zone.enabled": "use_load_balancer_configuration",
    "slow_start.duration_seconds": "0",
    "stickiness.app_cookie.cookie_name": "",
    "stickiness.app_cookie.duration_seconds": "86400",
    "stickiness.enabled": "false",
    "stickiness.lb_cookie.duration_seconds": "86400",
    "stickiness.type": "lb_cookie",
    "target_group_health.dns_failover.minimum_healthy_targets.count": "1",
    "target_group_health.dns_failover.minimum_healthy_targets.percentage": "off",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": "1",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": "off",
}
REFUSED_ATTRIBUTES = {"stickiness.enabled": "true"}  # what would change routing, and is not built


class TargetGroups(Base):
    def create_target_group(self, arguments: Arguments, context: Context) -> Reply:
        name = arguments["Name"]
        check_name(name, "Target group")
        settings = self._settings(arguments)
        vpc, tags = arguments.get("VpcId", ""), tags_in(arguments)
        if (same := next((each for each in self.book.groups if each.name == name), None)) is not None:
            if (same.settings, same.vpc) != (settings, vpc):
                raise ServiceError(
                    "DuplicateTargetGroupName",
                    f"A target group with the same name '{name}' exists, but with different settings",
                )
            return {"TargetGroups": [self.shown_group(same)]}
        group = TargetGroup(
            arn=self.arn(f"targetgroup/{name}/{secrets.token_hex(8)}"),
            name=name,
            vpc=vpc,
            settings=settings,
            attributes=dict(ATTRIBUTES),
            tags=tags,
        )
        self.book.groups.put(group)
        return {"TargetGroups": [self.shown_group(group)]}

    def _settings(self, arguments: Arguments) -> Document:
        """Everything but name and VPC, with defaults. Raises ServiceError for what AWS, or the local cloud, refuses."""
        if arguments.get("TargetType", "instance") != "ip":
            raise ServiceError("ValidationError", "The local cloud has target groups of type 'ip' only")
        for key in ("Protocol", "Port", "VpcId"):
            if not arguments.get(key):
                raise ServiceError(
                    "ValidationError", f"{'A port' if key == 'Port' else 'A ' + key.lower()} must be specified"
                )
        if arguments["Protocol"] != "HTTP" or (arguments.get("ProtocolVersion") or "HTTP1") != "HTTP1":
            raise ServiceError("ValidationError", "The local cloud speaks HTTP1 over protocol 'HTTP' to targets only")
        if not vpc_exists(self.world, arguments["VpcId"]):
            raise ServiceError("ValidationError", f"The VPC ID '{arguments['VpcId']}' is not found")
        fixed = {"Protocol": "HTTP", "Port": arguments["Port"], "ProtocolVersion": "HTTP1", "TargetType": "ip"}
        settings = fixed | {"IpAddressType": arguments.get("IpAddressType", "ipv4")} | HEALTH_CHECKS
        return checked(settings | {key: arguments[key] for key in HEALTH_CHECKS if key in arguments})

    def describe_target_groups(self, arguments: Arguments, context: Context) -> Reply:
        arns, names = listed(arguments, "TargetGroupArns"), listed(arguments, "Names")
        chosen = list(self.book.groups)
        if (balancer := arguments.get("LoadBalancerArn")) is not None:
            self.load_balancer(balancer)
            chosen = [each for each in chosen if balancer in self.book.balancers_of(each.arn)]
        elif arns or names:
            missing = sorted({*arns, *names} - {each.arn for each in chosen} - {each.name for each in chosen})
            if missing:
                raise ServiceError("TargetGroupNotFound", f"One or more target groups not found: {', '.join(missing)}")
            chosen = [each for each in chosen if each.arn in arns or each.name in names]
        return page(arguments, chosen, "TargetGroups", self.shown_group)

    def modify_target_group(self, arguments: Arguments, context: Context) -> Reply:
        group = self.group(arguments["TargetGroupArn"])
        group.settings = checked(group.settings | {key: arguments[key] for key in HEALTH_CHECKS if key in arguments})
        self.book.groups.put(group)
        self.settle(group)
        return {"TargetGroups": [self.shown_group(group)]}

    def delete_target_group(self, arguments: Arguments, context: Context) -> Reply:
        group = self.book.groups.get(arguments["TargetGroupArn"])
        if group is None:
            return {}
        if self.book.balancers_of(group.arn):
            raise ServiceError("ResourceInUse", f"Target group '{group.arn}' is currently in use by a listener or a rule")
        pool = self.pool(group.arn)
        for key in list(pool.targets):
            pool.remove(key)  # which ends its health checks
        del self.pools[group.arn]
        self.book.groups.drop(group.arn)
        return {}

    def describe_target_group_attributes(self, arguments: Arguments, context: Context) -> Reply:
        return {"Attributes": shown_attributes(self.group(arguments["TargetGroupArn"]).attributes)}

    def modify_target_group_attributes(self, arguments: Arguments, context: Context) -> Reply:
        group = self.group(arguments["TargetGroupArn"])
        given: list[Document] = arguments["Attributes"]
        for each in given:
            key, value = each["Key"], each.get("Value", "")
            if REFUSED_ATTRIBUTES.get(key) == value:
                raise ServiceError("ValidationError", f"The local cloud does not have '{key}' = '{value}'")
            if key == "deregistration_delay.timeout_seconds" and not (value.isdigit() and int(value) <= 3600):
                raise ServiceError("ValidationError", "Deregistration delay must be between 0 and 3600 seconds, inclusive")
        set_attributes(group.attributes, given, "Target group")
        self.book.groups.put(group)
        return {"Attributes": shown_attributes(group.attributes)}

    # Targets

    def register_targets(self, arguments: Arguments, context: Context) -> Reply:
        group = self.group(arguments["TargetGroupArn"])
        targets = [(each["Id"], each.get("Port") or group.settings["Port"]) for each in arguments["Targets"]]
        for id, _ in targets:
            check_address(id)
        for id, port in targets:
            self._enrol(group, id, port)
        self.book.groups.put(group)
        self.settle(group)
        return {}

    def _enrol(self, group: TargetGroup, id: str, port: int) -> None:
        if (found := find(group, id, port)) is None:
            group.targets.append(Enrolled(id, port))
        elif found.withdrawn is not None:  # back before it had drained: it starts anew
            found.withdrawn = None
            self.pool(group.arn).remove((id, port))

    def deregister_targets(self, arguments: Arguments, context: Context) -> Reply:
        group = self.group(arguments["TargetGroupArn"])
        for each in arguments["Targets"]:
            ports = [each["Port"]] if "Port" in each else [have.port for have in group.targets if have.id == each["Id"]]
            for port in ports:
                if (found := find(group, each["Id"], port)) is not None and found.withdrawn is None:
                    self._withdraw(group, found, context)
        self.book.groups.put(group)
        self.settle(group)
        return {}

    def _withdraw(self, group: TargetGroup, target: Enrolled, context: Context) -> None:
        target.withdrawn = context.now
        if overdue(group, target, context.now) or not self.book.balancers_of(group.arn):
            group.targets.remove(target)

    def describe_target_health(self, arguments: Arguments, context: Context) -> Reply:
        group = self.group(arguments["TargetGroupArn"])
        asked: Sequence[Document] = listed(arguments, "Targets")
        if asked:
            keys = [(each["Id"], each.get("Port") or group.settings["Port"]) for each in asked]
        else:
            keys = [(each.id, each.port) for each in group.targets]
        check = health_check(group)
        return {
            "TargetHealthDescriptions": [
                {
                    "Target": {"Id": id, "Port": port, "AvailabilityZone": "all"},
                    "HealthCheckPort": str(check.port or port),
                    "TargetHealth": self.health(group, id, port),
                }
                for id, port in keys
            ]
        }

    def health(self, group: TargetGroup, id: str, port: int) -> Document:
        """State, and for all but healthy ones Reason and Description."""
        found = find(group, id, port)
        reason = ""
        if found is None:
            reason = "Target.NotRegistered"
        elif found.withdrawn is not None:
            reason = "Target.DeregistrationInProgress"
        elif not self.book.balancers_of(group.arn):
            reason = "Target.NotInUse"
        if reason:
            state = "draining" if reason == "Target.DeregistrationInProgress" else "unused"
            return {"State": state, "Reason": reason, "Description": MESSAGES[reason]}
        target = self.pool(group.arn).targets.get((id, port))
        if target is None:  # enrolled in this very call
            reason = "Elb.RegistrationInProgress"
            return {"State": "initial", "Reason": reason, "Description": MESSAGES[reason]}
        if target.state == "healthy":
            return {"State": "healthy"}
        return {"State": target.state, "Reason": target.reason, "Description": target.description}

    def shown_group(self, group: TargetGroup) -> Document:
        return {
            "TargetGroupArn": group.arn,
            "TargetGroupName": group.name,
            "VpcId": group.vpc,
            "LoadBalancerArns": self.book.balancers_of(group.arn),
        } | group.settings


def checked(settings: Document) -> Document:
    """Settings that go together. Raises ServiceError as AWS does."""
    if settings["HealthCheckProtocol"] != "HTTP":
        raise ServiceError("ValidationError", "The local cloud checks health over HTTP only")
    if not settings["HealthCheckEnabled"]:
        raise ServiceError("ValidationError", "Health check enabled must be true for target groups with target type 'ip'")
    if settings["HealthCheckTimeoutSeconds"] >= settings["HealthCheckIntervalSeconds"]:
        raise ServiceError("ValidationError", "Health check timeout must be smaller than the interval")
    if not str(settings["HealthCheckPath"]).startswith("/"):
        raise ServiceError(
            "ValidationError", f"Health check path '{settings['HealthCheckPath']}' must begin with a '/' character"
        )
    port = str(settings["HealthCheckPort"])
    if port != "traffic-port" and not (port.isdigit() and 1 <= int(port) <= 65535):
        raise ServiceError("ValidationError", f"Health check port '{port}' must be 'traffic-port' or in 1 to 65535")
    try:
        codes_in(settings["Matcher"]["HttpCode"])
    except (KeyError, ValueError):
        raise ServiceError("ValidationError", f"Health check matcher '{settings['Matcher']}' is not valid") from None
    return settings


def check_address(id: str) -> None:
    """Only addresses of this machine are targets here. Raises ServiceError."""
    try:
        loopback = ipaddress.IPv4Address(id).is_loopback
    except ValueError:
        raise ServiceError("ValidationError", f"The IP address '{id}' is not a valid IPv4 address") from None
    if not loopback:
        raise ServiceError(
            "InvalidTarget", f"The IP address '{id}' is not on the loopback network of the local cloud, 127.0.0.0/8"
        )
