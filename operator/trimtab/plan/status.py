"""What a person and a tool read of a deployment: kstatus-compatible conditions, and one row a stage. Pure.

`Ready` means that this generation has converged; `Serving` that some revision answers; `Reconciling` and `Stalled` say
moving or stuck. A condition's time changes only with its status.
Source: kstatus (sigs.k8s.io/cli-utils), Kubernetes API conventions on conditions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from trimtab.core.kind import Difference, Progress
from trimtab.core.times import rfc3339
from trimtab.graph.node import STAGES, Graph, Stage
from trimtab.plan.drift import told
from trimtab.plan.plan import Plan, Standing
from trimtab.plan.snapshot import Found, Snapshot

Truth: TypeAlias = Literal["True", "False", "Unknown"]
FOUGHT = ("BackOff", "Fighting")  # reasons of what the flap guard leaves alone; what a person must settle comes last
SERVICE, GATE = "ecs.Service/service", "trimtab.Gate/gate"
STAGE_CONDITIONS: Mapping[str, tuple[Stage, ...]] = {
    "DatasetReady": ("dataset",),
    "Trained": ("training",),
    "Evaluated": ("evaluation",),
    "ImageReady": ("image",),
    "Released": ("environment", "release", "gateway"),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition, as Kubernetes spells it."""

    type: str
    status: Truth
    reason: str  # CamelCase, from the closed list
    message: str
    observed_generation: int
    since: str  # RFC 3339: when the status last changed


@dataclass(frozen=True, slots=True)
class StageRow:
    """Where one stage stands, by the worst of its nodes."""

    stage: Stage
    standing: Standing
    node: str  # the node that stands so; "" when all are as declared


@dataclass(frozen=True, slots=True)
class Trouble:
    """An action of the last pass that failed."""

    node: str
    reason: str  # CamelCase, from the closed list
    because: str
    passes: bool  # another pass may find it gone


_OK = Standing("ok")
GIVEN_UP = ("RolledBack", "RolloutFailed")  # reasons of a release that the platform gave up
# What is worse comes first: it is what a person must see.
_WORST = ("refused", "broken", "unknown", "moving", "pending", "ok")


def stage_rows(graph: Graph, plan: Plan) -> tuple[StageRow, ...]:
    """One row for each stage that has nodes, in order."""
    rows: list[StageRow] = []
    for stage in STAGES:
        nodes = [node for node in graph if node.stage == stage]
        if nodes:
            worst = min(nodes, key=lambda node: _WORST.index(plan.standings[node.id].is_))
            standing = plan.standings[worst.id]
            rows.append(StageRow(stage, standing, "" if standing.is_ok else worst.id))
    return tuple(rows)


def conditions(
    graph: Graph,
    plan: Plan,
    snapshot: Snapshot,
    generation: int,
    since: Mapping[str, tuple[str, str]],
    troubles: Sequence[Trouble],
    held: int | None = None,
    suspended: str = "",
    went_back: str = "",
) -> tuple[Condition, ...]:
    """Every condition of a deployment after a pass.

    since: of the last pass, by type: (status, RFC 3339); a status that is still the same keeps its time.
    troubles: of the last pass that acted. held: number of the revision that a person rolled back to.
    suspended: since when a person has it left alone, "the document" where that says so, "" where neither.
    went_back: why the declared release was given up while it baked, and the last one serves again; "" where it was not.
    """
    at = rfc3339(snapshot.at)

    def condition(type_: str, status: Truth, reason: str, message: str) -> Condition:
        held = since.get(type_, ("", ""))
        return Condition(type_, status, reason, message, generation, held[1] if held[0] == status else at)

    troubles = [each for each in troubles if not plan.standings.get(each.node, _OK).is_ok]  # the rest are over
    stuck = stuck_on(plan, troubles) or _given_up(plan)
    settled = plan.is_converged
    stages = [condition(type_, *_stage(graph, plan, snapshot, members)) for type_, members in STAGE_CONDITIONS.items()]
    drift = [
        (node, each.drift, each.because) for node, each in plan.standings.items() if each.drift or each.reason in FOUGHT
    ]
    drift += [(action.node, action.differences, "") for action in plan.actions if action.is_drift]
    fought = worst_fight(plan)
    return (
        condition("Ready", *(_left_alone(plan, suspended) or _ready(plan, stuck, held, went_back))),
        condition("Serving", *_serving(snapshot)),
        condition("Reconciling", "False" if settled or stuck or suspended else "True", *_moving(plan, troubles)),
        condition("Stalled", *(("True", *stuck) if stuck else ("False", _calm(settled), ""))),
        condition("Drifted", *_drifted(drift, fought or "Drifted")),
        condition("PinsOutdated", *_outdated(snapshot.outdated)),
        condition("Suspended", *_suspended(suspended)),
        *stages,
    )


def stuck_on(plan: Plan, troubles: Sequence[Trouble]) -> tuple[str, str] | None:
    """(reason, message) of what needs a person, once nothing else goes on; None while something does, or all is well."""
    lasting = {each.node: each for each in troubles if not each.passes}
    acting = any(action.node not in lasting for action in plan.writes)
    if acting or any(each.is_ == "moving" or each.reason == "Unreachable" for each in plan.standings.values()):
        return None
    for node, each in plan.standings.items():
        if node in lasting and not each.is_ok:
            return lasting[node].reason, f"{node}: {lasting[node].because}"
        if each.is_ in ("broken", "refused") or each.reason == "AccessDenied":
            return each.reason, f"{node}: {each.because}"
    return None


def _given_up(plan: Plan) -> tuple[str, str] | None:
    """What the platform gave up: nothing that goes on beside it, such as the tag that remembers it, will mend that."""
    for node, each in plan.standings.items():
        if each.is_ == "broken" and each.reason in GIVEN_UP:
            return each.reason, f"{node}: {each.because}"
    return None


def _left_alone(plan: Plan, suspended: str) -> tuple[Truth, str, str] | None:
    """What Ready says of a suspended deployment that is not as declared; None where that makes no difference."""
    return ("False", *_suspended(suspended)[1:]) if suspended and not plan.is_converged else None


def _suspended(suspended: str) -> tuple[Truth, str, str]:
    if not suspended:
        return "False", "NotSuspended", ""
    if suspended == "the document":
        return "True", "Suspended", "the document says suspend: true; nothing is done until that is changed"
    return "True", "Suspended", f"left alone since {suspended}; `trimtab resume` ends that"


def worst_fight(plan: Plan) -> str:
    """The reason of what the flap guard leaves alone, that for which a person is asked before any other; "" for nothing."""
    return max((each.reason for each in plan.standings.values() if each.reason in FOUGHT), key=FOUGHT.index, default="")


def _drifted(drift: Sequence[tuple[str, Sequence[Difference], str]], reason: str) -> tuple[Truth, str, str]:
    if not drift:
        return "False", "AsDeclared", ""
    found = [(f"{node}: {told(each) or 'deleted outside'}", because) for node, each, because in drift]
    return "True", reason, "; ".join(f"{said} ({because})" if because else said for said, because in found)


def _outdated(said: Sequence[str]) -> tuple[Truth, str, str]:
    if not said:
        return "False", "AsPinned", ""
    return "True", "PinsOutdated", f"{'; '.join(said)}. `trimtab refresh` takes what is newer"


def _calm(settled: bool) -> str:
    return "Ready" if settled else "Progressing"


def _moving(plan: Plan, troubles: Sequence[Trouble]) -> tuple[str, str]:
    if plan.is_converged:
        return "Ready", ""
    if troubles:
        return "Retrying", f"{troubles[0].node}: {troubles[0].because}"
    return "Progressing", _doing(plan)


def _ready(plan: Plan, stuck: tuple[str, str] | None, held: int | None, went_back: str) -> tuple[Truth, str, str]:
    if stuck:
        return "False", stuck[0], stuck[1]
    if went_back:
        return "False", "RolledBack", went_back
    if held is not None:
        return "False", "Held", f"revision {held} is held by a rollback; `trimtab release` ends it, or a changed document"
    if worst := worst_fight(plan):
        fought = {node: each for node, each in plan.standings.items() if each.reason == worst}
        return "False", worst, "; ".join(f"{node}: {each.because}" for node, each in fought.items())
    left = [node for node, each in plan.standings.items() if each.drift]
    if left:
        return "False", "Drifted", f"changed outside and left so by the drift policy: {', '.join(left)}"
    if plan.is_converged:
        return "True", "Ready", "everything is as declared"
    if any(each.is_ == "unknown" for each in plan.standings.values()):
        return "Unknown", "Unreachable", _doing(plan)
    return "Unknown", "Progressing", _doing(plan)


def _serving(snapshot: Snapshot) -> tuple[Truth, str, str]:
    seen = snapshot.seen.get(SERVICE)
    if not isinstance(seen, Found):
        return ("False", "NotReleased", "nothing serves yet") if seen is not None else ("Unknown", "Unreachable", "")
    running, wanted = seen.observed.running, seen.observed.desired_count
    if running:
        return "True", "Serving", f"{running} of {wanted} tasks run"
    return "False", "NoTasks", f"none of {wanted} tasks runs"


def _stage(graph: Graph, plan: Plan, snapshot: Snapshot, members: tuple[Stage, ...]) -> tuple[Truth, str, str]:
    standings = [plan.standings[node.id] for node in graph if node.stage in members]
    worst = min(standings, key=lambda each: _WORST.index(each.is_), default=Standing("ok"))
    if worst.is_ok:
        return ("True", *_judged(snapshot)) if "evaluation" in members else ("True", "AsDeclared", "")
    status: Truth = "False" if worst.is_ in ("broken", "refused") else "Unknown"
    return status, worst.reason or "Progressing", worst.because


def _judged(snapshot: Snapshot) -> tuple[str, str]:
    """(reason, message) of a gate that is passed: what was met, and whether the champion was."""
    seen = snapshot.seen.get(GATE)
    if not isinstance(seen, Found):
        return "AsDeclared", ""
    return "ChampionNotCompared" if seen.observed.uncompared else "AsDeclared", "; ".join(gate_words(seen.observed))


def gate_words(verdict: Any) -> tuple[str, ...]:
    """What a gate said: each bound that was met, and how the model stands beside the champion."""
    return (*verdict.notes, *((verdict.uncompared,) if verdict.uncompared else ()))


def _doing(plan: Plan) -> str:
    """One line on what goes on, or what is waited for."""
    for wanted in ("moving", "unknown", "pending"):
        for node, standing in plan.standings.items():
            if standing.is_ == wanted:
                return f"{node}: {standing.because}{_share(standing.progress)}"
    return ""


def _share(progress: Progress | None) -> str:
    return f" ({progress.done} of {progress.total} {progress.unit})" if progress and progress.total else ""
