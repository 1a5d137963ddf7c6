"""Resource Groups Tagging API: GetResources over what the overlays keep.

An overlay that keeps tags answers `tagged()`: (ARN, tags) of each thing that still is. As in AWS, roles of IAM are not among
them. Unlike AWS, what is deleted is gone at once, and what moto keeps (buckets, networks) is not listed.
Source: AWS Resource Groups Tagging API, GetResources.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from trimtab.local.overlay import Arguments, Context, Reply, ServiceError, World

Tags = Mapping[str, str]
_PAGE, _PAGE_MOST = 50, 100


class Tagging:
    service = "resourcegroupstaggingapi"
    whole = True

    def __init__(self, world: World) -> None:
        self._world = world

    def tick(self, now: datetime) -> None:
        """Nothing moves here."""

    def recover(self) -> Sequence[str]:
        return ()

    def get_resources(self, arguments: Arguments, context: Context) -> Reply:
        chosen, others = arguments.get("ResourceARNList") or (), ("TagFilters", "ResourceTypeFilters", "ResourcesPerPage")
        if chosen and any(arguments.get(name) for name in others):
            raise _invalid("ResourceARNList cannot be given with filters or a page size")
        token = str(arguments.get("PaginationToken") or "0")
        if not token.isdecimal():
            raise ServiceError("PaginationTokenExpiredException", "The pagination token is not one that was answered")
        found = sorted(
            (arn, tags)
            for arn, tags in self._all()
            if tags and (arn in chosen if chosen else _matches(arn, tags, arguments))
        )
        start, most = int(token), int(arguments.get("ResourcesPerPage") or _PAGE)
        if not 1 <= most <= _PAGE_MOST:
            raise _invalid(f"ResourcesPerPage must be between 1 and {_PAGE_MOST}, not {most}")
        page = [{"ResourceARN": arn, "Tags": _pairs(tags)} for arn, tags in found[start : start + most]]
        return {"ResourceTagMappingList": page, "PaginationToken": str(start + most) if start + most < len(found) else ""}

    def _all(self) -> Iterator[tuple[str, Tags]]:
        for overlay in self._world.overlays.values():
            tagged = getattr(overlay, "tagged", None)
            yield from ((arn, dict(tags)) for arn, tags in tagged()) if tagged else ()


def _matches(arn: str, tags: Tags, arguments: Arguments) -> bool:
    """Every filter must hold; of one filter's values any, and none given is any value. A type is "service[:type]"."""
    filters: Sequence[Mapping[str, Any]] = arguments.get("TagFilters") or ()
    for each in filters:
        values = each.get("Values") or ()
        if each["Key"] not in tags or (values and tags[each["Key"]] not in values):
            return False
    types: Sequence[str] = arguments.get("ResourceTypeFilters") or ()
    return not types or any(_is_of(arn, type_) for type_ in types)


def _is_of(arn: str, type_: str) -> bool:
    service, _, kind = type_.partition(":")
    parts = arn.split(":", 5)
    return parts[2] == service and (not kind or parts[5].lstrip("/").replace(":", "/").startswith(f"{kind}/"))


def _pairs(tags: Tags) -> list[dict[str, str]]:
    return [{"Key": name, "Value": tags[name]} for name in sorted(tags)]


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterException", message)
