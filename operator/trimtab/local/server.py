"""The process of a local cloud: `python -m trimtab.local.server --state FOLDER --port N --invoke-port N`."""

import argparse
import gc
import json
import logging
import os
import secrets
import select
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from http.client import responses
from pathlib import Path
from typing import Any

from cheroot.wsgi import Server, WSGIGateway_10

from trimtab.local.bootstrap import prepare
from trimtab.local.cloud import Cloud, Settings
from trimtab.local.environments import cache_folder
from trimtab.local.executor import ProcessExecutor
from trimtab.local.faults import Dropped
from trimtab.local.overlay import World
from trimtab.local.overlays import OVERLAYS
from trimtab.local.paths import ACCOUNT, REGION, CloudInfo, own_folder, write_info
from trimtab.local.protocol import Request, Response
from trimtab.local.security import Key

log = logging.getLogger("trimtab.local")
_TICK_S = 0.1
_THREADS = 48  # of which long polls may hold 32
_CONNECTION = "trimtab.connection"


def main() -> None:
    """Run until SIGTERM; units run on, for the next process to adopt, unless `--reap`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--invoke-port", type=int, required=True)
    parser.add_argument("--speed", type=float, default=1.0)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", stream=sys.stderr)
    stop = threading.Event()

    def stopped(_number: int, _frame: object) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stopped)
    with_gateway(given.state, given.port, given.invoke_port, stop, speed=given.speed)


def with_gateway(
    folder: Path,
    port: int,
    invoke_port: int,
    stop: threading.Event,
    ready: Callable[[Cloud], None] | None = None,
    speed: float = 1.0,
) -> None:
    """Serve until `stop` is set. `ready` is called once it answers."""
    own_folder(folder)
    key = installation_key(folder)

    def answered(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        return _answer(cloud, environ, start)

    gateway: Any = Server(
        ("127.0.0.1", port),
        answered,
        numthreads=_THREADS,
        request_queue_size=128,
    )
    gateway.gateway = _Gateway
    gateway.prepare()  # raises OSError while nothing else has begun
    port = int(gateway.bind_addr[1])
    settings = Settings(folder, ACCOUNT, REGION, port, invoke_port, key, speed)
    cloud = Cloud(settings, executor, OVERLAYS)
    lost = cloud.recover()
    for sentence in lost:
        log.warning("lost: %s", sentence)
    threads = [
        threading.Thread(target=gateway.serve, daemon=True),
        threading.Thread(target=_tick, args=(cloud, stop), daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        prepare(cloud.neighbours, settings.endpoint, f"http://127.0.0.1:{invoke_port}", ACCOUNT, folder)
        (folder / "lost.json").write_text(json.dumps(lost))
        info = CloudInfo(
            settings.endpoint,
            f"http://127.0.0.1:{invoke_port}",
            key.id,
            key.secret,
            REGION,
            ACCOUNT,
            os.getpid(),
            datetime.now(UTC).isoformat(timespec="seconds"),
        )
        write_info(folder, info)
        # What is loaded by now stays: each collection would go through some hundred megabytes of models.
        gc.collect()
        gc.freeze()
        if ready:
            ready(cloud)
        stop.wait()
    finally:
        stop.set()
        cloud.world.wake.set()
        cloud.world.signals.queues.close()  # its polls would hold the gateway up
        gateway.stop()
        threads[1].join(timeout=5)
        cloud.close()
        (folder / "cloud.json").unlink(missing_ok=True)


def executor(world: World) -> ProcessExecutor:
    """Processes of this machine, over the registry's own content."""
    return ProcessExecutor(world.folder / "units", world.images, cache_folder())


def installation_key(folder: Path) -> Key:
    """The key of this installation, made once, readable by its owner alone."""
    file = folder / "key.json"
    if not file.exists():
        file.touch(mode=0o600)
        id = "AKIA" + secrets.token_hex(8).upper()
        file.write_text(json.dumps({"id": id, "secret": secrets.token_urlsafe(30)}))
    return Key(**json.loads(file.read_text()))


def _tick(cloud: Cloud, stop: threading.Event) -> None:
    """Let the cloud move ten times a second, and at once when something was written."""
    while not stop.is_set():
        cloud.world.wake.wait(_TICK_S)
        cloud.world.wake.clear()
        try:
            cloud.tick()
        except Exception:  # one controller's fault must not stop the others for ever
            log.exception("tick failed")
            stop.wait(1.0)


class _Gateway(WSGIGateway_10):
    """cheroot's own, which also hands out the connection: an injected fault closes it.

    An answer leaves as a whole, as AWS's do: between its head and its body Go's client may come to close the connection, and
    then repeats what was answered, creates too.
    """

    def respond(self) -> None:
        self._hold(True)
        try:
            super().respond()  # pyright: ignore[reportUnknownMemberType]
        finally:
            self._hold(False)

    def _hold(self, held: bool) -> None:
        self.req.conn.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, held)

    def get_environ(self) -> dict[str, Any]:
        found: Any = super().get_environ()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return {**found, _CONNECTION: self.req.conn}


def _drop(connection: Any, seconds: float) -> None:
    """Close without an answer: after some silence, which the client may end before, or at once, as a reset."""
    if seconds:
        left = select.poll()
        left.register(connection.socket, select.POLLRDHUP)
        left.poll(seconds * 1000)
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.socket.shutdown(socket.SHUT_RDWR)


def _answer(cloud: Cloud, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    headers |= {
        name.replace("_", "-").lower(): environ[name] for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(name)
    }
    source, length = environ["wsgi.input"], int(environ.get("CONTENT_LENGTH") or 0)
    body = source.read(length) if length else source.read() if "transfer-encoding" in headers else b""
    try:
        response = cloud.handle(Request(environ["REQUEST_METHOD"], environ["REQUEST_URI"], headers, body))
    except Dropped as dropped:
        _drop(environ[_CONNECTION], dropped.seconds)
        response = Response(500, (), b"")  # nobody hears it
    start(f"{response.status} {responses.get(response.status, 'Status')}", list(response.headers))
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else response.body]  # RFC 9110, 9.3.2


if __name__ == "__main__":
    main()
