"""From a change by hand to the write that undoes it, by the local cloud's journal: with events, and by sweeps alone.

Single fields of random deployments, each of them once: what is changed again and again is repaired ever more rarely.
"""

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gitops_life import Served, queue_of_events
from operating import Operator, operating
from outside import Outside

from bench.operated import cloud_to_operate
from hands import World

DEPLOYMENTS = 8
DRIFTS = 50  # of each way
SEED = 20261126
RARELY_S, SWEEP_S = 3600, 10
P50_S, P99_S, SLACK_S = 1.0, 3.0, 5.0  # goal G6
FIELDS: Mapping[str, tuple[str, Callable[[World], None]]] = {
    "desired count": ("ecs", World.desired_count),
    "tag": ("ecs", World.tag),
    "forwarding": ("elbv2", World.listener_rule),
    "drain": ("elbv2", World.drain_delay),
    "health check": ("elbv2", World.health_interval),
    "stage's rate": ("apigateway", World.stage_throttle),
    "stage's burst": ("apigateway", World.stage_burst),
    "key": ("apigateway", World.key_disabled),
    "plan's rate": ("apigateway", World.plan_rate),
    "policy": ("iam", World.role_policy),
    "tag mutability": ("ecr", World.repository_setting),
    "scan": ("ecr", World.image_scan),
    "retention": ("logs", World.log_retention),
}


@dataclass(frozen=True, slots=True)
class Drift:
    document: Path
    field: str

    @property
    def service(self) -> str:
        return FIELDS[self.field][0]


def measure() -> dict[str, Any]:
    """Seconds from the foreign write to the repairing one: each way, and the slowest by field; with the seed."""
    print(f"seed {SEED}", flush=True)
    chance = random.Random(SEED)
    with cloud_to_operate("--trail-delay", "0s") as outside:
        models = [Served(outside, outside.work / "models", f"drift{number:02}") for number in range(DEPLOYMENTS)]
        drifts = [Drift(model.document, field) for model in models for field in FIELDS]
        chance.shuffle(drifts)
        queue = queue_of_events(outside)
        with operating(outside, "events", [models[0].source], sweep=f"{RARELY_S}s", queue=queue) as operator:
            for model in models:
                model.served(operator)
            heard = undone(outside, operator, [[each] for each in drifts[:DRIFTS]], chance)
        with operating(outside, "sweeps", [models[0].source], sweep=f"{SWEEP_S}s") as operator:
            for model in models:
                model.served(operator)
            swept = undone(outside, operator, batches(drifts[DRIFTS : 2 * DRIFTS]), chance)
    return {
        "seed": SEED,
        "sweep_s": SWEEP_S,
        "by_event": spread(heard),
        "by_poll": spread(swept),
        "goals": goals(heard, swept),
    }


def undone(
    outside: Outside, operator: Operator, groups: Sequence[Sequence[Drift]], chance: random.Random
) -> list[tuple[str, float]]:
    """(field, seconds) of each drift; those of a group are there together, the next comes once they are undone."""
    ana = SimpleNamespace(client=outside.person("ana"))
    spent: list[tuple[str, float]] = []
    for group in groups:
        since = outside.last_number()
        for each in group:
            time.sleep(chance.uniform(0.2, 1.0))  # of sweeps: just after one, so that nearly the whole interval is waited
            FIELDS[each.field][1](World(ana, each.document))
        spent += [(each.field, _undone(outside, operator, each, since)) for each in group]
    operator.until(lambda: len(operator.events("drift.repaired")) >= len(spent), "word of each repair")
    return spent


def _undone(outside: Outside, operator: Operator, drift: Drift, since: int) -> float:
    what = f"repair of the {drift.field} of {drift.document.parent.name}"
    return operator.until(lambda: between(outside.journal(since), drift.service), what)


def between(entries: Sequence[Mapping[str, Any]], service: str) -> float | None:
    """Seconds from a person's write to a service to the operator's that follows; None while there is none."""
    writes = [each for each in entries if each["service"] == service and each["write"] and each["status"] < 400]
    theirs = next(each for each in writes if each["principal"].endswith("/ana"))
    after = (each for each in writes if each["number"] > theirs["number"] and each["principal"] != theirs["principal"])
    ours = next(after, None)
    return (datetime.fromisoformat(ours["at"]) - datetime.fromisoformat(theirs["at"])).total_seconds() if ours else None


def batches(drifts: Sequence[Drift]) -> list[list[Drift]]:
    """Groups in which no two are of one service or of one deployment: the journal tells their repairs apart."""
    groups: list[list[Drift]] = []
    for drift in drifts:
        apart = (
            group
            for group in groups
            if all(drift.service != each.service and drift.document != each.document for each in group)
        )
        group = next(apart, None)
        if group is None:
            groups.append([drift])
        else:
            group.append(drift)
    return groups


def spread(spent: Sequence[tuple[str, float]]) -> dict[str, Any]:
    seconds = sorted(each for _, each in spent)
    slowest = {field: max(each for name, each in spent if name == field) for field in dict(spent)}
    return {
        "drifts": len(seconds),
        "p50_s": round(_percentile(seconds, 0.5), 2),
        "p99_s": round(_percentile(seconds, 0.99), 2),
        "slowest_s": {field: round(each, 2) for field, each in sorted(slowest.items(), key=lambda row: -row[1])},
    }


def goals(heard: Sequence[tuple[str, float]], swept: Sequence[tuple[str, float]]) -> dict[str, Any]:
    seconds = sorted(each for _, each in heard)
    found = {
        "event_p50_s": (_percentile(seconds, 0.5), P50_S, heard),
        "event_p99_s": (_percentile(seconds, 0.99), P99_S, heard),
        "poll_slowest_s": (max(each for _, each in swept), SWEEP_S + SLACK_S, swept),
    }
    return {
        name: {"value": round(value, 2), "at_most": most, "met": value <= most, "because": _slowest(spent)}
        for name, (value, most, spent) in found.items()
    }


def _slowest(spent: Sequence[tuple[str, float]]) -> str:
    field, seconds = max(spent, key=lambda each: each[1])
    return f"the slowest was the {field}, {seconds:.2f} s"


def _percentile(ascending: Sequence[float], share: float) -> float:
    return ascending[math.ceil(len(ascending) * share) - 1]
