"""Asks what stands again, by turns, what proved it: a server may begin to answer wrongly while its health check is fine.

One turn is one golden request through the public endpoint and, where that could be had, one `/version` of a task. The
longest unasked go first, as many as 5 a second allow: up to 300 deployments at a sweep a minute all are asked with each.
What is sent is remembered while it stands, so a turn makes no call to AWS. What answers otherwise gets a pass; no more is
decided here.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future, wait
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from trimtab.core.kind import Caller
from trimtab.engine.proof import Claim, Evidence, Proof, Question, ask, prove_version, question_of

PER_S = 5.0
AT_ONCE = 16
WAIT_S = 10.0  # a sweep waits no longer for answers; later ones are taken by the next
_KEPT_BYTES = 64 * 1024  # a larger golden request is read again in each turn: of S3, which answers 5,500 a second
_Place: TypeAlias = tuple[str, str | None, tuple[str, str] | None]


@dataclass(frozen=True, slots=True)
class Proven:
    """A release as it was proven, and what it claims: addresses are those of all tasks that may be asked."""

    claim: Claim
    proof: Proof


@dataclass(frozen=True, slots=True)
class Turn:
    number: int
    at: float  # seconds of `monotonic`


_NONE_YET = Turn(-1, -math.inf)
_UnderWay: TypeAlias = tuple[Proven, "Future[Proof]"]


@dataclass(slots=True)
class Prover:
    """Of one environment; for one sweep at a time. threads: of its own, for a hung model holds one until it times out."""

    outside: Caller
    threads: Executor
    monotonic: Callable[[], float]
    wait_s: float = WAIT_S
    _last: float | None = None  # when turns were last given
    _turns: dict[str, Turn] = field(default_factory=dict[str, Turn])  # the last of each
    _under_way: dict[str, _UnderWay] = field(default_factory=dict[str, _UnderWay])
    _questions: dict[_Place, Question] = field(default_factory=dict[_Place, Question])

    def begin(self, standing: Mapping[str, Proven]) -> None:
        """Ask those whose turn it is; `departed` tells. One whose last answer is not there yet is not asked twice."""
        now = self.monotonic()
        most = max(1, int(PER_S * (now - (now if self._last is None else self._last))))
        self._last = now
        self._turns = {key: self._turns[key] for key in standing.keys() & self._turns.keys()}
        places = {_place(each.claim) for each in standing.values()}
        self._questions = {place: each for place, each in self._questions.items() if place in places}
        for key in due(standing.keys() - self._under_way.keys(), self._turns, most):
            turn = self._turns[key] = Turn(self._turns.get(key, _NONE_YET).number + 1, now)
            # A call made in a pool loses how urgent it is unless the context goes with it.
            made = self.threads.submit(copy_context().run, self._prove, standing[key], turn.number)
            self._under_way[key] = (standing[key], made)

    def departed(self) -> Mapping[str, Proven]:
        """Those of which a proof has come out otherwise, or with a fault of ours; each as it was given to `begin`."""
        done, _ = wait([future for _, future in self._under_way.values()], self.wait_s)
        ended = {key: each for key, each in self._under_way.items() if each[1] in done}
        self._under_way = {key: each for key, each in self._under_way.items() if key not in ended}
        return {key: proven for key, (proven, future) in ended.items() if _departs(proven, future)}

    def _prove(self, proven: Proven, turn: int) -> Proof:
        """Ask one task, another in each turn, and send the golden request once. What never was answered is not asked."""
        known, addresses = proven.proof, proven.claim.addresses
        claim = replace(proven.claim, addresses=(addresses[turn % len(addresses)],))
        version = known.version if known.version.is_ == "unreached" else prove_version(claim, self.outside)
        golden = known.golden if known.golden.is_ == "unreached" else self._golden(claim)
        return replace(known, version=version, golden=golden)

    def _golden(self, claim: Claim) -> Evidence:
        kept = self._questions.get(_place(claim))
        if kept and kept.body:
            return ask(kept, claim, self.outside)
        question = question_of(claim, self.outside, kept.headers if kept else None)
        if isinstance(question, Evidence):
            return question
        is_small = len(question.body) <= _KEPT_BYTES
        self._questions[_place(claim)] = question if is_small else replace(question, body=b"", outputs=None)
        return ask(question, claim, self.outside)


def due(standing: Iterable[str], turns: Mapping[str, Turn], most: int) -> list[str]:
    """Whose turn it is, at most so many: who has had none yet, then the longest unasked."""
    return sorted(standing, key=lambda key: (turns.get(key, _NONE_YET).at, key))[:most]


def _departs(proven: Proven, made: "Future[Proof]") -> bool:
    if made.cancelled():
        return False
    return made.exception() is not None or proven.proof.departs(made.result())  # a pass says what the fault was


def _place(claim: Claim) -> _Place:
    return claim.url, claim.key_id, claim.golden
