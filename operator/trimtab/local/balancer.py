"""The load balancers' data plane: real HTTP on an address of its own per load balancer.

The control plane hands over whole routing tables (`serve`) and enrols targets in pools; requests are matched, balanced
round robin over healthy targets and streamed both ways. As an Application Load Balancer does: X-Forwarded-*, 503 with no
target, 502 when a target breaks off, 504 when it is silent for the idle time-out, and fail-open when no target is healthy.
Another target is tried only when a connection could not be made, so that not a byte was sent. HTTP/1.1 only; no WebSockets,
no stickiness.
"""

import random
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from trimtab.local.elbv2_health import ask, watch
from trimtab.local.elbv2_rules import Asked, Document, matches
from trimtab.local.elbv2_tally import Place, Tally
from trimtab.local.elbv2_targets import HealthCheck, Key, Outcome, Pool, Target
from trimtab.local.http import HOP_BY_HOP, HttpPlane

CONNECT_S = 10.0  # to a target, as an Application Load Balancer allows
KEEP_ALIVE_S = 4.0  # idle connections to targets; below the 5 s of common servers, so that we are first to close
CHUNK_BYTES = 64 * 1024
REASONS = {502: "Bad Gateway", 503: "Service Temporarily Unavailable", 504: "Gateway Time-out", 404: "Not Found"}


@dataclass(frozen=True, slots=True)
class Fixed:
    status: int
    content_type: str
    body: str


@dataclass(frozen=True, slots=True)
class Redirect:
    """Parts may hold #{protocol}, #{host}, #{port}, #{path} and #{query}."""

    status: int
    protocol: str
    host: str
    port: str
    path: str
    query: str


@dataclass(frozen=True, slots=True)
class Forward:
    weights: tuple[tuple[Pool, int], ...]


@dataclass(frozen=True, slots=True)
class Route:
    conditions: Sequence[Document]  # none: always
    action: Fixed | Redirect | Forward


@dataclass(frozen=True, slots=True)
class Routes:
    """What one listener does. Replaced whole, so that a request sees one table."""

    port: int  # that clients believe in (80); the plane may listen on another (8080)
    idle_s: float
    rules: tuple[Route, ...]  # in order of priority, the default last
    balancer: str = ""  # ARN, under which requests are counted


@dataclass(slots=True)
class Balancer:
    """Listeners, pools and health checks on the HTTP plane's loop. Methods may be called from any thread."""

    plane: HttpPlane
    changed: Callable[[], None]  # called on the loop when a target's state has changed
    tally: Tally = field(default_factory=Tally)
    tables: dict[tuple[str, int], Routes] = field(default_factory=dict[tuple[str, int], Routes])
    _session: aiohttp.ClientSession | None = None
    _watchers: set["Future[None]"] = field(default_factory=set["Future[None]"])

    def serve(self, host: str, port: int, routes: Routes) -> None:
        """Listen, or replace what a listener does. Raises OSError when the port is taken by another process."""
        if (host, port) not in self.tables:
            self.plane.listen(host, port, self._application(host, port))
        self.tables[host, port] = routes

    def close(self, host: str, port: int) -> None:
        if self.tables.pop((host, port), None) is not None:
            self.plane.close(host, port)

    def enrol(self, pool: Pool, target: Target) -> None:
        """Add a target to a pool and start to check its health."""
        pool.add(target)
        watcher = self.plane.submit(watch(pool, target, self._ask, self.changed))
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)

    def stop(self) -> None:
        """End the health checks and give the connections to targets up. Listeners are the plane's to close."""
        for watcher in list(self._watchers):
            watcher.cancel()
        self.plane.submit(self._end()).result(timeout=5)

    async def _end(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _ask(self, target: Target, check: HealthCheck) -> Outcome:
        return await ask(self.plane.session, target, check)

    def _application(self, host: str, port: int) -> Callable[[web.Request], Coroutine[Any, Any, web.StreamResponse]]:
        async def answer(request: web.Request) -> web.StreamResponse:
            routes = self.tables.get((host, port))
            if routes is None:  # closed a moment ago
                return failure(503)
            action = choose(routes, request)
            if isinstance(action, Fixed):
                return web.Response(
                    status=action.status, body=action.body.encode(), headers={"Content-Type": action.content_type}
                )
            if isinstance(action, Redirect):
                return web.Response(status=action.status, headers={"Location": location(action, request, routes.port)})
            return await self._forward(request, _weighted(action), routes)

        return answer

    async def _forward(self, request: web.Request, pool: Pool, routes: Routes) -> web.StreamResponse:
        tried: set[Key] = set()
        place = (routes.balancer, pool.arn)
        while (target := pool.pick(tried)) is not None:
            if not tried:
                self.tally.chosen(place)
            try:
                return await self._through(request, target, routes, place)
            except aiohttp.ClientConnectorError:
                tried.add(target.key)  # no connection, so not a byte was sent: another may take it
                self.tally.unreached(place)
            finally:
                pool.release(target)
        return self._refuse(place, 502 if tried else 503)

    def _refuse(self, place: Place, status: int) -> web.Response:
        self.tally.refused(place, status)
        return failure(status)

    async def _through(self, request: web.Request, target: Target, routes: Routes, place: Place) -> web.StreamResponse:
        if self._session is None or self._session.closed:
            self._session = _session()
        url = URL(f"http://{target.id}:{target.port}{request.raw_path}", encoded=True)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=routes.idle_s)
        upload = Upload(request)
        body = upload.parts() if request.can_read_body else None
        began = time.monotonic()
        try:
            upstream = await self._session.request(
                request.method, url, headers=onward(request, routes.port), data=body, timeout=timeout, allow_redirects=False
            )
        except aiohttp.ClientConnectorError:
            raise
        except TimeoutError:
            return self._refuse(place, 504)
        except (aiohttp.ClientError, OSError, ValueError):
            return self._refuse(place, 502)
        self.tally.answered(place, upstream.status, time.monotonic() - began)
        async with upstream:
            upload.answer = upstream
            return await relay(request, upstream)


@dataclass(slots=True)
class Upload:
    """A request's body on its way to a target."""

    request: web.Request
    answer: aiohttp.ClientResponse | None = None  # once the target has begun to answer

    async def parts(self) -> AsyncIterator[bytes]:
        try:
            async for part in self.request.content.iter_any():
                yield part
        except (ConnectionError, aiohttp.ClientError, web.RequestPayloadError):
            # The client left in mid-upload. A target that answers while it reads would wait for the rest for ever.
            if self.answer is not None:
                self.answer.close()
            raise


def choose(routes: Routes, request: web.Request) -> Fixed | Redirect | Forward:
    """The action of the first rule that a request meets."""
    asked = Asked(
        host=request.host.rsplit(":", 1)[0] if not request.host.endswith("]") else request.host,
        path=request.raw_path.partition("?")[0],
        method=request.method,
        headers=request.headers,
        query=tuple(request.query.items()),
        source=request.remote or "127.0.0.1",
    )
    return next(route.action for route in routes.rules if matches(route.conditions, asked))


def _weighted(action: Forward) -> Pool:
    pools = [pool for pool, _ in action.weights]
    weights = [weight for _, weight in action.weights]
    return pools[0] if len(pools) == 1 or not any(weights) else random.choices(pools, weights)[0]


def onward(request: web.Request, port: int) -> CIMultiDict[str]:
    """Headers of the request to the target: the client's, less hop-by-hop ones, with what a load balancer adds."""
    headers = end_to_end(request.headers)
    seen, source = request.headers.get("X-Forwarded-For"), request.remote or "127.0.0.1"
    headers["X-Forwarded-For"] = f"{seen}, {source}" if seen else source
    headers["X-Forwarded-Proto"], headers["X-Forwarded-Port"] = "http", str(port)
    headers.setdefault("X-Amzn-Trace-Id", f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}")
    return headers


def end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Headers less the hop-by-hop ones, and less those that Connection names."""
    named = {token.strip().lower() for token in headers.get("Connection", "").split(",")}
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in HOP_BY_HOP | named)


async def relay(request: web.Request, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
    """Stream a target's answer to the client; break the connection off when the target does."""
    response = web.StreamResponse(status=upstream.status, reason=upstream.reason, headers=end_to_end(upstream.headers))
    try:
        await response.prepare(request)
    except ConnectionError:
        return response  # the client has gone
    try:
        async for chunk in upstream.content.iter_chunked(CHUNK_BYTES):
            await response.write(chunk)
        await response.write_eof()
    except (aiohttp.ClientPayloadError, TimeoutError):
        # Half an answer must not look like a whole one.
        if request.transport is not None:
            request.transport.close()
    except ConnectionError:
        pass  # the client has gone
    return response


def failure(status: int) -> web.Response:
    """An error of the load balancer itself, as an Application Load Balancer words it."""
    title = f"{status} {REASONS[status]}"
    head, body = f"<head><title>{title}</title></head>", f"<body>\r\n<center><h1>{title}</h1></center>\r\n</body>"
    page = f"<html>\r\n{head}\r\n{body}\r\n</html>\r\n"
    return web.Response(status=status, text=page, content_type="text/html", headers={"Server": "awselb/2.0"})


def location(action: Redirect, request: web.Request, port: int) -> str:
    """Where a redirect points to."""
    path, _, query = request.raw_path.partition("?")
    parts = {"protocol": "http", "host": request.host.rsplit(":", 1)[0], "port": str(port), "path": path[1:], "query": query}

    def fill(text: str) -> str:
        for name, value in parts.items():
            text = text.replace("#{" + name + "}", value)
        return text

    asked = fill(action.query)
    where = f"{fill(action.protocol).lower()}://{fill(action.host)}:{fill(action.port)}{fill(action.path)}"
    return where + (f"?{asked}" if asked else "")


def _session() -> aiohttp.ClientSession:
    """A client that adds nothing of its own. Made on the loop."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        timeout=aiohttp.ClientTimeout(total=None),
    )
