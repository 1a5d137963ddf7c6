"""An operator that runs in this process, among fakes: its source, its environment and its clock are plain values."""

import copy
import json
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from samples_compile import DOCUMENT
from trimtab.clients.clock import SystemClock
from trimtab.compile.facts import Digests
from trimtab.engine.board import Configured
from trimtab.engine.declared import Declared, Listing
from trimtab.engine.operator import Operator
from trimtab.engine.survey import Findings
from trimtab.engine.wanted import Wanted
from trimtab.model.load import load

SOURCE = "folder:/models"


class Time(SystemClock):
    """Stands until it is moved."""

    at = 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.at


class Models:
    """A source of documents of those names."""

    name, interval_s = SOURCE, 60.0

    def __init__(self, *names: str) -> None:
        self.names, self.status = names, dict[str, Any]()

    def read(self) -> Listing:
        return Listing({f"vision/{name}": declared(name) for name in self.names})

    def wait(self, stop: threading.Event, seconds: float) -> None:
        stop.wait(seconds)

    def report(self, key: str, status: Any) -> None:
        self.status[key] = status


def declared(name: str) -> Declared:
    document: Any = copy.deepcopy(DOCUMENT)
    document["metadata"]["name"] = name
    return Declared(load(json.dumps(document).encode(), f"{name}.yaml")[0], "/models", "mark")


@dataclass
class Site:
    """Resolves; by name what else happens to some. sweeps: what happens in a sweep, which never finds that all stands."""

    happens: dict[str, Callable[..., object]]
    takes_report: frozenset[str] = frozenset()
    sweeps: Callable[[], object] = lambda: None

    @property
    def ledgers(self) -> Any:
        return self

    survey = ledgers

    def readable(self) -> Any:
        return (), ()

    def drop(self, key: str) -> None: ...

    def look(self) -> Any:
        self.sweeps()
        return Findings(frozenset())

    def reconciler(self, contents: Any) -> Any:
        return Quiet()

    def resolve(self, each: Declared, report: Any) -> Wanted:
        name = each.deployment.metadata.name
        if name in self.happens:
            self.happens[name](*([report] if name in self.takes_report else []))
        return Wanted("vision", name, each.deployment, {}, Digests("", {}, "", ""))


class Quiet:
    def __getattr__(self, name: str) -> Any:
        return Quiet()

    def __call__(self, *args: Any, **fields: Any) -> Any:
        return Quiet()


@dataclass
class Log(Quiet):
    said: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def error(self, event: str, **fields: Any) -> None:
        self.said.append((event, fields))


@dataclass
class Running:
    operator: Operator
    source: Models
    ended: "queue.Queue[tuple[str, str]]"  # (key, outcome) of passes, in order

    def next(self) -> tuple[str, str]:
        return self.ended.get(timeout=10)


@contextmanager
def running(site: Site, source: Models, *, workers: int = 2, sweep_s: float = 3600.0, **others: Site) -> Iterator[Running]:
    """others: environments beside the local one, by name."""
    ended: queue.Queue[tuple[str, str]] = queue.Queue()

    @contextmanager
    def around(taken: Any, generation: int) -> Iterator[Any]:
        yield lambda passed: ended.put((taken.key, passed.outcome))

    configured = [Configured(SOURCE)]
    made = Operator([source], configured, {"local": site, **others}, Time(), Log(), Quiet(), workers, sweep_s, around=around)
    thread = threading.Thread(target=made.run)
    thread.start()
    try:
        yield Running(made, source, ended)
    finally:
        made.stopping.set()
        thread.join()
