"""`serve`: /ping and /invocations on the public port; /version, /metrics and /ping on the inner one.

Bare ASGI on uvicorn and httptools. A model is answered from the event loop when one inference takes less than it costs to
hand it to a thread; a slower one runs on as many threads as there are processors, and what would wait too long is refused.
User code (see hooks) always runs on those threads: it may wait as long as it likes, and /ping answers on.
Source: Amazon SageMaker Developer Guide, "Custom inference code with hosting services".
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import orjson
import uvicorn

import trimtab_container
from trimtab_container.contract import usable_cpus
from trimtab_container.cors import ORIGINS, Headers, cors_headers, preflight_headers
from trimtab_container.formats import JSON, Refused, accepted, read, write
from trimtab_container.hooks import HookError, HookFailed, Hooks, load_hooks
from trimtab_container.metrics import Metrics
from trimtab_container.model import Model, ModelError, load
from trimtab_container.paths import Paths
from trimtab_container.pipeline import Answer, Pipeline

CODE = "/opt/program"  # where an image has the serving files
MAX_BODY = 6 * 1024 * 1024  # bytes; what InvokeEndpoint takes
DRAIN_S = 25  # SageMaker and ECS kill 30 s after SIGTERM
INLINE_S = 0.002  # a shorter inference is cheaper on the loop than on a thread
WAITING_PER_THREAD = 32
T = TypeVar("T")
Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class Server:
    """The two ASGI applications of one model."""

    def __init__(self, folder: Path, release: str, expected: str, hooks: Hooks = Hooks()) -> None:  # noqa: B008 - frozen
        self._folder, self._release, self._expected, self._hooks = folder, release, expected, hooks
        self._model: Model | None = None
        self._pipeline: Pipeline | None = None  # where requests pass through user code
        self._problem = "the model is being loaded"
        self.threads = ThreadPoolExecutor(usable_cpus(), thread_name_prefix="inference")
        self._most = usable_cpus() * WAITING_PER_THREAD
        self._headers: Headers = []
        self.metrics = Metrics("", release)

    def load(self) -> bool:
        """Load and prove the model. False: it must not be served, and stderr says why."""
        try:
            model = load(self._folder, self._expected, self._hooks)
            pipeline = Pipeline(model, self._hooks, self._folder) if self._hooks.of_requests else None
            proven = pipeline.prove(model.golden) if pipeline else ""
        except (ModelError, OSError) as error:
            self._problem = str(error).splitlines()[0]  # a traceback is for the log alone
            print(f"trimtab: {error}", file=sys.stderr, flush=True)
            return False
        self.metrics.artifact = model.digest
        self._headers = [(b"x-trimtab-release", self._release.encode()), (b"x-trimtab-artifact", model.digest.encode())]
        if self._hooks.names:
            self._headers.append((b"x-trimtab-hooks", ",".join(self._hooks.names).encode()))
            print(
                f"trimtab: {', '.join(self._hooks.names)} of inference.py; {proven or 'the golden request passes'}",
                flush=True,
            )
        print(f"trimtab: serving {model.digest}, one inference takes {model.seconds * 1000:.2f} ms", flush=True)
        self._pipeline, self._model = pipeline, model
        return True

    async def public(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """/invocations and /ping."""
        if scope["type"] != "http":
            return
        path, method = scope["path"], scope["method"]
        if path == "/invocations" and method == "POST":
            await self._invoke(scope, receive, send)
        elif path == "/ping" and method in ("GET", "HEAD"):
            await self._ping(send)
        elif path == "/invocations" and method == "OPTIONS" and ORIGINS in (headers := dict(scope["headers"])):
            await _answer(send, 200, b"", more=preflight_headers(headers))
        else:
            await self._refuse(send, Refused(404, "NotFound", f"there is no {method} {path}"))

    async def inner(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """/version, /metrics and /ping: never routed publicly."""
        if scope["type"] != "http":
            return
        if scope["path"] == "/metrics":
            await _answer(send, 200, self.metrics.text(), b"text/plain; version=0.0.4")
        elif scope["path"] == "/version":
            await _answer(send, 200, orjson.dumps(self._version()))
        elif scope["path"] == "/ping":
            await self._ping(send)
        else:
            await self._refuse(send, Refused(404, "NotFound", f"there is no {scope['path']}"))

    def _version(self) -> dict[str, Any]:
        model = self._model
        return {
            "artifact": model.digest if model else None,
            "release": self._release,
            "launcher": trimtab_container.__version__,
            "card": {name: model.card.get(name) for name in ("name", "versions")} if model else None,
        }

    async def _ping(self, send: Send) -> None:
        if self._model:
            await _answer(send, 200, b'{"status":"ok"}', JSON.encode(), self._headers)
        else:
            await self._refuse(send, Refused(503, "NotReady", self._problem))

    async def _invoke(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        self.metrics.in_flight += 1
        status, records = 200, 0
        headers = dict(scope["headers"])
        cors = cors_headers(headers)
        try:
            if self._model is None:
                raise Refused(503, "NotReady", self._problem)
            answer = await self._reply(self._model, headers, receive)
            records = answer.records
            await _answer(send, 200, answer.body, answer.kind.encode("latin-1", "replace"), self._headers + cors)
        except Refused as refused:
            status = refused.status
            await self._refuse(send, refused, cors)
        except HookFailed as failed:
            status = 500
            print(failed.trace(), file=sys.stderr, flush=True)
            refused = Refused(500, "HookFailed", f"{failed.name} of inference.py failed; the log says why")
            await self._refuse(send, refused, cors)
        except Exception as error:  # the one place round a request: a fault of ours is answered, counted and logged
            status = 500
            print(f"trimtab: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            await self._refuse(send, Refused(500, "InferenceFailed", "the model could not answer this request"), cors)
        finally:
            self.metrics.in_flight -= 1
            self.metrics.count(status, time.perf_counter() - started, records)

    async def _reply(self, model: Model, headers: dict[bytes, bytes], receive: Receive) -> Answer:
        """Read, infer, write: by the user's functions where there are some."""
        accept, kind = (headers.get(name, b"").decode("latin-1") for name in (b"accept", b"content-type"))
        if self._pipeline:
            named = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}
            return await self._on_a_thread(self._pipeline.answer, await _body(headers, receive), kind, accept, named)
        wanted = accepted(accept)
        batch = read(await _body(headers, receive), kind, model.input)
        if model.seconds * len(batch) <= INLINE_S:
            answers = model.predict(batch)
        else:
            answers = await self._on_a_thread(model.predict, batch)
        return Answer(write(answers, wanted, model), wanted, len(batch))

    async def _on_a_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        if self.metrics.in_flight > self._most:
            raise Refused(503, "TooBusy", f"{self._most} requests are waiting already")
        return await asyncio.get_running_loop().run_in_executor(self.threads, work, *arguments)

    async def _refuse(self, send: Send, refused: Refused, cors: Headers | None = None) -> None:
        await _answer(send, refused.status, refused.body, JSON.encode(), self._headers + (cors or []))


async def _body(headers: dict[bytes, bytes], receive: Receive) -> bytes:
    """The whole body. Raises Refused when it is too long."""
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > MAX_BODY:
        raise Refused(413, "TooLarge", f"the body has {int(length)} bytes; at most {MAX_BODY} are read")
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "Disconnected", "the client went away")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY:
            raise Refused(413, "TooLarge", f"the body has more than {MAX_BODY} bytes")
        if not message.get("more_body"):
            return b"".join(parts)


async def _answer(send: Send, status: int, body: bytes, kind: bytes = JSON.encode(), more: Headers | None = None) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *(more or [])]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main() -> int:
    """Serve until SIGTERM, then finish what is in flight; returns the exit code."""
    paths = Paths.of(os.environ)
    try:
        hooks = load_hooks(Path(os.environ.get("TRIMTAB_CODE_DIR") or CODE))
    except HookError as error:
        print(f"trimtab: {error}", file=sys.stderr, flush=True)
        return 1
    release, expected = os.environ.get("TRIMTAB_RELEASE", ""), os.environ.get("TRIMTAB_ARTIFACT_DIGEST", "")
    server = Server(paths.model, release, expected, hooks)
    host = os.environ.get("TRIMTAB_BIND_ADDRESS") or "0.0.0.0"  # noqa: S104 - a container's own address
    port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT") or 8080)
    inner = int(os.environ.get("TRIMTAB_METRICS_PORT") or 9090)
    code = asyncio.run(_serve(server, host, port, inner))
    server.threads.shutdown(wait=False, cancel_futures=True)
    if hooks.names:
        # The interpreter waits for its threads, and one of the user's functions may never return.
        sys.stdout.flush()
        os._exit(code)
    return code


async def _serve(server: Server, host: str, port: int, inner_port: int) -> int:
    public = _uvicorn(server.public, host, port)
    inner = _uvicorn(server.inner, host, inner_port)
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    running = [asyncio.ensure_future(each.serve()) for each in (public, inner)]
    waiting = asyncio.ensure_future(stopping.wait())
    # Not awaited alone: a model_fn that never returns must not keep us from stopping.
    loading = loop.run_in_executor(server.threads, server.load)
    await asyncio.wait([loading, waiting, *running], return_when=asyncio.FIRST_COMPLETED)
    # A model that is not what it says never will be: whoever started us learns it now, not when health checks run out.
    # A fault of ours ends the server too.
    if not loading.done() or loading.result():
        await asyncio.wait([waiting, *running], return_when=asyncio.FIRST_COMPLETED)
    # A listener that could not be opened, or a model that is refused: that is a failure, a signal is not.
    code = 0 if stopping.is_set() else 1
    public.should_exit = inner.should_exit = True
    await asyncio.gather(*running, return_exceptions=True)
    waiting.cancel()
    return code


class _Quiet(uvicorn.Server):
    """Leaves signals to us: two servers share one process."""

    def capture_signals(self) -> Any:
        import contextlib

        return contextlib.nullcontext()


def _uvicorn(application: Any, host: str, port: int) -> uvicorn.Server:
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        http="httptools",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,  # longer than a load balancer's 60 s, so that it never sends into a closing connection
        timeout_graceful_shutdown=DRAIN_S,
        backlog=2048,
    )
    return _Quiet(config)
