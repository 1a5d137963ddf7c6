"""A document whose content takes long is resolved in the background, and holds up no other."""

import queue
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

import loops
from trimtab.compile.facts import Digests
from trimtab.core.errors import Transient
from trimtab.core.kind import Progress
from trimtab.engine.declared import Declared
from trimtab.engine.resolving import AT_ONCE_S, THREADS, Hashed, Resolving
from trimtab.engine.transfers import Report
from trimtab.engine.wanted import Wanted

NOW = datetime(2026, 11, 1, tzinfo=UTC)


class Clock:
    """Each look at it takes as long as a pass has for hashing."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        self.at += AT_ONCE_S
        return self.at


def declared(name: str, mark: str = "1") -> Declared:
    return replace(loops.declared(name), mark=mark)


def wanted(each: Declared) -> Wanted:
    return Wanted("vision", each.deployment.metadata.name, each.deployment, {}, Digests(each.mark, {}, "", ""))


def quick(each: Declared, report: Report) -> Wanted:
    return wanted(each)


class Slow:
    """Reads for as long as it is not let go; told: what it is at."""

    def __init__(self, error: Exception | None = None) -> None:
        self.let_go, self.began, self.ended = threading.Event(), threading.Event(), threading.Event()
        self.error = error
        self.tries = 0

    def __call__(self, each: Declared, report: Report) -> Wanted:
        self.tries += 1
        try:
            while not self.let_go.wait(0.001):
                report(Progress(1 << 30, 5 << 30, "bytes", "dataset"))
                if self.tries == 2:
                    self.began.set()
            if self.error:
                raise self.error
            return wanted(each)
        finally:
            if self.tries == 2:
                self.ended.set()


@pytest.fixture
def woken() -> "queue.Queue[str]":
    return queue.Queue()


@pytest.fixture
def resolving(woken) -> Iterator[Resolving]:
    made = Resolving(Clock(), woken.put)
    yield made
    made.stop()


def test_what_is_quick_is_there_at_once(resolving, woken):
    assert resolving.take(declared("digits"), quick) == wanted(declared("digits"))
    assert woken.empty()


def test_what_is_slow_is_told_how_far_it_is_and_its_end_wakes(resolving, woken):
    slow, each = Slow(), declared("digits")
    assert isinstance(resolving.take(each, slow), Hashed)
    assert slow.began.wait(10)
    far = resolving.take(each, slow)
    assert (str(far), far.since) == ("hashing dataset: 1.0 of 5.0 GiB", NOW)
    slow.let_go.set()
    assert woken.get(timeout=10) == "vision/digits"
    assert resolving.take(each, slow) == wanted(each)
    assert slow.tries == 2


def test_any_number_of_slow_ones_hold_up_no_quick_one(resolving):
    slow = [Slow() for _ in range(THREADS + 2)]
    far = [resolving.take(declared(f"huge{number}"), each) for number, each in enumerate(slow)]
    assert all(isinstance(each, Hashed) for each in far)
    assert str(far[-1]) == "waits to be hashed"
    assert resolving.take(declared("digits"), quick) == wanted(declared("digits"))


def test_what_fails_in_the_background_fails_the_next_pass_and_is_tried_again(resolving, woken):
    slow, each = Slow(Transient("the bucket does not answer")), declared("digits")
    resolving.take(each, slow)
    slow.let_go.set()
    woken.get(timeout=10)
    with pytest.raises(Transient, match="does not answer"):
        resolving.take(each, slow)
    assert resolving.take(each, quick) == wanted(each)


def test_an_edit_ends_what_was_resolved_for_the_document_before(resolving, woken):
    slow = Slow()
    resolving.take(declared("digits"), slow)
    assert slow.began.wait(10)
    assert resolving.take(declared("digits", "2"), quick).digests.dataset == "2"
    assert slow.ended.wait(10)
    assert not slow.let_go.is_set()
    assert woken.empty()


def test_a_stop_ends_it(resolving):
    slow = Slow()
    resolving.take(declared("digits"), slow)
    assert slow.began.wait(10)
    resolving.stop()
    assert slow.ended.is_set()
