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

from trimtab.local.apigateway_records import Api, Key, UsagePlan
from trimtab.local.http import forward
from trimtab.local.overlay import World

MAX_PAYLOAD = 10 * 1000 * 1000
_TIMEOUT_MS = 29_000
_VERBS = ("get", "put", "post", "delete", "options", "head", "patch", "x-amazon-apigateway-any-method")


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
                old = before.get(where)
                deployed = Deployed(
                    routes_of(api.deployments[stage.deployment_id].body),
                    _bucket(
                        stage.settings.get("*/*", {}), "throttlingRateLimit", "throttlingBurstLimit", old and old.throttle
                    ),
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
            return _say(403, "Forbidden", "ForbiddenException")
        path = f"/{parts[3]}" if len(parts) > 3 else "/"
        found = _match(stage.routes, request.method, path)
        if found is None:
            return _say(403, "Missing Authentication Token", "MissingAuthenticationTokenException")
        route, variables = found
        refused = _refused(stage, route, request)
        if refused:
            return refused
        if route.kind == "mock":
            return web.Response(status=route.reply[0], headers=dict(route.reply[1]) | _ids())
        return await self._forward(request, route, variables)

    async def _forward(self, request: web.Request, route: Route, variables: Mapping[str, str]) -> web.StreamResponse:
        place = urlsplit(route.uri)
        path = place.path or "/"
        for name, value in variables.items():
            path = path.replace(f"{{{name}}}", value)
        host, port = place.hostname or "", place.port or 80
        if route.link:
            if not self._world.overlay("apigatewayv2").is_available(route.link):
                return _say(500, "Internal server error", "InternalServerErrorException")
            host, port = self._world.overlay("elbv2").route(route.target)
        query = f"?{request.query_string}" if request.query_string else ""
        headers = {"Host": place.netloc, "X-Forwarded-For": request.remote or "", **_ids()}
        headers.pop("x-amzn-RequestId", None)
        try:
            return await forward(
                self._world.http,
                _without_key(request),
                host,
                port,
                path=path + query,
                headers=headers,
                timeout_s=route.timeout_s,
            )
        except TimeoutError:
            return _say(504, "Endpoint request timed out", "IntegrationTimeoutException")
        except (aiohttp.ClientError, OSError, KeyError):
            return _say(500, "Internal server error", "InternalServerErrorException")


def routes_of(body: Mapping[str, Any]) -> list[Route]:
    """The methods of an OpenAPI document that have an integration, the most particular first."""
    everywhere = bool(body.get("security"))
    routes: list[Route] = []
    for path, methods in body.get("paths", {}).items():
        for verb, method in methods.items():
            integration: Any = method.get("x-amazon-apigateway-integration") if verb in _VERBS else None
            if integration:
                routes.append(_route(path, verb, method, integration, everywhere))
    return sorted(routes, key=lambda route: route.rank)


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
        min(int(integration.get("timeoutInMillis", _TIMEOUT_MS)), _TIMEOUT_MS) / 1000,
        _mock(integration),
    )


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


def _refused(stage: Deployed, route: Route, request: web.Request) -> web.Response | None:
    """The answer that keeps a request out, or None."""
    if (request.content_length or 0) > MAX_PAYLOAD:
        return _say(413, "HTTP content length exceeded 10485760 bytes.", "RequestTooLargeException")
    now = time.monotonic()
    buckets: list[Bucket] = []
    if route.needs_key:
        given = request.headers.get("x-api-key", "")
        known = next((value for value in stage.keys if secrets.compare_digest(value.encode(), given.encode())), None)
        if known is None:
            return _say(403, "Forbidden", "ForbiddenException")
        buckets += stage.keys[known]
    buckets += [stage.throttle] if stage.throttle else []
    if not all(bucket.take(now) for bucket in buckets):
        return _say(429, "Too Many Requests", "TooManyRequestsException")
    return None


def _without_key(request: web.Request) -> web.Request:
    """The key is API Gateway's own business: what stands behind it never sees it."""
    headers = request.headers.copy()
    headers.popall("x-api-key", None)
    return request.clone(headers=headers)


def _bucket(limits: Mapping[str, Any], rate: str, burst: str, before: Bucket | None) -> Bucket | None:
    if rate not in limits:
        return None
    new = Bucket(float(limits[rate]), float(limits.get(burst, limits[rate])))
    if before and (before.rate, before.burst) == (new.rate, new.burst):
        return before
    return new


def _ids() -> dict[str, str]:
    return {"x-amzn-RequestId": str(uuid.uuid4()), "x-amz-apigw-id": secrets.token_urlsafe(12)}


def _say(status: int, message: str, error: str) -> web.Response:
    return web.json_response({"message": message}, status=status, headers={"x-amzn-ErrorType": error, **_ids()})
