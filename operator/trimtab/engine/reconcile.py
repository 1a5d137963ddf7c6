"""One pass: look, decide, announce, act, remember. Never blocks on the outside.

A pass over an unchanged world writes nothing anywhere: the ledger is saved only when it says something new.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from trimtab.compile.graph import compile_graph, image_texts
from trimtab.compile.keys import generation_keys
from trimtab.core.errors import Superseded, UserError
from trimtab.core.kind import UID, AnyKind, Failure, Unknown
from trimtab.core.times import rfc3339
from trimtab.engine import bake
from trimtab.engine.amend import Deletion, deletion_of, let_go
from trimtab.engine.apply import apply
from trimtab.engine.approval import Approval
from trimtab.engine.book import Book, BookCaller
from trimtab.engine.chronicle import chronicled
from trimtab.engine.claim import claimed, in_rotation, judged, prove, release_in
from trimtab.engine.collect import collected, condemned, not_yet_condemned, superfluous
from trimtab.engine.drifts import fights_of, unfought, with_drift, with_repaired
from trimtab.engine.driver import Driver
from trimtab.engine.ledger import Lease, Ledger, Ledgers, Resource, Shared
from trimtab.engine.observe import UNRESOLVED, Observer
from trimtab.engine.pins import Tags, outdated, with_pins
from trimtab.engine.rebuild import LOG_GROUP, check_uid, rebuilt
from trimtab.engine.recorded import announce, are_tags_recorded, unrecorded
from trimtab.engine.remember import (
    RELEASE,
    SERVICE,
    artifact_record,
    barred,
    conditions_of,
    facts_from,
    finished,
    given_up,
    holds_of,
    rules_of,
    with_troubles,
)
from trimtab.engine.transfers import Transfers
from trimtab.engine.view import Outcome, View
from trimtab.engine.wanted import Wanted, wanted_from
from trimtab.engine.witness import Witness
from trimtab.graph.node import Graph, Node
from trimtab.model.environment import Environment
from trimtab.plan.events import announced, seen
from trimtab.plan.forecast import Forecast, forecast
from trimtab.plan.plan import History, Plan, Standing, plan, teardown
from trimtab.plan.snapshot import Absent, Found, Snapshot, Stale
from trimtab.plan.status import Trouble
from trimtab.resources.ecs_last_words import last_words

LEASE = timedelta(seconds=60)
_RIGHTS_SETTLE = timedelta(minutes=2)  # IAM is eventually consistent: a denial before that proves nothing


class Clock(Protocol):
    def now(self) -> datetime: ...


@dataclass(slots=True)
class Reconciler:
    """Makes documents of one environment true. One at a time: a pass owns the open book."""

    environment: Environment
    kinds: Mapping[str, AnyKind]
    driver: Driver
    caller: BookCaller
    observer: Observer
    ledgers: Ledgers
    transfers: Transfers
    clock: Clock
    mint: Callable[[], str]  # a fresh uid
    holder: str  # who we are, for the lease
    is_gone: Callable[[str], bool]  # whether a holder is known to be no more: its lease binds nobody
    launcher: str  # digest of this installation's launcher
    witness: Witness
    tags: Tags = field(default_factory=Tags)
    doubts: set[str] = field(default_factory=set[str])  # deployments that a sweep has found to answer otherwise

    # --- looking ---

    def look(self, wanted: Wanted, *, is_guarded: bool = True) -> View:
        """Read only: what a pass would see and decide. is_guarded: as for `pass_`."""
        book = self._open(wanted.namespace, wanted.name)
        return self._view(wanted, book, is_guarded=is_guarded)

    def has_moved(self, view: View, nodes: Sequence[str]) -> bool:
        """Whether one of these nodes, found by the last pass, is judged otherwise by now. Reads these alone."""
        return not self.observer.stands_as_seen([view.graph.nodes[id] for id in nodes], view.snapshot.seen)

    def plain_training_key(self, wanted: Wanted) -> str:
        """The training key of a document, retrainings asked for left out: what those are counted under."""
        facts = replace(self.look(wanted).facts, ordinals={})
        return generation_keys(wanted.deployment, self.environment, facts)["training"]

    def foresee(self, view: View) -> Forecast:
        return forecast(view.graph, view.snapshot, view.history, self.kinds, view.rules)

    def _open(self, namespace: str, name: str) -> Book:
        stored = self.ledgers.load(namespace, name)
        environment = self.environment.metadata.name
        shared = self.ledgers.load_shared(environment)
        spec = self.environment.spec
        fresh = Ledger(self.mint(), namespace, name, environment, spec.account, spec.region)
        ledger = stored.value or rebuilt(fresh, self.kinds[LOG_GROUP], self.driver)
        moved = [
            f"{what} {before} -> {now}"
            for what, before, now in (
                ("environment", ledger.environment, environment),
                ("account", ledger.account, spec.account),
                ("region", ledger.region, spec.region),
            )
            if before != now
        ]
        if moved and ledger.resources:
            raise UserError(
                f"{namespace}/{name} has resources where it was: {', '.join(moved)}",
                code="TT3001",
                reason="EnvironmentMoved",
                fix="delete the deployment there first, or give this one another name",
            )
        book = Book(ledger, stored.etag, shared.value or Shared(self.mint(), environment), shared.etag)
        self.caller.book = book
        return book

    def _view(self, wanted: Wanted, book: Book, *, is_guarded: bool = True) -> View:
        """Compile and observe until no new fact appears: the digest of an artifact names what comes below it."""
        texts = image_texts(wanted.deployment, self.environment, wanted.digests.base)
        now = self.clock.now()
        book.ledger = with_pins(book.ledger, texts, self.launcher, lambda uri: self.tags.fresh(uri, self.driver, now))
        newer = outdated(book.ledger.pins, texts, self.launcher, lambda uri: self.tags.digest(uri, self.driver, now))
        while True:
            facts = facts_from(book.ledger, book.shared, wanted)
            graph = compile_graph(wanted.deployment, self.environment, facts)
            stale = self._stale(graph, book, wanted)
            snapshot = self.observer.snapshot(graph, stale, self.clock.now(), self.transfers.view())
            record = artifact_record(graph, snapshot)
            if record is None or book.ledger.artifacts.get(graph.keys["training"]) == record:
                break
            book.ledger = replace(book.ledger, artifacts={**book.ledger.artifacts, graph.keys["training"]: record})
        snapshot = replace(snapshot, outdated=newer)
        bars = barred(book.ledger, facts.holds, graph.keys.get("release", ""))
        fought, settled = fights_of(book.ledger, wanted, now), book.ledger.settled
        history = History(book.ledger.uid, book.shared.uid, bars, settled, fought, is_guarded)
        rules = rules_of(wanted.deployment, self.environment)
        decided = plan(graph, snapshot, history, self.kinds, rules)
        unproven = [node for node in graph if self._needs_tags(node, decided, book)]
        clears = any(action.verb == "delete" for action in decided.actions)
        if unproven or clears:
            snapshot = self.observer.with_tags(snapshot, unproven, stale=clears)
            check_uid(book.ledger, graph, snapshot)
            snapshot = _ours(snapshot, {book.ledger.uid}, book.ledger.resources)
            decided = plan(graph, snapshot, history, self.kinds, rules)
        rotated = None
        if decided.is_converged:
            rotated = in_rotation(graph, snapshot, self.driver)
            decided = judged(decided, rotated, _proof_failure(graph, book.ledger))
            decided = bake.judged(decided, graph, snapshot, book.ledger, wanted.deployment.spec.serving.rollout)
        return View(graph, snapshot, decided, facts, book.ledger, history, rotated, rules)

    def _proven(self, view: View, book: Book, wanted: Wanted) -> View:
        """With a proof of the release that runs, where there is none yet, where the last one failed or is in doubt."""
        release, known, key = release_in(view.graph), book.ledger.proof, f"{wanted.namespace}/{wanted.name}"
        known = known if known and known.release == release else None
        in_doubt = key in self.doubts
        self.doubts.discard(key)
        if view.rotated is None or view.rotated.unproven or (known and not known.failure and not in_doubt):
            return view
        at = rfc3339(view.snapshot.at)
        claim = claimed(view.graph, view.snapshot, view.rotated, book.ledger.artifacts, self.environment, known)
        made = prove(claim, release, known, self.driver, at)
        if known is None or replace(known, at=at) != made:
            book.ledger = replace(book.ledger, proof=made)
        settled = {**view.plan.standings, SERVICE: Standing("ok")}
        proven = judged(replace(view.plan, standings=settled), view.rotated, made.failure)
        rollout = wanted.deployment.spec.serving.rollout
        return replace(view, plan=bake.judged(proven, view.graph, view.snapshot, book.ledger, rollout))

    def _stale(self, graph: Graph, book: Book, wanted: Wanted) -> tuple[Resource, ...]:
        """What is in the ledger and wanted no longer: under another name, or of a generation beyond the history limit."""
        names = {node.id: self._identity(node) for node in graph}
        kept = (each for each in book.ledger.resources if not each.key)
        renamed = tuple(each for each in kept if names.get(each.node, "") not in (each.identity, None))
        return renamed + superfluous(book.ledger, graph, wanted.deployment.spec.revision_history_limit)

    def _identity(self, node: Node) -> str | None:
        """The identity of a node as far as the document alone tells it; None when a parent's value is in it."""
        if node.known_after:
            return None
        identity = self.kinds[node.kind].identity(node.desired)
        return None if UNRESOLVED in identity else identity

    def _needs_tags(self, node: Node, decided: Plan, book: Book) -> bool:
        """Tags without a bulk read are read at adoption, before a write, and when the declared ones changed."""
        acted = any(action.node == node.id and action.verb in ("adopt", "update", "replace") for action in decided.actions)
        return acted or not are_tags_recorded(node, book.resources)

    # --- acting ---

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
        book = self._open(wanted.namespace, wanted.name)
        if book.ledger.deleting:
            raise UserError(
                f"{wanted.namespace}/{wanted.name} is being deleted",
                code="TT3002",
                reason="Deleting",
                fix="run `trimtab delete` to its end, then apply again",
            )
        if expected_generation is not None and book.ledger.retained:
            raise Superseded(f"{wanted.namespace}/{wanted.name} was deleted and let go of while it was applied")
        if expected_generation is not None and book.ledger.generation > expected_generation:
            raise Superseded(
                f"generation {book.ledger.generation} of {wanted.namespace}/{wanted.name} was applied while this one "
                f"(generation {expected_generation}) was under way"
            )
        self._catch_up(wanted, book)
        known = book.ledger
        view = self._proven(self._view(wanted, book, is_guarded=is_guarded), book, wanted)
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
        at = rfc3339(self.clock.now())
        told, acts = seen(known.acts, view.graph, view.snapshot, view.plan, at)
        book.ledger = replace(book.ledger, acts=acts)
        if repairs := any(action.is_drift for action in view.plan.writes):
            book.ledger = with_drift(book.ledger, view.plan, told, at)
        book.ledger = known = chronicled(known, book.ledger, at, told)
        view = _condemning(view, book)
        found = tuple(unrecorded(view, self.kinds, book.resources))
        if view.plan.writes or found:
            self._announce(book, view, found)
        wrote = book.save(self.ledgers)
        troubles = self._apply(view.plan, book)
        if repairs:
            book.ledger = with_repaired(book.ledger, view.plan, troubles, self.clock.now())
        else:
            book.ledger = with_drift(book.ledger, view.plan, told, at)
        outcome = Outcome(view, view.plan, book.ledger, troubles, wrote=wrote or bool(view.plan.writes))
        done = outcome.is_converged or outcome.is_stuck
        now = self.clock.now()
        words = self._last_words(view, because) if (because := given_up(view.plan)) else ""
        book.ledger = finished(
            book.ledger, view.graph, view.snapshot, view.plan, wanted, troubles, done=done, now=now, last_words=words
        )
        book.ledger = bake.kept(book.ledger, view.graph, view.snapshot, view.plan)
        shown = conditions_of(book.ledger, view.graph, view.plan, view.snapshot)
        book.ledger = chronicled(known, book.ledger, rfc3339(now), shown=shown)
        if view.plan.is_converged:
            limit = wanted.deployment.spec.revision_history_limit
            book.ledger = collected(book.ledger, view.snapshot.stale, limit)
        book.ledger, named = self.witness.heard(book.ledger, book.resources, view.snapshot, self.driver, now)
        wrote = book.save(self.ledgers) or outcome.wrote
        unmarked = (book.ledger.holds, book.ledger.quarantine) != (view.facts.holds, view.facts.quarantine)
        unmarked = unmarked or book.ledger.baking != known.baking
        more = unmarked or (view.plan.is_converged and bool(self._stale(view.graph, book, wanted)))
        return replace(outcome, ledger=book.ledger, wrote=wrote, named=named, etag=book.etag or "", more=more)

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
            view = self._proven(self._view(before, book), book, before)
            if view.plan.is_converged:
                at = self.clock.now()
                last = finished(book.ledger, view.graph, view.snapshot, view.plan, before, (), done=True, now=at)
        book.ledger = last

    def _last_words(self, view: View, because: str) -> str:
        """What an alarm that went off says, or else the release's own tasks; "" for what is in `because` already."""
        if said := bake.alarms_in(view.graph, view.snapshot):
            return "" if said in because else said
        service, release = view.graph.nodes[SERVICE].desired, view.graph.nodes[RELEASE].desired
        steps = last_words(service.cluster, release.family, release.log_group, release.log_prefix, release.container)
        return self.driver.run(steps)

    def amend(self, namespace: str, name: str, change: Callable[[Ledger], Ledger]) -> Ledger:
        """Change what is remembered of a deployment, for later passes to act on. Raises what the change does, Conflict."""
        book = self._open(namespace, name)
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
        """One pass of a deletion: condemned first, deleted wave by wave; None when there was nothing of it.

        deletion: what becomes of what exists; by default what the document says. uid: of the one that is meant; "" for any.
        """
        book = self._open(namespace, name)
        if book.etag is None or uid not in ("", book.ledger.uid):
            return None
        if (deletion or deletion_of(book.ledger)) == "retain":
            return self._retain(book)
        if not book.ledger.deleting:
            doomed = replace(book.ledger, deleting=True, resources=_condemned(book.ledger.resources), acts=())
            book.ledger = chronicled(book.ledger, doomed, rfc3339(self.clock.now()))
        # Not with the first pass alone: between the two writes we may be killed, or another deletion may have come first.
        users = tuple(each for each in book.shared.users if each != book.ledger.uid)
        book.shared = replace(book.shared, users=users)
        book.save(self.ledgers)
        doomed = book.ledger.resources + (() if book.shared.users else book.shared.resources)
        snapshot, ours, below = self._next_to_go(doomed, {book.ledger.uid, book.shared.uid})
        decided, left = teardown(ours.stale, self.kinds, below), _others(snapshot, ours)
        if not decided.standings:
            self._close(book)
            return Outcome(None, decided, book.ledger, wrote=True, ended="gone", left=left)
        known, now = book.ledger, rfc3339(self.clock.now())
        told, acts = seen(known.acts, Graph({}), snapshot, decided, now)
        acts = announced(acts, decided.writes, Graph({}), now)
        book.ledger = chronicled(known, replace(known, acts=acts), now, told)
        book.save(self.ledgers)
        troubles = self._apply(decided, book)
        book.ledger = chronicled(book.ledger, with_troubles(book.ledger, troubles), now)
        book.save(self.ledgers)
        return Outcome(None, decided, book.ledger, troubles, wrote=True)

    def left(self, namespace: str, name: str) -> tuple[Resource, ...]:
        """Read only: what of a deployment that is being deleted is still there, as far as it can be read."""
        book = self._open(namespace, name)
        doomed = book.ledger.resources + (() if book.shared.users else book.shared.resources)
        seen = self.observer.snapshot(Graph({}), doomed, self.clock.now(), {})
        there = {each.id for each in seen.stale if not isinstance(each.seen, Absent)}
        return tuple(each for each in doomed if f"{each.node}#{each.identity}" in there)

    def _next_to_go(self, doomed: Sequence[Resource], owners: set[str]) -> tuple[Snapshot, Snapshot, tuple[str, ...]]:
        """What was read, what of it is ours, and the ids of the rest: it is below the highest rank that is still there."""
        ranks = {each: self.kinds[each.kind].rank for each in doomed}
        snapshot = ours = Snapshot(self.clock.now(), {})
        for rank in sorted(set(ranks.values()), reverse=True):
            wave = [each for each in doomed if ranks[each] == rank]
            seen = self.observer.snapshot(Graph({}), wave, snapshot.at, {})
            seen = self.observer.with_tags(seen, (), stale=True)
            snapshot = replace(snapshot, stale=(*snapshot.stale, *seen.stale))
            ours = _ours(snapshot, owners, doomed)
            if any(not isinstance(each.seen, Absent) for each in ours.stale):
                return snapshot, ours, tuple(f"{each.node}#{each.identity}" for each in doomed if ranks[each] < rank)
        return snapshot, ours, ()

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
        wrote = book.save(self.ledgers)
        return Outcome(None, Plan((), {}), book.ledger, wrote=wrote, ended="retained")

    def _apply(self, decided: Plan, book: Book) -> tuple[Trouble, ...]:
        now = self.clock.now()
        settle = rfc3339(now - _RIGHTS_SETTLE) < book.ledger.granted < rfc3339(now + _RIGHTS_SETTLE)
        return apply(decided.writes, self.kinds, self.driver, rights_settle=settle)

    def _close(self, book: Book) -> None:
        self.ledgers.remove(book.ledger)
        if not book.shared.users:
            self.ledgers.remove_shared(book.shared)

    def _held(self, book: Book, decided: Plan) -> str:
        """Who else is at work on it. A lease is politeness; the compare-and-swap of the ledger is the fence."""
        lease = book.ledger.lease
        if not decided.writes or lease is None or lease.holder == self.holder or self.is_gone(lease.holder):
            return ""
        now = self.clock.now()  # one that ends later than any lease lasts was written by a clock that jumped
        return lease.holder if rfc3339(now) < lease.until < rfc3339(now + 2 * LEASE) else ""

    def _announce(self, book: Book, view: View, found: Sequence[Resource]) -> None:
        """Write down what this wave will make, before it is made: no crash can leave what nobody knows of.

        found: there already, and ours from now on without a write.
        """
        now = self.clock.now()
        announce(book, view, found, Lease(self.holder, rfc3339(now + LEASE)), rfc3339(now))


def _condemning(view: View, book: Book) -> View:
    """Deletes are in two phases: what this pass would delete is only marked, unless a pass before has marked it."""
    doomed = [action.node for action in view.plan.actions if action.verb == "delete"]
    fresh = not_yet_condemned(book.ledger, doomed)
    if not fresh:
        return view
    book.ledger = condemned(book.ledger, doomed)
    actions = tuple(action for action in view.plan.actions if action.node not in fresh)
    return replace(view, plan=replace(view.plan, actions=actions))


def _proof_failure(graph: Graph, ledger: Ledger) -> str:
    return ledger.proof.failure if ledger.proof and ledger.proof.release == release_in(graph) else ""


def _declared(ledger: Ledger, wanted: Wanted) -> Ledger:
    """With this document as its latest generation."""
    origin, known = wanted.provenance or ledger.provenance, ledger.provenance
    if ledger.spec_digest == wanted.spec_digest:  # a later commit that says nothing new of it is no news
        is_moved = origin and (known is None or (origin.source, origin.file) != (known.source, known.file))
        return replace(ledger, provenance=origin) if is_moved else ledger
    return replace(
        unfought(ledger),
        provenance=origin,
        generation=ledger.generation + 1,
        planned="",
        holds=holds_of(ledger, wanted.spec_digest),
        spec_digest=wanted.spec_digest,
        document=wanted.declared,
        contents={**asdict(wanted.digests), "channels": dict(wanted.digests.channels)},
    )


def _condemned(resources: tuple[Resource, ...]) -> tuple[Resource, ...]:
    return tuple(replace(each, condemned=True) for each in resources)


def _ours(snapshot: Snapshot, owners: set[str], known: Sequence[Resource]) -> Snapshot:
    """Without what is not ours to delete: what has another owner's tag, and what was there before us and has none."""
    adopted = {f"{each.node}#{each.identity}" for each in known if each.adopted}

    def is_ours(each: Stale) -> bool:
        if not isinstance(each.seen, Found) or each.seen.tags is None or isinstance(each.seen.tags, Unknown):
            return True
        return each.seen.tags[UID] in owners if UID in each.seen.tags else each.id not in adopted

    def judged_by_tags(each: Stale) -> Stale:
        """What could not be shown to be ours is not taken for it: nothing is deleted without proof."""
        if isinstance(each.seen, Found) and isinstance(each.seen.tags, Unknown):
            return replace(each, seen=each.seen.tags)
        return each

    return replace(snapshot, stale=tuple(judged_by_tags(each) for each in snapshot.stale if is_ours(each)))


def _others(snapshot: Snapshot, ours: Snapshot) -> tuple[Trouble, ...]:
    """What a deletion leaves, since its tag names another owner by now, or since it was there before us and has none."""
    kept = {each.id for each in ours.stale}
    return tuple(
        Trouble(each.id, "NameTaken", f"{_whose(each.seen.tags)}: not ours to delete", False)
        for each in snapshot.stale
        if each.id not in kept and isinstance(each.seen, Found) and isinstance(each.seen.tags, Mapping)
    )


def _whose(tags: Mapping[str, str]) -> str:
    return f"carries the owner tag of {tags[UID]}" if UID in tags else "was there before, and does not carry our owner tag"
