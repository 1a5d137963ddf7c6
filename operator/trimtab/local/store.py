"""Documents that survive a SIGKILL: JSON values by kind and id in SQLite.

Write-ahead log with synchronous=NORMAL: what is committed is in the operating system's hands, so the death of this process
loses nothing; only that of the machine may lose the last moments.
Source: SQLite documentation, PRAGMA synchronous.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (kind TEXT, id TEXT, value TEXT, PRIMARY KEY (kind, id));
CREATE TABLE IF NOT EXISTS requests (
  number INTEGER PRIMARY KEY, method TEXT, uri TEXT, headers TEXT, body BLOB, file TEXT
);
"""


class SqliteStore:
    """One file; safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.executescript(_SCHEMA)

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

    def add_request(self, number: int, method: str, uri: str, headers: Mapping[str, str], body: bytes, file: str) -> None:
        """Keep a request that changed a neighbour, to be made again after a restart."""
        self._run(
            "INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?)", number, method, uri, json.dumps(dict(headers)), body, file
        )

    def requests(self) -> Iterator[tuple[int, str, str, dict[str, str], bytes, str]]:
        for number, method, uri, headers, body, file in self._run("SELECT * FROM requests ORDER BY number"):
            yield number, method, uri, json.loads(headers), body, file

    def _run(self, statement: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._database.execute(statement, values).fetchall()
