"""A bounded load: so many connections, each with one request in flight, for so long. Prints what it saw as JSON.

A process of its own, so that it can be pinned to a core and so that its own work is not counted as the server's. It speaks
as much HTTP/1.1 as these servers answer with: Content-Length, and connections that are kept unless the server closes them.
"""

import argparse
import json
import math
import select
import socket
import time
from pathlib import Path

WARM_UP_S = 0.3


class Connection:
    """One connection with at most one request in flight; another in its place where the server closes it."""

    def __init__(self, address: tuple[str, int], request: bytes) -> None:
        self._address, self._request, self._got = address, request, b""
        self._sent_at = 0.0
        self.is_over = False  # the server has said that it closes it
        self.open()

    def open(self) -> None:
        self.socket = socket.create_connection(self._address, timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.is_over = False

    def ask(self) -> None:
        self._sent_at = time.perf_counter()
        self.socket.sendall(self._request)

    def read(self) -> tuple[int, float] | None:
        """(status, seconds) once the answer is whole."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed a kept connection")
        self._got += data
        head, found, body = self._got.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return None
        self._got, self.is_over = b"", b"connection: close" in head.lower()
        return int(head[9:12]), time.perf_counter() - self._sent_at


def ask(port: int, request: bytes, connections: int, seconds: float, host: str = "127.0.0.1") -> tuple[list[float], int]:
    """(seconds that each answer took, how many were not 200). Raises OSError."""
    poll = select.epoll()
    opened: dict[int, Connection] = {}

    def begin(connection: Connection) -> None:
        opened[connection.socket.fileno()] = connection
        poll.register(connection.socket, select.EPOLLIN)
        connection.ask()

    def again(connection: Connection) -> None:
        if not connection.is_over:
            connection.ask()
            return
        poll.unregister(connection.socket)
        del opened[connection.socket.fileno()]
        connection.socket.close()
        connection.open()
        begin(connection)

    for _ in range(connections):
        begin(Connection((host, port), request))
    spent: list[float] = []
    failed = 0
    end = time.perf_counter() + seconds
    waiting = connections
    while waiting:
        events = poll.poll(30)
        if not events:
            raise TimeoutError("no answer in 30 s")
        for number, _ in events:
            answer = opened[number].read()
            if answer is None:
                continue
            status, took = answer
            spent.append(took)
            failed += status != 200
            if time.perf_counter() < end:
                again(opened[number])
            else:
                poll.unregister(opened[number].socket)
                waiting -= 1
    for connection in opened.values():
        connection.socket.close()
    return spent, failed


def request(path: str, content_type: str, body: bytes, host: str = "127.0.0.1") -> bytes:
    """The bytes of a POST."""
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    raise ValueError("an answer without Content-Length")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("content_type")
    parser.add_argument("body", type=Path, help="file")
    parser.add_argument("connections", type=int)
    parser.add_argument("seconds", type=float)
    given = parser.parse_args()
    sent = request(given.path, given.content_type, given.body.read_bytes())
    ask(given.port, sent, given.connections, WARM_UP_S)
    print("warm", flush=True)
    started, own = time.perf_counter(), time.process_time()
    spent, failed = ask(given.port, sent, given.connections, given.seconds)
    wall = time.perf_counter() - started
    spent.sort()
    seen = {
        "requests": len(spent),
        "failed": failed,
        "seconds": wall,
        "p50_ms": spent[len(spent) // 2] * 1000,
        "p99_ms": spent[math.ceil(len(spent) * 0.99) - 1] * 1000,
        "generator_busy": (time.process_time() - own) / wall,
    }
    print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main()
