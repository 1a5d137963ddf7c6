"""The public way in: a REST API with a stage, and with `auth: apiKey` a key and its usage plan."""

from collections.abc import Sequence
from typing import Any

from trimtab.compile.context import Context
from trimtab.core.canonical import canonical_json
from trimtab.core.kind import Ref
from trimtab.graph.node import Node
from trimtab.resources import api_key, rest_api, stage, usage_plan, vpc_link
from trimtab.targets.ecs import BALANCER, LISTENER

LINK, API, STAGE = "apigatewayv2.VpcLink/link", "apigateway.RestApi/api", "apigateway.Stage/stage"
KEY, PLAN = "apigateway.ApiKey/key", "apigateway.UsagePlan/plan"
TIMEOUT_MS = 29_000  # the most that API Gateway waits
ORIGINS = "X-Trimtab-Cors-Origins"  # the request header that tells the server which origins may read


def gateway_nodes(context: Context, host: str) -> tuple[Node, ...]:
    """The VPC link, API and stage, and the key where callers need one.

    host: the Host header by which the balancer knows this deployment.
    """
    network, names = context.environment.spec.network, context.names
    throttle, auth = context.spec.serving.gateway.throttle, context.spec.serving.gateway.auth
    link = vpc_link.Desired(
        names.shared(128),
        tuple(network.subnets),
        tuple(network.security_groups.load_balancer),
        context.shared_tags(),
        context.region,
    )
    # The auth kind is in the name: another kind is another API, with another URL, made before the old one goes.
    api = rest_api.Desired(
        name=names.plain(128, auth.lower()),
        body=_body(context, host),
        vpc_link_id=Ref(LINK, "id"),
        listener_arn=Ref(LISTENER, "arn"),
        tags=context.tags(),
        region=context.region,
    )
    live = stage.Desired(
        Ref(API, "id"), Ref(API, "digest"), context.tags(), context.region, float(throttle.rate), throttle.burst
    )
    nodes = (
        Node(LINK, "environment", link, shared=True, after=(BALANCER,)),
        Node(API, "gateway", api),
        Node(STAGE, "gateway", live),
    )
    return nodes if auth == "none" else (*nodes, *_key_nodes(context, live))


def _key_nodes(context: Context, live: stage.Desired) -> tuple[Node, Node]:
    name, tags, throttle = context.names.plain(128), context.tags(), context.spec.serving.gateway.throttle
    plan = usage_plan.Desired(
        name=name,
        stages=(usage_plan.ApiStage(Ref(API, "id"), live.name),),
        key_ids=(Ref(KEY, "id"),),
        rate=float(throttle.rate),
        burst=throttle.burst,
        tags=tags,
        region=context.region,
    )
    return Node(KEY, "gateway", api_key.Desired(name, tags, context.region)), Node(PLAN, "gateway", plan, after=(STAGE,))


def _body(context: Context, host: str) -> str:
    """The OpenAPI document: POST /invocations and GET /ping through the VPC link; nothing else is routed."""
    gateway = context.spec.serving.gateway
    needs_key, origins = gateway.auth == "apiKey", [each.lower() for each in gateway.cors.allow_origins]  # as browsers do
    post = _method(f"http://{host}/invocations", "POST", needs_key=needs_key, origins=origins)
    invocations = {"post": post}
    if origins:
        # The server answers the preflight too, to which a browser adds no key: it knows which of several origins asks, and
        # with the binary type */* AWS's own mock integration fails with 500.
        invocations["options"] = _method(f"http://{host}/invocations", "OPTIONS", needs_key=False, origins=origins)
    body: dict[str, Any] = {
        "openapi": "3.0.1",
        "paths": {"/invocations": invocations, "/ping": {"get": _method(f"http://{host}/ping", "GET", needs_key=needs_key)}},
        "x-amazon-apigateway-binary-media-types": ["*/*"],
    }
    if origins:
        body["x-amazon-apigateway-gateway-responses"] = _own_answers(origins)
    if needs_key:
        scheme = {"type": "apiKey", "name": "x-api-key", "in": "header"}
        body |= {"components": {"securitySchemes": {"api_key": scheme}}, "x-amazon-apigateway-api-key-source": "HEADER"}
    return canonical_json(body)


def _method(uri: str, verb: str, *, needs_key: bool, origins: Sequence[str] = ()) -> dict[str, Any]:
    """origins: who may read the answer; the server, which knows the caller's, says it (trimtab_container.cors)."""
    integration: dict[str, Any] = {
        "type": "http_proxy",
        "httpMethod": verb,
        "uri": uri,
        "connectionType": "VPC_LINK",
        "connectionId": "{vpc_link_id}",
        "integrationTarget": "{listener_arn}",
        "timeoutInMillis": TIMEOUT_MS,
        "passthroughBehavior": "when_no_match",
    }
    if origins:
        integration["requestParameters"] = {f"integration.request.header.{ORIGINS}": f"'{','.join(origins)}'"}
    method: dict[str, Any] = {"responses": {}, "x-amazon-apigateway-integration": integration}
    return method | ({"security": [{"api_key": []}]} if needs_key else {})


def _own_answers(origins: Sequence[str]) -> dict[str, Any]:
    """What the gateway itself answers (403, 429, 504, ...) may be read too, else a page cannot say what is wrong.

    These answers hold no condition on the caller's origin: with several, any page may read them. They say a sentence of AWS.
    """
    header = f"'{origins[0] if len(origins) == 1 else '*'}'"
    parameters = {"gatewayresponse.header.Access-Control-Allow-Origin": header}
    return {kind: {"responseParameters": parameters} for kind in ("DEFAULT_4XX", "DEFAULT_5XX")}
