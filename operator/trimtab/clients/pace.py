"""Keeps our calls below AWS's limits: a token bucket for each class of operations, at half of what an account is allowed.

The other half is for people and their other tools. A class that hardly anybody else asks for has a larger share of its own;
for a while after AWS has refused a call of it, half as well. A call waits for its token; where several wait, those that
somebody waits for go first, then in the order in which they came. Quotas of single operations of API Gateway (one
CreateRestApi every 3 s) are left to AWS's refusals.
"""

import heapq
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from itertools import count

from trimtab.core.kind import Failure
from trimtab.core.limits import LIMITS, Bucket, Classes, Limit, Table

SHARE = 0.5  # of AWS's own
SHARES: Mapping[str, float] = {"ecs: definitions written": 0.95}  # 1 a second binds a roll-out over many deployments
SHY_S = 60.0  # after a refusal no class has more than SHARE
MOST_S = 30.0  # a call waits no longer: its pass ends, and is made again
_URGENCY: ContextVar[int] = ContextVar("urgency", default=0)


@dataclass(slots=True)
class _Class:
    usual: Limit
    shy: Limit  # after a refusal, until then
    bucket: Bucket
    shy_until: float = 0.0
    changed: threading.Condition = field(default_factory=threading.Condition)
    waiting: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])  # a heap of (urgency, number)


@contextmanager
def urgent(urgency: int) -> Generator[None]:
    """Calls made within go ahead of those of a higher number."""
    token = _URGENCY.set(urgency)
    try:
        yield
    finally:
        _URGENCY.reset(token)


class Pace:
    """Of one account and region. Safe to use from several threads.

    monotonic: seconds that never go back. pause: wait for a notification for so many of them, or shorter.
    waited: told of each wait, by class and seconds. most_s: of one wait.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        pause: Callable[[threading.Condition, float | None], object] = threading.Condition.wait,
        table: Table = LIMITS,
        waited: Callable[[str, float], None] | None = None,
        most_s: float = MOST_S,
    ) -> None:
        self._monotonic, self._pause = monotonic, pause
        self._waited = waited
        self._most_s = most_s
        self._numbers = count()
        self._closed = threading.Event()
        now = monotonic()
        self._classes = {name: _class(name, limit, now) for name, (limit, _) in table.items()}
        self._named = Classes(table)

    def pay(self, service: str, operation: str) -> None:
        """Wait until the call may be made. Raises Failure where that takes too long."""
        for name in self._named.of(service, operation):
            began = self._monotonic()
            is_paid = self._closed.is_set() or self._take(self._classes[name], began + self._most_s)
            if self._waited and (waited := self._monotonic() - began) > 0.01:
                self._waited(name, waited)
            if not is_paid:
                rate = self._classes[name].bucket.limit.rate
                because = f"waited {self._most_s:g} s among calls of ours, of which {rate:g} a second go out ({name})"
                raise Failure("throttled", f"{service}:{operation}: {because}", code="Paced", operation=operation)

    def refused(self, service: str, operation: str) -> None:
        """AWS throttled such a call: somebody else is at it, too. All of its class wait for a second's worth of tokens."""
        for name in self._named.of(service, operation):
            here = self._classes[name]
            with here.changed:
                now = self._monotonic()
                bucket = here.bucket.filled(now)
                here.bucket = replace(bucket, limit=here.shy, tokens=min(bucket.tokens, 1.0 - here.shy.rate))
                here.shy_until = now + SHY_S

    def close(self) -> None:
        """Let all go that wait, and hold nobody from now on: what is under way is to end."""
        self._closed.set()
        for here in self._classes.values():
            with here.changed:
                here.changed.notify_all()

    def _take(self, here: _Class, until: float) -> bool:
        """Wait for a token, at most until then. Answers whether it may go."""
        ticket = (_URGENCY.get(), next(self._numbers))
        with here.changed:
            heapq.heappush(here.waiting, ticket)
            try:
                while (wait_s := self._wait_s(here, ticket)) != 0.0 and not self._closed.is_set():
                    left_s = until - self._monotonic()
                    if left_s <= 0:
                        return False
                    self._pause(here.changed, left_s if wait_s is None else min(wait_s, left_s))
                return True
            finally:
                here.waiting.remove(ticket)
                heapq.heapify(here.waiting)
                here.changed.notify_all()

    def _wait_s(self, here: _Class, ticket: tuple[int, int]) -> float | None:
        """0 where the token was taken; else how long to wait: None until it is our turn."""
        if here.waiting[0] != ticket:
            return None
        now = self._monotonic()
        if here.bucket.limit != here.usual and now >= here.shy_until:
            here.bucket = replace(here.bucket.filled(now), limit=here.usual)
        here.bucket, wait_s = here.bucket.taken(now)
        return wait_s


def ours(name: str, limit: Limit) -> Limit:
    """Our part of a class's limit."""
    return _part(limit, SHARES.get(name, SHARE))


def _part(limit: Limit, share: float) -> Limit:
    return Limit(max(1.0, limit.burst * share), limit.rate * share)


def _class(name: str, limit: Limit, now: float) -> _Class:
    usual = ours(name, limit)
    return _Class(usual, _part(limit, SHARE), Bucket(usual, usual.burst, now))
