"""Values over time and their statistics."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from trimtab.local.cloudwatch_base import KEEP, Series, Values
from trimtab.local.cloudwatch_series import MOST_VALUES, Bucket, Metric, is_statistic, loaded, periods, statistic
from trimtab.local.store import SqliteStore


def bucket(*values: float, at: int = 0) -> Bucket:
    made = Bucket(at)
    for value in values:
        made.add(value)
    return made


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SampleCount", 5),
        ("Sum", 110),
        ("Average", 22),
        ("Minimum", 1),
        ("Maximum", 100),
        ("p0", 1),
        ("p50", 3),
        ("p80", 4),
        ("p99.9", 100),
        ("p100", 100),
    ],
)
def test_statistics(name: str, value: float):
    assert statistic(bucket(3, 1, 100, 2, 4), name) == value


@pytest.mark.parametrize("name", ["p", "p101", "q50", "tm90", "average", "p99.99999999999"])
def test_what_is_no_statistic_here(name: str):
    assert not is_statistic(name)


@given(some.lists(some.floats(-1e6, 1e6), min_size=1, max_size=40), some.integers(0, 100))
def test_a_percentile_is_one_of_the_values_and_has_as_many_below(values: list[float], percent: int):
    found = statistic(bucket(*values), f"p{percent}")
    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100


def test_of_a_statistic_set_no_percentile_is_told():
    """Source: PutMetricData: no percentiles of a set, unless its SampleCount is 1 or its Minimum is its Maximum."""
    made = bucket(5)
    made.add_set(3, 30, 10, 10)
    assert statistic(made, "p50") == 10
    made.add_set(3, 30, 5, 15)
    assert statistic(made, "p50") is None
    assert statistic(made, "Average") == pytest.approx(65 / 7)


def test_values_are_bounded_and_their_sum_is_exact():
    made = bucket(*(float(1000 + value) for value in range(4 * MOST_VALUES)))
    assert made.values is not None
    assert len(made.values) <= MOST_VALUES
    assert (made.count, made.sum) == (4 * MOST_VALUES, sum(range(1000, 1000 + 4 * MOST_VALUES)))
    assert statistic(made, "p50") == pytest.approx(2000, rel=0.01)


def test_periods_fold_what_falls_into_them():
    buckets = [bucket(1, at=0), bucket(3, at=60), bucket(at=120), bucket(5, at=300), bucket(9, at=360)]
    folded = periods(buckets, 0, 360, 120)
    assert {at: found.sum for at, found in folded.items()} == {0: 4, 240: 5}


def test_a_bucket_is_kept_as_it_is():
    made = bucket(0.1, 0.1, 7)
    assert loaded(made.dumped()) == made


SERIES = Series(Metric("N", "m", (("A", "1"),)), "Count", 60)


def test_values_come_back_after_a_restart(tmp_path: Path):
    store = SqliteStore(tmp_path / "s")
    Values(store).keep(SERIES, bucket(4, 2, at=600))
    again = Values(store)
    assert again.of(SERIES.metric) == [bucket(4, 2, at=600)]
    assert (again.of(SERIES.metric, "Seconds"), again.unit(SERIES.metric)) == ([], "Count")


def test_storage_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("trimtab.local.cloudwatch_base.MOST_BUCKETS", 3)
    store = SqliteStore(tmp_path / "s")
    values = Values(store)
    for at in range(0, 600, 60):
        values.keep(SERIES, bucket(1, at=at))
    assert [each.at for each in values.of(SERIES.metric)] == [420, 480, 540]
    assert len(store.all("cloudwatch.bucket")) == 3


def test_what_is_too_old_is_forgotten(tmp_path: Path):
    from datetime import UTC, datetime

    values = Values(SqliteStore(tmp_path / "s"))
    values.keep(SERIES, bucket(1, at=60))
    values.prune(datetime.fromtimestamp(60, UTC) + KEEP * 1.01)
    assert list(values) == []
