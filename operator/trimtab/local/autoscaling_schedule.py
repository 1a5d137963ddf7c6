"""When a scheduled action falls due: at(...), rate(...) and cron(...), as pure functions.

Of cron there are lists, ranges, steps, names and `?`; L, W and # are refused.
Source: Application Auto Scaling User Guide, "Schedule recurring scaling actions using cron expressions"; PutScheduledAction.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_CRON = re.compile(r"cron\(([^()]+)\)")
_UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (1, 7), (1970, 2199))
_MINUTE = timedelta(minutes=1)

Due = Callable[[datetime, datetime], bool]  # whether it falls due after the first time, and no later than the second


def schedule(text: str, zone: tzinfo = UTC, begin: datetime | None = None) -> Due:
    """Read a schedule. begin: from when a rate counts. Raises ValueError for what is none."""
    if match := _AT.fullmatch(text):
        at = datetime.fromisoformat(match[1]).replace(tzinfo=zone)
        return lambda after, upto: after < at <= upto
    if match := _RATE.fullmatch(text):
        return _every(int(match[1]) * _UNITS[match[2]], begin or datetime.fromtimestamp(0, UTC))
    if match := _CRON.fullmatch(text):
        return _cron(match[1].split(), zone)
    raise ValueError(f"{text!r} is none of at(yyyy-mm-ddThh:mm:ss), rate(value unit) and cron(fields)")


def _every(rate: timedelta, begin: datetime) -> Due:
    if rate <= timedelta(0):
        raise ValueError("a rate must be 1 or more")
    return lambda after, upto: upto >= begin and (upto - begin) // rate > max((after - begin) // rate, -1)


def _cron(fields: Sequence[str], zone: tzinfo) -> Due:
    if len(fields) != 6:
        raise ValueError("a cron expression has six fields: minutes hours day-of-month month day-of-week year")
    minutes, hours, days, months, weekdays, years = (
        _field(field.upper(), *bounds) for field, bounds in zip(fields, _RANGES, strict=True)
    )

    def due(after: datetime, upto: datetime) -> bool:
        at = upto.replace(second=0, microsecond=0)
        while at > after:
            local = at.astimezone(zone)
            if (
                local.minute in minutes
                and local.hour in hours
                and local.day in days
                and local.month in months
                and local.isoweekday() % 7 + 1 in weekdays
                and local.year in years
            ):
                return True
            at -= _MINUTE
        return False

    return due


def _field(text: str, least: int, most: int) -> frozenset[int]:
    """The values of one field. Raises ValueError."""
    chosen: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        low, dash, high = span.partition("-")
        if span in ("*", "?"):
            first, last = least, most
        else:
            first = _number(low)
            last = _number(high) if dash else most if step else first
        if not (least <= first <= last <= most and (not step or (step.isdecimal() and int(step) > 0))):
            raise ValueError(f"{part!r} is not between {least} and {most}")
        chosen.update(range(first, last + 1, int(step or 1)))
    return frozenset(chosen)


def _number(text: str) -> int:
    if text in _MONTHS:
        return _MONTHS.index(text) + 1
    if text in _DAYS:
        return _DAYS.index(text) + 1
    if not text.isdecimal():
        raise ValueError(f"{text!r} is not supported in a cron expression")
    return int(text)
