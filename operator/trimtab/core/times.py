"""Times as documents, ledgers and conditions have them."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime: ...


def rfc3339(at: datetime) -> str:
    """ "2026-11-25T12:00:00Z": to the second, in UTC. Source: RFC 3339; Kubernetes API conventions."""
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def time_in(text: str) -> datetime:
    """What `rfc3339` wrote, as a time. Raises ValueError for what is none."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
