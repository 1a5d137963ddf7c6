"""Asks a service that does not answer by one call at a time, until it does: nobody else waits for what will not come.

A read that is never answered takes a minute and a half with its tries. Without this, deployments that use such a service
keep all workers waiting, and those that do not use it wait for a worker.
Source: Nygard, Release It!, circuit breaker.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from trimtab.core.kind import Failure

ROW = 3  # calls that time out with no answer between them: one alone may have asked for much
ASKED_AGAIN_S = 30.0


@dataclass(slots=True)
class Silence:
    """Of one account and region. Safe to use from several threads. monotonic: seconds that never go back."""

    monotonic: Callable[[], float]
    _row: dict[str, int] = field(default_factory=dict[str, int])  # by service
    _again: dict[str, float] = field(default_factory=dict[str, float])  # when a silent one is asked next
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self, service: str, operation: str) -> None:
        """Raise Failure where the service is silent; but for one call now and then, which is to find out."""
        with self._lock:
            again, now = self._again.get(service), self.monotonic()
            if again is not None and now < again:
                because = f"{service}:{operation}: {service} answers nothing; it is asked again in {again - now:.0f} s"
                raise Failure("transient", because, code="Silent", operation=operation)
            if again is not None:
                self._again[service] = now + ASKED_AGAIN_S

    def answered(self, service: str) -> None:
        """Whatever it said."""
        with self._lock:
            self._row.pop(service, None)
            self._again.pop(service, None)

    def timed_out(self, service: str) -> None:
        with self._lock:
            self._row[service] = self._row.get(service, 0) + 1
            if self._row[service] >= ROW:
                self._again[service] = self.monotonic() + ASKED_AGAIN_S
