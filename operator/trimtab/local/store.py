"""Documents that survive a SIGKILL: JSON values by kind and id in SQLite.

Write-ahead log with synchronous=NORMAL: what is committed is in the operating system's hands, so the death of this process
loses nothing; only that of the machine may lose the last moments.
Source: SQLite documentation, PRAGMA synchronous.
"""

import json
import sqlite3
import threading
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (kind TEXT, id TEXT, value TEXT, PRIMARY KEY (kind, id));
CREATE TABLE IF NOT EXISTS requests (
  number INTEGER PRIMARY KEY, method TEXT, uri TEXT, headers TEXT, body BLOB, file TEXT, made TEXT NOT NULL DEFAULT ''
);
"""


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """A request that changed a neighbour. headers: names in lower case; made: an id of its answer that later ones name."""

    number: int
    method: str
    uri: str
    headers: Mapping[str, str]
    body: bytes  # b"" where it is a file
    file: str = ""
    made: str = ""


class SqliteStore:
    """One file; safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.executescript(_SCHEMA)
        columns = {row[1] for row in self._database.execute("PRAGMA table_info(requests)")}
        if "made" not in columns:  # a state folder of before there was this column
            self._database.execute("ALTER TABLE requests ADD COLUMN made TEXT NOT NULL DEFAULT ''")

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def get(self, kind: str, id: str) -> dict[str, Any] | None:
        rows = self._run("SELECT value FROM documents WHERE kind = ? AND id = ?", kind, id)
        return json.loads(rows[0][0]) if rows else None

    def put(self, kind: str, id: str, value: Mapping[str, Any]) -> None:
        # An update keeps the row, and with it the order of first put.
        self._run(
            "INSERT INTO documents VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET value = excluded.value",
            kind,
            id,
            json.dumps(value),
        )

    def delete(self, kind: str, id: str) -> None:
        self._run("DELETE FROM documents WHERE kind = ? AND id = ?", kind, id)

    def all(self, kind: str) -> dict[str, dict[str, Any]]:
        rows = self._run("SELECT id, value FROM documents WHERE kind = ? ORDER BY rowid", kind)
        return {id: json.loads(value) for id, value in rows}

    def add_request(self, request: StoredRequest) -> None:
        """Keep a request that changed a neighbour, to be made again after a restart."""
        self._run(
            "INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, ?)",
            request.number,
            request.method,
            request.uri,
            json.dumps(dict(request.headers)),
            request.body,
            request.file,
            request.made,
        )

    def requests(self) -> Iterator[StoredRequest]:
        for number, method, uri, headers, body, file, made in self._run("SELECT * FROM requests ORDER BY number"):
            yield StoredRequest(number, method, uri, json.loads(headers), body, file, made)

    def drop_requests(self, numbers: Collection[int], last: int) -> None:
        """Forget requests, all or none. last: the highest number that was ever given, which outlives its request."""
        with self._lock, self._transaction():
            self._database.executemany("DELETE FROM requests WHERE number = ?", [(number,) for number in numbers])
            self._database.execute(
                "INSERT INTO documents VALUES ('requests', 'last', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
                (json.dumps({"number": last}),),
            )

    def last_number(self) -> int:
        """The highest number that a request ever had."""
        rows = self._run("SELECT MAX(number) FROM requests")
        return max(rows[0][0] or 0, int((self.get("requests", "last") or {"number": 0})["number"]))

    @contextmanager
    def _transaction(self) -> Generator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def _run(self, statement: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._database.execute(statement, values).fetchall()
