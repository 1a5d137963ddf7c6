"""One look at all deployments that are as declared: the reads of a sweep are shared by all of an environment.

A pass that finds a deployment true leaves here how it judged each resource, and what must be in rotation. A sweep lists the
ledgers, reads the resources of all kind by kind, the tasks cluster by cluster, and judges them again. What is judged as
before needs no pass; what is not gets one. So it decides nothing, and writes nothing.
Beside that it asks the models by turns what proved them; one that answers otherwise gets a pass that proves it anew.
What it costs: docs/internals/sweep.md.
"""

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trimtab.compile.graph import image_texts
from trimtab.core.kind import AnyKind, Failure, Meaning, Unknown, resolved
from trimtab.core.times import Clock
from trimtab.engine.claim import Expected, claimed, expected, proof_of
from trimtab.engine.driver import Driver
from trimtab.engine.ledger import Ledger, Ledgers
from trimtab.engine.observe import Observer, known_values
from trimtab.engine.pins import Tags, outdated
from trimtab.engine.prover import Proven, Prover
from trimtab.engine.recall import Recall
from trimtab.engine.remember import GATE, RELEASE
from trimtab.engine.view import Outcome, View
from trimtab.engine.wanted import Wanted
from trimtab.model.environment import Environment
from trimtab.plan.snapshot import Found, Seen
from trimtab.resources.ecs_rotation import Rotation, rotations
from trimtab.resources.ecs_task_definition import active_families

_PASSING: frozenset[Meaning] = frozenset({"throttled", "transient"})
_PATIENCE = 3  # sweeps in a row that could not read it: a pass says so then


@dataclass(frozen=True, slots=True)
class Member:
    """A resource of a deployment as a pass has judged it."""

    node: str
    kind: str
    identity: str
    desired: Any  # resolved
    judged: object
    fields: tuple[str, ...] = ()  # of what is observed, those that other resources are made of


@dataclass(frozen=True, slots=True)
class Settled:
    """A deployment that is as declared."""

    etag: str  # of its ledger
    members: tuple[Member, ...]
    rotation: Expected | None = None
    texts: Mapping[str, str] = field(default_factory=dict[str, str])  # image URIs, by the name of their pin
    pins: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    outdated: tuple[str, ...] = ()  # pins that would be resolved otherwise, in words
    proven: Proven | None = None  # None: nothing was, or nothing that could be asked again


@dataclass(frozen=True, slots=True)
class Findings:
    """Deployments by key. One in neither was not looked at: a pass must."""

    stand: frozenset[str] = frozenset()  # judged as before, or not to be read just now
    moved: frozenset[str] = frozenset()  # judged otherwise


@dataclass(slots=True)
class Survey:
    """Of one environment. Safe to use from several threads; one look at a time."""

    environment: Environment
    kinds: Mapping[str, AnyKind]
    direct: Driver
    recalling: Driver  # answers from `recall` what is remembered
    recall: Recall
    ledgers: Ledgers
    tags: Tags
    launcher: str  # digest of this installation's
    clock: Clock
    prover: Prover
    doubts: set[str] = field(default_factory=set[str])  # whom the next pass must prove anew
    _settled: dict[str, Settled] = field(default_factory=dict[str, Settled])
    _unread: dict[str, int] = field(default_factory=dict[str, int])  # sweeps in a row that could not read it
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def settle(self, key: str, outcome: Outcome, wanted: Wanted) -> None:
        """Take a deployment in, if a pass has found it true."""
        texts = image_texts(wanted.deployment, self.environment, wanted.digests.base)
        if found := settled_by(outcome, texts, self.kinds, self.environment):
            self.put(key, found)

    def put(self, key: str, settled: Settled) -> None:
        with self._lock:
            self._settled[key] = settled

    def drop(self, key: str) -> None:
        """A pass of it begins: what is known of it is out of date."""
        with self._lock:
            self._settled.pop(key, None)

    def look(self) -> Findings:
        """Read all, judge, and ask those whose turn it is. Raises Failure when not even the ledgers can be listed."""
        with self._lock:
            before = dict(self._settled)
        self.prover.begin({key: each.proven for key, each in before.items() if each.proven})
        stand = self._standing(before)
        departed = self.prover.departed()
        with self._lock:  # one that a pass has taken meanwhile is no news
            still = {key for key, each in before.items() if self._settled.get(key) is each}
            self._unread = {key: count for key, count in self._unread.items() if key in still}
            doubted = {key for key in still & departed.keys() if departed[key] is before[key].proven}
            self.doubts |= doubted
        moved = frozenset(still - stand | doubted)
        return Findings(frozenset(before.keys() - still | stand) - moved, moved)

    def _standing(self, before: Mapping[str, Settled]) -> set[str]:
        """Those that are judged as before, or not to be read just now."""
        self.recall.begin()
        try:
            etags = self.ledgers.etags() if before else {}
        except Failure as failure:
            if failure.meaning != "throttled":
                raise
            return set(before)
        there = {key: each for key, each in before.items() if etags.get(key) == each.etag}
        self.recall.forget_definitions_but(self._families(there))
        seen = Observer(self.recalling, self.kinds).read(dict(_wanted(there)))
        placed = {key: each.rotation for key, each in there.items() if each.rotation}
        rotating = self.recalling.run(rotations([each.place for each in placed.values()]))
        rotated = dict(zip(placed, rotating, strict=True))
        return {key for key, each in there.items() if self._stands(key, each, seen, rotated.get(key))}

    def _families(self, there: Mapping[str, Settled]) -> Collection[str]:
        """The families of their task definitions that are as they were: what is not among them is read again."""
        names = [member.identity for each in there.values() for member in each.members if member.node == RELEASE]
        try:
            return self.direct.run(active_families(names))
        except Failure as failure:
            return names if failure.meaning in _PASSING else ()

    def _stands(self, key: str, settled: Settled, seen: Mapping[str, Seen], rotated: Rotation | Unknown | None) -> bool:
        resources = [(member, seen[_name(key, member)]) for member in settled.members]
        unread = [each for each in (rotated, *(found for _, found in resources)) if isinstance(each, Unknown)]
        if unread and all(each.meaning in _PASSING for each in unread):
            self._unread[key] = self._unread.get(key, 0) + 1
            return self._unread[key] < _PATIENCE
        self._unread.pop(key, None)
        if unread or (isinstance(rotated, Rotation) and settled.rotation and settled.rotation.unproven_by(rotated)):
            return False
        if any(judged(self.kinds[each.kind], each.desired, each.fields, found) != each.judged for each, found in resources):
            return False
        return self._outdated(settled) == settled.outdated

    def _outdated(self, settled: Settled) -> tuple[str, ...]:
        now = self.clock.now()
        return outdated(settled.pins, settled.texts, self.launcher, lambda uri: self.tags.digest(uri, self.direct, now))


def settled_by(
    outcome: Outcome, texts: Mapping[str, str], kinds: Mapping[str, AnyKind], environment: Environment
) -> Settled | None:
    """What a pass has found true, or left alone since it is suspended; None where more is to come of it.

    texts: of the images that it pins, by the name of the pin. What is to be looked at again for another reason (a repair
    that is put off, an author that is not known yet) is due then.
    """
    view, ledger = outcome.view, outcome.ledger
    is_true = outcome.is_converged and view is not None and view.rotated is not None
    if view is None or not (is_true or outcome.suspended):
        return None
    if not all(isinstance(seen, Found) for seen in view.snapshot.seen.values()):
        return None
    rotation = expected(view.graph, view.snapshot) if view.rotated and not view.rotated.unproven else None
    proven = _proven(view, ledger, environment) if rotation else None
    return Settled(outcome.etag, tuple(_members(view, kinds)), rotation, texts, ledger.pins, view.snapshot.outdated, proven)


def judged(kind: AnyKind, desired: Any, fields: Sequence[str], seen: Seen) -> object:
    """What a plan goes by: what is not as declared, state, our tags, what other resources are made of.

    What another owner chooses (a count that an autoscaler has set) is no news.
    """
    if not isinstance(seen, Found):
        return seen
    observed = seen.observed
    drift = tuple(each for each in kind.diff(desired, observed) if each.owner in ("spec", "rollout"))
    tags: Mapping[str, str] = getattr(observed, "tags", None) or {}
    declared: Mapping[str, str] = getattr(desired, "tags", None) or {}
    ours = {name: tags.get(name) for name in declared}
    return drift, kind.state(desired, observed), ours, [getattr(observed, each) for each in fields]


def _proven(view: View, ledger: Ledger, environment: Environment) -> Proven | None:
    """What is to be asked again of what is in rotation: all that was ever answered."""
    proof = proof_of(view.graph, ledger.proof)
    if view.rotated is None or proof is None:
        return None
    if proof.version.is_ == proof.golden.is_ == "unreached":
        return None
    claim = claimed(view.graph, view.snapshot, view.rotated, ledger.artifacts, environment, proof)
    return Proven(claim, proof)


def _members(view: View, kinds: Mapping[str, AnyKind]) -> Iterator[Member]:
    fields: dict[str, set[str]] = {}
    for ref in (ref for node in view.graph for ref in node.refs):
        fields.setdefault(ref.node, set()).add(ref.field)
    for node in view.graph:
        if node.id == GATE:  # a verdict stands in the ledger
            continue
        kind, seen = kinds[node.kind], view.snapshot.seen[node.id]
        desired = resolved(node.desired, known_values(node, view.snapshot.seen))
        used = tuple(sorted(fields.get(node.id, ())))
        yield Member(node.id, node.kind, kind.identity(desired), desired, judged(kind, desired, used, seen), used)


def _wanted(there: Mapping[str, Settled]) -> Iterator[tuple[str, tuple[str, str]]]:
    for key, settled in there.items():
        for member in settled.members:
            yield _name(key, member), (member.kind, member.identity)


def _name(key: str, member: Member) -> str:
    return f"{key} {member.node}"
