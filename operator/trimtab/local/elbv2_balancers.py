"""Load balancers: CreateLoadBalancer to DeleteLoadBalancer, and their attributes."""

import re
import secrets
from collections.abc import Sequence

from trimtab.local.elbv2_base import Base, listed, page, set_attributes, shown_attributes, tags_in
from trimtab.local.elbv2_network import subnet_of
from trimtab.local.elbv2_records import Document, LoadBalancer
from trimtab.local.overlay import Arguments, Context, Reply, ServiceError

ZONE_ID = "Z35SXDOTRQ7X7K"  # CanonicalHostedZoneId of us-east-1
ATTRIBUTES = {
    "access_logs.s3.enabled": "false",
    "access_logs.s3.bucket": "",
    "access_logs.s3.prefix": "",
    "client_keep_alive.seconds": "3600",
    "connection_logs.s3.enabled": "false",
    "connection_logs.s3.bucket": "",
    "connection_logs.s3.prefix": "",
    "deletion_protection.enabled": "false",
    "idle_timeout.timeout_seconds": "60",
    "ipv6.deny_all_igw_traffic": "false",
    "load_balancing.cross_zone.enabled": "true",
    "routing.http.desync_mitigation_mode": "defensive",
    "routing.http.drop_invalid_header_fields.enabled": "false",
    "routing.http.preserve_host_header.enabled": "false",
    "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "false",
    "routing.http.xff_client_port.enabled": "false",
    "routing.http.xff_header_processing.mode": "append",
    "routing.http2.enabled": "true",
    "waf.fail_open.enabled": "false",
    "zonal_shift.config.enabled": "false",
}


class LoadBalancers(Base):
    def create_load_balancer(self, arguments: Arguments, context: Context) -> Reply:
        name, scheme = arguments["Name"], arguments.get("Scheme", "internet-facing")
        check_name(name, "Load balancer")
        if arguments.get("Type", "application") != "application":
            raise ServiceError("ValidationError", "The local cloud has application load balancers only")
        mapped = [each["SubnetId"] for each in listed(arguments, "SubnetMappings")]
        zones, vpc = self._zones(arguments.get("Subnets") or mapped)
        groups = sorted(listed(arguments, "SecurityGroups"))
        kind = arguments.get("IpAddressType", "ipv4")
        tags = tags_in(arguments)
        if (same := next((each for each in self.book.balancers if each.name == name), None)) is not None:
            if (same.scheme, sorted(same.zones), same.security_groups, same.ip_address_type) != (
                scheme,
                sorted(zones),
                groups,
                kind,
            ):
                raise ServiceError(
                    "DuplicateLoadBalancerName",
                    f"A load balancer with the same name '{name}' exists, but with different settings",
                )
            return {"LoadBalancers": [shown(same)]}
        balancer = LoadBalancer(
            arn=self.arn(f"loadbalancer/app/{name}/{secrets.token_hex(8)}"),
            name=name,
            scheme=scheme,
            vpc=vpc,
            zones=zones,
            security_groups=groups,
            ip_address_type=kind,
            created=context.now,
            address=self.free_address(name),
            attributes=dict(ATTRIBUTES),
            tags=tags,
        )
        self.book.balancers.put(balancer)
        self.world.wake.set()
        return {"LoadBalancers": [shown(balancer)]}

    def describe_load_balancers(self, arguments: Arguments, context: Context) -> Reply:
        arns, names = listed(arguments, "LoadBalancerArns"), listed(arguments, "Names")
        everything = list(self.book.balancers)
        chosen = [each for each in everything if each.arn in arns or each.name in names] if arns or names else everything
        missing = [each for each in arns if self.book.balancers.get(each) is None]
        missing += [each for each in names if each not in {balancer.name for balancer in everything}]
        if missing:
            raise ServiceError("LoadBalancerNotFound", f"Load balancers '[{', '.join(missing)}]' not found")
        return page(arguments, chosen, "LoadBalancers", shown)

    def delete_load_balancer(self, arguments: Arguments, context: Context) -> Reply:
        balancer = self.book.balancers.get(arguments["LoadBalancerArn"])
        if balancer is None:
            return {}  # AWS: deleting what does not exist succeeds
        if balancer.attributes["deletion_protection.enabled"] == "true":
            raise ServiceError(
                "OperationNotPermitted",
                f"Load balancer '{balancer.arn}' cannot be deleted because deletion protection is enabled",
            )
        for listener in self.book.listeners_of(balancer.arn):
            self.balancer.close(*self.endpoint(listener))
            for rule in self.book.rules_of(listener.arn):
                self.book.rules.drop(rule.arn)
            self.book.listeners.drop(listener.arn)
        self.book.balancers.drop(balancer.arn)
        self.settle_all()
        return {}

    def describe_load_balancer_attributes(self, arguments: Arguments, context: Context) -> Reply:
        return {"Attributes": shown_attributes(self.load_balancer(arguments["LoadBalancerArn"]).attributes)}

    def modify_load_balancer_attributes(self, arguments: Arguments, context: Context) -> Reply:
        balancer = self.load_balancer(arguments["LoadBalancerArn"])
        set_attributes(balancer.attributes, arguments["Attributes"], "Load balancer")
        self.book.balancers.put(balancer)
        for listener in self.book.listeners_of(balancer.arn):
            self.publish(listener)
        return {"Attributes": shown_attributes(balancer.attributes)}

    def describe_capacity_reservation(self, arguments: Arguments, context: Context) -> Reply:
        """Of a load balancer without one, which all are here."""
        self.load_balancer(arguments["LoadBalancerArn"])
        return {"CapacityReservationState": []}

    def set_security_groups(self, arguments: Arguments, context: Context) -> Reply:
        balancer = self.load_balancer(arguments["LoadBalancerArn"])
        balancer.security_groups = sorted(arguments["SecurityGroups"])
        self.book.balancers.put(balancer)
        return {"SecurityGroupIds": balancer.security_groups}

    def set_subnets(self, arguments: Arguments, context: Context) -> Reply:
        balancer = self.load_balancer(arguments["LoadBalancerArn"])
        mapped = [each["SubnetId"] for each in listed(arguments, "SubnetMappings")]
        zones, vpc = self._zones(arguments.get("Subnets") or mapped)
        if vpc != balancer.vpc:
            raise ServiceError("InvalidSubnet", f"All subnets must belong to the same VPC: '{balancer.vpc}'")
        balancer.zones = zones
        self.book.balancers.put(balancer)
        return {"AvailabilityZones": shown(balancer)["AvailabilityZones"], "IpAddressType": balancer.ip_address_type}

    def _zones(self, subnets: Sequence[str]) -> tuple[list[tuple[str, str]], str]:
        """(zone, subnet) of each subnet, and their VPC. Raises ServiceError as AWS does."""
        found = {id: subnet_of(self.world, id) for id in subnets}
        if missing := [id for id, subnet in found.items() if subnet is None]:
            raise ServiceError("SubnetNotFound", f"The subnet ID '{missing[0]}' is not valid")
        placed = {id: subnet for id, subnet in found.items() if subnet is not None}
        if len({subnet.zone for subnet in placed.values()}) < 2:
            raise ServiceError(
                "ValidationError", "At least two subnets in two different Availability Zones must be specified"
            )
        if len({subnet.zone for subnet in placed.values()}) < len(placed):
            raise ServiceError(
                "InvalidConfigurationRequest",
                "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
            )
        vpcs = sorted({subnet.vpc for subnet in placed.values()})
        if len(vpcs) > 1:
            raise ServiceError("InvalidConfigurationRequest", f"The subnets belong to different VPCs: {', '.join(vpcs)}")
        return [(subnet.zone, id) for id, subnet in placed.items()], vpcs[0]


def check_name(name: str, what: str) -> None:
    """Raises ServiceError for a name that AWS refuses: 1 to 32 letters, digits and hyphens, no hyphen at either end."""
    if len(name) > 32:
        raise ServiceError("ValidationError", f"{what} name '{name}' cannot be longer than '32' characters")
    if not re.fullmatch(r"[A-Za-z0-9-]+", name):
        raise ServiceError(
            "ValidationError",
            f"{what} name '{name}' can only contain characters that are alphanumeric characters and hyphens(-)",
        )
    if name[0] == "-" or name[-1] == "-":
        raise ServiceError("ValidationError", f"{what} name '{name}' cannot begin or end with '-'")
    if what == "Load balancer" and name.startswith("internal-"):
        raise ServiceError("ValidationError", f"Load balancer name '{name}' cannot begin with 'internal-'")


def shown(balancer: LoadBalancer) -> Document:
    return {
        "LoadBalancerArn": balancer.arn,
        "DNSName": balancer.address,
        "CanonicalHostedZoneId": ZONE_ID,
        "CreatedTime": balancer.created,
        "LoadBalancerName": balancer.name,
        "Scheme": balancer.scheme,
        "VpcId": balancer.vpc,
        "State": {"Code": balancer.state},
        "Type": "application",
        "AvailabilityZones": [
            {"ZoneName": zone, "SubnetId": subnet, "LoadBalancerAddresses": []} for zone, subnet in balancer.zones
        ],
        "SecurityGroups": balancer.security_groups,
        "IpAddressType": balancer.ip_address_type,
    }
