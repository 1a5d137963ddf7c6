"""The API key that callers of a deployment send. AWS makes its value; it is never read here.

Identity: its name. Create: neither; GetApiKeys gives tags (and no values), so one with our name and an owner tag is ours,
and of twins with one owner the oldest stays. Cost of observe: 1 GetApiKeys per 500 keys whose names begin as all wanted
ones do.
Source: Amazon API Gateway API, CreateApiKey, GetApiKeys (includeValues false).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trimtab.core.kind import (
    Call,
    Difference,
    Failure,
    Kind,
    Reply,
    Right,
    Settled,
    State,
    Steps,
    Unknown,
    Verb,
    differences,
)
from trimtab.resources.gateway import arn, replace_op, retag, rights_on, text_map
from trimtab.resources.shared import common_prefix, insist, keep_oldest, paths, tags_as_read, unknown, without_empty

ENABLED, TWINS = "enabled", "twins"
_RIGHTS = rights_on("/apikeys")


@dataclass(frozen=True, slots=True)
class Desired:
    name: str
    tags: Mapping[str, str]
    region: str
    partition: str = "aws"
    description: str = ""


@dataclass(frozen=True, slots=True)
class Observed:
    name: str
    id: str
    enabled: bool
    tags: Mapping[str, str] | None
    twins: tuple[str, ...] = ()  # ids


class ApiKey:
    name = "apigateway.ApiKey"
    rank = 90
    rights: Mapping[Verb, tuple[Right, ...]] = {
        "observe": _RIGHTS["observe"],
        "create": _RIGHTS["create"],
        "update": _RIGHTS["update"] + _RIGHTS["delete"],
        "delete": _RIGHTS["delete"],
    }

    def identity(self, desired: Desired) -> str:
        return desired.name

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, Observed | Unknown]]:
        query = without_empty({"nameQuery": common_prefix(wanted), "includeValues": False, "limit": 500})
        try:
            listed = yield Call("apigateway", "GetApiKeys", query, secret=True)
        except Failure as failure:
            return {name: unknown(failure) for name in wanted}
        kept = keep_oldest(listed.get("items", ()), id="id", name="name", tags="tags", created="createdDate")
        return {name: _seen(*kept[name]) for name in wanted if name in kept}

    def tags(self, observed: Sequence[Observed]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        return tags_as_read(observed)

    def state(self, desired: Desired, observed: Observed) -> State:
        return Settled()

    def diff(self, desired: Desired, observed: Observed) -> tuple[Difference, ...]:
        return differences((ENABLED, observed.enabled, True), (TWINS, observed.twins, ()))

    def create(self, desired: Desired) -> Steps[None]:
        arguments = {
            "name": desired.name,
            "description": desired.description,
            "enabled": True,
            "tags": dict(desired.tags),
        }
        yield Call("apigateway", "CreateApiKey", without_empty(arguments), repeat="once", secret=True)  # answers the value

    def update(self, desired: Desired, observed: Observed, drift: Sequence[Difference]) -> Steps[None]:
        changed = paths(drift)
        if ENABLED in changed:
            arguments = {"apiKey": observed.id, "patchOperations": [replace_op("/enabled", "true")]}
            yield Call("apigateway", "UpdateApiKey", arguments, repeat="safe", secret=True)
        if TWINS in changed:
            yield from insist(_delete(id) for id in observed.twins)
        yield from retag(arn(desired.partition, desired.region, f"/apikeys/{observed.id}"), drift)

    def delete(self, observed: Observed) -> Steps[None]:
        yield from insist(_delete(id) for id in (observed.id, *observed.twins))


def _delete(id: str) -> Call:
    return Call("apigateway", "DeleteApiKey", {"apiKey": id}, repeat="safe")


def _seen(item: Reply, twins: Sequence[Reply]) -> Observed:
    return Observed(
        name=item["name"],
        id=item["id"],
        enabled=item.get("enabled", False),
        tags=text_map(item.get("tags")),
        twins=tuple(twin["id"] for twin in twins),
    )


KIND: Kind[Desired, Observed] = ApiKey()
