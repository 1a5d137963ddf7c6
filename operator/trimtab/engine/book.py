"""The ledger during one pass: read once, changed in memory, written where the pass says so.

Kinds whose memory is the ledger itself (the gate) reach it by calls to the service "trimtab"; everything else goes on to
the cloud.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from trimtab.core.kind import Call, Reply
from trimtab.engine.driver import Caller
from trimtab.engine.ledger import Ledger, Ledgers, Resource, Shared


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
