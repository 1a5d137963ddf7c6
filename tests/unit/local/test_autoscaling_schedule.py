"""When scheduled actions fall due."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from trimtab.local.autoscaling_schedule import schedule

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)  # a Monday
MINUTE = timedelta(minutes=1)


def due_at(text: str, at: datetime, **given) -> bool:
    """Whether it falls due within the minute that ends at a time, looked at every ten seconds."""
    due, step = schedule(text, **given), timedelta(seconds=10)
    looks = [at - MINUTE + step * number for number in range(7)]
    count = sum(due(before, after) for before, after in pairwise(looks))
    assert count <= 1, "it fell due twice"
    return bool(count)


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("at(2026-11-23T12:00:00)", True),
        ("at(2026-11-23T12:00:01)", False),
        ("cron(0 12 * * ? *)", True),
        ("cron(0 12 ? * MON *)", True),
        ("cron(0 12 ? * 2 *)", True),
        ("cron(0 12 ? * TUE-SAT *)", False),
        ("cron(0/15 8-18 ? * MON-FRI *)", True),
        ("cron(5/15 * * * ? *)", False),
        ("cron(0 12 23 NOV ? 2026)", True),
        ("cron(0 12 23 11 ? 2027)", False),
        ("cron(0,30 11,12 * * ? *)", True),
    ],
)
def test_what_falls_due_at_noon(text: str, due: bool):
    assert due_at(text, NOON) == due


def test_a_zone_moves_the_hours():
    berlin = ZoneInfo("Europe/Berlin")
    assert due_at("cron(0 13 * * ? *)", NOON, zone=berlin)
    assert due_at("at(2026-11-23T13:00:00)", NOON, zone=berlin)
    assert not due_at("cron(0 12 * * ? *)", NOON, zone=berlin)


def test_a_rate_counts_from_its_beginning():
    due = schedule("rate(2 hours)", begin=NOON)
    assert due(NOON - MINUTE, NOON)
    assert not due(NOON, NOON + timedelta(minutes=119))
    assert due(NOON + timedelta(minutes=119), NOON + timedelta(minutes=120))
    assert not due(NOON - timedelta(hours=5), NOON - timedelta(hours=1))


@pytest.mark.parametrize(
    "text",
    [
        "0 12 * * *",
        "cron(0 12 * * ?)",
        "cron(60 12 * * ? *)",
        "cron(0 12 L * ? *)",
        "cron(0 12 ? * 6#3 *)",
        "cron(0 5-1 * * ? *)",
        "cron(0/0 * * * ? *)",
        "rate(0 minutes)",
        "rate(5 weeks)",
        "at(tomorrow)",
        "at(2026-13-01T00:00:00)",
    ],
)
def test_what_is_no_schedule(text: str):
    with pytest.raises(ValueError, match=r"."):
        schedule(text)
