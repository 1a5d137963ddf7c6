"""API Gateway's execution: requests to deployed stages, with keys, throttles, VPC links and AWS's own error bodies.

Source: Amazon API Gateway Developer Guide, "Gateway response types"; quotas: 10 MB payload, 29 s integration time-out.
"""

import re
import secrets
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from trimtab.local.apigateway_methods import GATEWAY_RESPONSES, INTEGRATION, TIMEOUT_MS, VERBS
from trimtab.local.apigateway_records import Api, Key, UsagePlan
from trimtab.local.http import forward
from trimtab.local.overlay import World

OWN_KINDS = ("DEFAULT_4XX", "DEFAULT_5XX")  # of the gateway responses, those that are simulated
MAX_PAYLOAD = 10 * 1000 * 1000


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one resource."""

    verb: str  # "POST", or "ANY"
    path: str  # "/invocations", "/{proxy+}"
    needs_key: bool
    kind: str  # "http_proxy", "mock"
    uri: str
    link: str  # id of a VPC link; "" for none
    target: str  # ARN of the listener behind it
    timeout_s: float
    reply: tuple[int, Mapping[str, str]]  # of a mock: status and headers
    sets: Mapping[str, str]  # headers of the request to the integration, in place of the caller's

    @property
    def rank(self) -> tuple[int, int, int]:
        """Static paths before parameters, parameters before the greedy one; a verb before ANY."""
        return (self.path.count("+}"), self.path.count("{"), self.verb == "ANY")


@dataclass(slots=True)
class Bucket:
    """A token bucket; a pure function of the times it is asked at."""

    rate: float  # tokens a second
    burst: float
    tokens: float = -1.0
    at: float = 0.0

    def take(self, now: float) -> bool:
        if self.tokens < 0:
            self.tokens = self.burst
        else:
            self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass(slots=True)
class Deployed:
    """A stage as it is served."""

    routes: list[Route]
    throttle: Bucket | None
    own_headers: Mapping[str, Mapping[str, str]]  # of what the gateway answers itself, by "DEFAULT_4XX" and "DEFAULT_5XX"
    keys: dict[str, list[Bucket]] = field(default_factory=dict[str, list[Bucket]])  # value -> buckets of its usage plans


class Execution:
    """The listener of deployed stages. `show` is called under the cloud's lock, requests come on the HTTP plane."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stages: dict[tuple[str, str], Deployed] = {}
        self._listening = False

    def listen(self) -> None:
        """Open the port, once."""
        if not self._listening and self._world.invoke_port:
            self._world.http.listen("127.0.0.1", self._world.invoke_port, self._answer)
            self._listening = True

    def show(self, apis: Sequence[Api], keys: Sequence[Key], plans: Sequence[UsagePlan]) -> None:
        """Serve this from now on. Buckets of what is unchanged keep their level."""
        before, values = self._stages, {key.id: key.value for key in keys if key.enabled}
        shown: dict[tuple[str, str], Deployed] = {}
        for api in (each for each in apis if not each.disabled):
            for stage in api.stages.values():
                where = (api.id, stage.name)
                old, body = before.get(where), api.deployments[stage.deployment_id].body
                deployed = Deployed(
                    routes_of(body),
                    _bucket(
                        stage.settings.get("*/*", {}), "throttlingRateLimit", "throttlingBurstLimit", old and old.throttle
                    ),
                    own_headers_of(body),
                )
                for plan in (each for each in plans if f"{api.id}:{stage.name}" in each.stages):
                    for value in (values[id] for id in plan.keys if id in values):
                        last = old.keys.get(value, [None]) if old else [None]
                        bucket = _bucket(plan.throttle, "rateLimit", "burstLimit", last[0] if last else None)
                        deployed.keys.setdefault(value, []).extend([bucket] if bucket else [])
                shown[where] = deployed
        self._stages = shown

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        parts = request.path.split("/", 3)
        stage = self._stages.get((parts[1], parts[2])) if len(parts) > 2 else None
        if stage is None:
            return _say(_Own(403, "Forbidden", "ForbiddenException"), {})
        path = f"/{parts[3]}" if len(parts) > 3 else "/"
        try:
            found = _match(stage.routes, request.method, path)
            if found is None:
                raise _Own(403, "Missing Authentication Token", "MissingAuthenticationTokenException")
            route, variables = found
            _admit(stage, route, request)
            if route.kind == "mock":
                return web.Response(status=route.reply[0], headers=dict(route.reply[1]) | _ids())
            return await self._forward(request, route, variables)
        except _Own as own:
            return _say(own, stage.own_headers)

    async def _forward(self, request: web.Request, route: Route, variables: Mapping[str, str]) -> web.StreamResponse:
        """Raises _Own where no answer can be had."""
        place = urlsplit(route.uri)
        path = place.path or "/"
        for name, value in variables.items():
            path = path.replace(f"{{{name}}}", value)
        host, port = place.hostname or "", place.port or 80
        query = f"?{request.query_string}" if request.query_string else ""
        headers = {"Host": place.netloc, "X-Forwarded-For": request.remote or "", **_ids(), **route.sets}
        headers.pop("x-amzn-RequestId", None)
        try:
            if route.link:
                if not self._world.overlay("apigatewayv2").is_available(route.link):
                    raise _Own(500, "Internal server error", "InternalServerErrorException")
                host, port = self._world.overlay("elbv2").route(route.target)
            return await forward(
                self._world.http,
                _without(request, "x-api-key", *route.sets),
                host,
                port,
                path=path + query,
                headers=headers,
                timeout_s=route.timeout_s,
            )
        except TimeoutError:
            raise _Own(504, "Endpoint request timed out", "IntegrationTimeoutException") from None
        except (aiohttp.ClientError, OSError, KeyError):
            raise _Own(500, "Internal server error", "InternalServerErrorException") from None


class _Own(Exception):
    """An answer that is the gateway's own: status, sentence, type of the error."""

    def __init__(self, status: int, message: str, error: str) -> None:
        super().__init__(message)
        self.status, self.message, self.error = status, message, error


def routes_of(body: Mapping[str, Any]) -> list[Route]:
    """The methods of an OpenAPI document that have an integration, the most particular first."""
    everywhere = bool(body.get("security"))
    routes: list[Route] = []
    for path, methods in body.get("paths", {}).items():
        for verb, method in methods.items():
            integration: Any = method.get(INTEGRATION) if verb in VERBS else None
            if integration:
                routes.append(_route(path, verb, method, integration, everywhere))
    return sorted(routes, key=lambda route: route.rank)


def own_headers_of(body: Mapping[str, Any]) -> Mapping[str, Mapping[str, str]]:
    """The headers of the answers that are the gateway's own. Raises ValueError for what is not simulated."""
    responses: Mapping[str, Any] = body.get(GATEWAY_RESPONSES, {})
    for kind, response in responses.items():
        if kind not in OWN_KINDS or set(response) - {"responseParameters"}:
            raise ValueError(f"gateway response {kind}: the local cloud simulates headers of DEFAULT_4XX and DEFAULT_5XX")
    return {
        kind: _static(response.get("responseParameters", {}), "gatewayresponse.header.")
        for kind, response in responses.items()
    }


def _static(mapped: Mapping[str, Any], prefix: str) -> Mapping[str, str]:
    """Headers by name, of parameters such as "integration.request.header.X": "'value'". Raises ValueError for others."""
    for name, value in mapped.items():
        if not name.startswith(prefix) or not re.fullmatch(r"'[^\n]*'", str(value)):
            raise ValueError(f"parameter {name}: the local cloud simulates static values of {prefix}*")
    return {name.removeprefix(prefix): str(value)[1:-1] for name, value in mapped.items()}


def _route(path: str, verb: str, method: Mapping[str, Any], integration: Mapping[str, Any], everywhere: bool) -> Route:
    security = method.get("security")
    linked = integration.get("connectionType") == "VPC_LINK"
    return Route(
        "ANY" if verb.startswith("x-") else verb.upper(),
        path,
        bool(security) if security is not None else everywhere,
        str(integration.get("type", "http_proxy")).lower(),
        str(integration.get("uri", "")),
        str(integration.get("connectionId", "")) if linked else "",
        str(integration.get("integrationTarget", "")),
        min(int(integration.get("timeoutInMillis", TIMEOUT_MS)), TIMEOUT_MS) / 1000,
        _mock(integration),
        _static(_but_path(integration.get("requestParameters", {})), "integration.request.header."),
    )


def _but_path(mapped: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without what fills a variable of the URI's from that of the same name of the resource's path: that is done always."""
    same = {name: name.replace("integration.", "method.", 1) for name in mapped if ".request.path." in name}
    return {name: value for name, value in mapped.items() if same.get(name) != value}


def _mock(integration: Mapping[str, Any]) -> tuple[int, Mapping[str, str]]:
    reply = integration.get("responses", {}).get("default", {})
    headers = {name.rpartition(".")[2]: str(value).strip("'") for name, value in reply.get("responseParameters", {}).items()}
    return int(reply.get("statusCode", 200)), headers


def _match(routes: Sequence[Route], verb: str, path: str) -> tuple[Route, Mapping[str, str]] | None:
    for route in routes:
        if route.verb in (verb, "ANY") and (match := _expression(route.path).fullmatch(path)):
            return route, match.groupdict()
    return None


@lru_cache(maxsize=4096)
def _expression(path: str) -> re.Pattern[str]:
    text = re.sub(r"\\\{(\w+)\\\+\\\}", r"(?P<\1>.+)", re.escape(path))
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", text))


def _admit(stage: Deployed, route: Route, request: web.Request) -> None:
    """Let a request in, or raise _Own."""
    if (request.content_length or 0) > MAX_PAYLOAD:
        raise _Own(413, "HTTP content length exceeded 10485760 bytes.", "RequestTooLargeException")
    now = time.monotonic()
    buckets: list[Bucket] = []
    if route.needs_key:
        given = request.headers.get("x-api-key", "")
        known = next((value for value in stage.keys if secrets.compare_digest(value.encode(), given.encode())), None)
        if known is None:
            raise _Own(403, "Forbidden", "ForbiddenException")
        buckets += stage.keys[known]
    buckets += [stage.throttle] if stage.throttle else []
    if not all(bucket.take(now) for bucket in buckets):
        raise _Own(429, "Too Many Requests", "TooManyRequestsException")


def _without(request: web.Request, *names: str) -> web.Request:
    """Without the key, which is API Gateway's own business, and without what it sets itself."""
    headers = request.headers.copy()
    for name in names:
        headers.popall(name, None)
    return request.clone(headers=headers)


def _bucket(limits: Mapping[str, Any], rate: str, burst: str, before: Bucket | None) -> Bucket | None:
    if limits.get(rate, -1) < 0:  # -1: not throttled
        return None
    new = Bucket(float(limits[rate]), float(limits.get(burst, limits[rate])))
    if before and (before.rate, before.burst) == (new.rate, new.burst):
        return before
    return new


def _ids() -> dict[str, str]:
    return {"x-amzn-RequestId": str(uuid.uuid4()), "x-amz-apigw-id": secrets.token_urlsafe(12)}


def _say(own: _Own, headers: Mapping[str, Mapping[str, str]]) -> web.Response:
    """headers: by kind of gateway response, as own_headers_of gives them."""
    more = headers.get(f"DEFAULT_{own.status // 100}XX", {})
    return web.json_response(
        {"message": own.message}, status=own.status, headers={"x-amzn-ErrorType": own.error, **_ids(), **more}
    )
