"""Sees a document beside the world: what an open book and the outside make of it, and the plan that follows.

Nothing outside is changed. What a look learns (pins, digests of artifacts, a proof) stands in the book: a pass saves it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from trimtab.compile.facts import Facts
from trimtab.compile.graph import compile_graph, image_texts
from trimtab.core.kind import AnyKind
from trimtab.core.times import Clock, rfc3339
from trimtab.engine import bake
from trimtab.engine.book import Book
from trimtab.engine.claim import SERVICE, Rotated, claimed, in_rotation, judged, proof_of, prove, release_in
from trimtab.engine.collect import superfluous
from trimtab.engine.drifts import fights_of
from trimtab.engine.driver import Driver
from trimtab.engine.ledger import Resource
from trimtab.engine.observe import UNRESOLVED, Observer
from trimtab.engine.ownership import ours
from trimtab.engine.pins import Tags, outdated, with_pins
from trimtab.engine.rebuild import check_uid
from trimtab.engine.recorded import are_tags_recorded
from trimtab.engine.remember import artifact_record, barred, facts_from, rules_of
from trimtab.engine.transfers import Transfers
from trimtab.engine.view import View
from trimtab.engine.wanted import Wanted
from trimtab.graph.node import Graph, Node
from trimtab.model.environment import Environment
from trimtab.plan.plan import History, Plan, Standing, plan
from trimtab.plan.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Viewer:
    """Of one environment."""

    environment: Environment
    kinds: Mapping[str, AnyKind]
    driver: Driver
    observer: Observer
    transfers: Transfers
    tags: Tags
    launcher: str  # digest of this installation's launcher
    clock: Clock
    doubts: set[str]  # deployments that a sweep has found to answer otherwise

    def view(self, wanted: Wanted, book: Book, *, is_guarded: bool = True) -> View:
        """What a pass would see and decide. is_guarded: leave alone what the flap guard says."""
        now = self.clock.now()
        newer = self._pin(wanted, book, now)
        facts, graph, snapshot = self._observed(wanted, book)
        snapshot = replace(snapshot, outdated=newer)
        bars, fought = barred(book.ledger, facts.holds, graph.keys.get("release", "")), fights_of(book.ledger, wanted, now)
        history = History(book.ledger.uid, book.shared.uid, bars, book.ledger.settled, fought, is_guarded)
        rules = rules_of(wanted.deployment, self.environment)
        decided = plan(graph, snapshot, history, self.kinds, rules)
        unproven = [node for node in graph if _needs_tags(node, decided, book)]
        clears = any(action.verb == "delete" for action in decided.actions)
        if unproven or clears:
            snapshot = self.observer.with_tags(snapshot, unproven, stale=clears)
            check_uid(book.ledger, graph, snapshot)
            snapshot = ours(snapshot, {book.ledger.uid}, book.ledger.resources)
            decided = plan(graph, snapshot, history, self.kinds, rules)
        seen = View(graph, snapshot, decided, facts, book.ledger, history, rules=rules)
        return self._in_rotation(seen, wanted, book) if decided.is_converged else seen

    def proven(self, view: View, wanted: Wanted, book: Book) -> View:
        """With a proof of the release that runs, where there is none yet, where the last one failed or is in doubt."""
        known, key = proof_of(view.graph, book.ledger.proof), f"{wanted.namespace}/{wanted.name}"
        in_doubt = key in self.doubts
        self.doubts.discard(key)
        if view.rotated is None or view.rotated.unproven or (known and not known.failure and not in_doubt):
            return view
        at = rfc3339(view.snapshot.at)
        claim = claimed(view.graph, view.snapshot, view.rotated, book.ledger.artifacts, self.environment, known)
        made = prove(claim, release_in(view.graph), known, self.driver, at)
        if known is None or replace(known, at=at) != made:
            book.ledger = replace(book.ledger, proof=made)
        settled = {**view.plan.standings, SERVICE: Standing("ok")}
        return _judged(replace(view, plan=replace(view.plan, standings=settled)), view.rotated, made.failure, wanted, book)

    def stale(self, graph: Graph, wanted: Wanted, book: Book) -> tuple[Resource, ...]:
        """What is in the ledger and wanted no longer: under another name, or of a generation beyond the history limit."""
        names = {node.id: self._identity(node) for node in graph}
        kept = (each for each in book.ledger.resources if not each.key)
        renamed = tuple(each for each in kept if names.get(each.node, "") not in (each.identity, None))
        return renamed + superfluous(book.ledger, graph, wanted.deployment.spec.revision_history_limit)

    def has_moved(self, view: View, nodes: Sequence[str]) -> bool:
        """Whether one of these nodes, found by the last pass, is judged otherwise by now. Reads these alone."""
        return not self.observer.stands_as_seen([view.graph.nodes[id] for id in nodes], view.snapshot.seen)

    def _pin(self, wanted: Wanted, book: Book, now: datetime) -> tuple[str, ...]:
        """Resolve tags that are not pinned yet. Answers which pins would be resolved otherwise by now, in words."""
        texts = image_texts(wanted.deployment, self.environment, wanted.digests.base)
        book.ledger = with_pins(book.ledger, texts, self.launcher, lambda uri: self.tags.fresh(uri, self.driver, now))
        return outdated(book.ledger.pins, texts, self.launcher, lambda uri: self.tags.digest(uri, self.driver, now))

    def _observed(self, wanted: Wanted, book: Book) -> tuple[Facts, Graph, Snapshot]:
        """Compile and observe until no new fact appears: the digest of an artifact names what comes below it."""
        while True:
            facts = facts_from(book.ledger, book.shared, wanted)
            graph = compile_graph(wanted.deployment, self.environment, facts)
            stale = self.stale(graph, wanted, book)
            snapshot = self.observer.snapshot(graph, stale, self.clock.now(), self.transfers.view())
            record = artifact_record(graph, snapshot)
            if record is None or book.ledger.artifacts.get(graph.keys["training"]) == record:
                return facts, graph, snapshot
            book.ledger = replace(book.ledger, artifacts={**book.ledger.artifacts, graph.keys["training"]: record})

    def _in_rotation(self, view: View, wanted: Wanted, book: Book) -> View:
        """With what is in rotation, once everything is as declared, and with what it makes of the plan."""
        rotated = in_rotation(view.graph, view.snapshot, self.driver)
        known = proof_of(view.graph, book.ledger.proof)
        return _judged(replace(view, rotated=rotated), rotated, known.failure if known else "", wanted, book)

    def _identity(self, node: Node) -> str | None:
        """The identity of a node as far as the document alone tells it; None when a parent's value is in it."""
        if node.known_after:
            return None
        identity = self.kinds[node.kind].identity(node.desired)
        return None if UNRESOLVED in identity else identity


def _judged(view: View, rotated: Rotated, failure: str, wanted: Wanted, book: Book) -> View:
    """With the service's standing as proofs and bake have it. failure: of a proof beyond rotation, or ""."""
    proven = judged(view.plan, rotated, failure)
    rollout = wanted.deployment.spec.serving.rollout
    return replace(view, plan=bake.judged(proven, view.graph, view.snapshot, book.ledger, rollout))


def _needs_tags(node: Node, decided: Plan, book: Book) -> bool:
    """Tags without a bulk read are read at adoption, before a write, and when the declared ones changed."""
    acted = any(action.node == node.id and action.verb in ("adopt", "update", "replace") for action in decided.actions)
    return acted or not are_tags_recorded(node, book.resources)
