"""A document that is poison, hangs or names much to hash slows no other; what does not go on is said to whoever looks."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from loops import SOURCE, Models, Site, running
from trimtab.core.errors import UserError
from trimtab.core.kind import Progress
from trimtab.engine import resolving
from trimtab.engine.board import Known
from trimtab.engine.declared import Listing
from trimtab.engine.operator import HUNG_S
from trimtab.engine.queue import Priority
from trimtab.engine.turns import Turn, Turns


def poison() -> None:
    raise RuntimeError("no such number")


@pytest.fixture(autouse=True)
def passes(monkeypatch):
    """What is resolved is Ready: no more of a pass concerns these tests."""

    def ready(self: Turns, key: str, *_: Any) -> Turn:
        return Turn(None, Known("local", SOURCE, f"{key}.yaml"), "Ready")

    monkeypatch.setattr(Turns, "_towards", ready)


def test_a_fault_of_ours_over_one_document_is_told_and_stops_no_other():
    with running(Site({"a-poison": poison}), Models("a-poison", "good"), workers=1) as here:
        assert [here.next(), here.next()] == [("vision/a-poison", "bug"), ("vision/good", "Ready")]
        ((event, fields),) = here.operator.log.said
        assert (event, fields["deployment"]) == ("pass.failed", "vision/a-poison")
        assert fields["because"] == "RuntimeError: no such number"
        here.operator.queue.add("vision/a-poison", Priority.EVENT)
        here.operator.queue.add("vision/good", Priority.SWEEP)
        assert [here.next(), here.next()] == [("vision/a-poison", "bug"), ("vision/good", "Ready")]
        assert here.operator.log.said[1][1]["look_again_s"] == 2 * fields["look_again_s"]
        assert here.operator.problem() == ""


def refuse() -> None:
    raise UserError("there is no such thing", code="TT3005")


def test_a_fault_of_ours_in_a_source_that_is_to_be_told_stops_no_worker(monkeypatch):
    monkeypatch.setattr(Models, "report", lambda self, key, status: self.status[status["nowhere"]])
    with running(Site({"a-bad": refuse}), Models("a-bad", "good"), workers=1) as here:
        assert [here.next(), here.next()] == [("vision/a-bad", "document"), ("vision/good", "Ready")]
        event, fields = here.operator.log.said[-1]
        assert (event, fields["deployment"]) == ("status.unwritten", "vision/a-bad")
        assert fields["because"] == "a fault of trimtab's own: KeyError: 'nowhere'"
        assert here.operator.problem() == ""


def test_a_pass_that_hangs_holds_up_no_other_and_fails_liveness_in_the_end():
    let_go = threading.Event()
    with running(Site({"a-hung": let_go.wait}), Models("a-hung", "good")) as here:
        assert here.next() == ("vision/good", "Ready")
        here.operator.clock.at = HUNG_S
        assert here.operator.problem() == ""
        here.operator.clock.at = HUNG_S + 1
        assert here.operator.problem() == "a pass of vision/a-hung takes longer than 600 s"
        let_go.set()
        assert here.next() == ("vision/a-hung", "Ready")
        here.operator.queue.add("vision/good", Priority.EDIT)
        assert here.next() == ("vision/good", "Ready")
        assert here.operator.problem() == ""


def test_much_to_hash_takes_no_worker_however_many_name_it(monkeypatch):
    monkeypatch.setattr(resolving, "AT_ONCE_S", -1.0)
    let_go = threading.Event()

    def much(report: Callable[[Progress], None]) -> None:
        while not let_go.wait(0.001):
            report(Progress(1 << 30, 9 << 30, "bytes", "dataset"))

    huge = ("a-huge", "b-huge", "c-huge")
    site = Site(dict.fromkeys(huge, much), frozenset(huge))
    with running(site, Models(*huge, "good"), workers=1) as here:
        told = [("vision/a-huge", "Progressing"), ("vision/b-huge", "Progressing"), ("vision/c-huge", "Progressing")]
        assert [here.next() for _ in range(4)] == [*told, ("vision/good", "Ready")]
        here.operator.clock.at = HUNG_S + 1
        assert here.operator.problem() == ""
        conditions = {each["type"]: each for each in here.source.status["vision/a-huge"]["conditions"]}
        assert (conditions["Ready"]["status"], conditions["Ready"]["reason"]) == ("Unknown", "Progressing")
        assert conditions["Reconciling"]["status"] == "True"
        let_go.set()
        ready: set[str] = set()
        while len(ready) < len(huge):  # a look at how far it is may come between: the clock has gone on
            name, outcome = here.next()
            ready |= {name} if outcome == "Ready" else set()


class Broken(Models):
    """A source whose thread dies."""

    def wait(self, stop: threading.Event, seconds: float) -> None:
        raise SystemExit


def test_an_account_that_hangs_holds_up_no_sweep_of_another():
    let_go, asked = threading.Event(), threading.Event()

    def hang() -> None:
        asked.set()
        let_go.wait()

    with running(Site({}), Models("good"), sweep_s=0.01, hung=Site({}, sweeps=hang)) as here:
        assert here.next() == ("vision/good", "Ready")
        assert asked.wait(10)
        assert [here.next() for _ in range(5)] == [("vision/good", "Ready")] * 5
        let_go.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_has_died_fails_liveness_until_the_stop():
    with running(Site({}), Broken("good")) as here:
        assert here.next() == ("vision/good", "Ready")
        here.operator._threads[f"source {SOURCE}"].join(10)
        assert here.operator.problem() == f"the thread source {SOURCE} is dead"
        here.operator.stopping.set()
        assert here.operator.problem() == ""


class Unread(Models):
    def __init__(self, *names: str) -> None:
        super().__init__(*names)
        self.let_go, self.was_read = threading.Event(), threading.Event()

    def wait(self, stop: threading.Event, seconds: float) -> None:
        self.was_read.set()
        stop.wait(seconds)

    def read(self) -> Listing:
        self.let_go.wait()
        return super().read()


def test_it_is_ready_once_each_source_was_looked_at():
    with running(Site({}), source := Unread("good")) as here:
        assert not here.operator.is_ready
        source.let_go.set()
        assert source.was_read.wait(10)
        assert here.operator.is_ready
