"""The event history: every management event of ninety days, in a database of its own, and told to EventBridge at once.

Source: AWS CloudTrail User Guide, "Working with CloudTrail event history"; Amazon EventBridge User Guide, "AWS service
events delivered via AWS CloudTrail".
"""

import json
import re
import sqlite3
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from trimtab.local.overlay import ServiceError
from trimtab.local.principals import Principal
from trimtab.local.protocol import Operation, Request, Response, arguments_of, input_shape, is_known
from trimtab.local.signals import Signals
from trimtab.local.trail_events import Made, is_recorded, name_of, record, resources, source_of

KEPT, MOST_EVENTS = timedelta(days=90), 200_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT, at REAL, region TEXT, name TEXT, source TEXT, user TEXT, key TEXT,
  reads TEXT, resources TEXT, record TEXT
);
CREATE INDEX IF NOT EXISTS by_time ON events (at);
"""
_CODE = re.compile(rb'<Code>([^<]*)</Code>|"__type":\s*"(?:[^"#]*#)?([^"]*)"')
_MESSAGE = re.compile(rb'<Message>([^<]*)</Message>|"[mM]essage":\s*"([^"]*)"')
_NAMES = ("number", "id", "at", "name", "source", "user", "key", "reads", "record", "resources")
_COLUMNS: Mapping[str, str] = {
    "EventId": "id",
    "EventName": "name",
    "EventSource": "source",
    "Username": "user",
    "AccessKeyId": "key",
    "ReadOnly": "reads",
}
_WITHIN = "EXISTS (SELECT 1 FROM json_each(events.resources) WHERE json_extract(json_each.value, '$[{place}]') = ?)"


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of the history. resources: (type, name)."""

    number: int
    id: str
    at: float  # Unix time
    name: str
    source: str
    user: str
    key: str
    reads: str  # "true" or "false"
    record: str  # JSON
    resources: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose signature was checked."""

    request: Request
    operation: Operation
    principal: Principal
    account: str
    region: str
    request_id: str
    at: datetime

    def made(self, code: str, message: str) -> Made:
        agent = self.request.headers.get("user-agent", "")
        who = (self.principal, self.account, self.region, self.request_id, agent, self.at)
        return Made(self.operation, self._arguments(), *who, code, message)

    def _arguments(self) -> Mapping[str, Any]:
        if self.operation.service == "s3":
            return self.operation.variables
        try:
            return arguments_of(self.request, self.operation)
        except ServiceError:
            return {}


class Trail:
    """Keeps and finds events. Safe for threads."""

    def __init__(self, folder: Path, signals: Signals) -> None:
        self._lock, self._signals = threading.Lock(), signals
        self._database = sqlite3.connect(folder / "trail.sqlite", check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def hear(self, asked: Asked, code: str = "", message: str = "") -> None:
        """Record a request that was answered, durable once this returns, and tell EventBridge. code: of a refusal."""
        if not is_known(asked.operation) or not is_recorded(asked.operation):
            return
        made, id = asked.made(code, message), str(uuid.uuid4())
        event, source = record(made, id, input_shape(made.operation)), source_of(made.operation.service)
        about, reading = resources(made), made.operation.is_read
        who = (made.principal.name, made.principal.key, str(reading).lower(), json.dumps(about), json.dumps(event))
        with self._lock:  # one order, of the history and of what EventBridge hears
            self._database.execute(
                "INSERT INTO events (id, at, region, name, source, user, key, reads, resources, record) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (id, made.at.timestamp(), made.region, name_of(made.operation), source, *who),
            )
            service = f"aws.{source.partition('.')[0]}"
            self._signals.emit(service, "AWS API Call via CloudTrail", [], event, made.at, reading=reading)

    def find(
        self, region: str, attribute: tuple[str, str] | None, span: tuple[datetime, datetime], before: int, most: int
    ) -> list[Entry]:
        """Events of a region, newest first. attribute: (LookupAttributeKey, value). before: a number, 0 for none."""
        conditions, values = ["region = ?", "at >= ?", "at <= ?"], [region, span[0].timestamp(), span[1].timestamp()]
        if before:
            conditions.append("number < ?")
            values.append(before)
        if attribute:
            conditions.append(_condition(attribute[0]))
            values.append(attribute[1])
        query = f"SELECT {', '.join(_NAMES)} FROM events WHERE {' AND '.join(conditions)} ORDER BY number DESC LIMIT ?"  # noqa: S608
        with self._lock:
            rows = self._database.execute(query, (*values, most)).fetchall()
        return [_entry(row) for row in rows]

    def prune(self, now: datetime) -> None:
        """Forget what is older than the history, and what is more than a machine should keep."""
        with self._lock:
            self._database.execute("DELETE FROM events WHERE at < ?", ((now - KEPT).timestamp(),))
            newest: Any = self._database.execute("SELECT MAX(number) FROM events").fetchone()[0] or 0
            self._database.execute("DELETE FROM events WHERE number <= ?", (newest - MOST_EVENTS,))


def _entry(row: Sequence[Any]) -> Entry:
    fields: dict[str, Any] = dict(zip(_NAMES, row, strict=True))
    fields["resources"] = [(type_, name) for type_, name in json.loads(fields["resources"])]
    return Entry(**fields)


def _condition(attribute: str) -> str:
    if attribute in _COLUMNS:
        return f"{_COLUMNS[attribute]} = ?"
    return _WITHIN.format(place=0 if attribute == "ResourceType" else 1)


def refused_in(response: Response) -> tuple[str, str]:
    """(code, message) of a refusal that moto wrote; empty for none."""
    if response.status < 400:
        return "", ""
    return _found(_CODE, response.body) or str(response.status), _found(_MESSAGE, response.body)


def _found(pattern: re.Pattern[bytes], body: bytes) -> str:
    match = pattern.search(body)
    return (match[1] or match[2] or b"").decode(errors="replace") if match else ""
