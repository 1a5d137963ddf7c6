"""While what is declared now is hashed, what was declared before is kept true, as far as that needs no file."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from loops import SOURCE, Models, Quiet, Site, Time, declared
from trimtab.compile.facts import Digests
from trimtab.core.kind import Progress
from trimtab.engine import resolving
from trimtab.engine.board import Keep, Known, Make, Task
from trimtab.engine.ledger import Ledger, Since, Stored
from trimtab.engine.resolving import Resolving
from trimtab.engine.turns import Turn, Turns
from trimtab.engine.wanted import Wanted

KEY = "vision/digits"
KNOWN = Known("local", SOURCE, "digits.yaml", generation=3)


@dataclass
class Remembering(Site):
    """An environment with one ledger."""

    ledger: Ledger | None = None

    def reconciler(self, contents: Any) -> Any:
        ledgers = SimpleNamespace(load=lambda *_: Stored(self.ledger, "etag"))
        return SimpleNamespace(ledgers=ledgers, transfers=Quiet())


@dataclass
class Kept:
    """What passes were made towards."""

    made: list[tuple[Task, Wanted]] = field(default_factory=list)

    def __call__(self, turns: Turns, key: str, task: Task, held: Any, wanted: Wanted, brake: str = "") -> Turn:
        self.made.append((task, wanted))
        return Turn(5.0, KNOWN, "Ready")


@pytest.fixture
def kept(monkeypatch) -> Kept:
    made = Kept()
    monkeypatch.setattr(Turns, "_towards", lambda *given: made(*given))
    return made


@pytest.fixture
def let_go(monkeypatch) -> Iterator[threading.Event]:
    """What is hashed takes long until that."""
    monkeypatch.setattr(resolving, "AT_ONCE_S", -1.0)
    event = threading.Event()
    yield event
    event.set()


def turns(site: Site, source: Models) -> Turns:
    return Turns({"local": site}, {SOURCE: source}, Quiet(), Resolving(Time(), lambda key: None))


def much(event: threading.Event) -> Any:
    def read(report: Any) -> None:
        report(Progress(1 << 30, 4 << 30, "bytes", "dataset"))
        event.wait()

    return read


def take(here: Turns, mark: str, known: Known | None) -> Turn:
    task = Make(replace(declared("digits"), mark=mark), SOURCE)
    return here.take(KEY, task, known, is_doomed=False, brake="")


def test_what_was_declared_before_is_kept_true_and_the_status_says_what_goes_on(kept, let_go):
    site, source = Site({}), Models("digits")
    here = turns(site, source)
    take(here, "1", None)
    site.happens, site.takes_report = {"digits": much(let_go)}, frozenset({"digits"})
    turn = take(here, "2", KNOWN)
    before, now = kept.made
    assert isinstance(before[0], Make)
    assert now[1] is before[1]
    assert isinstance(now[0], Keep)
    assert now[0].because.startswith("what is declared now is taken once it is hashed: ")
    assert turn.again_s == 5.0
    let_go.set()
    here.stop()


def ledger(ready: str) -> Ledger:
    digests = dict.fromkeys(("dataset", "training", "serving"), "")
    document = declared("digits").deployment.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    conditions = {"Ready": Since(ready, "2026-11-01T00:00:00Z")}
    base = Ledger("uid", "vision", "digits", "local", "123456789012", "us-east-1")
    return replace(base, document=document, contents={**digests, "channels": {}}, conditions=conditions)


@pytest.mark.parametrize(("ready", "passes"), [("True", 1), ("False", 0)])
def test_after_a_start_what_was_ready_is_kept_so_and_the_rest_waits_for_its_files(kept, let_go, ready, passes):
    site = Remembering({"digits": much(let_go)}, frozenset({"digits"}), ledger=ledger(ready))
    here = turns(site, source := Models("digits"))
    turn = take(here, "1", KNOWN)
    assert len(kept.made) == passes
    if passes:
        assert kept.made[0][1].digests == Digests("", {}, "", "")
    else:
        assert (turn.again_s, turn.known, turn.outcome) == (30.0, KNOWN, "Progressing")
        assert source.status[KEY]["conditions"][0]["observedGeneration"] == 3
    let_go.set()
    here.stop()
