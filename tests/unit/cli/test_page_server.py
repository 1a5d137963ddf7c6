"""The page's server gives files and key to who has the address, and nothing to anybody else."""

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from trimtab.cli.main import run
from trimtab.cli.page import may_call
from trimtab.cli.page_server import PageServer
from trimtab.core.errors import UserError

ENDPOINT = "https://abc.execute-api.eu-central-1.amazonaws.com/live"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    page = tmp_path / "page"
    (page / "parts").mkdir(parents=True)
    for name in ("index.html", "page.js", "parts/more page.js", ".env"):
        (page / name).write_text(name)
    (tmp_path / "outside.txt").write_text("outside")
    (page / "link.txt").symlink_to(tmp_path / "outside.txt")
    return page


@contextmanager
def serving(folder: Path, connection=lambda: {"key": "k"}) -> Iterator[PageServer]:
    with PageServer(folder, 0, ENDPOINT, connection) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def get(server: PageServer, path: str, host: str | None = None) -> tuple[int, str, http.client.HTTPMessage]:
    with closing(http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=30)) as asked:
        asked.request("GET", path, headers={"Host": host or f"127.0.0.1:{server.server_address[1]}"})
        reply = asked.getresponse()
        return reply.status, reply.read().decode(), reply.headers


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("", "index.html", "text/html; charset=utf-8"),
        ("index.html?fresh=1", "index.html", "text/html; charset=utf-8"),
        ("page.js", "page.js", "text/javascript; charset=utf-8"),
        ("parts/more%20page.js", "parts/more page.js", "text/javascript; charset=utf-8"),
        ("connection.json", '{"key": "k"}', "application/json"),
    ],
)
def test_who_has_the_address_gets_the_page_and_its_connection(folder, path, body, kind):
    with serving(folder) as server:
        status, text, headers = get(server, f"/{server.secret}/{path}")
    assert (status, text, headers["Content-Type"]) == (200, body, kind)
    assert "Access-Control-Allow-Origin" not in headers
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"


def test_the_page_may_call_its_endpoint_and_nothing_else(folder):
    with serving(folder) as server:
        policy = get(server, f"/{server.secret}/")[2]["Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["connect-src"] == "'self' https://abc.execute-api.eu-central-1.amazonaws.com"
    assert (rules["default-src"], rules["script-src"], rules["frame-ancestors"]) == ("'none'", "'self'", "'none'")


@pytest.mark.parametrize(
    "path",
    [".env", "link.txt", "parts", "nothing.js", "../outside.txt", "%2e%2e/outside.txt", "..%2foutside.txt", "a%00b"],
)
def test_what_is_hidden_outside_or_not_there_is_not_served(folder, path):
    with serving(folder) as server:
        assert get(server, f"/{server.secret}/{path}")[0] == 404


@pytest.mark.parametrize("path", ["/", "/connection.json", "/wrong/connection.json", "//connection.json", "/index.html"])
def test_without_the_secret_there_is_nothing(folder, path):
    with serving(folder) as server:
        status, text, _ = get(server, path)
    assert (status, "trimtab page" in text) == (404, True)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost", "127.0.0.1"])
def test_a_name_that_resolves_to_loopback_is_refused(folder, host):
    with serving(folder) as server:
        assert get(server, f"/{server.secret}/connection.json", host=host)[0] == 403


def test_a_connection_that_cannot_be_read_is_told(folder):
    def gone():
        raise UserError("there is no deployment 'a/b'", code="TT3006", reason="NotFound")

    with serving(folder, gone) as server:
        status, text, _ = get(server, f"/{server.secret}/connection.json")
    assert (status, "there is no deployment 'a/b'" in text) == (503, True)


def test_the_address_is_another_each_time(folder):
    with serving(folder) as one, serving(folder) as other:
        assert one.secret != other.secret
        assert one.url == f"http://127.0.0.1:{one.server_address[1]}/{one.secret}/"


@pytest.mark.parametrize(
    ("allowed", "may"),
    [
        ((), False),
        (("*",), True),
        (("https://a.example", "http://127.0.0.1:8100"), True),
        (("HTTP://127.0.0.1:8100",), True),
        (("http://127.0.0.1:8101", "http://localhost:8100"), False),
    ],
)
def test_an_origin_is_allowed_as_the_document_writes_it(allowed, may):
    assert may_call("http://127.0.0.1:8100", allowed) is may


def test_a_folder_without_a_page_is_an_error_that_says_what_to_do(tmp_path, capsys):
    assert run(["page", "toy", "--folder", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "holds no index.html [TT6006" in told
    assert "fix: name the page's folder with --folder" in told


def test_a_port_that_is_taken_cannot_be_shared(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        PageServer(folder, taken.getsockname()[1], ENDPOINT, dict)
