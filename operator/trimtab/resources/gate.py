"""The evaluation gate: a verdict on one trained model, kept in the ledger and never given twice.

A verdict is recorded per (training key, artifact, thresholds, champion, evaluation of the champion). Its calls go to the
ledger, not to a cloud: service "trimtab", operations GetVerdicts and PutVerdict.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from trimtab.core.canonical import digest_of
from trimtab.core.kind import Broken, Call, Difference, Kind, Ref, Right, Settled, State, Steps, Unknown, Verb
from trimtab.resources.evaluations import read_evaluation

Bound = Literal["atLeast", "atMost"]


@dataclass(frozen=True, slots=True)
class Threshold:
    metric: str  # "test:accuracy"
    bound: Bound
    value: float


@dataclass(frozen=True, slots=True)
class Champion:
    """The model now serving, as the candidate must meet it: by what it had, by an evaluation of now, or not at all."""

    metric: str
    tolerated_loss: float
    artifact: str  # digest
    value: float | None = None  # what it had on the candidate's test data
    evaluation: str = ""  # key of the job that evaluates it on that data; "" where none does
    report: Mapping[str, Any] | Ref | None = None  # the evaluation.json of that job
    problem: str | Ref = ""  # why there is no report
    uncompared: str = ""  # why there is neither


@dataclass(frozen=True, slots=True)
class Desired:
    training_key: str
    artifact: str | Ref  # digest
    thresholds: tuple[Threshold, ...]
    champion: Champion | None
    job_metrics: Mapping[str, float] | Ref  # FinalMetricDataList, by name
    evaluation: Mapping[str, Any] | Ref  # evaluation.json's metrics by "<channel>:<metric>"
    problem: str | Ref = ""  # why evaluation.json could not be read; empty when it could


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate decided, and why. `notes` say what was met, and by how much."""

    passed: bool
    because: str
    metrics: Mapping[str, float]
    notes: tuple[str, ...] = ()
    uncompared: str = ""  # that a champion was declared and not compared with, and why


class Gate:
    name = "trimtab.Gate"
    rank = 30
    rights: Mapping[Verb, tuple[Right, ...]] = {}

    def identity(self, desired: Desired) -> str:
        # The Refs come last, and in plain text, so that an identity that is not known yet says so.
        champion = _named(desired.champion) if desired.champion else ""
        terms = digest_of([[each.metric, each.bound, each.value] for each in desired.thresholds])
        tolerance = f"{desired.champion.metric}:{desired.champion.tolerated_loss}" if desired.champion else ""
        return f"{desired.training_key}|{terms}|{tolerance}|{champion}|{desired.artifact}"

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, Verdict | Unknown]]:
        reply = yield Call("trimtab", "GetVerdicts", {"Keys": list(wanted)})
        return {key: _verdict(value) for key, value in reply["Verdicts"].items()}

    def tags(self, observed: Sequence[Verdict]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        yield from ()
        return [{} for _ in observed]

    def state(self, desired: Desired, observed: Verdict) -> State:
        return Settled() if observed.passed else Broken("GateNotMet", observed.because)

    def diff(self, desired: Desired, observed: Verdict) -> tuple[Difference, ...]:
        return ()

    def create(self, desired: Desired) -> Steps[None]:
        verdict = judge(desired)
        # A candidate that passes becomes the champion: from then on it is looked up without one.
        names = (desired, replace(desired, champion=None)) if verdict.passed and desired.champion else (desired,)
        for each in names:
            yield Call("trimtab", "PutVerdict", {"Key": self.identity(each), "Verdict": _plain(verdict)}, repeat="safe")

    def update(self, desired: Desired, observed: Verdict, drift: Sequence[Difference]) -> Steps[None]:
        yield from ()

    def delete(self, observed: Verdict) -> Steps[None]:
        yield from ()  # it goes with the ledger


def judge(desired: Desired) -> Verdict:
    """Decide. A metric that is missing, not a number or unreadable fails; every failing reason is named."""
    assert isinstance(desired.job_metrics, Mapping)
    assert isinstance(desired.evaluation, Mapping)
    metrics = {name: float(value) for name, value in (*desired.job_metrics.items(), *desired.evaluation.items())}
    finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
    problem = str(desired.problem)
    missed = [_miss(each, metrics, problem) for each in desired.thresholds]
    against, note, uncompared = _against(desired.champion, metrics, problem)
    reasons = [reason for reason in (*missed, against) if reason]
    met = tuple(f"{each.metric} is {metrics[each.metric]:g}, {_words(each)}" for each in desired.thresholds if not reasons)
    notes = (*met, *((note,) if note else ()))
    return Verdict(not reasons, "; ".join(reasons) or "every gate is met", finite, notes, uncompared)


def _named(champion: Champion) -> str:
    """Its digest, and by which evaluation it is met."""
    return champion.artifact + (f"@{champion.evaluation[:12]}" if champion.evaluation else "")


def _miss(threshold: Threshold, metrics: Mapping[str, float], problem: str) -> str:
    value = metrics.get(threshold.metric)
    if value is None:
        return _absent(threshold.metric, metrics, problem)
    if math.isnan(value):
        return f"{threshold.metric} is not a number"
    if threshold.bound == "atLeast" and not value >= threshold.value:
        return f"{threshold.metric} is {value:g}, below {threshold.value:g}"
    if threshold.bound == "atMost" and not value <= threshold.value:
        return f"{threshold.metric} is {value:g}, above {threshold.value:g}"
    return ""


def _against(champion: Champion | None, metrics: Mapping[str, float], problem: str) -> tuple[str, str, str]:
    """Compare with the champion: (why it fails, what to note, why it was not compared)."""
    if champion is None:
        return "", "", ""
    if champion.uncompared:
        return "", "", not_compared(champion)
    value = metrics.get(champion.metric)
    if value is None:
        return _absent(champion.metric, metrics, problem), "", ""
    had, lacking = _value_of(champion)
    if had is None:
        return f"nothing to compare with: {lacking}", "", ""
    again = ", evaluated again on this test data" if champion.evaluation else ""
    if not value >= had - champion.tolerated_loss:
        below = f"more than {champion.tolerated_loss:g} below the champion's {had:g}"
        return f"{champion.metric} is {value:g}, {below}{again}", "", ""
    return "", f"{champion.metric} is {value:g} beside the champion's {had:g}{again}", ""


def not_compared(champion: Champion | None) -> str:
    """That a champion is declared and cannot be compared with, and why; "" where it can, or there is none."""
    if champion is None or not champion.uncompared:
        return ""
    return f"not compared with the champion {champion.artifact[:19]}: {champion.uncompared}"


def _value_of(champion: Champion) -> tuple[float | None, str]:
    """(what the champion has on the candidate's test data, or None, and why)."""
    if not champion.evaluation:
        return champion.value, ""
    assert not isinstance(champion.report, Ref)
    values, _, wrong = read_evaluation(champion.report)
    value = values.get(champion.metric)
    if value is not None and math.isfinite(value):
        return value, ""
    odd = "it is not a number" if value is not None else ""
    why = odd or str(champion.problem) or wrong or f"it gave {', '.join(sorted(values))}"
    return None, f"the champion's evaluation has no {champion.metric}: {why}"


def _absent(metric: str, metrics: Mapping[str, float], problem: str) -> str:
    if problem:
        return f"{metric} is missing: {problem}"
    there = ", ".join(sorted(metrics)) or "no metric at all"
    return f"{metric} is missing: the job and its evaluation.json gave {there}"


def _words(threshold: Threshold) -> str:
    return f"at least {threshold.value:g}" if threshold.bound == "atLeast" else f"at most {threshold.value:g}"


def _verdict(value: Mapping[str, Any]) -> Verdict:
    uncompared = value.get("uncompared", "")  # verdicts of before have none
    return Verdict(value["passed"], value["because"], dict(value["metrics"]), tuple(value["notes"]), uncompared)


def _plain(verdict: Verdict) -> dict[str, Any]:
    return {
        "passed": verdict.passed,
        "because": verdict.because,
        "metrics": dict(verdict.metrics),
        "notes": list(verdict.notes),
        "uncompared": verdict.uncompared,
    }


KIND: Kind[Desired, Verdict] = Gate()
