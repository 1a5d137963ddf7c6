"""What load balancers count of requests, until it is published.

Written on the data plane's loop, taken under the cloud's lock: it has a small lock of its own.
Source: Elastic Load Balancing User Guide, "CloudWatch metrics for your Application Load Balancer".
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from threading import Lock

from trimtab.local.cloudwatch_series import Bucket

Place = tuple[str, str]  # ARN of the load balancer, and of the target group; "" where none was chosen


@dataclass(slots=True)
class Counts:
    """Requests of one load balancer to one target group."""

    requests: int = 0  # for which a target was chosen
    names: Counter[str] = field(default_factory=Counter[str])  # by name of the metric
    times: Bucket = field(default_factory=lambda: Bucket(0))  # seconds until a target's headers came

    def published(self) -> Iterator[tuple[str, Bucket, str]]:
        """(metric, values, unit) of what there is to report."""
        counted = dict(self.names) | ({"RequestCount": self.requests} if self.requests else {})
        for name, count in counted.items():
            bucket = Bucket(self.times.at)
            bucket.add(1.0, count)  # a request is a value of 1: its sum is what counts
            yield name, bucket, "Count"
        if self.times.count:
            yield "TargetResponseTime", self.times, "Seconds"


class Tally:
    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: dict[Place, Counts] = {}
        self._last: Mapping[Place, Counts] = {}

    def chosen(self, place: Place) -> None:
        """A target was chosen for a request."""
        with self._lock:
            self._of(place).requests += 1

    def answered(self, place: Place, status: int, seconds: float) -> None:
        """A target has answered."""
        with self._lock:
            counts = self._of(place)
            counts.names[f"HTTPCode_Target_{status // 100}XX_Count"] += 1
            counts.times.add(round(seconds, 6))

    def unreached(self, place: Place) -> None:
        """A target took no connection."""
        with self._lock:
            self._of(place).names["TargetConnectionErrorCount"] += 1

    def refused(self, place: Place, status: int) -> None:
        """The load balancer itself has answered."""
        with self._lock:
            counts = self._of(place)
            counts.names[f"HTTPCode_ELB_{status // 100}XX_Count"] += 1
            if status in (500, 502, 503, 504):
                counts.names[f"HTTPCode_ELB_{status}_Count"] += 1

    def take(self, at: int) -> Mapping[Place, Counts]:
        """All that was counted, which begins anew. at: Unix time of the minute it belongs to."""
        with self._lock:
            self._last, self._counts = self._counts, {}
        for counts in self._last.values():
            counts.times.at = at
        return self._last

    def last(self, balancer: str, group: str) -> int:
        """Requests to a target group in what was taken last."""
        counts = self._last.get((balancer, group))
        return counts.requests if counts else 0

    def _of(self, place: Place) -> Counts:
        return self._counts.setdefault(place, Counts())
