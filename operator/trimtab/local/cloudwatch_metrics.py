"""Metrics as the API offers them: PutMetricData, ListMetrics and the statistics.

Source: Amazon CloudWatch API Reference, PutMetricData, ListMetrics, GetMetricStatistics and GetMetricData.
"""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from trimtab.local.cloudwatch_base import (
    Base,
    Document,
    Series,
    combination,
    dimensions_in,
    invalid,
    limited,
    missing,
    page,
    shown_dimensions,
)
from trimtab.local.cloudwatch_series import STATISTICS, Bucket, Metric, is_statistic, periods, statistic
from trimtab.local.overlay import Arguments, Context, Reply, ServiceError

MOST_POINTS = 1440  # of one GetMetricStatistics
MOST_DATA = 100_800  # values of one GetMetricData
_PAST, _FUTURE = timedelta(days=14), timedelta(hours=2)  # what PutMetricData takes
_ACTIVE = timedelta(hours=3)
_SHORT = (1, 5, 10, 20, 30)  # periods below a minute


class Metrics(Base):
    def put_metric_data(self, arguments: Arguments, context: Context) -> Reply:
        namespace = arguments["Namespace"]
        if namespace.startswith("AWS/"):
            raise invalid("The value AWS/ for parameter Namespace is invalid: it is reserved.")
        if arguments.get("EntityMetricData"):
            raise invalid("The local cloud does not keep entities: send MetricData.")
        given: Sequence[Document] = arguments.get("MetricData") or ()
        if not given:
            raise missing("The parameter MetricData is required.")
        if len(given) > 1000:
            raise ServiceError("ValidationError", "The collection MetricData must not have a size greater than 1000.")
        for datum in [_checked(datum, context.now) for datum in given]:  # all of them, or none
            self._put(namespace, datum, context.now)
        return {}

    def _put(self, namespace: str, datum: Document, now: datetime) -> None:
        metric = Metric(namespace, datum["MetricName"], dimensions_in(datum.get("Dimensions")))
        series = Series(metric, datum.get("Unit", "None"), datum.get("StorageResolution", 60))
        bucket = self.values.bucket(series, datum.get("Timestamp", now))
        if "StatisticValues" in datum:
            given = datum["StatisticValues"]
            bucket.add_set(given["SampleCount"], given["Sum"], given["Minimum"], given["Maximum"])
        elif "Values" in datum:
            counts = datum.get("Counts") or [1.0] * len(datum["Values"])
            for value, count in zip(datum["Values"], counts, strict=True):
                bucket.add(float(value), float(count))
        else:
            bucket.add(float(datum["Value"]))
        self.values.keep(series, bucket)

    def list_metrics(self, arguments: Arguments, context: Context) -> Reply:
        wanted = [(each["Name"], each.get("Value")) for each in arguments.get("Dimensions") or ()]
        found = [
            metric
            for metric in self.values
            if arguments.get("Namespace") in (None, metric.namespace)
            and arguments.get("MetricName") in (None, metric.name)
            and all(
                any(name == given and value in (None, has) for given, has in metric.dimensions) for name, value in wanted
            )
            and ("RecentlyActive" not in arguments or self._active(metric, context.now))
        ]
        chosen, token = page(arguments, found, 500)
        return {"Metrics": [shown_metric(each) for each in chosen], **token}

    def _active(self, metric: Metric, now: datetime) -> bool:
        return self.values.newest(metric) >= (now - _ACTIVE).timestamp()

    def get_metric_statistics(self, arguments: Arguments, context: Context) -> Reply:
        names = [*(arguments.get("Statistics") or ()), *(arguments.get("ExtendedStatistics") or ())]
        if not names:
            raise missing("At least one of the parameters Statistics and ExtendedStatistics must be specified.")
        _check_statistics(names)
        metric = Metric(arguments["Namespace"], arguments["MetricName"], dimensions_in(arguments.get("Dimensions")))
        period_s, start, end = _window(arguments, arguments["Period"])
        if (end - start) / period_s > MOST_POINTS:
            raise combination(
                f"You have requested up to {math.ceil((end - start) / period_s)} datapoints, which exceeds the limit of "
                f"{MOST_POINTS}. You may reduce the datapoints requested by increasing Period, or decreasing the time range."
            )
        unit = arguments.get("Unit", "")
        found = periods(self.values.of(metric, unit), start, end, period_s)
        unit = unit or self.values.unit(metric)
        return {"Label": metric.name, "Datapoints": [_datapoint(at, bucket, names, unit) for at, bucket in found.items()]}

    def get_metric_data(self, arguments: Arguments, context: Context) -> Reply:
        queries: Sequence[Document] = arguments["MetricDataQueries"]
        if not 1 <= len(queries) <= 500:
            raise ServiceError("ValidationError", "MetricDataQueries must hold 1 to 500 queries.")
        if len({each["Id"] for each in queries}) < len(queries):
            raise ServiceError("ValidationError", "The values for parameter id in MetricDataQueries are not unique.")
        results = [
            self._answered(each, arguments) for each in queries if each.get("ReturnData", True) or "Expression" in each
        ]
        if sum(len(each["Values"]) for each in results) > arguments.get("MaxDatapoints", MOST_DATA):
            raise ServiceError("ValidationError", "The local cloud answers all data points in one page: ask for fewer.")
        return {"MetricDataResults": results, "Messages": []}

    def _answered(self, query: Document, arguments: Arguments) -> Document:
        if "MetricStat" not in query:
            raise ServiceError(
                "ValidationError", f"The local cloud computes no expressions: {query['Id']} must be a MetricStat."
            )
        asked = query["MetricStat"]
        _check_statistics([asked["Stat"]])
        metric = metric_in(asked["Metric"])
        period_s, start, end = _window(arguments, asked["Period"])
        found = periods(self.values.of(metric, asked.get("Unit", "")), start, end, period_s)
        points = [(at, value) for at, bucket in found.items() if (value := statistic(bucket, asked["Stat"])) is not None]
        if arguments.get("ScanBy", "TimestampDescending") == "TimestampDescending":
            points.reverse()
        return {
            "Id": query["Id"],
            "Label": query.get("Label", metric.name),
            "Timestamps": [datetime.fromtimestamp(at, UTC) for at, _ in points],
            "Values": [value for _, value in points],
            "StatusCode": "Complete",
        }


def metric_in(given: Document) -> Metric:
    """A metric as MetricStat names it."""
    return Metric(given.get("Namespace", ""), given.get("MetricName", ""), dimensions_in(given.get("Dimensions")))


def shown_metric(metric: Metric) -> Document:
    return {
        "Namespace": metric.namespace,
        "MetricName": metric.name,
        "Dimensions": shown_dimensions(metric.dimensions),
    }


def _checked(datum: Document, now: datetime) -> Document:
    """A datum that can be kept. Raises ServiceError."""
    name = datum["MetricName"]
    given = [key for key in ("Value", "Values", "StatisticValues") if key in datum]
    if len(given) != 1:
        raise combination(f"{name}: exactly one of Value, Values and StatisticValues must be given.")
    numbers: list[Any] = [datum.get("Value", 0.0), *datum.get("Values", ()), *datum.get("StatisticValues", {}).values()]
    if not all(math.isfinite(number) for number in numbers):
        raise invalid(f"The value of {name} must be a number; NaN and infinity are not supported.")
    if len(datum.get("Values", ())) > 150:
        raise invalid(f"{name}: Values must not have more than 150 entries.")
    if "Counts" in datum and len(datum["Counts"]) != len(datum.get("Values", ())):
        raise invalid(f"{name}: the length of Counts must match that of Values.")
    if len(datum.get("Dimensions", ())) > 30:
        raise limited(f"{name}: at most 30 dimensions.")
    if datum.get("StorageResolution", 60) not in (1, 60):
        raise invalid(f"{name}: StorageResolution must be 1 or 60.")
    at = datum.get("Timestamp", now)
    if not now - _PAST <= at <= now + _FUTURE:
        raise invalid(f"The timestamp of {name} must be within the last two weeks and the next two hours.")
    return datum


def _check_statistics(names: Sequence[str]) -> None:
    for name in names:
        if not is_statistic(name):
            words = ", ".join(STATISTICS)
            raise invalid(f"Statistic {name}: the local cloud computes {words}, and percentiles (p0 to p100).")


def _window(arguments: Arguments, period_s: int) -> tuple[int, int, int]:
    """(period, start, end) in seconds; the start is moved back to a whole period. Raises ServiceError."""
    if period_s not in _SHORT and (period_s < 60 or period_s % 60):
        raise invalid(f"Period {period_s}: must be 1, 5, 10, 20, 30 or a multiple of 60.")
    start, end = arguments["StartTime"].timestamp(), arguments["EndTime"].timestamp()
    if start >= end:
        raise invalid("The parameter StartTime must be less than the parameter EndTime.")
    return period_s, int(start // period_s * period_s), math.ceil(end)


def _datapoint(at: int, bucket: Bucket, names: Sequence[str], unit: str) -> Document:
    point: Document = {"Timestamp": datetime.fromtimestamp(at, UTC), "Unit": unit}
    found = {name: value for name in names if (value := statistic(bucket, name)) is not None}
    point |= {name: value for name, value in found.items() if name in STATISTICS}
    if extended := {name: value for name, value in found.items() if name not in STATISTICS}:
        point["ExtendedStatistics"] = extended
    return point
