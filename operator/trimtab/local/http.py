"""The data plane's HTTP: one asyncio loop in a thread, listeners that come and go, and a streaming forwarder.

Load balancers, health checks and API Gateway's execution all run on it. It binds loopback addresses and no other.
"""

import asyncio
import concurrent.futures
import ipaddress
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeAlias

import aiohttp
import yarl
from aiohttp import web

App: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
log = logging.getLogger(__name__)

# RFC 9110, 7.6.1: these speak of one connection, not of the message.
HOP_BY_HOP = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip
MAX_BODY = 64 << 20
_CLOSE_S = 5.0


class HttpPlane:
    """Listeners and one client session on a loop of their own. Methods may be called from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="http-plane", daemon=True)
        self._apps: dict[tuple[str, int], App] = {}
        self._runners: dict[tuple[str, int], web.ServerRunner] = {}
        self._session: aiohttp.ClientSession | None = None

    def start(self) -> None:
        self._thread.start()
        self.submit(self._open()).result()

    def stop(self) -> None:
        """Close every listener and wait for the loop to end."""
        if not self._thread.is_alive():
            return
        for host, port in list(self._runners):
            self.close(host, port)
        self.submit(self._shut()).result(timeout=_CLOSE_S * 2)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=_CLOSE_S)

    @property
    def session(self) -> aiohttp.ClientSession:
        """The pooled client, for use on the loop only."""
        assert self._session is not None, "the plane is not started"
        return self._session

    def submit(self, coroutine: Coroutine[Any, Any, Any]) -> "concurrent.futures.Future[Any]":
        """Run a coroutine on the loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def listen(self, host: str, port: int, app: App) -> None:
        """Listen, or answer with another app where we listen already. Raises OSError when the port is taken."""
        if not ipaddress.ip_address(host).is_loopback:
            raise OSError(f"{host} is not a loopback address")
        where = (host, port)
        self._apps[where] = app
        if where not in self._runners:
            try:
                self._runners[where] = self.submit(self._listen(host, port)).result()
            except BaseException:
                del self._apps[where]
                raise

    def close(self, host: str, port: int) -> None:
        """Stop listening; what is in flight finishes, within five seconds."""
        runner = self._runners.pop((host, port), None)
        self._apps.pop((host, port), None)
        if runner:
            self.submit(runner.cleanup()).result(timeout=_CLOSE_S * 2)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _open(self) -> None:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30)
        self._session = aiohttp.ClientSession(
            connector=connector, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
        )

    async def _shut(self) -> None:
        await self.session.close()

    async def _listen(self, host: str, port: int) -> web.ServerRunner:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            app = self._apps.get((host, port))
            return await app(request) if app else web.Response(status=503)  # pyright: ignore[reportArgumentType]

        # Cancelled when the client leaves: a silent target would else hold the request until its time-out.
        server = web.Server(handle, access_log=None, handler_cancellation=True)
        runner = web.ServerRunner(server, shutdown_timeout=_CLOSE_S)
        await runner.setup()
        await web.TCPSite(runner, host, port, backlog=1024).start()
        return runner


async def forward(
    plane: HttpPlane,
    request: web.Request,
    host: str,
    port: int,
    *,
    path: str | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 60.0,
) -> web.StreamResponse:
    """Send a request on to host:port and stream the answer back.

    path: with its query; the request's own by default. headers: set in place of the request's.
    Raises aiohttp.ClientError and TimeoutError before a byte of the answer was sent.
    """
    sent = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
    sent |= dict(headers or {})
    body = request.content if request.body_exists else None
    if body is None or "Content-Length" in sent:
        sent.pop("Transfer-Encoding", None)
    url = f"http://{host}:{port}{path if path is not None else request.raw_path}"
    timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(5.0, timeout_s))
    async with plane.session.request(
        request.method, _url(url), headers=sent, data=body, timeout=timeout, allow_redirects=False
    ) as answer:
        response = web.StreamResponse(status=answer.status, reason=answer.reason)
        for name, value in answer.headers.items():
            if name.lower() not in HOP_BY_HOP:
                response.headers.add(name, value)
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response


def _url(text: str) -> yarl.URL:
    """As it was written: what a client escaped must reach the target escaped."""
    return yarl.URL(text, encoded=True)
