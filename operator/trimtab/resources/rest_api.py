"""The REST API through which a deployment answers, made whole from one OpenAPI body.

Identity: its name. Create: neither; GetRestApis gives tags, so one with our name and an owner tag is ours, and of twins with
one owner the oldest stays (the URL holds its id). CreateRestApi makes an empty API and PutRestApi fills it; the digest of
the body stands in the description, which the body sets too, so a crash between the two, or a body that was put by
somebody else, is seen without exporting the API. What is put is served only once it is deployed: see apigateway.Stage.
Cost of observe: 1 GetRestApis per 500 APIs of the region.
Source: Amazon API Gateway API, CreateRestApi, PutRestApi (mode overwrite).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.core.canonical import canonical_json, digest_of
from trimtab.core.kind import (
    Broken,
    Call,
    Difference,
    Failure,
    Kind,
    Moving,
    Ref,
    Reply,
    Right,
    Settled,
    State,
    Steps,
    Unknown,
    Verb,
    differences,
)
from trimtab.resources.gateway import arn, mark_in, marked, replace_op, retag, rights_on, text_map
from trimtab.resources.shared import insist, keep_oldest, known, paths, tags_as_read, unknown

BODY, ENDPOINT, DISABLED, TWINS = "body", "endpointConfiguration.types", "disableExecuteApiEndpoint", "twins"
_RIGHTS = rights_on("/restapis", "PUT /restapis/*", "PATCH /restapis/*")


@dataclass(frozen=True, slots=True)
class Desired:
    """body: an OpenAPI 3 document as JSON text, without `info`. "{vpc_link_id}" and "{listener_arn}" in it stand for the
    fields of those names; other braces ("/{proxy+}") stay as they are."""

    name: str
    body: str
    vpc_link_id: str | Ref
    listener_arn: str | Ref
    tags: Mapping[str, str]
    region: str
    partition: str = "aws"
    endpoint_type: str = "REGIONAL"


@dataclass(frozen=True, slots=True)
class Observed:
    name: str
    id: str
    digest: str  # "sha256:..." of the body that was put; "" when none was
    endpoint_type: str
    disabled: bool  # its own URL answers nothing
    status: str  # AVAILABLE, UPDATING, PENDING, FAILED
    tags: Mapping[str, str] | None
    twins: tuple[str, ...] = ()  # ids


class RestApi:
    name = "apigateway.RestApi"
    rank = 80
    rights: Mapping[Verb, tuple[Right, ...]] = {
        "observe": _RIGHTS["observe"],
        "create": _RIGHTS["create"],
        "update": _RIGHTS["update"] + _RIGHTS["delete"],
        "delete": _RIGHTS["delete"],
    }

    def identity(self, desired: Desired) -> str:
        return desired.name

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, Observed | Unknown]]:
        try:
            listed = yield Call("apigateway", "GetRestApis", {"limit": 500})
        except Failure as failure:
            return {name: unknown(failure) for name in wanted}
        kept = keep_oldest(listed.get("items", ()), id="id", name="name", tags="tags", created="createdDate")
        return {name: _seen(*kept[name]) for name in wanted if name in kept}

    def tags(self, observed: Sequence[Observed]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        return tags_as_read(observed)

    def state(self, desired: Desired, observed: Observed) -> State:
        if observed.status == "FAILED":
            return Broken("GatewayFailed", f"REST API {observed.name} is FAILED")
        if observed.status in ("UPDATING", "PENDING"):
            return Moving(f"REST API {observed.name} is {observed.status}")
        return Settled()

    def diff(self, desired: Desired, observed: Observed) -> tuple[Difference, ...]:
        return differences(
            (BODY, observed.digest, _digest(desired)),
            (ENDPOINT, observed.endpoint_type, desired.endpoint_type),
            (DISABLED, observed.disabled, False),
            (TWINS, observed.twins, ()),
        )

    def create(self, desired: Desired) -> Steps[None]:
        arguments = {
            "name": desired.name,
            "endpointConfiguration": {"types": [desired.endpoint_type]},
            "tags": dict(desired.tags),
        }
        made = yield Call("apigateway", "CreateRestApi", arguments, repeat="once")
        yield from _put(made["id"], desired)

    def update(self, desired: Desired, observed: Observed, drift: Sequence[Difference]) -> Steps[None]:
        changed = paths(drift)
        if BODY in changed:
            yield from _put(observed.id, desired)
        operations: list[dict[str, str]] = []
        if ENDPOINT in changed:
            operations.append(replace_op(f"/endpointConfiguration/types/{observed.endpoint_type}", desired.endpoint_type))
        if DISABLED in changed:
            operations.append(replace_op("/disableExecuteApiEndpoint", "false"))
        if operations:
            yield _patch(observed.id, operations)
        if TWINS in changed:
            yield from insist(_delete(id) for id in observed.twins)
        yield from retag(arn(desired.partition, desired.region, f"/restapis/{observed.id}"), drift)

    def delete(self, observed: Observed) -> Steps[None]:
        yield from insist(_delete(id) for id in (observed.id, *observed.twins))


def body_of(desired: Desired) -> dict[str, Any]:
    """The OpenAPI document with its fields filled in. Raises TypeError while one is not known."""
    text = desired.body.replace("{vpc_link_id}", known(desired.vpc_link_id))
    return json.loads(text.replace("{listener_arn}", known(desired.listener_arn)))


def _digest(desired: Desired) -> str | Ref:
    for field in (desired.vpc_link_id, desired.listener_arn):
        if isinstance(field, Ref):
            return field
    return f"sha256:{digest_of(body_of(desired))}"


def _put(id: str, desired: Desired) -> Steps[None]:
    """Put the body; the description in it is the last thing that can differ, and is set apart where a put left it out."""
    description = marked(str(_digest(desired)))
    info = {"title": desired.name, "version": "1", "description": description}
    body = canonical_json(body_of(desired) | {"info": info}).encode()
    arguments = {"restApiId": id, "mode": "overwrite", "body": body}
    reply = yield Call("apigateway", "PutRestApi", arguments, repeat="safe")
    if mark_in(reply.get("description")) != mark_in(description):
        yield _patch(id, [replace_op("/description", description)])


def _patch(id: str, operations: list[dict[str, str]]) -> Call:
    return Call("apigateway", "UpdateRestApi", {"restApiId": id, "patchOperations": operations}, repeat="safe")


def _delete(id: str) -> Call:
    return Call("apigateway", "DeleteRestApi", {"restApiId": id}, repeat="safe")


def _seen(item: Reply, twins: Sequence[Reply]) -> Observed:
    return Observed(
        name=item["name"],
        id=item["id"],
        digest=mark_in(item.get("description")),
        endpoint_type=",".join(item.get("endpointConfiguration", {}).get("types", ("EDGE",))),
        disabled=item.get("disableExecuteApiEndpoint", False),
        status=item.get("apiStatus", "AVAILABLE"),
        tags=text_map(item.get("tags")),
        twins=tuple(twin["id"] for twin in twins),
    )


KIND: Kind[Desired, Observed] = RestApi()
