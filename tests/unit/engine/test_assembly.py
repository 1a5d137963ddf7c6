"""What the engines of one environment share."""

import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from samples_compile import ENVIRONMENT, loaded
from trimtab.clients.aws import Account, Aws
from trimtab.clients.clock import SystemClock
from trimtab.core.kind import Call
from trimtab.engine.assembly import Assembly
from trimtab.engine.contents import Content


@pytest.fixture
def connections():
    """(URL, the addresses that connected) of a server that keeps connections open."""
    seen: list[object] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            seen.append(self.client_address)

        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/ping", seen
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_connection_is_not_kept_for_each_deployment(connections, tmp_path):
    url, seen = connections
    with ThreadPoolExecutor(1) as threads:
        launcher = Content(tmp_path, (), "sha256:launcher")
        aws = Aws(Account("us-east-1"))
        assembly = Assembly(loaded(ENVIRONMENT), aws, threads, tmp_path, launcher, SystemClock(), "me", lambda _: False)
        held = [assembly.reconciler({}) for _ in range(5)]
        statuses = [each.driver.make(Call("http", "GET", {"url": url}))["Status"] for each in held]
    assert statuses == [204] * 5
    assert len(seen) == 1
