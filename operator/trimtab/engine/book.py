"""The ledger during one pass: read once, changed in memory, written where the pass says so.

Kinds whose memory is the ledger itself (the gate) reach it by calls to the service "trimtab"; everything else goes on to
the cloud.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from trimtab.core.errors import UserError
from trimtab.core.kind import AnyKind, Call, Caller, Reply
from trimtab.engine.driver import Driver
from trimtab.engine.ledger import Ledger, Ledgers, Resource, Shared
from trimtab.engine.rebuild import LOG_GROUP, rebuilt
from trimtab.model.environment import Environment


@dataclass(slots=True)
class Book:
    """What the ledgers say, and whether this pass has something to add."""

    ledger: Ledger
    etag: str | None
    shared: Shared
    shared_etag: str | None
    _saved: Ledger | None = None
    _saved_shared: Shared | None = None

    def __post_init__(self) -> None:
        self._saved = self.ledger if self.etag else None
        self._saved_shared = self.shared if self.shared_etag else None

    @property
    def resources(self) -> tuple[Resource, ...]:
        """The deployment's own, and those that it shares."""
        return (*self.ledger.resources, *self.shared.resources)

    @property
    def is_dirty(self) -> bool:
        return self.ledger != self._saved

    def save(self, ledgers: Ledgers) -> bool:
        """Write what changed, the deployment's own ledger first. Answers whether anything was written. Raises Conflict."""
        written = False
        if self.ledger != self._saved:
            self.etag = ledgers.save(self.ledger, self.etag)
            self._saved, written = self.ledger, True
        if self.shared != self._saved_shared and (self.shared_etag or self.shared.users):
            self.shared_etag = ledgers.save_shared(self.shared, self.shared_etag)
            self._saved_shared, written = self.shared, True
        return written

    def verdicts(self, keys: list[str]) -> Mapping[str, Any]:
        return {key: self.ledger.verdicts[key] for key in keys if key in self.ledger.verdicts}

    def put_verdict(self, key: str, verdict: Mapping[str, Any]) -> None:
        self.ledger = replace(self.ledger, verdicts={**self.ledger.verdicts, key: verdict})


class BookCaller:
    """Answers calls to the service "trimtab" from the open book, sends "http" to the web and all others to the cloud."""

    def __init__(self, outside: Caller, web: Caller) -> None:
        self._outside = outside
        self._web = web
        self.book: Book | None = None

    def make(self, call: Call) -> Reply:
        if call.service == "http":
            return self._web.make(call)
        if call.service != "trimtab":
            return self._outside.make(call)
        assert self.book is not None
        if call.operation == "GetVerdicts":
            return {"Verdicts": self.book.verdicts(call.arguments["Keys"])}
        self.book.put_verdict(call.arguments["Key"], call.arguments["Verdict"])
        return {}


@dataclass(frozen=True, slots=True)
class Books:
    """Opens the books of one environment, one at a time: the caller answers from the one that was opened last."""

    environment: Environment
    kinds: Mapping[str, AnyKind]
    driver: Driver
    caller: BookCaller
    ledgers: Ledgers
    mint: Callable[[], str]  # a fresh uid

    def open(self, namespace: str, name: str) -> Book:
        """A deployment's book; a fresh one where it has none. Raises UserError where what it has is in another place."""
        stored = self.ledgers.load(namespace, name)
        environment, spec = self.environment.metadata.name, self.environment.spec
        shared = self.ledgers.load_shared(environment)
        fresh = Ledger(self.mint(), namespace, name, environment, spec.account, spec.region)
        ledger = stored.value or rebuilt(fresh, self.kinds[LOG_GROUP], self.driver)
        _check_place(ledger, fresh)
        self.caller.book = Book(ledger, stored.etag, shared.value or Shared(self.mint(), environment), shared.etag)
        return self.caller.book

    def remove(self, book: Book) -> None:
        """Of a deployment that is gone; and what it shared, once it was the last user."""
        self.ledgers.remove(book.ledger)
        if not book.shared.users:
            self.ledgers.remove_shared(book.shared)


def _check_place(ledger: Ledger, here: Ledger) -> None:
    moved = [
        f"{what} {before} -> {now}"
        for what, before, now in (
            ("environment", ledger.environment, here.environment),
            ("account", ledger.account, here.account),
            ("region", ledger.region, here.region),
        )
        if before != now
    ]
    if moved and ledger.resources:
        raise UserError(
            f"{ledger.namespace}/{ledger.name} has resources where it was: {', '.join(moved)}",
            code="TT3001",
            reason="EnvironmentMoved",
            fix="delete the deployment there first, or give this one another name",
        )
