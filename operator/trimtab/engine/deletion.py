"""One pass of a deletion: condemned first, then deleted rank by rank, until nothing of it is left. Never blocks."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from trimtab.core.errors import UserError
from trimtab.core.kind import AnyKind
from trimtab.core.times import Clock, rfc3339
from trimtab.engine.amend import Deletion, deletion_of, let_go
from trimtab.engine.apply import apply, are_rights_settling
from trimtab.engine.book import Book, Books
from trimtab.engine.chronicle import chronicled
from trimtab.engine.collect import condemned
from trimtab.engine.driver import Driver
from trimtab.engine.ledger import Ledger, Resource
from trimtab.engine.observe import Observer
from trimtab.engine.ownership import others, ours
from trimtab.engine.remember import with_troubles
from trimtab.engine.view import Outcome
from trimtab.graph.node import Graph
from trimtab.plan.events import announced, seen
from trimtab.plan.plan import Plan, teardown
from trimtab.plan.snapshot import Absent, Snapshot

_NOTHING = Graph({})  # what a deletion declares


@dataclass(frozen=True, slots=True)
class Remover:
    """Takes deployments of one environment out of the world."""

    kinds: Mapping[str, AnyKind]
    driver: Driver
    observer: Observer
    books: Books
    clock: Clock

    def remove(self, namespace: str, name: str, deletion: Deletion | None = None, uid: str = "") -> Outcome | None:
        """One pass; None when there was nothing of it.

        deletion: what becomes of what exists; by default what the document says. uid: of the one that is meant; "" for any.
        """
        book = self.books.open(namespace, name)
        if book.etag is None or uid not in ("", book.ledger.uid):
            return None
        if (deletion or deletion_of(book.ledger)) == "retain":
            return self._retain(book)
        self._condemn(book)
        doomed = _doomed(book)
        snapshot, own, below = self._next_to_go(doomed, {book.ledger.uid, book.shared.uid})
        decided, left = teardown(own.stale, self.kinds, below), others(snapshot, own)
        if not decided.standings:
            self.books.remove(book)
            return Outcome(None, decided, book.ledger, wrote=True, ended="gone", left=left)
        return self._delete(snapshot, decided, book)

    def left(self, namespace: str, name: str) -> tuple[Resource, ...]:
        """Read only: what of a deployment that is being deleted is still there, as far as it can be read."""
        doomed = _doomed(self.books.open(namespace, name))
        snapshot = self.observer.snapshot(_NOTHING, doomed, self.clock.now(), {})
        there = {each.id for each in snapshot.stale if not isinstance(each.seen, Absent)}
        return tuple(each for each in doomed if each.id in there)

    def _retain(self, book: Book) -> Outcome:
        """Let go of it. It stays a user of what is shared, which would be taken from under it otherwise."""
        name = f"{book.ledger.namespace}/{book.ledger.name}"
        if book.ledger.deleting:
            raise UserError(
                f"{name} is being deleted, and a part of it is gone",
                code="TT3002",
                reason="Deleting",
                fix="run `trimtab delete` to its end, or apply the document again afterwards",
            )
        now = rfc3339(self.clock.now())
        book.ledger = chronicled(book.ledger, let_go(book.ledger, now), now)
        wrote = book.save(self.books.ledgers)
        return Outcome(None, Plan((), {}), book.ledger, wrote=wrote, ended="retained")

    def _condemn(self, book: Book) -> None:
        """Write down that all of it is to go, before any of it does."""
        if not book.ledger.deleting:
            book.ledger = chronicled(book.ledger, _all_condemned(book.ledger), rfc3339(self.clock.now()))
        # Not with the first pass alone: between the two writes we may be killed, or another deletion may have come first.
        users = tuple(each for each in book.shared.users if each != book.ledger.uid)
        book.shared = replace(book.shared, users=users)
        book.save(self.books.ledgers)

    def _next_to_go(self, doomed: Sequence[Resource], owners: Collection[str]) -> tuple[Snapshot, Snapshot, tuple[str, ...]]:
        """What was read, what of it is ours, and the ids of the rest: it is below the highest rank that is still there."""
        ranks = {each: self.kinds[each.kind].rank for each in doomed}
        snapshot = own = Snapshot(self.clock.now(), {})
        for rank in sorted(set(ranks.values()), reverse=True):
            wave = [each for each in doomed if ranks[each] == rank]
            read = self.observer.snapshot(_NOTHING, wave, snapshot.at, {})
            read = self.observer.with_tags(read, (), stale=True)
            snapshot = replace(snapshot, stale=(*snapshot.stale, *read.stale))
            own = ours(snapshot, owners, doomed)
            if any(not isinstance(each.seen, Absent) for each in own.stale):
                return snapshot, own, tuple(each.id for each in doomed if ranks[each] < rank)
        return snapshot, own, ()

    def _delete(self, snapshot: Snapshot, decided: Plan, book: Book) -> Outcome:
        """Announce the wave, then make it."""
        known, now = book.ledger, self.clock.now()
        at = rfc3339(now)
        told, acts = seen(known.acts, _NOTHING, snapshot, decided, at)
        acts = announced(acts, decided.writes, _NOTHING, at)
        book.ledger = chronicled(known, replace(known, acts=acts), at, told)
        book.save(self.books.ledgers)
        settling = are_rights_settling(book.ledger.granted, now)
        troubles = apply(decided.writes, self.kinds, self.driver, rights_settle=settling)
        book.ledger = chronicled(book.ledger, with_troubles(book.ledger, troubles), at)
        book.save(self.books.ledgers)
        return Outcome(None, decided, book.ledger, troubles, wrote=True)


def _doomed(book: Book) -> tuple[Resource, ...]:
    """All that its ledger holds; what it shared, too, once nobody else uses that."""
    return book.ledger.resources + (() if book.shared.users else book.shared.resources)


def _all_condemned(ledger: Ledger) -> Ledger:
    return replace(condemned(ledger, [each.id for each in ledger.resources]), deleting=True, acts=())
