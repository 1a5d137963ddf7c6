"""Prometheus metrics in their text format, kept by hand: a few counters need no library."""

from collections import Counter
from dataclasses import dataclass, field

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass
class Metrics:
    """Counts of one server. Only the event loop touches them."""

    artifact: str
    release: str
    requests: Counter[int] = field(default_factory=Counter[int])
    buckets: Counter[float] = field(default_factory=Counter[float])
    seconds: float = 0.0
    in_flight: int = 0
    records: int = 0

    def count(self, status: int, seconds: float, records: int) -> None:
        self.requests[status] += 1
        self.seconds += seconds
        self.records += records
        for bound in BUCKETS_S:
            if seconds <= bound:
                self.buckets[bound] += 1
                break

    def text(self) -> bytes:
        total = sum(self.requests.values())
        lines = [
            "# TYPE trimtab_requests_total counter",
            *(f'trimtab_requests_total{{code="{code}"}} {count}' for code, count in sorted(self.requests.items())),
            "# TYPE trimtab_request_seconds histogram",
        ]
        below = 0
        for bound in BUCKETS_S:
            below += self.buckets[bound]
            lines.append(f'trimtab_request_seconds_bucket{{le="{bound}"}} {below}')
        lines += [
            f'trimtab_request_seconds_bucket{{le="+Inf"}} {total}',
            f"trimtab_request_seconds_sum {self.seconds:.6f}",
            f"trimtab_request_seconds_count {total}",
            "# TYPE trimtab_requests_in_flight gauge",
            f"trimtab_requests_in_flight {self.in_flight}",
            "# TYPE trimtab_records_total counter",
            f"trimtab_records_total {self.records}",
            "# TYPE trimtab_model_info gauge",
            f'trimtab_model_info{{artifact="{self.artifact}",release="{self.release}"}} 1',
        ]
        return "\n".join((*lines, "")).encode()
