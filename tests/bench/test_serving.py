"""The bench of serving: its load counts right, and one run of it compares what it says."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def bench() -> Iterator[None]:
    sys.path.insert(0, str(HERE))
    yield
    sys.path.remove(str(HERE))


class Handler(BaseHTTPRequestHandler):
    """Refuses every fourth request, and answers in two pieces."""

    protocol_version = "HTTP/1.1"
    numbers = count(1)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(503 if next(type(self).numbers) % 4 == 0 else 200)
        self.send_header("Content-Length", str(2 * len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


class Closing(Handler):
    """Closes each connection after its answer, as stock moto does."""

    protocol_version = "HTTP/1.0"
    numbers = count(1)

    def end_headers(self) -> None:
        self.send_header("Connection", "close")
        super().end_headers()


@pytest.mark.parametrize("handler", [Handler, Closing])
def test_the_load_counts_every_answer_once_and_refusals_as_failed(bench: None, handler: type[Handler]):
    import load

    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        spent, failed = load.ask(server.server_port, load.request("/x", "text/plain", b"body"), connections=4, seconds=0.2)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    answered = next(handler.numbers) - 1
    assert len(spent) == answered >= 4
    assert failed == answered // 4
    assert all(took > 0 for took in spent)


@pytest.mark.slow
def test_one_run_compares_the_servers_and_names_a_peer_that_is_not_there(bench: None, monkeypatch: pytest.MonkeyPatch):
    import serving

    def refused() -> Path:
        raise subprocess.CalledProcessError(1, ["uv"], stderr="no such package")

    monkeypatch.setattr(serving, "_mlserver_environment", refused)
    result = serving.measure(0.9)
    if result.get("skipped", {}).get("all"):
        pytest.skip(result["skipped"]["all"])
    assert result["skipped"] == {"mlserver": "no such package"}
    assert list(result["servers"]) == ["trimtab", "bare"]
    for row in result["servers"].values():
        for kind in ("json", "json_32", "bytes"):
            assert row[kind]["requests"] > 0
            assert row[kind]["failed"] == 0
    ours, bare = (result["servers"][name]["json"]["per_cpu_s"] for name in ("trimtab", "bare"))
    assert result["ratios"]["json_to_bare"] == pytest.approx(ours / bare, abs=1e-3)
    assert set(result["goals"]) == {
        "json_to_bare",
        "json_to_parts",
        "bytes_to_json",
        "json_32_p99_ms",
        "pss_mb",
        "start_s",
        "packages_mb",
    }
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if b"trimtab-bench-" in _read(path)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # gone since it was listed
        return b""
