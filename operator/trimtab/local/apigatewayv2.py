"""VPC links (V2): the part of API Gateway V2 that REST APIs need to reach an internal load balancer.

Source: Amazon API Gateway V2 API, CreateVpcLink; states PENDING, AVAILABLE, DELETING.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from trimtab.local.apigateway_ids import short_id
from trimtab.local.overlay import Arguments, Context, Reply, ServiceError, World
from trimtab.local.shelf import Shelf


@dataclass(slots=True)
class Link:
    id: str
    name: str
    subnets: list[str]
    security_groups: list[str]
    created: datetime
    status: str = "PENDING"
    tags: dict[str, str] = field(default_factory=dict[str, str])


class ApiGatewayV2:
    service = "apigatewayv2"
    whole = True

    def __init__(self, world: World) -> None:
        self._world = world
        self._links = Shelf(world.store, "apigatewayv2.link", Link, lambda link: link.id)

    def tick(self, now: datetime) -> None:
        for link in self._links:
            if link.status == "PENDING":
                link.status = "AVAILABLE"
                self._links.put(link)
            elif link.status == "DELETING":
                self._links.drop(link.id)

    def recover(self) -> Sequence[str]:
        return ()

    def create_vpc_link(self, arguments: Arguments, context: Context) -> Reply:
        if not arguments.get("SubnetIds"):
            raise ServiceError("BadRequestException", "At least one subnet must be provided")
        link = Link(
            short_id(),
            arguments["Name"],
            list(arguments["SubnetIds"]),
            list(arguments.get("SecurityGroupIds") or ()),
            context.now,
            tags=dict(arguments.get("Tags") or {}),
        )
        self._links.put(link)
        return _shown(link)

    def get_vpc_link(self, arguments: Arguments, context: Context) -> Reply:
        return _shown(self._link(arguments["VpcLinkId"]))

    def get_vpc_links(self, arguments: Arguments, context: Context) -> Reply:
        links, place = list(self._links), int(arguments.get("NextToken") or 0)
        limit = int(arguments.get("MaxResults") or 100)
        token = str(place + limit) if place + limit < len(links) else None
        return {"Items": [_shown(link) for link in links[place : place + limit]], "NextToken": token}

    def update_vpc_link(self, arguments: Arguments, context: Context) -> Reply:
        link = self._link(arguments["VpcLinkId"])
        link.name = arguments.get("Name", link.name)
        self._links.put(link)
        return _shown(link)

    def delete_vpc_link(self, arguments: Arguments, context: Context) -> Reply:
        link = self._link(arguments["VpcLinkId"])
        user = self._world.overlay("apigateway").user_of_link(link.id)
        if user:
            raise ServiceError("BadRequestException", f"VPC link {link.id} is in use by REST API {user}")
        link.status = "DELETING"
        self._links.put(link)
        return {}

    def tag_resource(self, arguments: Arguments, context: Context) -> Reply:
        link = self._tagged(arguments)
        link.tags |= arguments["Tags"]
        self._links.put(link)
        return {}

    def untag_resource(self, arguments: Arguments, context: Context) -> Reply:
        link = self._tagged(arguments)
        link.tags = {name: value for name, value in link.tags.items() if name not in arguments["TagKeys"]}
        self._links.put(link)
        return {}

    def get_tags(self, arguments: Arguments, context: Context) -> Reply:
        return {"Tags": dict(self._tagged(arguments).tags)}

    def tagged(self) -> Iterator[tuple[str, dict[str, str]]]:
        """(ARN, tags) of VPC links."""
        yield from ((f"arn:aws:apigateway:{self._world.region}::/vpclinks/{link.id}", link.tags) for link in self._links)

    def is_available(self, id: str) -> bool:
        link = self._links.get(id)
        return link is not None and link.status == "AVAILABLE"

    def _tagged(self, arguments: Arguments) -> Link:
        return self._link(arguments["ResourceArn"].rpartition("/")[2])

    def _link(self, id: str) -> Link:
        link = self._links.get(id)
        if link is None:
            raise ServiceError("NotFoundException", f"Unable to find VpcLink with ID {id}", 404)
        return link


def _shown(link: Link) -> dict[str, Any]:
    words = {"PENDING": "VPC link is provisioning ENIs", "AVAILABLE": "VPC link is ready to route traffic"}
    return {
        "VpcLinkId": link.id,
        "Name": link.name,
        "SubnetIds": link.subnets,
        "SecurityGroupIds": link.security_groups,
        "VpcLinkStatus": link.status,
        "VpcLinkStatusMessage": words.get(link.status, "VPC link is being deleted"),
        "VpcLinkVersion": "V2",
        "CreatedDate": link.created,
        "Tags": dict(link.tags),
    }
