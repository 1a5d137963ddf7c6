"""The loop: sources say what is declared, a queue says what to look at, turns make it true. One deployment at a time.

A pass never waits for the outside, so few workers serve many deployments. What it raises concerns its own deployment alone.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol, cast

from trimtab.clients.pace import urgent
from trimtab.core.errors import TrimtabError, UserError
from trimtab.core.kind import Failure
from trimtab.engine import brake
from trimtab.engine.again import LASTING_S, LIMITS, after_error, fault
from trimtab.engine.board import Board, Configured, Known, Make, Task, Vanish, changed
from trimtab.engine.declared import Listing, Source
from trimtab.engine.hearing import Ear, concerned, index_of
from trimtab.engine.queue import BackOff, Priority, Taken, WorkQueue
from trimtab.engine.resolving import Resolving
from trimtab.engine.turns import Log, Site, Turns

HUNG_S = 600.0  # a pass takes seconds, and each call of it two minutes at most
# A sweep reads ten services with one call, and an account may make 20 such calls a second: so it takes a quarter of them.
# Source: Amazon ECS API Reference, request throttling.
_SWEEP_S_EACH = 0.022
_MANY = 10  # documents that change at once: more are a roll-out over a fleet, and a person's edit goes ahead of it
_DEAF_S = 30.0  # a queue that cannot be read is tried again


class Counts(Protocol):
    """What is counted, for whoever scrapes it."""

    def passed(self, result: str, seconds: float, waited_s: float) -> None: ...
    def surveyed(self, standing: int, moved: int, seconds: float) -> None: ...
    def source(self, name: str, *, is_up: bool) -> None: ...
    def deployments(self, known: int, tasks: Mapping[str, int]) -> None: ...


@dataclass(frozen=True, slots=True)
class Passed:
    """How a pass ended."""

    again_s: float | None  # seconds until the next look; None: an edit or a sweep brings it
    result: str  # as controller-runtime names it
    outcome: str  # why the deployment is Ready or is not, or what kind of failure it was
    generation: int  # of the document; 0 where nothing is known of one


class Around(Protocol):
    """Is there round a pass, for logs and traces."""

    def __call__(self, taken: Taken, generation: int, /) -> AbstractContextManager[Callable[[Passed], None]]:
        """What it yields is called with how the pass ended. generation: that is known before it."""
        ...


def alone(_taken: Taken, _generation: int) -> AbstractContextManager[Callable[[Passed], None]]:
    """Nobody is there."""
    return nullcontext(lambda _: None)


class Time(Protocol):
    def now(self) -> datetime: ...
    def monotonic(self) -> float: ...
    def wait(self, event: threading.Event, seconds: float) -> bool: ...
    def pause(self, changed: threading.Condition, seconds: float | None) -> None: ...


@dataclass(slots=True)
class Operator:
    """Makes what its sources declare true, and keeps it so.

    workers: passes at a time. sweep_s: how often a deployment is looked at where nothing says that it moved; less often
    where there are so many that AWS would throttle it.
    """

    sources: Sequence[Source]
    configured: Sequence[Configured]
    sites: Mapping[str, Site]
    clock: Time
    log: Log
    counts: Counts
    workers: int = 8
    sweep_s: float = 60.0
    ears: Sequence[Ear] = ()
    around: Around = alone
    stopping: threading.Event = field(default_factory=threading.Event)
    queue: WorkQueue = field(init=False)
    _turns: Turns = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _deciding: threading.Lock = field(default_factory=threading.Lock)
    _board: Board = field(init=False)
    _index: Mapping[str, frozenset[str]] | None = None  # deployments by names of their resources; None: to be made anew
    _tasks: dict[str, Task] = field(default_factory=dict[str, Task])
    _decided: dict[str, Task] = field(default_factory=dict[str, Task])  # the tasks when it was last decided on them
    _decided_on: Mapping[str, Listing | None] = field(default_factory=dict[str, Listing | None])  # what sources said then
    _doomed: frozenset[str] = frozenset()
    _braked: Mapping[str, str] = field(default_factory=dict[str, str])  # why a vanished one is not deleted, by key
    _backoff: BackOff = field(default_factory=lambda: BackOff(LIMITS))
    _threads: dict[str, threading.Thread] = field(default_factory=dict[str, threading.Thread])
    _since: dict[str, float] = field(default_factory=dict[str, float])  # when the pass under way of each key began
    _looked_at: set[str] = field(default_factory=set[str])  # sources, at least once

    def __post_init__(self) -> None:
        self.queue = WorkQueue(self.clock.monotonic, self.clock.pause)
        resolving = Resolving(self.clock, lambda key: self.queue.add(key, Priority.EDIT))
        self._turns = Turns(self.sites, {each.name: each for each in self.sources}, self.log, resolving)
        self._board = Board(tuple(self.configured), frozenset(self.sites))

    # --- life ---

    def run(self, grace_s: float = 30.0) -> None:
        """Run until `stopping` is set; then let passes end, at most that long. Raises what reading the ledgers raises."""
        self._remember()
        named: list[tuple[str, Callable[[], None]]] = [
            (f"sweep {name}", lambda name=name: self._sweep(name)) for name in self.sites
        ]
        named += [(f"source {each.name}", lambda each=each: self._watch(each)) for each in self.sources]
        # Where there are several, the first is there for edits: none of them waits for passes that wait for AWS.
        least = [Priority.EDIT if self.workers > 1 else Priority.SWEEP, *[Priority.SWEEP] * (self.workers - 1)]
        named += [(f"worker {number}", lambda each=each: self._work(each)) for number, each in enumerate(least)]
        self._threads |= {name: threading.Thread(target=target, name=name, daemon=True) for name, target in named}
        threads = list(self._threads.values())
        for number, ear in enumerate(self.ears):  # not waited for at the end: a poll takes its time, and loses nothing
            name = f"events {number}"
            self._threads[name] = threading.Thread(target=self._listen, args=(ear,), name=name, daemon=True)
        for each in self._threads.values():
            each.start()
        self.stopping.wait()
        self.queue.close()
        deadline = self.clock.monotonic() + grace_s
        for each in threads:
            each.join(max(0.0, deadline - self.clock.monotonic()))
        if any(each.is_alive() for each in threads):
            self.log.warning(
                "operator.stopped", because=f"a pass did not end within {grace_s:g} s; the next start goes on with it"
            )
        self._turns.stop()

    @property
    def is_ready(self) -> bool:
        """Whether each source was looked at once."""
        return len(self._looked_at) == len(self.sources)

    def problem(self) -> str:
        """What keeps the loop from going on, for a liveness check; "" while nothing does."""
        now = self.clock.monotonic()
        hung = [key for key, since in list(self._since.items()) if now - since > HUNG_S]
        if hung:
            return f"a pass of {hung[0]} takes longer than {HUNG_S:g} s"
        dead = [name for name, thread in self._threads.items() if not thread.is_alive()]
        return f"the thread {dead[0]} is dead" if dead and not self.stopping.is_set() else ""

    def _remember(self) -> None:
        """What exists, by the ledgers: a document that vanished while nobody looked is still known."""
        # A state bucket may be shared with environments that others serve.
        readable = {name: site.ledgers.readable() for name, site in self.sites.items()}
        for mistake in (each for _, mistakes in readable.values() for each in mistakes):
            self.log.warning("ledger.unreadable", because=str(mistake), fix=mistake.fix)
        found = [(name, each) for name, (ledgers, _) in readable.items() for each in ledgers]
        ledgers = [each for name, each in found if each.environment == name and not each.retained]
        known = {f"{each.namespace}/{each.name}": Known.by(each) for each in ledgers}
        with self._lock:
            self._board = replace(self._board, known=known)
            self._tasks = self._decided = self._board.tasks()

    # --- sources ---

    def _watch(self, source: Source) -> None:
        while not self.stopping.is_set():
            try:
                listing = source.read()
                if listing is not None:
                    self._take(source.name, listing)
                elif self._board.listings is not self._decided_on:  # the brake could not read its memory
                    self._queue_news()
            except (TrimtabError, Failure, OSError) as error:
                self._unreadable(source.name, str(error))
            except Exception as error:  # a fault of ours in one source stops no other
                self._unreadable(source.name, fault(error))
            source.wait(self.stopping, source.interval_s)

    def _take(self, name: str, listing: Listing) -> None:
        """A source was read whole."""
        with self._lock:
            before = self._board.listings.get(name)
            self._board = replace(self._board, listings={**self._board.listings, name: listing})
        self._queue_news()
        self._looked_at.add(name)
        self.counts.source(name, is_up=True)
        self._say(name, before, listing)

    def _queue_news(self) -> None:
        news = self._decide()
        for key in sorted(news):
            self.queue.add(key, Priority.EDIT if len(news) <= _MANY else Priority.FLEET)

    def _unreadable(self, name: str, because: str) -> None:
        self._looked_at.add(name)
        self.counts.source(name, is_up=False)
        self.log.warning("source.unreadable", source=name, because=because)

    def _say(self, name: str, before: Listing | None, now: Listing) -> None:
        if before is None or (before.version, before.declared.keys()) != (now.version, now.declared.keys()):
            self.log.info("source.read", source=name, documents=len(now.declared), version=now.version)
        if before is None or before.refused != now.refused:
            for refused in now.refused:
                for mistake in refused.mistakes:
                    self.log.warning("document.refused", source=name, file=refused.file, because=str(mistake))

    def _decide(self) -> frozenset[str]:
        """Take in what changed; answers whose task is another now. Passes go on while the brake reads its memory.

        Where that fails all stays news: it is decided on by the next who asks.
        """
        with self._deciding:
            with self._lock:
                self._tasks = self._board.tasks()
                board, tasks = self._board, dict(self._tasks)
            doomed, braked = self._judged(board, tasks)
            with self._lock:
                news = changed(self._decided, tasks) | (self._doomed ^ doomed)
                self._decided, self._decided_on = tasks, board.listings
                self._doomed, self._braked = doomed, braked
        self.counts.deployments(len(board.known), _by_kind(tasks))
        return news

    def _judged(self, board: Board, tasks: Mapping[str, Task]) -> tuple[frozenset[str], dict[str, str]]:
        """(vanished documents that may be deleted now, why others may not), source by source and site by site."""
        gone: dict[tuple[str, str], list[str]] = {}
        for key, task in tasks.items():
            if isinstance(task, Vanish):
                gone.setdefault((task.source, board.known[key].environment), []).append(key)
        doomed: frozenset[str] = frozenset()
        braked: dict[str, str] = {}
        for (source, environment), keys in gone.items():
            ledgers = self.sites[environment].ledgers
            listing = board.listings[source]
            there = sum(each.environment == environment for each in listing.declared.values()) if listing else 0
            stored = ledgers.load_vanished(source)
            verdict = brake.judge(stored.value, keys, there, self.clock.now())
            if verdict.memory != stored.value:
                ledgers.save_vanished(source, verdict.memory, stored.etag)
            doomed |= verdict.doomed
            braked |= dict.fromkeys(verdict.held, verdict.because)
        return doomed, braked

    def _know(self, key: str, known: Known | None) -> None:
        """What the ledger of a deployment says of it now; None: it has none any more."""
        with self._lock:
            rest = {each: value for each, value in self._board.known.items() if each != key}
            now = rest if known is None else {**rest, key: known}
            if now != self._board.known:
                self._board = replace(self._board, known=now)
                self._tasks = self._board.tasks()
                self._index = None

    # --- events ---

    def _listen(self, ear: Ear) -> None:
        """Look at once at what an event may be about."""
        while not self.stopping.is_set():
            try:
                heard = ear.hear()
            except (TrimtabError, Failure) as error:
                self.log.warning("events.unheard", queue=ear.queue, because=str(error))
                self.clock.wait(self.stopping, _DEAF_S)
                continue
            index, ourselves = self._names(), ear.ourselves() if heard else ""
            for key in sorted({key for event in heard for key in concerned(event, index, ourselves)}):
                self.queue.add(key, Priority.EVENT)

    def _names(self) -> Mapping[str, frozenset[str]]:
        with self._lock:
            if self._index is None:
                self._index = index_of({key: each.names for key, each in self._board.known.items()})
            return self._index

    # --- passes ---

    def _sweep(self, name: str) -> None:
        """Look at all of an environment now and then: events are hints, and some never come.

        Each has a thread of its own: an account that does not answer holds up no other's.
        """
        while not self.clock.wait(self.stopping, max(self.sweep_s, _SWEEP_S_EACH * len(self._tasks))):
            try:
                news = self._decide()
            except (TrimtabError, Failure) as error:
                self.log.warning("sweep.failed", because=str(error))
                continue
            stand, moved = self._surveyed(name)
            for key in sorted(news | (self._within(name) - stand)):
                self.queue.add(key, Priority.EDIT if key in news else Priority.EVENT if key in moved else Priority.SWEEP)

    def _within(self, name: str) -> frozenset[str]:
        """Deployments of that environment; what belongs to none yet is looked at with the first."""
        with self._lock:
            board, tasks = self._board, self._tasks
        found: dict[str, str] = {key: board.known[key].environment for key in tasks if key in board.known}
        found |= {key: task.declared.environment for key, task in tasks.items() if isinstance(task, Make)}
        first = next(iter(self.sites))
        return frozenset(key for key in tasks if found.get(key, first) == name)

    def _surveyed(self, name: str) -> tuple[frozenset[str], frozenset[str]]:
        """(deployments that are as their last pass left them, those that are not); a pass must look at all others."""
        started = self.clock.monotonic()
        try:
            with urgent(Priority.SWEEP):
                found = self.sites[name].survey.look()
        except (TrimtabError, Failure) as error:  # each gets a pass, which says what it cannot read
            self.log.warning("sweep.failed", environment=name, because=str(error))
            return frozenset(), frozenset()
        self.counts.surveyed(len(found.stand), len(found.moved), self.clock.monotonic() - started)
        return found.stand, found.moved

    def _work(self, least: Priority) -> None:
        while (taken := self.queue.take(least)) is not None:
            started = self._since[taken.key] = self.clock.monotonic()
            known = self._board.known.get(taken.key)
            with urgent(taken.priority), self.around(taken, known.generation if known else 0) as ended:
                passed = self._turn(taken)
                ended(passed)
            del self._since[taken.key]
            self.counts.passed(passed.result, self.clock.monotonic() - started, taken.waited_s)
            if passed.again_s is not None:
                self.queue.add_after(taken.key, passed.again_s, min(taken.priority, Priority.EVENT))
            self.queue.done(taken.key)

    def _turn(self, taken: Taken) -> Passed:
        key = taken.key
        with self._lock:
            task, known = self._tasks.get(key), self._board.known.get(key)
            is_doomed, brake_says = key in self._doomed, self._braked.get(key, "")
        if task is None:
            self._turns.resolving.drop(key)
            return Passed(None, "success", "Undeclared", 0)
        generation = known.generation if known else 0
        try:
            turn = self._turns.take(key, task, known, is_doomed=is_doomed, brake=brake_says)
        except Exception as error:  # the one broad except round a pass: what is not ours to expect is a bug
            again, what = self._failed(key, task, error)
            return Passed(again, "error", what, generation)
        self._backoff.forget(key)
        self._know(key, turn.known)
        result = "success" if turn.again_s is None else "requeue_after"
        return Passed(turn.again_s, result, turn.outcome, turn.known.generation if turn.known else generation)

    def _failed(self, key: str, task: Task, error: Exception) -> tuple[float, str]:
        """(seconds until the next try, what kind of failure it was)."""
        means = after_error(error)
        if means.what == "document":
            self._turns.stalled(key, task, cast(Sequence[UserError], means.errors))
            return LASTING_S, means.what
        again = LASTING_S if means.what == "lasting" else self._backoff.after(key, means.what)
        tell = self.log.error if means.what == "bug" else self.log.warning
        if means.what != "conflict":
            tell("pass.failed", deployment=key, because=means.because, look_again_s=round(again, 1))
        return again, means.what


def _by_kind(tasks: Mapping[str, Task]) -> dict[str, int]:
    found: dict[str, int] = {}
    for task in tasks.values():
        name = type(task).__name__.lower()
        found[name] = found.get(name, 0) + 1
    return found
