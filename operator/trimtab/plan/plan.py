"""Decide the next wave: what each node needs, and what it waits for.

Pure: a graph, a snapshot and the history in; ordered actions and every node's standing out. Unknown is never taken for
absence, so it leads to no create, no delete and no green.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, TypeAlias, cast

from trimtab.core.kind import (
    UID,
    AnyKind,
    Broken,
    Difference,
    Moving,
    Progress,
    Ref,
    Unknown,
    owner_in,
    resolved,
)
from trimtab.graph.node import Graph, Node
from trimtab.plan.adoption import foreign_tags, holder_in
from trimtab.plan.drift import Mode, Rules, settled_digest
from trimtab.plan.fights import Fight, about, parted
from trimtab.plan.snapshot import Absent, Found, Seen, Snapshot, Stale

ActionVerb: TypeAlias = Literal["create", "adopt", "update", "replace", "delete", "wait", "refuse"]
WRITES: frozenset[str] = frozenset({"create", "adopt", "update", "replace", "delete"})
_UNREAD_S = 5.0  # look again after a read that failed
_TRANSFER_S = 1.0
_DELETE_S = 1.0


@dataclass(frozen=True, slots=True)
class Action:
    """A decision about one node."""

    verb: ActionVerb
    node: str
    because: str  # shown in the plan, the event and the log
    differences: tuple[Difference, ...] = ()
    desired: Any = None  # resolved; for create, adopt, update, replace
    observed: Any = (
        None  # for adopt, update, delete, a create that tries again; a replace without it makes the new one first
    )
    identity: str = ""  # what the ledger keeps of it
    is_drift: bool = False  # the world moved, not the document
    despite: str = ""  # why the flap guard would leave it alone, where a person has it repaired all the same


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one node stands.

    ok: as declared and settled. moving: the platform or a worker is at it. pending: to be acted on in this wave, or after
    a parent. broken: ended badly. refused: not ours, or not ours to change. unknown: could not be read.
    """

    is_: Literal["ok", "moving", "pending", "broken", "refused", "unknown"]
    because: str = ""
    reason: str = ""  # CamelCase; for broken, refused and unknown
    progress: Progress | None = None
    look_again_s: float = 0.0
    after: str = ""  # the node it waits for
    drift: tuple[Difference, ...] = ()  # seen and left as it is, since the document or the flap guard says so
    fights: tuple[Fight, ...] = ()  # over that, or over whether it is there

    @property
    def is_ok(self) -> bool:
        return self.is_ == "ok"


@dataclass(frozen=True, slots=True)
class Plan:
    """All that apply knows."""

    actions: tuple[Action, ...]
    standings: Mapping[str, Standing]

    @property
    def writes(self) -> tuple[Action, ...]:
        return tuple(action for action in self.actions if action.verb in WRITES)

    @property
    def is_converged(self) -> bool:
        return not self.actions and all(standing.is_ok for standing in self.standings.values())

    @property
    def look_again_s(self) -> float | None:
        """Seconds until something may have moved by itself; None: nothing to wait for."""
        waits = [standing.look_again_s for standing in self.standings.values() if standing.look_again_s > 0]
        return min(waits) if waits else None


@dataclass(frozen=True, slots=True)
class History:
    """What the ledger remembers that decisions need."""

    uid: str
    environment_uid: str
    # (reason, because) of each release that may not run, by 12 digits of its key
    barred: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    settled: Mapping[str, str] = field(default_factory=dict[str, str])  # settled_digest of each node when last converged
    # What the flap guard says, by node; what a person is asked about comes first.
    fights: Mapping[str, tuple[Fight, ...]] = field(default_factory=dict[str, tuple[Fight, ...]])
    is_guarded: bool = True  # whether that is followed: a person's own apply repairs all the same

    def is_settled(self, node: Node) -> bool:
        """Whether the node is declared as it was when all was last as declared: a difference is drift then."""
        known = self.settled.get(node.id)
        return known is not None and known == settled_digest(node)

    def owner_of(self, node: Node) -> str:
        return self.environment_uid if node.shared else self.uid


ALL_CORRECTED = Rules()
_TO_BE_DELETED = Standing("pending", "to be deleted", look_again_s=_DELETE_S)
Kinds: TypeAlias = Mapping[str, AnyKind]
Decision: TypeAlias = tuple[Standing, Action | None]


def plan(graph: Graph, snapshot: Snapshot, history: History, kinds: Kinds, rules: Rules = ALL_CORRECTED) -> Plan:
    """Decide the next wave. rules: what the document says of drift.

    Deletes of what is stale come last, one rank at a time, and only when the graph has converged: an edit never takes
    away what the serving revision stands on.
    """
    standings: dict[str, Standing] = {}
    actions: list[Action] = []
    values: dict[Ref, object] = {}
    settled: dict[str, bool] = {}
    for node in graph:
        seen = snapshot.seen[node.id]
        blocker = next((parent for parent in node.parents if not standings[parent].is_ok), None)
        transfer, replaces = snapshot.transfers.get(node.id), _replaced(node, snapshot)
        # Another task definition for the service is an edit of the release: a Ref looks the same before and after.
        settled[node.id] = history.is_settled(node) and all(settled[ref.node] for ref in node.refs)
        unknown = tuple(ref for ref in node.refs if ref not in values)
        desired = resolved(node.desired, values) if len(unknown) < len(node.refs) else node.desired
        fought = history.fights.get(node.id, ()) if settled[node.id] else ()
        case = _Case(
            node, kinds[node.kind], desired, unknown, transfer, blocker, replaces, rules, settled[node.id], snapshot.at,
            fought, history.is_guarded,
        )  # fmt: skip
        standing, action = _decide(case, seen, history)
        standings[node.id] = standing
        actions += [action] if action else []
        if standing.is_ok and isinstance(seen, Found):
            values |= values_of(node, seen, graph)
    if not actions and all(standing.is_ok for standing in standings.values()):
        cleared = teardown(snapshot.stale, kinds)
        actions, standings = [*cleared.actions], standings | dict(cleared.standings)
    return Plan(tuple(actions), standings)


def teardown(stale: Sequence[Stale], kinds: Kinds, below: Sequence[str] = ()) -> Plan:
    """Delete what is there and no longer wanted, highest rank first; the next rank waits until that one is gone.

    below: ids of what is of a lower rank than all of it, and need not be read until it is its turn.
    """
    there = [each for each in stale if not isinstance(each.seen, Absent)]
    standings = {each.id: _leaving(each.seen) for each in there} | dict.fromkeys(below, _TO_BE_DELETED)
    rank = max((kinds[each.kind].rank for each in there), default=0)
    actions = tuple(
        Action("delete", each.id, "no longer declared", observed=each.seen.observed, identity=each.identity)
        for each in there
        if kinds[each.kind].rank == rank and isinstance(each.seen, Found)
    )
    return Plan(actions, standings)


def values_of(node: Node, seen: Found, graph: Graph) -> dict[Ref, object]:
    """Values that children refer to, from what was seen of this node."""
    wanted = {ref for child in graph for ref in child.refs if ref.node == node.id}
    return {ref: getattr(seen.observed, ref.field) for ref in wanted}


# --- one node -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Case:
    node: Node
    kind: AnyKind
    desired: Any  # Refs to parents that are ok are resolved
    unknown: tuple[Ref, ...]  # those that are not
    transfer: Progress | Broken | None
    blocker: str | None  # the first parent that is not ok
    replaces: str  # identity of what stands in this role under another name, and goes once all is as declared
    rules: Rules
    is_settled: bool
    at: datetime
    fights: tuple[Fight, ...]  # what the flap guard says of it
    is_guarded: bool

    @property
    def mode(self) -> Mode:
        """What may be done about a difference: drift may be left alone, an edit of the document may not."""
        return self.rules.mode(self.kind.name) if self.is_settled else "correct"

    @property
    def held(self) -> tuple[Fight, ...]:
        """Why some drift is not repaired now, though the policy would have it repaired."""
        return self.fights if self.is_guarded else ()

    def despite(self, drift: tuple[Difference, ...] = ()) -> str:
        """Why the guard would leave it alone: those differences, or that it is gone."""
        return _because(about(drift, self.fights))

    @property
    def waits_for(self) -> str | None:
        return self.node.known_after or self.blocker or (self.unknown[0].node if self.unknown else None)


def _decide(case: _Case, seen: Seen, history: History) -> Decision:
    if case.node.known_after:
        return _waiting(case.node.known_after), None
    key = (case.node.key or "")[:12]
    if key in history.barred:
        reason, because = history.barred[key]
        return Standing("broken", because, reason), None
    if isinstance(seen, Unknown):
        return _unread(seen), None
    if isinstance(seen, Absent):
        return _make(case) if case.mode == "correct" else _gone(case)
    return _claim(case, seen, history) or _repair(case, seen) or _state(case, seen)


def _left(found: tuple[Fight, ...], at: datetime, drift: tuple[Difference, ...]) -> Standing:
    """How a node stands that is fought over. What is there holds up nothing else; what is gone does.

    found: at least one, the worst first.
    """
    waits = [max(1.0, (each.until - at).total_seconds()) for each in found if each.until]
    is_: Literal["ok", "pending", "broken"] = "ok" if drift else "pending" if found[0].until else "broken"
    return Standing(is_, _because(found), found[0].reason, look_again_s=min(waits, default=0.0), drift=drift, fights=found)


def _because(found: tuple[Fight, ...]) -> str:
    return "; ".join(each.because for each in found)


def _beside(standing: Standing, left: Standing | None) -> Standing:
    """How a node stands of which a part is left to a fight while the rest is acted on."""
    if left is None:
        return standing
    because = f"{standing.because}; {left.because}"
    return replace(standing, because=because, reason=left.reason, drift=left.drift, fights=left.fights)


def _gone(case: _Case) -> Decision:
    because = f"{case.kind.name} {case.kind.identity(case.desired)} was deleted outside; the drift policy leaves it so"
    return Standing("broken", because, "Drifted"), None


def _make(case: _Case) -> Decision:
    if isinstance(case.transfer, Progress):
        return _at_work(case.transfer), None
    if isinstance(case.transfer, Broken):
        return Standing("broken", case.transfer.because, case.transfer.reason), None
    if case.waits_for:
        return _waiting(case.waits_for), None
    if (fought := about((), case.held)) and not case.replaces:
        return _left(fought, case.at, ()), None
    identity = case.kind.identity(case.desired)
    if case.replaces:
        because = f"replaces {case.replaces}, which goes afterwards"
        return Standing("pending", because), Action(
            "replace", case.node.id, because, desired=case.desired, identity=identity
        )
    why = "it was deleted outside" if case.is_settled else "it does not exist"
    action = Action(
        "create",
        case.node.id,
        why,
        desired=case.desired,
        identity=identity,
        is_drift=case.is_settled,
        despite=case.despite(),
    )
    return Standing("pending", "to be created"), action


def _replaced(node: Node, snapshot: Snapshot) -> str:
    there = (each for each in snapshot.stale if each.node == node.id and isinstance(each.seen, Found))
    return next((each.identity for each in there), "")


def _claim(case: _Case, seen: Found, history: History) -> Decision | None:
    """Nothing without our tag and uid is changed, unless the document has it adopted; a name clash names both."""
    if isinstance(seen.tags, Unknown):
        return _unread(seen.tags), None
    owner = history.owner_of(case.node)
    if seen.tags is None or not hasattr(case.desired, "tags") or owner_in(seen.tags) == owner:
        return None
    identity, adoption = case.kind.identity(case.desired), case.rules.adoption
    holder = holder_in(seen.tags, case.desired.tags)
    whose = f"carries the owner tag of {holder}" if holder else "does not carry our owner tag"
    because = f"{case.kind.name} {identity} exists and {whose}; this deployment's is {owner}"
    if holder or adoption.mode == "never":
        return _refused(case.node, because, identity)
    found = (*case.kind.diff(case.desired, seen.observed), *foreign_tags(seen.tags, case.desired.tags))
    drift = _owned(case, found)
    if bar := adoption.bar(case.kind.name, identity, drift):
        return _refused(case.node, f"{because}. {bar}", identity, drift)
    return _adopt(case, seen, identity, drift)


def _refused(node: Node, because: str, identity: str, drift: tuple[Difference, ...] = ()) -> Decision:
    return Standing("refused", because, "NameTaken"), Action("refuse", node.id, because, drift, identity=identity)


def _adopt(case: _Case, seen: Found, identity: str, drift: tuple[Difference, ...]) -> Decision:
    """drift: what is not as declared, each declared tag by itself."""
    if case.unknown:
        return _waiting(case.unknown[0].node), None  # whether it is as declared cannot be told yet
    told = tuple(each for each in drift if case.mode == "correct" or each.path.startswith("tags."))
    changes = (*_tag_drift(case.desired, seen), *(each for each in told if not each.path.startswith("tags.")))
    free, left = _guarded(case, changes)
    if left and not any(each.path == "tags" and UID in cast(Mapping[str, str], each.want) for each in free):
        return _left(about(changes, case.held), case.at, changes), None  # without the tag nothing else may be written
    paths = ", ".join(each.path for each in told)
    because = f"it is there, and differs in {paths}" if paths else "it is there as declared"
    action = Action(
        "adopt", case.node.id, because, free, case.desired, seen.observed, identity, case.is_settled, case.despite(free)
    )
    return _beside(Standing("pending", "to be adopted"), left), action


def _guarded(case: _Case, drift: tuple[Difference, ...]) -> tuple[tuple[Difference, ...], Standing | None]:
    """(what of it may be written, how the rest stands, which the flap guard leaves; None where that is nothing)."""
    free, held = parted(drift, case.held)
    return (free, _left(about(held, case.held), case.at, held)) if held else (drift, None)


def _owned(case: _Case, found: Sequence[Difference]) -> tuple[Difference, ...]:
    """Those of the differences that are the document's to put right."""
    return tuple(each for each in case.rules.watched(case.kind.name, found) if each.owner == "spec")


def _repair(case: _Case, seen: Found) -> Decision | None:
    found = _owned(case, (*case.kind.diff(case.desired, seen.observed), *_tag_drift(case.desired, seen)))
    if not found or (case.waits_for and any(each.remedy == "replace" for each in found)):
        return None
    if case.mode != "correct":  # what is left as it is cannot be judged against what is declared
        return Standing("ok", drift=found if case.mode == "report" else ()), None
    drift, left = _guarded(case, found)
    if left and not drift:
        return left, None
    remedies = {each.remedy for each in drift}
    identity, paths = case.kind.identity(case.desired), ", ".join(each.path for each in drift)
    if "refuse" in remedies:
        because = "; ".join(f"{each.path} is {each.have} and cannot become {each.want}" for each in drift)
        return Standing("refused", because, "InvalidSpec"), Action("refuse", case.node.id, because, drift, identity=identity)
    remedy: ActionVerb = "replace" if "replace" in remedies else "update"
    because = f"changed outside: {paths}" if case.is_settled else f"differs in {paths}"
    action = Action(
        remedy, case.node.id, because, drift, case.desired, seen.observed, identity, case.is_settled, case.despite(drift)
    )
    return _beside(Standing("pending", f"to be {remedy}d: {paths}"), left), action


def _state(case: _Case, seen: Found) -> Decision:
    if isinstance(case.transfer, Progress):
        return _at_work(case.transfer), None
    if isinstance(case.transfer, Broken):
        return Standing("broken", case.transfer.because, case.transfer.reason), None
    if case.waits_for and case.unknown:
        return _waiting(case.waits_for), None  # a state is judged against what is declared, and that is not known yet
    state = case.kind.state(case.desired, seen.observed)
    if isinstance(state, Moving):
        return Standing("moving", state.because, progress=state.progress, look_again_s=state.look_again_s), None
    if isinstance(state, Broken) and not (state.again and case.waits_for is None):
        return Standing("broken", state.because, state.reason), None
    if isinstance(state, Broken):
        identity = case.kind.identity(case.desired)
        because = f"again, since {state.because}"
        return Standing("pending", because), Action(
            "create", case.node.id, because, (), case.desired, seen.observed, identity
        )
    return (_waiting(case.waits_for) if case.waits_for else Standing("ok")), None


def _unread(what: Unknown) -> Standing:
    reason = "AccessDenied" if what.meaning == "denied" else "Unreachable"
    return Standing("unknown", what.reason, reason, look_again_s=_UNREAD_S)


def _at_work(progress: Progress) -> Standing:
    return Standing("moving", progress.note or "in progress", progress=progress, look_again_s=_TRANSFER_S)


def _waiting(parent: str) -> Standing:
    return Standing("pending", f"known after {parent}", after=parent)


def _leaving(seen: Seen) -> Standing:
    if isinstance(seen, Unknown):
        return _unread(seen)
    return _TO_BE_DELETED


def _tag_drift(desired: Any, seen: Found) -> tuple[Difference, ...]:
    """Tags that we declare and that are missing or other; tags of others stay."""
    wanted: Mapping[str, str] | None = getattr(desired, "tags", None)
    if wanted is None or seen.tags is None or isinstance(seen.tags, Unknown):
        return ()
    have = {name: value for name, value in seen.tags.items() if name in wanted}
    return () if have == dict(wanted) else (Difference("tags", have=have, want=dict(wanted)),)
