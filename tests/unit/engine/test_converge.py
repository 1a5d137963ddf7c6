"""What happens between passes: a wait for the platform costs looks at what moves, and its end is seen soon."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import Any

import pytest

from trimtab.core.kind import Progress
from trimtab.engine.converge import converge
from trimtab.engine.view import Outcome, View
from trimtab.graph.node import Graph
from trimtab.plan.plan import Action, Plan, Standing
from trimtab.plan.snapshot import Snapshot

JOB, SERVICE = "sagemaker.TrainingJob/training", "ecs.Service/service"
CREATE = Action("create", JOB, "it does not exist")
MOVING = {JOB: Standing("moving", "InProgress", look_again_s=5.0)}
OK = {JOB: Standing("ok")}


@dataclass
class Clock:
    """Time that goes on only where somebody waits."""

    at: float = 0.0

    def monotonic(self) -> float:
        return self.at

    def wait(self, event: Event, seconds: float) -> bool:
        if not event.is_set():
            self.at += seconds
        return event.is_set()


@dataclass
class Platform:
    """Reconciler and world in one: a job is created in the first pass and ends at a time."""

    clock: Clock
    ends: float
    transfers: Any = field(default_factory=lambda: type("Pool", (), {"changed": Event()})())
    transferred: dict[str, Progress] = field(default_factory=dict)
    rotated: object = None
    standings: dict[str, Standing] = field(default_factory=lambda: dict(MOVING))
    passes: list[float] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)

    def pass_(self, wanted: object, *, expected_generation: int | None, approval: object, is_guarded: bool) -> Outcome:
        assert approval is None
        assert not is_guarded  # a person asks
        self.passes.append(self.clock.at)
        if len(self.passes) == 1:
            return self.outcome(Plan((CREATE,), MOVING))
        return self.outcome(Plan((), OK if self.clock.at >= self.ends else self.standings))

    def outcome(self, plan: Plan) -> Outcome:
        snapshot = Snapshot(datetime(2026, 11, 23, tzinfo=UTC), {}, self.transferred, ())
        unused: Any = type("Ledger", (), {"generation": 1})()
        return Outcome(View(Graph({}), snapshot, plan, unused, unused, unused, self.rotated), plan, unused)  # type: ignore[arg-type]

    def has_moved(self, view: View, nodes: tuple[str, ...]) -> bool:
        assert nodes == (JOB,)
        self.looks.append(self.clock.at)
        return self.clock.at >= self.ends


def converged(ends: float, **given: Any) -> Platform:
    clock = Clock()
    platform = Platform(clock, ends, **given)
    assert converge(platform, None, clock, lambda _: None, 3600.0).how == "converged"  # type: ignore[arg-type]
    return platform


@pytest.mark.parametrize("ends", [0.3, 1.0, 3.0, 10.0, 60.0, 600.0])
def test_the_end_of_a_wait_is_seen_within_a_tenth_of_it(ends):
    late = converged(ends).passes[-1] - ends
    assert late <= max(0.2, min(ends * 0.1, 2.0)) + 1e-9


def test_a_wait_costs_looks_and_a_whole_pass_only_now_and_then():
    platform = converged(60.0)
    assert len(platform.passes) <= 3 + 60 / 5
    assert len(platform.looks) > 2 * len(platform.passes)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"transferred": {JOB: Progress(1, 2, "bytes")}}, id="a transfer of ours"),
        pytest.param({"rotated": object()}, id="what is in rotation, which the service does not tell"),
        pytest.param({"standings": {**MOVING, SERVICE: Standing("unknown", "denied")}}, id="what could not be read"),
    ],
)
def test_what_no_look_at_the_platform_tells_is_waited_for_by_whole_passes(given):
    platform = converged(10.0, **given)
    assert platform.looks == []
    assert platform.passes[-1] - 10.0 <= 2.0


def test_the_end_of_a_transfer_is_a_pass_at_once():
    clock = Clock()
    platform = Platform(clock, 3600.0, transferred={JOB: Progress(1, 2, "bytes")})

    def tell(_: Outcome) -> None:  # between two passes
        if len(platform.passes) == 5:
            platform.ends = clock.at
            platform.transfers.changed.set()

    converge(platform, None, clock, tell, 3600.0)  # type: ignore[arg-type]
    assert platform.passes[-1] == platform.passes[-2]
