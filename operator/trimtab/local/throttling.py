"""AWS's token buckets, of those who ask by HTTP; what this cloud asks itself takes none. Off unless a person turns them on.

They fill by the clock that the journal and events of the cloud go by: at `--speed 60` a minute's tokens come in a second, as
all else does, and whoever lives by that clock meets AWS's limits. Counting begins with the switch, and with each start.
Source: `trimtab.core.limits`; AWS CloudTrail User Guide (a throttled request is in the history, with its error code).
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trimtab.core.limits import LIMITS, SLOW, Bucket, Classes
from trimtab.local.faults import throttled
from trimtab.local.overlay import Store

_TABLE = {**LIMITS, **SLOW}
_CLASSES = Classes(_TABLE)
_SETTING = ("throttling.setting", "on")


@dataclass(slots=True)
class _Counted:
    """A bucket of a region, and what it went through."""

    bucket: Bucket
    lowest: float
    calls: int = 0  # that took a token
    throttled: int = 0


class Throttling:
    """Safe to use from several threads. now: of the cloud's clock."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store, self._now = store, now
        self._lock = threading.Lock()
        self._counted: dict[tuple[str, str], _Counted] = {}  # by region and class
        self._is_on = bool((store.get(*_SETTING) or {"on": False})["on"])

    def switch(self, *, on: bool) -> None:
        """Turn it on or off: a setting of the state folder. All buckets are full, and nothing is counted yet."""
        with self._lock:
            self._store.put(*_SETTING, {"on": on})
            self._is_on = on
            self._counted.clear()

    def check(self, service: str, operation: str, region: str) -> None:
        """Take the tokens of a request. Raises ServiceError, in the service's own words, where one is missing."""
        names = _CLASSES.of(service, operation) if self._is_on else ()
        if not names:
            return
        with self._lock:
            now = self._now().timestamp()
            here = [self._of(region, name, now) for name in names]
            after = [each.bucket.taken(now) for each in here]
            short = next((each for each, (_, wait_s) in zip(here, after, strict=True) if wait_s > 0), None)
            if short is not None:
                short.throttled += 1
                raise throttled(service, "Rate exceeded")
            for each, (bucket, _) in zip(here, after, strict=True):
                each.bucket, each.calls, each.lowest = bucket, each.calls + 1, min(each.lowest, bucket.tokens)

    def shown(self) -> dict[str, Any]:
        """Whether it is on, and each bucket that was asked of. Tokens are rounded to hundredths."""
        with self._lock:
            now = self._now().timestamp()
            rows = [
                {
                    "region": region,
                    "class": name,
                    "burst": each.bucket.limit.burst,
                    "perSecond": round(each.bucket.limit.rate, 3),
                    "left": round(each.bucket.filled(now).tokens, 2),
                    "lowest": round(each.lowest, 2),
                    "calls": each.calls,
                    "throttled": each.throttled,
                }
                for (region, name), each in sorted(self._counted.items())
            ]
            return {"on": self._is_on, "buckets": rows}

    def _of(self, region: str, name: str, now: float) -> _Counted:
        limit = _TABLE[name][0]
        full = _Counted(Bucket(limit, limit.burst, now), limit.burst)
        return self._counted.setdefault((region, name), full)
