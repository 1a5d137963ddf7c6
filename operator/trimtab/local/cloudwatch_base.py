"""What CloudWatch keeps: metrics in bounded storage, and alarms with their history."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from trimtab.local.cloudwatch_evaluate import State
from trimtab.local.cloudwatch_series import Bucket, Dimensions, Metric, loaded
from trimtab.local.overlay import Arguments, ServiceError, Store, World
from trimtab.local.shelf import Shelf

Document = dict[str, Any]
Tags = dict[str, str]

KEEP = timedelta(days=15)  # as CloudWatch keeps data points of a minute
MOST_BUCKETS = 50_000  # minutes of data over all metrics; the oldest go first
MOST_HISTORY = 100  # items of an alarm; CloudWatch keeps those of 30 days
_KIND = "cloudwatch.bucket"


@dataclass(slots=True)
class Note:
    """One item of an alarm's history."""

    at: datetime
    type: str  # ConfigurationUpdate, StateUpdate, Action
    summary: str
    data: str  # JSON


@dataclass(slots=True)
class Alarm:
    arn: str
    name: str
    settings: Document  # what PutMetricAlarm was given, with defaults
    configured: datetime
    updated: datetime  # its state, or what is said of it
    changed: datetime  # its state
    state: State = "INSUFFICIENT_DATA"
    reason: str = "Unchecked: Initial alarm creation"
    data: str = ""  # JSON
    history: list[Note] = field(default_factory=list[Note])  # newest first
    tags: Tags = field(default_factory=Tags)

    def note(self, at: datetime, type: str, summary: str, data: Document) -> None:
        self.history.insert(0, Note(at, type, summary, json.dumps({"version": "1.0", **data})))
        del self.history[MOST_HISTORY:]


@dataclass(frozen=True, slots=True)
class Series:
    """Where a bucket belongs."""

    metric: Metric
    unit: str
    resolution_s: int  # 1 or 60


class Values:
    """Every bucket of every metric. What was acknowledged is in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ids: dict[str, tuple[Series, int]] = {}  # by id of the document, oldest first
        self._series: dict[Metric, dict[Series, dict[int, Bucket]]] = {}
        for id, kept in store.all(_KIND).items():
            metric = Metric(kept["namespace"], kept["name"], tuple((name, value) for name, value in kept["dimensions"]))
            series = Series(metric, kept["unit"], kept["resolution"])
            bucket = loaded(kept)
            self._ids[id] = (series, bucket.at)
            self._series.setdefault(metric, {}).setdefault(series, {})[bucket.at] = bucket

    def bucket(self, series: Series, at: datetime) -> Bucket:
        """The bucket that a time falls into, which may be a new one; `keep` makes it last."""
        start = int(at.timestamp()) // series.resolution_s * series.resolution_s
        found = self._series.get(series.metric, {}).get(series, {}).get(start)
        return Bucket(start) if found is None else found

    def keep(self, series: Series, bucket: Bucket) -> None:
        metric = series.metric
        id = hashlib.sha256(repr((series, bucket.at)).encode()).hexdigest()[:32]
        kept = {"namespace": metric.namespace, "name": metric.name, "dimensions": metric.dimensions}
        self._store.put(_KIND, id, {**kept, "unit": series.unit, "resolution": series.resolution_s, **bucket.dumped()})
        self._ids.setdefault(id, (series, bucket.at))
        self._series.setdefault(metric, {}).setdefault(series, {})[bucket.at] = bucket
        while len(self._ids) > MOST_BUCKETS:
            self._drop(next(iter(self._ids)))

    def prune(self, now: datetime) -> None:
        """Forget what is older than CloudWatch keeps it."""
        oldest = (now - KEEP).timestamp()
        for id in [id for id, (_, at) in self._ids.items() if at < oldest]:
            self._drop(id)

    def _drop(self, id: str) -> None:
        series, at = self._ids.pop(id)
        self._store.delete(_KIND, id)
        buckets = self._series[series.metric]
        buckets[series].pop(at, None)
        if not buckets[series]:
            del buckets[series]
        if not buckets:
            del self._series[series.metric]

    def of(self, metric: Metric, unit: str = "") -> list[Bucket]:
        """All buckets of a metric; of one unit, where one is named."""
        found = self._series.get(metric, {}).items()
        return [bucket for series, buckets in found if unit in ("", series.unit) for bucket in buckets.values()]

    def unit(self, metric: Metric) -> str:
        """The unit that a metric's newest value came in."""
        newest = {max(buckets): series.unit for series, buckets in self._series.get(metric, {}).items()}
        return newest[max(newest)] if newest else "None"

    def newest(self, metric: Metric) -> int:
        """Unix time of a metric's newest bucket."""
        return max(bucket.at for bucket in self.of(metric))

    def __iter__(self) -> Iterator[Metric]:
        return iter(sorted(self._series))


class Base:
    """State and shared words; the operations are mixed in."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.values = Values(world.store)
        self.alarms = Shelf(world.store, "cloudwatch.alarm", Alarm, lambda each: each.name)

    def publish(self, metric: Metric, unit: str, bucket: Bucket) -> None:
        """Keep what a service of this cloud has measured."""
        series = Series(metric, unit, 60)
        kept = self.values.bucket(series, datetime.fromtimestamp(bucket.at, UTC))
        kept.merge(bucket)
        self.values.keep(series, kept)

    def alarm(self, name: str) -> Alarm:
        if (found := self.alarms.get(name)) is None:
            raise ServiceError("ResourceNotFound", f"Unknown alarm: {name}", 404)
        return found


def dimensions_in(given: Iterable[Document] | None) -> Dimensions:
    return tuple(sorted((each["Name"], each["Value"]) for each in given or ()))


def shown_dimensions(dimensions: Dimensions) -> list[Document]:
    return [{"Name": name, "Value": value} for name, value in dimensions]


def tags_in(arguments: Arguments) -> Tags:
    return {each["Key"]: each["Value"] for each in arguments.get("Tags") or ()}


def page(arguments: Arguments, items: Sequence[Any], size: int, key: str = "NextToken") -> tuple[Sequence[Any], Document]:
    """(one page of a list, the token of the next one). The token is the index of its first item."""
    token = str(arguments.get("NextToken") or "0")
    if not token.isdecimal():
        raise ServiceError("InvalidNextToken", "The next token specified is invalid.")
    start = int(token)
    return items[start : start + size], {key: str(start + size)} if start + size < len(items) else {}


def invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValue", message)


def combination(message: str) -> ServiceError:
    return ServiceError("InvalidParameterCombination", message)


def missing(message: str) -> ServiceError:
    return ServiceError("MissingParameter", message)


def limited(message: str) -> ServiceError:
    return ServiceError("LimitExceeded", message)
