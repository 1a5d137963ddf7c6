"""The lease that an operator leaves in a ledger while it is at work. Pure.

A lease is politeness; the compare-and-swap of the ledger is the fence.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from trimtab.core.times import rfc3339
from trimtab.engine.ledger import Lease

LASTS = timedelta(seconds=60)


def lease_of(holder: str, now: datetime) -> Lease:
    return Lease(holder, rfc3339(now + LASTS))


def held_by_another(lease: Lease | None, holder: str, is_gone: Callable[[str], bool], now: datetime) -> str:
    """Who else is at work; "" where nobody is. is_gone: whether a holder is known to be no more: its lease binds nobody."""
    if lease is None or lease.holder == holder or is_gone(lease.holder):
        return ""
    # One that ends later than any lease lasts was written by a clock that jumped.
    return lease.holder if rfc3339(now) < lease.until < rfc3339(now + 2 * LASTS) else ""
