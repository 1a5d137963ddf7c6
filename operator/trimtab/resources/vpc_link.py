"""The VPC link (V2) through which API Gateway reaches the internal load balancer.

Identity: its name. Create: neither; GetVpcLinks gives tags, so one with our name and an owner tag is ours, and of twins with
one owner the oldest stays. Cost of observe: 1 GetVpcLinks per page of the region. Only its name can change: other subnets
or security groups replace it.
Source: Amazon API Gateway V2 API, CreateVpcLink, GetVpcLinks.
"""

from collections.abc import Iterable, Mapping, Sequence
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
)
from trimtab.resources.gateway import arn, rights_on, text_map
from trimtab.resources.shared import insist, keep_oldest, paths, service_linked, tag_changes, tags_as_read, unknown

SUBNETS, SECURITY_GROUPS, TWINS = "SubnetIds", "SecurityGroupIds", "twins"
_RIGHTS = rights_on("/vpclinks")


@dataclass(frozen=True, slots=True)
class Desired:
    name: str  # at most 128 characters
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    tags: Mapping[str, str]
    region: str
    partition: str = "aws"


@dataclass(frozen=True, slots=True)
class Observed:
    name: str
    id: str
    status: str  # PENDING, AVAILABLE, DELETING, FAILED, INACTIVE
    because: str
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    tags: Mapping[str, str] | None
    twins: tuple[str, ...] = ()  # ids


class VpcLink:
    name = "apigatewayv2.VpcLink"
    rank = 70
    rights: Mapping[Verb, tuple[Right, ...]] = {
        "observe": _RIGHTS["observe"],
        "create": _RIGHTS["create"] + service_linked("ops.apigateway.amazonaws.com"),
        "update": _RIGHTS["update"] + _RIGHTS["delete"],
        "delete": _RIGHTS["delete"],
    }

    def identity(self, desired: Desired) -> str:
        return desired.name

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, Observed | Unknown]]:
        try:
            items = yield from _list()
        except Failure as failure:
            return {name: unknown(failure) for name in wanted}
        # One that is being deleted still has the name, but stands behind any that is not.
        leaving = {item["VpcLinkId"] for item in items if item["VpcLinkStatus"] == "DELETING"}
        kept = _kept(item for item in items if item["VpcLinkId"] in leaving)
        kept |= _kept(item for item in items if item["VpcLinkId"] not in leaving)
        return {name: kept[name] for name in wanted if name in kept}

    def tags(self, observed: Sequence[Observed]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        return tags_as_read(observed)

    def state(self, desired: Desired, observed: Observed) -> State:
        if observed.status in ("AVAILABLE", "INACTIVE"):  # INACTIVE: 60 days without traffic; the next request wakes it
            return Settled()
        if observed.status == "FAILED":
            return Broken("VpcLinkFailed", f"VPC link {observed.name} failed: {observed.because}")
        return Moving(f"VPC link {observed.name} is {observed.status}")

    def diff(self, desired: Desired, observed: Observed) -> tuple[Difference, ...]:
        fixed = (
            (SUBNETS, observed.subnets, tuple(sorted(desired.subnets))),
            (SECURITY_GROUPS, observed.security_groups, tuple(sorted(desired.security_groups))),
        )
        replaced = tuple(Difference(path, have, want, remedy="replace") for path, have, want in fixed if have != want)
        return replaced + differences((TWINS, observed.twins, ()))

    def create(self, desired: Desired) -> Steps[None]:
        arguments = {
            "Name": desired.name,
            "SubnetIds": list(desired.subnets),
            "SecurityGroupIds": list(desired.security_groups),
            "Tags": dict(desired.tags),
        }
        yield Call("apigatewayv2", "CreateVpcLink", arguments, repeat="once")

    def update(self, desired: Desired, observed: Observed, drift: Sequence[Difference]) -> Steps[None]:
        if TWINS in paths(drift):
            yield from insist(_delete(id) for id in observed.twins)
        added, removed = tag_changes(drift)
        resource = {"ResourceArn": arn(desired.partition, desired.region, f"/vpclinks/{observed.id}")}
        if added:
            yield Call("apigatewayv2", "TagResource", resource | {"Tags": added}, repeat="safe")
        if removed:
            yield Call("apigatewayv2", "UntagResource", resource | {"TagKeys": removed}, repeat="safe")

    def delete(self, observed: Observed) -> Steps[None]:
        here = () if observed.status == "DELETING" else (observed.id,)
        yield from insist(_delete(id) for id in (*here, *observed.twins))


def _list() -> Steps[list[Reply]]:
    """Every VPC link. botocore knows no paging for this one, so the pages are turned here."""
    items: list[Reply] = []
    arguments: dict[str, str] = {}
    while True:
        reply = yield Call("apigatewayv2", "GetVpcLinks", dict(arguments), pages="one")
        items += reply.get("Items", ())
        if not reply.get("NextToken"):
            return items
        arguments = {"NextToken": reply["NextToken"]}


def _kept(items: Iterable[Reply]) -> dict[str, Observed]:
    found = keep_oldest(items, id="VpcLinkId", name="Name", tags="Tags", created="CreatedDate")
    return {name: _seen(item, twins) for name, (item, twins) in found.items()}


def _seen(item: Reply, twins: Sequence[Reply]) -> Observed:
    return Observed(
        name=item["Name"],
        id=item["VpcLinkId"],
        status=item["VpcLinkStatus"],
        because=item.get("VpcLinkStatusMessage", ""),
        subnets=tuple(sorted(item["SubnetIds"])),
        security_groups=tuple(sorted(item["SecurityGroupIds"])),
        tags=text_map(item.get("Tags")),
        twins=tuple(twin["VpcLinkId"] for twin in twins if twin["VpcLinkStatus"] != "DELETING"),
    )


def _delete(id: str) -> Call:
    return Call("apigatewayv2", "DeleteVpcLink", {"VpcLinkId": id}, repeat="safe")


KIND: Kind[Desired, Observed] = VpcLink()
