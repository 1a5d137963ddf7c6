"""One pass: look, decide, announce, act, remember. Never blocks on the outside.

A pass over an unchanged world writes nothing anywhere: the ledger is saved only when it says something new.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from trimtab.compile.keys import generation_keys
from trimtab.core.errors import Superseded, UserError
from trimtab.core.kind import AnyKind, Failure
from trimtab.core.times import Clock, rfc3339
from trimtab.engine import bake
from trimtab.engine.amend import Deletion
from trimtab.engine.apply import apply, are_rights_settling
from trimtab.engine.approval import Approval
from trimtab.engine.book import Book, Books
from trimtab.engine.chronicle import chronicled
from trimtab.engine.collect import collected, in_two_phases
from trimtab.engine.deletion import Remover
from trimtab.engine.drifts import unfought, with_drift, with_repaired
from trimtab.engine.driver import Driver
from trimtab.engine.lease import held_by_another, lease_of
from trimtab.engine.ledger import Ledger, Ledgers, Resource
from trimtab.engine.recorded import announce, unrecorded
from trimtab.engine.remember import RELEASE, SERVICE, conditions_of, finished, given_up, holds_of
from trimtab.engine.transfers import Transfers
from trimtab.engine.view import Outcome, View
from trimtab.engine.viewer import Viewer
from trimtab.engine.wanted import Wanted, wanted_from
from trimtab.engine.witness import Witness
from trimtab.model.environment import Environment
from trimtab.plan.events import seen
from trimtab.plan.forecast import Forecast, forecast
from trimtab.plan.plan import Plan
from trimtab.plan.status import Trouble
from trimtab.resources.ecs_last_words import last_words


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Makes documents of one environment true. One at a time: a pass owns the open book."""

    environment: Environment
    kinds: Mapping[str, AnyKind]
    driver: Driver
    ledgers: Ledgers
    transfers: Transfers
    clock: Clock
    books: Books
    viewer: Viewer
    remover: Remover
    witness: Witness
    holder: str  # who we are, for the lease
    is_gone: Callable[[str], bool]  # whether a holder is known to be no more: its lease binds nobody

    def look(self, wanted: Wanted, *, is_guarded: bool = True) -> View:
        """Read only: what a pass would see and decide. is_guarded: as for `pass_`."""
        return self.viewer.view(wanted, self.books.open(wanted.namespace, wanted.name), is_guarded=is_guarded)

    def has_moved(self, view: View, nodes: Sequence[str]) -> bool:
        """Whether one of these nodes, found by the last pass, is judged otherwise by now. Reads these alone."""
        return self.viewer.has_moved(view, nodes)

    def plain_training_key(self, wanted: Wanted) -> str:
        """The training key of a document, retrainings asked for left out: what those are counted under."""
        facts = replace(self.look(wanted).facts, ordinals={})
        return generation_keys(wanted.deployment, self.environment, facts)["training"]

    def foresee(self, view: View) -> Forecast:
        return forecast(view.graph, view.snapshot, view.history, self.kinds, view.rules)

    def pass_(
        self,
        wanted: Wanted,
        *,
        expected_generation: int | None = None,
        approval: Approval | None = None,
        is_guarded: bool = True,
    ) -> Outcome:
        """One pass towards the document.

        is_guarded: leave alone what the flap guard says; a person who asks for it has it repaired all the same.
        expected_generation: stop with Superseded when the ledger has moved on to a later document than ours.
        approval: the saved plan that this applies. Raises UserError when the world moved before its first write.
        """
        book = self.books.open(wanted.namespace, wanted.name)
        _check_current(book.ledger, expected_generation)
        self._catch_up(wanted, book)
        known = book.ledger
        view = self.viewer.proven(self.viewer.view(wanted, book, is_guarded=is_guarded), wanted, book)
        if approval and known.planned != approval.fingerprint:
            approval.check_world(view, self.kinds)
        book.ledger = replace(_declared(book.ledger, wanted), retained="")
        if book.ledger.suspended or wanted.deployment.spec.suspend:
            wrote = book.etag is not None and book.save(self.ledgers)  # of what does not exist there is nothing to remember
            return Outcome(view, view.plan, book.ledger, wrote=wrote, suspended=True, etag=book.etag or "")
        if approval and view.plan.writes:
            book.ledger = replace(book.ledger, planned=approval.fingerprint)
        if held := self._held(book, view.plan):
            return Outcome(view, view.plan, book.ledger, held_by=held)
        return self._act(view, wanted, book, known)

    def amend(self, namespace: str, name: str, change: Callable[[Ledger], Ledger]) -> Ledger:
        """Change what is remembered of a deployment, for later passes to act on. Raises what the change does, Conflict."""
        book = self.books.open(namespace, name)
        if book.ledger.retained:
            raise UserError(
                f"{namespace}/{name} was deleted and let go of at {book.ledger.retained}",
                code="TT3010",
                reason="Retained",
                fix="apply its document: it takes up what was retained",
            )
        book.ledger = chronicled(book.ledger, change(book.ledger), rfc3339(self.clock.now()))
        book.save(self.ledgers)
        return book.ledger

    def remove(self, namespace: str, name: str, deletion: Deletion | None = None, uid: str = "") -> Outcome | None:
        """One pass of a deletion, as `Remover.remove`."""
        return self.remover.remove(namespace, name, deletion, uid)

    def left(self, namespace: str, name: str) -> tuple[Resource, ...]:
        """Read only: what of a deployment that is being deleted is still there, as far as it can be read."""
        return self.remover.left(namespace, name)

    def _catch_up(self, wanted: Wanted, book: Book) -> None:
        """Take down the revision of the last generation where an edit comes before any pass has seen it converge.

        It serves by then: what is rolled back to, and what is never collected, hangs on its revision.
        """
        last = book.ledger
        ready = last.conditions.get("Ready")
        if (
            not last.document
            or last.spec_digest == wanted.spec_digest
            or last.holds
            or ready is None
            or ready.status == "True"
        ):
            return
        with contextlib.suppress(UserError, Failure):  # of the last document: the new one is what counts
            before = wanted_from(last)
            view = self.viewer.proven(self.viewer.view(before, book), before, book)
            if view.plan.is_converged:
                at = self.clock.now()
                last = finished(book.ledger, view.graph, view.snapshot, view.plan, before, (), done=True, now=at)
        book.ledger = last

    def _held(self, book: Book, decided: Plan) -> str:
        """Who else is at work on it: a pass that writes nothing needs no lease."""
        if not decided.writes:
            return ""
        return held_by_another(book.ledger.lease, self.holder, self.is_gone, self.clock.now())

    def _act(self, view: View, wanted: Wanted, book: Book, known: Ledger) -> Outcome:
        """Announce and make the wave. known: the ledger as it was before this pass saw anything."""
        at = rfc3339(self.clock.now())
        told, acts = seen(known.acts, view.graph, view.snapshot, view.plan, at)
        book.ledger = replace(book.ledger, acts=acts)
        if repairs := any(action.is_drift for action in view.plan.writes):
            book.ledger = with_drift(book.ledger, view.plan, told, at)
        book.ledger = known = chronicled(known, book.ledger, at, told)
        book.ledger, decided = in_two_phases(book.ledger, view.plan)
        view = replace(view, plan=decided)
        wrote = self._announce(view, book)
        troubles = self._apply(decided, book)
        if repairs:
            book.ledger = with_repaired(book.ledger, decided, troubles, self.clock.now())
        else:
            book.ledger = with_drift(book.ledger, decided, told, at)
        outcome = Outcome(view, decided, book.ledger, troubles, wrote=wrote or bool(decided.writes))
        return self._remember(outcome, view, wanted, book, known)

    def _announce(self, view: View, book: Book) -> bool:
        """Write down what this wave will make, before it is made: no crash can leave what nobody knows of."""
        found = tuple(unrecorded(view, self.kinds, book.resources))
        if view.plan.writes or found:
            now = self.clock.now()
            announce(book, view, found, lease_of(self.holder, now), rfc3339(now))
        return book.save(self.ledgers)

    def _apply(self, decided: Plan, book: Book) -> tuple[Trouble, ...]:
        settling = are_rights_settling(book.ledger.granted, self.clock.now())
        return apply(decided.writes, self.kinds, self.driver, rights_settle=settling)

    def _remember(self, outcome: Outcome, view: View, wanted: Wanted, book: Book, known: Ledger) -> Outcome:
        """Write down what became of the document. known: the ledger before the wave was announced."""
        graph, snapshot, decided, now = view.graph, view.snapshot, view.plan, self.clock.now()
        done = outcome.is_converged or outcome.is_stuck
        words = self._last_words(view, because) if (because := given_up(decided)) else ""
        book.ledger = finished(
            book.ledger, graph, snapshot, decided, wanted, outcome.troubles, done=done, now=now, last_words=words
        )
        book.ledger = bake.kept(book.ledger, graph, snapshot, decided)
        shown = conditions_of(book.ledger, graph, decided, snapshot)
        book.ledger = chronicled(known, book.ledger, rfc3339(now), shown=shown)
        if decided.is_converged:
            book.ledger = collected(book.ledger, snapshot.stale, wanted.deployment.spec.revision_history_limit)
        book.ledger, named = self.witness.heard(book.ledger, book.resources, snapshot, self.driver, now)
        wrote = book.save(self.ledgers) or outcome.wrote
        unmarked = (book.ledger.holds, book.ledger.quarantine) != (view.facts.holds, view.facts.quarantine)
        unmarked = unmarked or book.ledger.baking != known.baking
        more = unmarked or (decided.is_converged and bool(self.viewer.stale(graph, wanted, book)))
        return replace(outcome, ledger=book.ledger, wrote=wrote, named=named, etag=book.etag or "", more=more)

    def _last_words(self, view: View, because: str) -> str:
        """What an alarm that went off says, or else the release's own tasks; "" for what is in `because` already."""
        if said := bake.alarms_in(view.graph, view.snapshot):
            return "" if said in because else said
        service, release = view.graph.nodes[SERVICE].desired, view.graph.nodes[RELEASE].desired
        steps = last_words(service.cluster, release.family, release.log_group, release.log_prefix, release.container)
        return self.driver.run(steps)


def _check_current(ledger: Ledger, expected_generation: int | None) -> None:
    """Raise UserError where the deployment is being deleted, Superseded where another moved it on since our last pass."""
    name = f"{ledger.namespace}/{ledger.name}"
    if ledger.deleting:
        raise UserError(
            f"{name} is being deleted",
            code="TT3002",
            reason="Deleting",
            fix="run `trimtab delete` to its end, then apply again",
        )
    if expected_generation is not None and ledger.retained:
        raise Superseded(f"{name} was deleted and let go of while it was applied")
    if expected_generation is not None and ledger.generation > expected_generation:
        raise Superseded(
            f"generation {ledger.generation} of {name} was applied while this one "
            f"(generation {expected_generation}) was under way"
        )


def _declared(ledger: Ledger, wanted: Wanted) -> Ledger:
    """With this document as its latest generation."""
    origin, known = wanted.provenance, ledger.provenance
    if ledger.spec_digest == wanted.spec_digest:  # a later commit that says nothing new of it is no news
        is_news = origin and (
            known is None or not known.version or (origin.source, origin.file) != (known.source, known.file)
        )
        return replace(ledger, provenance=origin) if is_news else ledger
    return replace(
        unfought(ledger),
        provenance=origin or (known and replace(known, version="")),  # what a person applies is no commit
        generation=ledger.generation + 1,
        planned="",
        holds=holds_of(ledger, wanted.spec_digest),
        spec_digest=wanted.spec_digest,
        document=wanted.declared,
        contents={**asdict(wanted.digests), "channels": dict(wanted.digests.channels)},
    )
