"""What a source says reaches the queue, whatever fails meanwhile."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from trimtab.clients.clock import SystemClock
from trimtab.core.errors import Transient
from trimtab.engine.board import Configured, Known
from trimtab.engine.brake import Vanished
from trimtab.engine.declared import Listing
from trimtab.engine.ledger import Stored
from trimtab.engine.operator import Operator
from trimtab.engine.queue import Priority


class Time(SystemClock):
    def now(self) -> datetime:
        return datetime(2026, 11, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0


class Empty:
    """A source that says once that it has nothing."""

    name = "folder:/models"
    interval_s = 0.01

    def __init__(self) -> None:
        self.says: list[Listing | None] = [Listing({})]

    def read(self) -> Listing | None:
        return self.says.pop() if self.says else None

    def wait(self, stop: threading.Event, seconds: float) -> None:
        stop.wait(seconds)

    def report(self, key: str, status: Any) -> None: ...


class Memory:
    """Ledgers whose memory of the brake cannot be read at first."""

    def __init__(self, failures: int) -> None:
        self.failures = failures

    def all(self) -> tuple[()]:
        return ()

    def load_vanished(self, source: str) -> Stored:
        if self.failures:
            self.failures -= 1
            raise Transient("the bucket does not answer")
        return Stored(Vanished(), None)

    def save_vanished(self, source: str, memory: Vanished, etag: str | None) -> str:
        return "etag"


class Site:
    def __init__(self, memory: Memory) -> None:
        self.ledgers = memory


class Quiet:
    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **fields: None


@pytest.fixture
def operator():
    source, memory = Empty(), Memory(failures=2)
    made = Operator([source], [Configured(source.name)], {"local": Site(memory)}, Time(), Quiet(), Quiet(), workers=0)
    made._know("vision/digits", Known("local", source.name, "digits.yaml"))
    yield made
    made.stopping.set()


def test_what_vanished_is_queued_once_the_brakes_memory_can_be_read(operator):
    watching = threading.Thread(target=operator._watch, args=(operator.sources[0],))
    watching.start()
    taken = operator.queue.take()
    operator.stopping.set()
    watching.join()
    assert (taken.key, taken.priority) == ("vision/digits", Priority.EDIT)
    assert operator._doomed == {"vision/digits"}
    assert operator.sites["local"].ledgers.failures == 0


def test_what_a_pass_learns_meanwhile_hides_no_news(operator):
    operator.sites["local"].ledgers.failures = 0
    operator._decide()
    operator._board = replace(operator._board, listings={"folder:/models": Listing({})})
    operator._know("vision/digits", Known("local", "folder:/models", "digits.yaml", frozenset({"digits-web"})))
    assert operator._decide() == {"vision/digits"}
