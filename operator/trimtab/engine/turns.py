"""One deployment's turn in the loop: a pass towards what is declared, or out of the world, and what is told of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from trimtab.core.errors import TrimtabError, UserError
from trimtab.core.kind import Failure
from trimtab.engine.again import LASTING_S, after_outcome, fault
from trimtab.engine.board import Keep, Known, Make, Refuse, Task
from trimtab.engine.contents import Content
from trimtab.engine.declared import Declared, Source
from trimtab.engine.hearing import names_in
from trimtab.engine.ledger import Ledgers, Provenance
from trimtab.engine.reconcile import Reconciler
from trimtab.engine.report import awaited, problem, status_of
from trimtab.engine.resolving import Hashed, Resolving
from trimtab.engine.survey import Survey
from trimtab.engine.transfers import Report
from trimtab.engine.view import Outcome
from trimtab.engine.wanted import Wanted, wanted_from
from trimtab.plan.drift import told

_DELETING_S = 1.0
_HASHING_S = 30.0  # to tell how far it is; the end of it wakes


class Log(Protocol):
    """An event and its fields; structlog's loggers are such."""

    def info(self, event: str, /, **fields: Any) -> Any: ...
    def warning(self, event: str, /, **fields: Any) -> Any: ...
    def error(self, event: str, /, **fields: Any) -> Any: ...


class Site(Protocol):
    """An environment that the operator serves."""

    @property
    def ledgers(self) -> Ledgers: ...

    @property
    def survey(self) -> Survey: ...

    def resolve(self, declared: Declared, report: Report) -> Wanted:
        """Digest what the document names. Raises UserError, an ExceptionGroup of them, Failure, and what `report` does."""
        ...

    def reconciler(self, contents: Mapping[str, Content]) -> Reconciler:
        """One for a document with those contents."""
        ...

    def url(self, outcome: Outcome) -> str: ...


@dataclass(frozen=True, slots=True)
class Turn:
    """How it went: seconds until the next, None where an edit or a sweep brings it; and what is known now."""

    again_s: float | None
    known: Known | None  # None: it is gone
    outcome: str  # why it is Ready, or is not


@dataclass(frozen=True, slots=True)
class _Held:
    """What is kept of one deployment between its turns: transfers go on meanwhile."""

    mark: str  # of the document as it was resolved; "" for one that is known from memory alone
    wanted: Wanted | None
    reconciler: Reconciler


@dataclass(slots=True)
class Turns:
    """Takes turns; the queue sees to it that a deployment has one at a time."""

    sites: Mapping[str, Site]
    sources: Mapping[str, Source]
    log: Log
    resolving: Resolving
    _held: dict[str, _Held] = field(default_factory=dict[str, _Held])
    _told: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])  # the status last written

    def take(self, key: str, task: Task, known: Known | None, *, is_doomed: bool, brake: str) -> Turn:
        """known: what the ledgers say of it. is_doomed: it vanished and is to go. brake: why it is not, or "".

        Raises what a pass raises.
        """
        for site in self.sites.values():
            site.survey.drop(key)
        if isinstance(task, Refuse):
            self._report(key, task.source, problem(task.mistakes))
            return Turn(None, known, "InvalidSpec")
        if isinstance(task, Make):
            held = self._at_hand(key, task)
            try:
                if isinstance(held, Hashed):
                    return self._meanwhile(key, task, known, held)
                assert held.wanted is not None
                return self._towards(key, task, held, held.wanted)
            except UserError as error:
                if error.reason != "Deleting" or known is None:
                    raise
                return self._anew(key, task, known)
        self.resolving.drop(key)
        assert known is not None, "what is not declared is known from its ledger"
        held = self._from_memory(key, known)
        ledger = held.reconciler.ledgers.load(*key.split("/")).value
        left_alone = ledger is not None and bool(ledger.suspended or ledger.document.get("suspend"))
        if ledger is None or ledger.deleting or (is_doomed and not left_alone):
            return self._away(key, task.source, held, known)
        if not ledger.document:
            return Turn(None, known, "Unknown")  # rebuilt from tags: what was declared is not known, so nothing is done
        return self._towards(key, task, held, wanted_from(ledger), brake)

    def stalled(self, key: str, task: Task, mistakes: Sequence[UserError]) -> None:
        """The document asks for what cannot be: what runs stays."""
        for each in mistakes:
            self.log.warning("document.refused", deployment=key, because=str(each))
        self._report(key, task.source, problem(mistakes))

    def stop(self) -> None:
        """End the hashing and the transfers of all."""
        self.resolving.stop()
        for held in list(self._held.values()):
            held.reconciler.transfers.stop()

    def _at_hand(self, key: str, task: Make) -> _Held | Hashed:
        """The document with its contents, resolved anew only where something may have changed; or how far that is."""
        declared, held = task.declared, self._held.get(key)
        if held is not None and held.mark == declared.mark:
            return held
        site = self.sites[declared.environment]
        resolved = self.resolving.take(declared, site.resolve)
        if isinstance(resolved, Hashed):
            return resolved
        wanted = replace(resolved, provenance=Provenance(task.source, declared.file, declared.version))
        return self._hold(key, _Held(declared.mark, wanted, site.reconciler(wanted.contents)))

    def _meanwhile(self, key: str, task: Make, known: Known | None, hashed: Hashed) -> Turn:
        """What it names is being hashed: that is told, and what was declared before is kept true."""
        before = self._before(key, known)
        if before is None:
            self._report(key, task.source, awaited(key, known.generation if known else 0, str(hashed), hashed.since))
            return Turn(_HASHING_S, known, "Progressing")
        turn = self._towards(key, Keep(task.source, f"what is declared now is taken once it is hashed: {hashed}"), *before)
        return replace(turn, again_s=min(turn.again_s or _HASHING_S, _HASHING_S))

    def _before(self, key: str, known: Known | None) -> tuple[_Held, Wanted] | None:
        """What was declared before; None where there is no such thing, or where its files would have to be there."""
        held = self._held.get(key)
        if held is not None and held.wanted is not None:
            return held, held.wanted
        if known is None:
            return None
        held = self._from_memory(key, known)
        ledger = held.reconciler.ledgers.load(*key.split("/")).value
        ready = ledger.conditions.get("Ready") if ledger and not ledger.deleting else None
        return (held, wanted_from(ledger)) if ledger and ready and ready.status == "True" else None

    def _from_memory(self, key: str, known: Known) -> _Held:
        held = self._held.get(key)
        if held is not None and held.mark == "":
            return held
        return self._hold(key, _Held("", None, self.sites[known.environment].reconciler({})))

    def _hold(self, key: str, held: _Held) -> _Held:
        """Instead of what was held before, whose transfers are another generation's."""
        self._let_go(key)
        self._held[key] = held
        return held

    def _let_go(self, key: str) -> None:
        if before := self._held.pop(key, None):
            before.reconciler.transfers.stop()

    def _towards(self, key: str, task: Task, held: _Held, wanted: Wanted, brake: str = "") -> Turn:
        outcome = held.reconciler.pass_(wanted)
        about: Mapping[str, Any] = {"deployment": key, "generation": outcome.ledger.generation}
        for action in outcome.plan.writes if outcome.wrote else ():
            if action.verb == "adopt":
                self.log.info("resource.adopted", **about, node=action.node, what=action.because)
            elif action.is_drift:
                said = told(action.differences) or "it was deleted outside"
                self.log.info("drift.repaired", **about, node=action.node, what=said)
        for each in outcome.named:
            self.log.info("drift.attributed", **about, node=each.node, who=each.who, by=each.event, at=each.changed)
        ledger = outcome.ledger
        mistakes = task.mistakes if isinstance(task, Keep) else ()
        notes = [each for each in (brake, task.because if isinstance(task, Keep) else "") if each]
        url = self.sites[ledger.environment].url(outcome)
        assert outcome.view is not None
        status = status_of(ledger, outcome.view, outcome.plan, url)
        status |= (problem(mistakes) if mistakes else {}) | ({"notes": notes} if notes else {})
        self._report(key, task.source, status)
        self.sites[ledger.environment].survey.settle(key, outcome, wanted)
        ready = next(each["reason"] for each in status["conditions"] if each["type"] == "Ready")
        return Turn(after_outcome(outcome), Known.by(ledger, names_in(outcome.view.graph, outcome.view.snapshot)), ready)

    def _anew(self, key: str, task: Make, known: Known) -> Turn:
        """Declared again while its deletion goes on: that ends first, and then it is another deployment of that name."""
        turn = self._away(key, task.source, self._from_memory(key, known), known)
        return replace(turn, again_s=_DELETING_S) if turn.known is None else turn

    def _away(self, key: str, source: str, held: _Held, known: Known) -> Turn:
        namespace, name = key.split("/")
        outcome = held.reconciler.remove(namespace, name)
        if outcome is not None and not outcome.ended:
            because = [each.because for each in outcome.troubles]
            self.log.info("deployment.deleting", deployment=key, left=len(outcome.plan.standings), because=because)
            left = [node.replace("#", " ") for node in outcome.plan.standings]
            self._report(key, source, {"deleting": True, "left": left, "because": because})
            return Turn(LASTING_S if outcome.is_stuck else _DELETING_S, known, "Deleting")
        self._let_go(key)
        self._report(key, source, None)
        is_retained = outcome is not None and outcome.ended == "retained"
        self.log.info("deployment.retained" if is_retained else "deployment.deleted", deployment=key)
        return Turn(None, None, "Retained" if is_retained else "Deleted")

    def _report(self, key: str, source: str, status: Mapping[str, Any] | None) -> None:
        """Write the status to the source where it says something new. A source that refuses it stops no pass."""
        if status == self._told.get(key) or source not in self.sources:
            return
        try:
            self.sources[source].report(key, status)
        except (TrimtabError, Failure, OSError) as error:
            self.log.warning("status.unwritten", deployment=key, source=source, because=str(error))
            return
        except Exception as error:  # a fault of ours in a source is no reason either
            self.log.error("status.unwritten", deployment=key, source=source, because=fault(error))
            return
        if status is None:
            self._told.pop(key, None)
        else:
            self._told[key] = status
