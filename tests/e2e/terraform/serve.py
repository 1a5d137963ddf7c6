"""A model's server in small: answers what its task definition gave it."""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(b"ok")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(os.environ["GREETING"].encode())

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None: ...


def stop(signal_number: int, frame: Any) -> None:
    sys.exit(0)


signal.signal(signal.SIGTERM, stop)
ThreadingHTTPServer((os.environ["TRIMTAB_BIND_ADDRESS"], 8080), Handler).serve_forever()
