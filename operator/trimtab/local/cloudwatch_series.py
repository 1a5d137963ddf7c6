"""Values of metrics over time, and their statistics. Pure: no clock, no store.

A bucket holds what came in one minute (one second for a metric of high resolution). It keeps how often each value came, so
that percentiles are those of the values and not of averages.
Source: Amazon CloudWatch User Guide, "Metrics concepts" (statistics, percentiles, resolution, retention).
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MOST_VALUES = 500  # different ones in a bucket; beyond, they are rounded to three digits
STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,10})?|100)")

Dimensions = tuple[tuple[str, str], ...]  # sorted by name


@dataclass(frozen=True, slots=True, order=True)
class Metric:
    """What identifies a metric."""

    namespace: str
    name: str
    dimensions: Dimensions = ()


@dataclass(slots=True)
class Bucket:
    """What came in one minute or one second."""

    at: int  # Unix time of its start
    count: float = 0.0
    sum: float = 0.0
    least: float = math.inf
    most: float = -math.inf
    values: dict[float, float] | None = field(default_factory=dict[float, float])  # value -> times; None: not known

    def add(self, value: float, times: float = 1.0) -> None:
        self._summed(times, value * times, value, value)
        if self.values is not None:
            self.values[value] = self.values.get(value, 0.0) + times
            if len(self.values) > MOST_VALUES:
                self.values = _rounded(self.values)

    def add_set(self, count: float, sum: float, least: float, most: float) -> None:
        """Add a statistic set; of one with different values no percentile can be told any more."""
        if least == most:
            self.add(least, count)
            return
        self._summed(count, sum, least, most)
        self.values = None

    def merge(self, other: "Bucket") -> None:
        self._summed(other.count, other.sum, other.least, other.most)
        if self.values is None or other.values is None:
            self.values = None
            return
        for value, times in other.values.items():
            self.values[value] = self.values.get(value, 0.0) + times

    def _summed(self, count: float, sum: float, least: float, most: float) -> None:
        self.count, self.sum = self.count + count, self.sum + sum
        self.least, self.most = min(self.least, least), max(self.most, most)

    def dumped(self) -> dict[str, Any]:
        """As JSON; float keys are texts there."""
        values = None if self.values is None else [[value, times] for value, times in self.values.items()]
        return {
            "at": self.at,
            "count": self.count,
            "sum": self.sum,
            "least": self.least,
            "most": self.most,
            "values": values,
        }


def loaded(kept: Mapping[str, Any]) -> Bucket:
    values = None if kept["values"] is None else {float(value): float(times) for value, times in kept["values"]}
    return Bucket(kept["at"], kept["count"], kept["sum"], kept["least"], kept["most"], values)


def _rounded(values: Mapping[float, float]) -> dict[float, float]:
    rounded: dict[float, float] = {}
    for value, times in values.items():
        key = float(f"{value:.3g}")
        rounded[key] = rounded.get(key, 0.0) + times
    return rounded


def periods(buckets: Iterable[Bucket], start: int, end: int, period_s: int) -> dict[int, Bucket]:
    """Fold buckets of start <= at < end into periods counted from `start`; those without a value are left out."""
    folded: dict[int, Bucket] = {}
    for bucket in buckets:
        if start <= bucket.at < end and bucket.count:
            at = start + (bucket.at - start) // period_s * period_s
            folded.setdefault(at, Bucket(at)).merge(bucket)
    return dict(sorted(folded.items()))


def is_statistic(name: str) -> bool:
    return name in STATISTICS or _PERCENTILE.fullmatch(name) is not None


def statistic(bucket: Bucket, name: str) -> float | None:
    """One of STATISTICS, or a percentile ("p99.9"); None when the values are not known any more."""
    if name in STATISTICS:
        return {
            "SampleCount": bucket.count,
            "Average": bucket.sum / bucket.count,
            "Sum": bucket.sum,
            "Minimum": bucket.least,
            "Maximum": bucket.most,
        }[name]
    return None if bucket.values is None else _percentile(sorted(bucket.values.items()), float(name[1:]))


def _percentile(values: Sequence[tuple[float, float]], percent: float) -> float:
    """By nearest rank: the least value that so many percent of the values do not exceed."""
    rank, seen = sum(times for _, times in values) * percent / 100, 0.0
    for value, times in values:
        seen += times
        if seen >= rank:
            return value
    return values[-1][0]
