"""Puts an engine together: all that the reconcilers of one environment share, and one reconciler for each document."""

import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

from trimtab.clients.aws import Aws
from trimtab.clients.clock import SystemClock
from trimtab.clients.web import Web
from trimtab.core.kind import Call, Caller
from trimtab.engine.book import BookCaller, Books
from trimtab.engine.contents import Content
from trimtab.engine.deletion import Remover
from trimtab.engine.driver import Driver
from trimtab.engine.ledger import Ledgers
from trimtab.engine.observe import Observer
from trimtab.engine.pins import Tags
from trimtab.engine.prover import Prover
from trimtab.engine.recall import Recall, Recalling
from trimtab.engine.reconcile import Reconciler
from trimtab.engine.survey import Survey
from trimtab.engine.transfers import Transfers
from trimtab.engine.viewer import Viewer
from trimtab.engine.witness import Witness
from trimtab.engine.workers import Bench, serving_lock
from trimtab.engine.workers.image import BuildImage
from trimtab.engine.workers.take import Take
from trimtab.engine.workers.unpack import Unpack
from trimtab.engine.workers.upload import Upload
from trimtab.model.environment import Environment
from trimtab.resources import KINDS


@dataclass(slots=True)
class Assembly:
    """What the reconcilers of one environment share.

    threads: for reads in parallel. scratch: a folder for temporary files. launcher: this installation's.
    holder, is_gone: who we are for leases, and whether another is known to be no more.
    before, after: called round every call that a pass makes; what they raise ends the pass, as a crash would.
    traced: makes a caller of a caller, for traces; `aws` has it already.
    """

    environment: Environment
    aws: Aws
    threads: Executor
    scratch: Path
    launcher: Content
    clock: SystemClock
    holder: str
    is_gone: Callable[[str], bool]
    before: Callable[[Call], None] | None = None
    after: Callable[[Call], None] | None = None
    traced: Callable[[Caller], Caller] = lambda caller: caller
    tags: Tags = field(default_factory=Tags)
    doubts: set[str] = field(default_factory=set[str])
    web: Web = field(default_factory=Web)
    ledgers: Ledgers = field(init=False)
    recall: Recall = field(init=False)
    witness: Witness = field(init=False)

    def __post_init__(self) -> None:
        self.ledgers = Ledgers(self.aws, self.environment.spec.buckets.state)
        self.witness = Witness(self.aws.caller)
        self.recall = Recall(self.aws, self.clock.monotonic)

    def reconciler(self, contents: Mapping[str, Content]) -> Reconciler:
        """One that sends those contents. It owns the transfers that it starts: stop them when it is done with."""
        bench = Bench(self.aws, {**contents, "launcher": self.launcher}, serving_lock(), self.scratch)
        workers = {"upload": Upload(bench), "unpack": Unpack(bench), "take": Take(bench), "image": BuildImage(bench)}
        transfers = Transfers(workers)
        caller = BookCaller(self.recall, self.traced(self.web))
        driver = Driver(caller, transfers, self.threads, before=self.before, after=self.after)
        observer = Observer(driver, KINDS)
        ledgers = Ledgers(driver, self.environment.spec.buckets.state)
        books = Books(self.environment, KINDS, driver, caller, ledgers, mint=lambda: uuid.uuid4().hex[:20])
        viewer = Viewer(
            environment=self.environment,
            kinds=KINDS,
            driver=driver,
            observer=observer,
            transfers=transfers,
            tags=self.tags,
            launcher=self.launcher.digest,
            clock=self.clock,
            doubts=self.doubts,
        )
        return Reconciler(
            environment=self.environment,
            kinds=KINDS,
            driver=driver,
            ledgers=ledgers,
            transfers=transfers,
            clock=self.clock,
            books=books,
            viewer=viewer,
            remover=Remover(KINDS, driver, observer, books, self.clock),
            witness=self.witness,
            holder=self.holder,
            is_gone=self.is_gone,
        )

    def survey(self, threads: Executor, proving: Executor) -> Survey:
        """What a loop's sweeps look with. threads, proving: of its own, so that no pass waits for a sweep."""
        reads_only = Transfers({})
        direct, recalling = (Driver(caller, reads_only, threads) for caller in (self.aws, Recalling(self.recall)))
        return Survey(
            environment=self.environment,
            kinds=KINDS,
            direct=direct,
            recalling=recalling,
            recall=self.recall,
            ledgers=Ledgers(recalling, self.environment.spec.buckets.state),
            tags=self.tags,
            launcher=self.launcher.digest,
            clock=self.clock,
            prover=Prover(BookCaller(self.aws, self.web), proving, self.clock.monotonic),
            doubts=self.doubts,
        )
