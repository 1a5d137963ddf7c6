"""CloudWatch Logs: groups, streams and events that are kept and can be read again.

Events are many, so they lie in a database of their own. Retention really deletes.
Source: Amazon CloudWatch Logs API.
"""

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from trimtab.local.overlay import Arguments, Context, Reply, ServiceError, World
from trimtab.local.shelf import Shelf

RETENTIONS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
_PRUNE_EVERY = timedelta(minutes=1)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
  number INTEGER PRIMARY KEY AUTOINCREMENT, grp TEXT, stream TEXT, at INTEGER, came INTEGER, message TEXT
);
CREATE INDEX IF NOT EXISTS by_time ON events (grp, at);
CREATE INDEX IF NOT EXISTS by_stream ON events (grp, stream, at);
"""


@dataclass(slots=True)
class Group:
    name: str
    created: int  # milliseconds of Unix time, as all times here
    retention: int | None = None
    tags: dict[str, str] = field(default_factory=dict[str, str])
    streams: dict[str, int] = field(default_factory=dict[str, int])  # name -> created


class Logs:
    """The whole of the service, and the sink of tasks and jobs."""

    service = "logs"
    whole = True

    def __init__(self, world: World) -> None:
        self._world = world
        self._groups = Shelf(world.store, "logs.group", Group, lambda group: group.name)
        self._lock = threading.Lock()
        self._events = sqlite3.connect(world.folder / "logs.sqlite", check_same_thread=False, isolation_level=None)
        self._events.execute("PRAGMA journal_mode=WAL")
        self._events.execute("PRAGMA synchronous=OFF")
        self._events.executescript(_SCHEMA)
        self._prune_at = datetime.min.replace(tzinfo=UTC)

    # --- the sink ---

    def write(self, group: str, stream: str, lines: Sequence[tuple[datetime, str]]) -> None:
        """Add lines; a missing group or stream is made, as the awslogs driver does."""
        found = self._groups.get(group) or Group(group, _ms(self._world.clock.now()))
        if stream not in found.streams or self._groups.get(group) is None:
            found.streams.setdefault(stream, _ms(self._world.clock.now()))
            self._groups.put(found)
        came = _ms(self._world.clock.now())
        rows = [(group, stream, _ms(at), came, message) for at, message in lines]
        with self._lock:
            self._events.execute("BEGIN")
            self._events.executemany("INSERT INTO events (grp, stream, at, came, message) VALUES (?, ?, ?, ?, ?)", rows)
            self._events.execute("COMMIT")

    def tick(self, now: datetime) -> None:
        if now < self._prune_at:
            return
        self._prune_at = now + _PRUNE_EVERY
        for group in self._groups:
            if group.retention:
                self._run(
                    "DELETE FROM events WHERE grp = ? AND at < ?", group.name, _ms(now - timedelta(days=group.retention))
                )

    def recover(self) -> Sequence[str]:
        return ()

    # --- groups ---

    def create_log_group(self, arguments: Arguments, context: Context) -> Reply:
        name = arguments["logGroupName"]
        if self._groups.get(name):
            raise ServiceError("ResourceAlreadyExistsException", "The specified log group already exists")
        self._groups.put(Group(name, _ms(context.now), tags=dict(arguments.get("tags") or {})))
        return {}

    def delete_log_group(self, arguments: Arguments, context: Context) -> Reply:
        group = self._group(arguments["logGroupName"])
        self._groups.drop(group.name)
        self._run("DELETE FROM events WHERE grp = ?", group.name)
        return {}

    def describe_log_groups(self, arguments: Arguments, context: Context) -> Reply:
        prefix, pattern = arguments.get("logGroupNamePrefix", ""), arguments.get("logGroupNamePattern", "")
        found = sorted(group.name for group in self._groups if group.name.startswith(prefix) and pattern in group.name)
        page, token = _page(found, arguments.get("nextToken"), arguments.get("limit", 50))
        return {"logGroups": [self._shown(self._group(name)) for name in page], "nextToken": token}

    def put_retention_policy(self, arguments: Arguments, context: Context) -> Reply:
        group = self._group(arguments["logGroupName"])
        if arguments["retentionInDays"] not in RETENTIONS:
            raise ServiceError("InvalidParameterException", f"retentionInDays must be one of {RETENTIONS}")
        group.retention = arguments["retentionInDays"]
        self._groups.put(group)
        return {}

    def delete_retention_policy(self, arguments: Arguments, context: Context) -> Reply:
        group = self._group(arguments["logGroupName"])
        group.retention = None
        self._groups.put(group)
        return {}

    def tag_resource(self, arguments: Arguments, context: Context) -> Reply:
        group = self._group(_name_in(arguments["resourceArn"]))
        group.tags |= arguments["tags"]
        self._groups.put(group)
        return {}

    def untag_resource(self, arguments: Arguments, context: Context) -> Reply:
        group = self._group(_name_in(arguments["resourceArn"]))
        group.tags = {name: value for name, value in group.tags.items() if name not in arguments["tagKeys"]}
        self._groups.put(group)
        return {}

    def list_tags_for_resource(self, arguments: Arguments, context: Context) -> Reply:
        return {"tags": dict(self._group(_name_in(arguments["resourceArn"])).tags)}

    def list_tags_log_group(self, arguments: Arguments, context: Context) -> Reply:
        return {"tags": dict(self._group(arguments["logGroupName"]).tags)}

    # --- streams and events ---

    def create_log_stream(self, arguments: Arguments, context: Context) -> Reply:
        group, name = self._group(arguments["logGroupName"]), arguments["logStreamName"]
        if name in group.streams:
            raise ServiceError("ResourceAlreadyExistsException", "The specified log stream already exists")
        group.streams[name] = _ms(context.now)
        self._groups.put(group)
        return {}

    def delete_log_stream(self, arguments: Arguments, context: Context) -> Reply:
        group, name = self._stream(arguments)
        del group.streams[name]
        self._groups.put(group)
        self._run("DELETE FROM events WHERE grp = ? AND stream = ?", group.name, name)
        return {}

    def describe_log_streams(self, arguments: Arguments, context: Context) -> Reply:
        group = self._group(arguments.get("logGroupName") or _name_in(arguments.get("logGroupIdentifier", "")))
        spans = {
            row[0]: row[1:]
            for row in self._run(
                "SELECT stream, MIN(at), MAX(at), MAX(came) FROM events WHERE grp = ? GROUP BY stream", group.name
            )
        }
        names = [name for name in group.streams if name.startswith(arguments.get("logStreamNamePrefix", ""))]
        if arguments.get("orderBy") == "LastEventTime":
            names.sort(key=lambda name: spans.get(name, (0, 0, 0))[1])
        else:
            names.sort()
        if arguments.get("descending"):
            names.reverse()
        page, token = _page(names, arguments.get("nextToken"), arguments.get("limit", 50))
        arn = self._arn(group.name)
        shown: list[dict[str, Any]] = []
        for name in page:
            stream: dict[str, Any] = {
                "logStreamName": name,
                "creationTime": group.streams[name],
                "arn": f"{arn}:log-stream:{name}",
            }
            if name in spans:
                first, last, came = spans[name]
                stream |= {"firstEventTimestamp": first, "lastEventTimestamp": last, "lastIngestionTime": came}
            shown.append(stream)
        return {"logStreams": shown, "nextToken": token}

    def put_log_events(self, arguments: Arguments, context: Context) -> Reply:
        group, name = self._stream(arguments)
        events = arguments["logEvents"]
        self.write(
            group.name, name, [(datetime.fromtimestamp(each["timestamp"] / 1000, UTC), each["message"]) for each in events]
        )
        return {"nextSequenceToken": str(len(events))}

    def get_log_events(self, arguments: Arguments, context: Context) -> Reply:
        group, name = self._stream(arguments)
        limit, token = arguments.get("limit", 10_000), arguments.get("nextToken", "")
        start, end = arguments.get("startTime", 0), arguments.get("endTime", 1 << 62)
        base = "SELECT number, at, came, message FROM events WHERE grp = ? AND stream = ? AND at >= ? AND at < ?"
        direction, _, place = token.partition("/")
        if direction == "b" or (not token and not arguments.get("startFromHead")):
            bound = int(place) if token else 1 << 62
            rows = self._run(
                f"{base} AND number < ? ORDER BY number DESC LIMIT ?", group.name, name, start, end, bound, limit
            )[::-1]
        else:
            rows = self._run(
                f"{base} AND number > ? ORDER BY number LIMIT ?",
                group.name,
                name,
                start,
                end,
                int(place) if token else 0,
                limit,
            )
        # At either end the token that was given comes back, as AWS says.
        forward = f"f/{rows[-1][0]}" if rows else (token if direction == "f" else f"f/{int(place) - 1 if place else 0}")
        backward = f"b/{rows[0][0]}" if rows else (token if direction == "b" else f"b/{int(place) + 1 if place else 0}")
        events = [{"timestamp": at, "ingestionTime": came, "message": message} for _, at, came, message in rows]
        return {"events": events, "nextForwardToken": forward, "nextBackwardToken": backward}

    def filter_log_events(self, arguments: Arguments, context: Context) -> Reply:
        group = self._group(arguments.get("logGroupName") or _name_in(arguments.get("logGroupIdentifier", "")))
        names, prefix = set(arguments.get("logStreamNames") or ()), arguments.get("logStreamNamePrefix", "")
        terms = [term.strip('"') for term in arguments.get("filterPattern", "").split()]
        limit = arguments.get("limit", 10_000)
        rows = self._run(
            "SELECT number, stream, at, came, message FROM events WHERE grp = ? AND at >= ? AND at < ? ORDER BY at, number",
            group.name,
            arguments.get("startTime", 0),
            arguments.get("endTime", 1 << 62),
        )
        place = int(arguments.get("nextToken") or 0)
        kept = [
            row
            for row in rows
            if row[1].startswith(prefix) and (not names or row[1] in names) and all(term in row[4] for term in terms)
        ]
        page = kept[place : place + limit]
        events = [
            {"logStreamName": stream, "timestamp": at, "ingestionTime": came, "message": message, "eventId": str(number)}
            for number, stream, at, came, message in page
        ]
        token = str(place + limit) if place + limit < len(kept) else None
        return {"events": events, "searchedLogStreams": [], "nextToken": token}

    def tagged(self) -> Iterator[tuple[str, dict[str, str]]]:
        """(ARN, tags) of log groups, as the tagging API spells it: without the ":*" of other operations."""
        yield from ((self._arn(group.name), group.tags) for group in self._groups)

    # --- inside ---

    def _group(self, name: str) -> Group:
        group = self._groups.get(name)
        if group is None:
            raise ServiceError("ResourceNotFoundException", "The specified log group does not exist.")
        return group

    def _stream(self, arguments: Arguments) -> tuple[Group, str]:
        group = self._group(arguments.get("logGroupName") or _name_in(arguments.get("logGroupIdentifier", "")))
        if arguments["logStreamName"] not in group.streams:
            raise ServiceError("ResourceNotFoundException", "The specified log stream does not exist.")
        return group, arguments["logStreamName"]

    def _shown(self, group: Group) -> Mapping[str, Any]:
        arn = self._arn(group.name)
        size = self._run("SELECT COALESCE(SUM(LENGTH(message) + 26), 0) FROM events WHERE grp = ?", group.name)[0][0]
        shown = {
            "logGroupName": group.name,
            "creationTime": group.created,
            "arn": f"{arn}:*",
            "logGroupArn": arn,
            "storedBytes": size,
        }
        shown |= {"metricFilterCount": 0, "logGroupClass": "STANDARD"}
        return shown | ({"retentionInDays": group.retention} if group.retention else {})

    def _arn(self, name: str) -> str:
        return f"arn:aws:logs:{self._world.region}:{self._world.account}:log-group:{name}"

    def _run(self, statement: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._events.execute(statement, values).fetchall()


def _name_in(arn: str) -> str:
    """The group's name in its ARN, with or without ":*"; a bare name is taken as it is."""
    return arn.partition(":log-group:")[2].removesuffix(":*") if ":log-group:" in arn else arn


def _page(names: list[str], token: str | None, limit: int) -> tuple[list[str], str | None]:
    place = int(token or 0)
    return names[place : place + limit], str(place + limit) if place + limit < len(names) else None


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
