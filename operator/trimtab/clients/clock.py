"""The real clock and real waiting: arguments of everything that needs time."""

import threading
import time
from datetime import UTC, datetime


class SystemClock:
    def now(self) -> datetime:
        """Now, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean something."""
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until the event is set, at most that long. Answers whether it was set."""
        return event.wait(seconds)
