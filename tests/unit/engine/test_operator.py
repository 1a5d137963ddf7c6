"""What a source says reaches the queue, whatever fails meanwhile."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from trimtab.clients.clock import SystemClock
from trimtab.core.errors import Transient
from trimtab.core.kind import Failure
from trimtab.engine.board import Configured, Known
from trimtab.engine.brake import Vanished
from trimtab.engine.declared import Listing
from trimtab.engine.ledger import Stored
from trimtab.engine.operator import Operator
from trimtab.engine.queue import Priority
from trimtab.engine.survey import Findings


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

    def readable(self) -> tuple[tuple[()], tuple[()]]:
        return (), ()

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


class Surveyed:
    """An environment whose sweep has looked."""

    def __init__(self, found: Findings | Failure) -> None:
        self.survey, self.found = self, found
        self.ledgers = Memory(failures=0)

    def look(self) -> Findings:
        if isinstance(self.found, Failure):
            raise self.found
        return self.found


@dataclass
class Asked:
    """A queue that notes what it is asked for, until that is enough."""

    stopping: threading.Event
    enough: int
    asked: list[tuple[str, Priority]] = field(default_factory=list)

    def add(self, key: str, priority: Priority) -> None:
        self.asked.append((key, priority))
        if len(self.asked) == self.enough:
            self.stopping.set()


@pytest.mark.parametrize(
    ("found", "queued"),
    [
        pytest.param(Findings(frozenset({"v/a", "v/b"})), [("v/c", Priority.SWEEP)], id="one that no pass has settled"),
        pytest.param(
            Findings(frozenset({"v/a"}), frozenset({"v/c"})),
            [("v/b", Priority.SWEEP), ("v/c", Priority.EVENT)],
            id="one that moved goes ahead of others",
        ),
        pytest.param(
            Failure("denied", "no"),
            [("v/a", Priority.SWEEP), ("v/b", Priority.SWEEP), ("v/c", Priority.SWEEP)],
            id="a sweep that could not look",
        ),
    ],
)
def test_a_sweep_asks_for_passes_of_what_does_not_stand(operator, found, queued):
    operator.sites["local"] = Surveyed(found)
    operator._board = replace(operator._board, listings={"folder:/models": None})
    for name in "abc":
        operator._know(f"v/{name}", Known("local", "folder:/models", f"{name}.yaml"))
    operator._know("vision/digits", None)
    operator._decide()
    operator.sweep_s, operator.queue = 0.01, Asked(operator.stopping, len(queued))
    operator._sweep("local")
    assert operator.queue.asked == queued
