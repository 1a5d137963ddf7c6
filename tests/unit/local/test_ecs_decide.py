"""What a service needs next, as tables: no process, no clock.

Sources, Amazon ECS Developer Guide: "Deploy Amazon ECS services by replacing tasks", "How the Amazon ECS deployment
circuit breaker detects failures" (thresholds), "How CloudWatch alarms detect Amazon ECS deployment failures" (bake
time), "Amazon ECS service throttle logic" (pauses between starts); ECS API Reference, DeploymentConfiguration (how
percentages round).
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from trimtab.local.ecs_decide import (
    Bake,
    Close,
    Complete,
    Fail,
    Halt,
    Launch,
    Seen,
    Steady,
    ceiling,
    decide,
    floor,
    pause,
    threshold,
)
from trimtab.local.ecs_records import Deployment, Service, Task

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BREAKER = {"enable": True, "rollback": True}
OLD, NEW = "ecs-svc/1", "ecs-svc/2"
SCALING = f"Scaling activity initiated by (deployment {NEW})"


def deployment(id: str, **fields: Any) -> Deployment:
    return Deployment(
        id=id, number=id[-1], definition=f"d:{id[-1]}", network={}, balancers=[], created=NOW, updated=NOW, **fields
    )


def service(desired: int = 2, least: int = 100, most: int = 200, breaker: Any = None, **fields: Any) -> Service:
    settings = {"minimumHealthyPercent": least, "maximumPercent": most, "deploymentCircuitBreaker": breaker or BREAKER}
    given = {"deployments": [deployment(NEW), deployment(OLD, status="ACTIVE", state="COMPLETED", was_completed=True)]}
    return Service(
        arn="a",
        name="s",
        cluster="c",
        settings={"deploymentConfiguration": settings},
        desired=desired,
        created=NOW,
        created_by="me",
        **(given | fields),
    )


def task(
    id: str, deployment: str = NEW, *, healthy: bool = True, sick: str = "", live: bool = True, proven: bool = False
) -> Seen:
    record = Task(
        arn=id, id=id, cluster="c", definition="d", group="g", address="127.32.0.1", settings={}, containers=[], created=NOW,
        deployment=deployment, status="RUNNING" if live else "STOPPING", desired="RUNNING" if live else "STOPPED",
        proven=proven or healthy,
    )  # fmt: skip
    return Seen(record, healthy=healthy and live, sick=sick)


def pending(id: str, deployment: str = NEW) -> Seen:
    return task(id, deployment, healthy=False)


def old(*ids: str) -> list[Seen]:
    return [task(id, OLD) for id in ids]


def halts(*ids: str, reason: str = SCALING, failed: bool = False) -> list[Halt]:
    return [Halt(id, reason, failed) for id in ids]


@pytest.mark.parametrize(
    ("given", "tasks", "steps"),
    [
        pytest.param(service(), old("a", "b"), [Launch(NEW, 2)], id="a rollout starts within the maximum"),
        pytest.param(service(most=150), old("a", "b"), [Launch(NEW, 1)], id="the maximum is rounded down to whole tasks"),
        pytest.param(service(), [*old("a", "b"), pending("n")], [Launch(NEW, 1)], id="pending tasks count"),
        pytest.param(service(), [*old("a", "b"), pending("n"), pending("m")], [], id="nothing stops before new ones serve"),
        pytest.param(service(), [*old("a", "b"), task("n"), pending("m")], halts("a"), id="one healthy new frees one old"),
        pytest.param(service(), [*old("a", "b"), task("n"), task("m")], halts("a", "b"), id="all healthy new free all old"),
        pytest.param(service(least=0, most=100), old("a", "b"), halts("a", "b"), id="minimum 0 stops first"),
        pytest.param(service(least=50, most=100), old("a", "b"), halts("a"), id="minimum 50 stops half first"),
        pytest.param(
            service(least=50, most=100), old("b"), [Launch(NEW, 1)], id="and starts one once that one has left"
        ),
        pytest.param(service(most=100, least=90), [*old("a", "b")], [], id="no room either way: it waits"),
        pytest.param(service(), [pending("a", OLD), task("n"), task("m")], halts("a"), id="an old one that never served"),
        pytest.param(
            service(desired=1, least=100),
            [task("a", OLD, healthy=False, proven=True), pending("n")],
            [],
            id="an old task of unknown health stays until the new one serves",
        ),
        pytest.param(service(), [task("n"), task("m"), task("a", OLD, live=False)], [], id="it waits for old ones to end"),
        pytest.param(service(), [task("n"), task("m")], [Complete(NEW), Steady()], id="then it is complete"),
        pytest.param(service(desired=1), [task("n"), task("m")], halts("n"), id="surplus goes"),
        pytest.param(service(desired=1), [task("n"), pending("m")], halts("m"), id="surplus that does not serve goes first"),
        pytest.param(service(desired=0), [], [Complete(NEW), Steady()], id="none desired is complete"),
        pytest.param(
            service(), [task("n", sick="why", healthy=False), *old("a", "b")],
            [Launch(NEW, 1), *halts("n", reason="why", failed=True)], id="a new task that fails its checks is replaced",
        ),
        pytest.param(
            service(), [task("n"), task("m", healthy=False, sick="why", proven=True)], [Launch(NEW, 1)],
            id="a task that served before is replaced first",
        ),
        pytest.param(
            service(), [task("n"), task("o"), task("m", healthy=False, sick="why", proven=True)],
            halts("m", reason="why", failed=True), id="and stopped once its heir serves",
        ),
    ],
)  # fmt: skip
def test_a_rollout_keeps_within_its_minimum_and_maximum(given: Service, tasks: list[Seen], steps: list[Any]) -> None:
    assert decide(given, tasks, NOW) == steps


@pytest.mark.parametrize(
    ("failed", "breaker", "back_to"),
    [
        pytest.param(2, BREAKER, None, id="below the threshold"),
        pytest.param(3, BREAKER, OLD, id="at the threshold, rolled back"),
        pytest.param(3, {"enable": True, "rollback": False}, "", id="without rollback"),
        pytest.param(9, {"enable": False, "rollback": False}, None, id="no breaker"),
    ],
)
def test_the_circuit_breaker_trips_at_its_threshold(failed: int, breaker: Any, back_to: str | None) -> None:
    given = service(breaker=breaker)
    given.primary.failed = failed
    fails = [each for each in decide(given, old("a", "b"), NOW) if isinstance(each, Fail)]
    assert fails == ([] if back_to is None else [Fail(NEW, back_to)])


ALARMS = {"alarmNames": ["errors"], "enable": True, "rollback": True}
RUNNING = [task("n"), *old("a", "b")]


def baking(alarms: Any = ALARMS, **fields: Any) -> Service:
    """A service whose new deployment is watched by alarms, unless the fields say otherwise."""
    given = service()
    given.settings["deploymentConfiguration"]["alarms"] = alarms
    for name, value in ({"watched": True} | fields).items():
        setattr(given.primary, name, value)
    return given


@pytest.mark.parametrize(
    ("given", "tasks", "back_to"),
    [
        pytest.param(baking(), RUNNING, OLD, id="while it takes over, rolled back"),
        pytest.param(baking(ALARMS | {"rollback": False}), RUNNING, "", id="without rollback"),
        pytest.param(baking(baked_at=NOW + timedelta(minutes=1)), [task("n"), task("m")], OLD, id="while it bakes"),
        pytest.param(baking(), old("a", "b"), None, id="before any task of it"),
        pytest.param(baking(watched=False), RUNNING, None, id="one that was in ALARM when it began"),
        pytest.param(baking(state="COMPLETED", was_completed=True), RUNNING, None, id="once it is complete"),
        pytest.param(baking(was_completed=True), RUNNING, None, id="while it is returned to"),
    ],
)
def test_an_alarm_fails_a_deployment_that_runs_and_is_watched(
    given: Service, tasks: list[Seen], back_to: str | None
) -> None:
    fails = [each for each in decide(given, tasks, NOW, ["errors"]) if isinstance(each, Fail)]
    assert fails == ([] if back_to is None else [Fail(NEW, back_to, ("errors",))])
    assert not [each for each in decide(given, tasks, NOW) if isinstance(each, Fail)]  # nothing rings


def test_a_watched_deployment_is_complete_once_it_has_baked() -> None:
    both = [task("n"), task("m")]
    assert decide(baking(), both, NOW) == [Bake(NEW)]
    until = NOW + timedelta(minutes=1)
    assert decide(baking(baked_at=until), both, NOW) == []
    assert decide(baking(baked_at=until), [task("n")], NOW) == [Launch(NEW, 1)]  # it is kept running meanwhile
    assert decide(baking(baked_at=until), both, until) == [Complete(NEW), Steady()]


def test_a_first_deployment_that_fails_has_nothing_to_return_to() -> None:
    given = service(deployments=[deployment(NEW, failed=3)])
    assert decide(given, [], NOW) == [Fail(NEW, "")]


def test_a_failed_deployment_starts_nothing_and_leaves_what_serves() -> None:
    given = service()
    given.primary.state = "FAILED"
    assert decide(given, old("a", "b"), NOW) == []


def test_a_deployment_that_was_returned_to_does_not_trip_again() -> None:
    given = service(deployments=[deployment(NEW, failed=9, was_completed=True)])
    assert decide(given, [], NOW) == [Launch(NEW, 2)]


def test_a_start_waits_for_the_pause_after_failures() -> None:
    given = service()
    given.primary.hold_until = NOW + timedelta(seconds=1)
    assert decide(given, old("a", "b"), NOW) == []
    assert decide(given, old("a", "b"), NOW + timedelta(seconds=1)) == [Launch(NEW, 2)]


def test_a_dead_task_of_a_steady_service_is_replaced_and_steadiness_is_said_once() -> None:
    given = service(deployments=[deployment(NEW, state="COMPLETED", was_completed=True)])
    assert decide(given, [task("n")], NOW) == [Launch(NEW, 1)]
    assert decide(given, [task("n"), task("m")], NOW) == [Steady()]
    assert decide(replace(given, steady=True), [task("n"), task("m")], NOW) == []


def test_a_deleted_service_stops_its_tasks_and_closes_when_they_are_gone() -> None:
    given = service(status="DRAINING", desired=0)
    assert decide(given, old("a"), NOW) == halts("a")
    assert decide(given, [task("a", OLD, live=False)], NOW) == []
    assert decide(given, [], NOW) == [Close()]


@pytest.mark.parametrize(
    ("desired", "configuration", "expected"),
    [
        (1, {}, 3),
        (6, {}, 3),
        (7, {}, 4),
        (1000, {}, 200),
        (10, {"type": "COUNT", "value": 7}, 7),
        (10, {"type": "BOUNDED_PERCENT", "value": 10}, 3),
        (10, {"type": "UNBOUNDED_PERCENT", "value": 10}, 1),
        (1000, {"type": "UNBOUNDED_PERCENT", "value": 100}, 1000),
        (0, {"type": "UNBOUNDED_PERCENT", "value": 100}, 1),
    ],
)
def test_the_threshold_follows_its_type(desired: int, configuration: Any, expected: int) -> None:
    breaker = BREAKER | ({"thresholdConfiguration": configuration} if configuration else {})
    assert threshold(service(desired=desired, breaker=breaker)) == expected


@pytest.mark.parametrize(
    ("desired", "least", "most", "bounds"),
    [(2, 100, 200, (2, 4)), (3, 50, 150, (2, 4)), (1, 50, 100, (1, 1)), (4, 0, 100, (0, 4)), (0, 100, 200, (0, 0))],
)
def test_percentages_round_towards_safety(desired: int, least: int, most: int, bounds: tuple[int, int]) -> None:
    given = service(desired=desired, least=least, most=most)
    assert (floor(given), ceiling(given)) == bounds


def test_pauses_grow_from_nothing_to_a_bound() -> None:
    seconds = [pause(stumbles).total_seconds() for stumbles in range(12)]
    assert seconds[:4] == [0, 0, 0.25, 0.5]
    assert seconds == sorted(seconds)
    assert pause(10_000).total_seconds() == 15
