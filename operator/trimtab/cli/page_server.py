"""Serves one folder of static files on loopback, and beside them `connection.json`: how its page reaches an endpoint.

That file holds a key, so nothing is served but below a path that nobody can guess, to a browser that was sent here by that
address (a foreign name that resolves to loopback is refused), and no other page may read it. The page's own requests go to
the endpoint alone: the policy that is sent with each file allows no other.
Source: Content Security Policy Level 3; docs/adr/0007-a-page-with-a-key.md.
"""

import json
import secrets
import sys
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from trimtab.cli import interrupts
from trimtab.core.errors import TrimtabError
from trimtab.core.kind import Failure

HOST = "127.0.0.1"
CONNECTION = "connection.json"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".woff2": "font/woff2",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self' {endpoint}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class PageServer(ThreadingTCPServer):
    """Listens when made; raises OSError where the port is taken.

    endpoint: URL that the page calls. connection: gives the content of connection.json, one request at a time.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, folder: Path, port: int, endpoint: str, connection: Callable[[], Mapping[str, Any]]) -> None:
        super().__init__((HOST, port), _Handler)
        parts = urlsplit(endpoint)
        self.folder = folder.resolve()
        self.origin = f"http://{HOST}:{self.server_address[1]}"
        self.secret = secrets.token_urlsafe(24)
        self.policy = _POLICY.format(endpoint=f"{parts.scheme}://{parts.netloc}")
        self.connection = connection

    @property
    def url(self) -> str:
        """What a person opens."""
        return f"{self.origin}/{self.secret}/"

    def service_actions(self) -> None:
        """Once a round: a signal is never lost."""
        interrupts.check()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away is nothing to tell of."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: PageServer  # pyright: ignore[reportIncompatibleVariableOverride]
    server_version, sys_version = "trimtab", ""
    timeout = 30  # seconds that an idle connection is kept

    def do_GET(self) -> None:
        if self.headers.get("Host", "") != urlsplit(self.server.origin).netloc:
            self._answer(403, b"This page is served under the address that `trimtab page` printed.\n")
            return
        _, secret, path = [*self.path.partition("?")[0].split("/", 2), "", ""][:3]
        if not secrets.compare_digest(secret.encode(), self.server.secret.encode()):
            self._answer(404, b"Open the address that `trimtab page` printed: it is another each time.\n")
        elif path == CONNECTION:
            self._connection()
        else:
            self._file(file_in(self.server.folder, path or "index.html"))

    def _connection(self) -> None:
        try:
            self._answer(200, json.dumps(self.server.connection()).encode(), _TYPES[".json"])
        except (TrimtabError, Failure) as error:
            self._answer(503, f"{error}\n".encode())

    def _file(self, file: Path | None) -> None:
        if file is None:
            self._answer(404, b"There is no such file.\n")
        else:
            self._answer(200, file.read_bytes(), _TYPES.get(file.suffix, "application/octet-stream"))

    def _answer(self, status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Content-Security-Policy", self.server.policy),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Referrer-Policy", "no-referrer"),  # the address holds the secret
            ("X-Content-Type-Options", "nosniff"),
            ("Cache-Control", "no-store"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a line for each file is noise, and would hold the secret."""


def file_in(folder: Path, path: str) -> Path | None:
    """The file at that path of a URL, or None: nothing hidden, and nothing outside the folder once links are followed.

    folder: resolved.
    """
    parts = unquote(path).split("/")
    if any(part.startswith(".") or "\0" in part for part in parts):
        return None
    target = folder.joinpath(*parts).resolve()
    return target if target.is_relative_to(folder) and target.is_file() else None
