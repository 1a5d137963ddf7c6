"""Subnets, read from moto's EC2 records: which VPC and zone a subnet is in."""

from dataclasses import dataclass
from typing import Any

from trimtab.local.overlay import World


@dataclass(frozen=True, slots=True)
class Subnet:
    id: str
    vpc: str
    zone: str


def subnet_of(world: World, id: str) -> Subnet | None:
    """A subnet of the account, None when there is none of that id."""
    from moto.ec2.models import ec2_backends  # slow to import, and not needed to start

    backend: Any = ec2_backends[world.account][world.region]
    zones: dict[str, dict[str, Any]] = backend.subnets  # by availability zone, then by subnet id
    for by_id in zones.values():
        if (found := by_id.get(id)) is not None:
            return Subnet(id=id, vpc=found.vpc_id, zone=found.availability_zone)
    return None


def vpc_exists(world: World, id: str) -> bool:
    from moto.ec2.models import ec2_backends

    backend: Any = ec2_backends[world.account][world.region]
    return id in backend.vpcs
