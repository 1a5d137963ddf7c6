"""AWS's own limits of calls: a token bucket for each class of operations of an account and region. Off until asked for.

Only what comes in by HTTP counts. Tokens come back with the time of the cloud, by which its journal goes: at twice its speed
there are twice as many, and what was skipped was idle. A call that is refused changes nothing, and takes no token.
Source: `trimtab.core.limits`; CloudTrail's quotas (LookupEvents) are its overlay's.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from trimtab.core.limits import LIMITS, SLOW, Bucket, Classes
from trimtab.local.faults import THROTTLED
from trimtab.local.overlay import ServiceError

_TABLE = {**LIMITS, **SLOW}
_CLASSES = Classes(_TABLE)


@dataclass(slots=True)
class Counted:
    """A bucket, and how it has gone so far."""

    bucket: Bucket
    lowest: float
    taken: int = 0
    refused: int = 0


@dataclass(slots=True)
class Throttle:
    """Safe to use from several threads. clock: seconds; where they go back, nothing comes back."""

    clock: Callable[[], float]
    is_on: bool = False
    _counted: dict[str, Counted] = field(default_factory=dict[str, Counted])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def turn(self, *, on: bool) -> None:
        """On: with every bucket full, and nothing counted yet."""
        with self._lock:
            self.is_on = on
            self._counted.clear()

    def strike(self, service: str, operation: str) -> None:
        """Let a call through, or raise ServiceError in the words of its service."""
        names = _CLASSES.of(service, operation)
        with self._lock:
            if not names or not self.is_on:
                return
            now = self.clock()
            here = [self._counted.setdefault(name, _full(name, now)) for name in names]
            after = [each.bucket.taken(now) for each in here]
            short = next((each for each, (_, wait_s) in zip(here, after, strict=True) if wait_s > 0), None)
            if short is not None:
                short.refused += 1
                code, status = THROTTLED.get(service, ("ThrottlingException", 400))
                raise ServiceError(code, "Rate exceeded", status)
            for each, (bucket, _) in zip(here, after, strict=True):
                each.bucket, each.taken, each.lowest = bucket, each.taken + 1, min(each.lowest, bucket.tokens)

    def shown(self) -> list[dict[str, Any]]:
        """Of each class that was asked for: its limit, how low its bucket was, calls let through and refused."""
        with self._lock:
            return [
                {
                    "class": name,
                    "burst": each.bucket.limit.burst,
                    "rate": round(each.bucket.limit.rate, 3),
                    "lowest": round(each.lowest, 1),
                    "taken": each.taken,
                    "refused": each.refused,
                }
                for name, each in sorted(self._counted.items())
            ]


def _full(name: str, now: float) -> Counted:
    limit = _TABLE[name][0]
    return Counted(Bucket(limit, limit.burst, now), limit.burst)
