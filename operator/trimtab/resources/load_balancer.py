"""The application load balancer that API Gateway reaches through its VPC link: the environment's own, or one each.

Identity: its name. Create: same settings (other settings under the name are a clash). Cost of observe: 1 call per 400 load
balancers of the region: by name, DescribeLoadBalancers fails whole when one is missing. Tags: 1 call per 20.
Source: Elastic Load Balancing v2 API, CreateLoadBalancer, DescribeLoadBalancers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trimtab.core.kind import (
    Broken,
    Call,
    Difference,
    Failure,
    Kind,
    Moving,
    Reply,
    Right,
    Settled,
    State,
    Steps,
    Unknown,
    Verb,
    differences,
    tag_list,
)
from trimtab.resources.balancing import read_tags, retag
from trimtab.resources.shared import WHEN_OURS, WHEN_TAGGED_SO, allow, paths, service_linked, unknown, without_empty

SUBNETS, SECURITY_GROUPS, SCHEME = "AvailabilityZones.SubnetId", "SecurityGroups", "Scheme"
_ARN = "arn:{partition}:elasticloadbalancing:{region}:{account}:loadbalancer/app/{name}/*"


@dataclass(frozen=True, slots=True)
class Desired:
    name: str  # at most 32 characters, no hyphen at either end
    subnets: tuple[str, ...]  # two or more, in different zones
    security_groups: tuple[str, ...]
    tags: Mapping[str, str]
    internal: bool = True


@dataclass(frozen=True, slots=True)
class Observed:
    name: str
    arn: str
    dns_name: str
    zone_id: str
    status: str  # provisioning, active, active_impaired, failed
    because: str
    scheme: str  # internal, internet-facing
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    vpc: str = ""
    tags: Mapping[str, str] | None = None

    @property
    def arn_suffix(self) -> str:
        """ "app/trimtab-local/0123456789abcdef": how CloudWatch calls it."""
        return self.arn.partition(":loadbalancer/")[2]


class LoadBalancer:
    name = "elbv2.LoadBalancer"
    rank = 70
    rights: Mapping[Verb, tuple[Right, ...]] = {
        "observe": allow("*", "elasticloadbalancing:DescribeLoadBalancers", "elasticloadbalancing:DescribeTags"),
        "create": allow(_ARN, "elasticloadbalancing:CreateLoadBalancer", "elasticloadbalancing:AddTags", when=WHEN_TAGGED_SO)
        + service_linked("elasticloadbalancing.amazonaws.com"),
        "update": allow(
            _ARN,
            "elasticloadbalancing:SetSubnets",
            "elasticloadbalancing:SetSecurityGroups",
            "elasticloadbalancing:AddTags",
            "elasticloadbalancing:RemoveTags",
            when=WHEN_OURS,
        ),
        "delete": allow(_ARN, "elasticloadbalancing:DeleteLoadBalancer", when=WHEN_OURS),
    }

    def identity(self, desired: Desired) -> str:
        return desired.name

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, Observed | Unknown]]:
        try:
            listed = yield Call("elbv2", "DescribeLoadBalancers", {"PageSize": 400})
        except Failure as failure:
            return {name: unknown(failure) for name in wanted}
        names = set(wanted)
        return {
            item["LoadBalancerName"]: _seen(item)
            for item in listed.get("LoadBalancers", ())
            if item["LoadBalancerName"] in names
        }

    def tags(self, observed: Sequence[Observed]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        return read_tags([each.arn for each in observed])

    def state(self, desired: Desired, observed: Observed) -> State:
        if observed.status in ("active", "active_impaired"):  # impaired: it routes, and cannot scale for want of addresses
            return Settled()
        if observed.status == "failed":
            return Broken("LoadBalancerFailed", f"load balancer {observed.name} failed: {observed.because}")
        return Moving(f"load balancer {observed.name} is {observed.status}")

    def diff(self, desired: Desired, observed: Observed) -> tuple[Difference, ...]:
        scheme = _scheme(desired)
        moved = (Difference(SCHEME, observed.scheme, scheme, remedy="replace"),) if observed.scheme != scheme else ()
        return moved + differences(
            (SUBNETS, observed.subnets, tuple(sorted(desired.subnets))),
            (SECURITY_GROUPS, observed.security_groups, tuple(sorted(desired.security_groups))),
        )

    def create(self, desired: Desired) -> Steps[None]:
        arguments = {
            "Name": desired.name,
            "Subnets": list(desired.subnets),
            "SecurityGroups": list(desired.security_groups),
            "Scheme": _scheme(desired),
            "Type": "application",
            "Tags": tag_list(desired.tags),
        }
        yield Call("elbv2", "CreateLoadBalancer", without_empty(arguments), repeat="safe")

    def update(self, desired: Desired, observed: Observed, drift: Sequence[Difference]) -> Steps[None]:
        changed = paths(drift)
        arn = {"LoadBalancerArn": observed.arn}
        if SUBNETS in changed:
            yield Call("elbv2", "SetSubnets", arn | {"Subnets": list(desired.subnets)}, repeat="safe")
        if SECURITY_GROUPS in changed:
            groups = {"SecurityGroups": list(desired.security_groups)}
            yield Call("elbv2", "SetSecurityGroups", arn | groups, repeat="safe")
        yield from retag(observed.arn, drift)

    def delete(self, observed: Observed) -> Steps[None]:
        yield Call("elbv2", "DeleteLoadBalancer", {"LoadBalancerArn": observed.arn}, repeat="safe")


def _scheme(desired: Desired) -> str:
    return "internal" if desired.internal else "internet-facing"


def _seen(item: Reply) -> Observed:
    state = item.get("State", {})
    return Observed(
        name=item["LoadBalancerName"],
        arn=item["LoadBalancerArn"],
        dns_name=item.get("DNSName", ""),
        zone_id=item.get("CanonicalHostedZoneId", ""),
        status=state.get("Code", ""),
        because=state.get("Reason", ""),
        scheme=item.get("Scheme", ""),
        subnets=tuple(sorted(zone["SubnetId"] for zone in item.get("AvailabilityZones", ()) if "SubnetId" in zone)),
        security_groups=tuple(sorted(item.get("SecurityGroups", ()))),
        vpc=item.get("VpcId", ""),
    )


KIND: Kind[Desired, Observed] = LoadBalancer()
