"""From a change by hand to the write that undoes it, by the local cloud's journal: with events, and by sweeps alone.

Single fields of random deployments, each of them once: what is changed again and again is repaired ever more rarely.
One after the other, some seconds apart: a repair takes two passes, and where they come faster, their reads of API
Gateway wait for our half of the 10 a second that AWS gives.
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
APART_S, AFTER_SWEEP_S = (3.0, 5.0), (0.2, 1.0)
PACED, LISTENING = "trimtab_paced_seconds_total", ("--listen", "127.0.0.1:0")
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
        with operating(
            outside, "events", [models[0].source], sweep=f"{RARELY_S}s", queue=queue, options=LISTENING
        ) as operator:
            heard = undone(outside, operator, models, drifts[:DRIFTS], lambda: chance.uniform(*APART_S))
        with operating(outside, "sweeps", [models[0].source], sweep=f"{SWEEP_S}s", options=LISTENING) as operator:
            # Just after a sweep: nearly the whole interval is waited.
            swept = undone(outside, operator, models, drifts[DRIFTS : 2 * DRIFTS], lambda: chance.uniform(*AFTER_SWEEP_S))
    return {
        "seed": SEED,
        "sweep_s": SWEEP_S,
        "by_event": spread(heard),
        "by_poll": spread(swept),
        "goals": goals(heard, swept),
    }


@dataclass(frozen=True, slots=True)
class Undone:
    """(field, seconds) of each drift; and how long calls waited meanwhile for tokens of ours, together."""

    spent: Sequence[tuple[str, float]]
    paced_s: float


def undone(
    outside: Outside, operator: Operator, models: Sequence[Served], drifts: Sequence[Drift], apart: Callable[[], float]
) -> Undone:
    """One after the other. apart: seconds between a repair and the next change."""
    for model in models:
        model.served(operator)
    ana = SimpleNamespace(client=outside.person("ana"))
    paced_s = operator.metric(PACED)
    spent: list[tuple[str, float]] = []
    for each in drifts:
        time.sleep(apart())
        since = outside.last_number()
        FIELDS[each.field][1](World(ana, each.document))
        spent.append((each.field, _undone(outside, operator, each, since)))
    operator.until(lambda: len(operator.events("drift.repaired")) >= len(spent), "word of each repair")
    return Undone(spent, operator.metric(PACED) - paced_s)


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


def spread(found: Undone) -> dict[str, Any]:
    seconds = sorted(each for _, each in found.spent)
    slowest = {field: max(each for name, each in found.spent if name == field) for field in dict(found.spent)}
    return {
        "drifts": len(seconds),
        "p50_s": round(_percentile(seconds, 0.5), 2),
        "p99_s": round(_percentile(seconds, 0.99), 2),
        "slowest_s": {field: round(each, 2) for field, each in sorted(slowest.items(), key=lambda row: -row[1])},
        "paced_s": round(found.paced_s, 1),
    }


def goals(heard: Undone, swept: Undone) -> dict[str, Any]:
    seconds = sorted(each for _, each in heard.spent)
    found = {
        "event_p50_s": (_percentile(seconds, 0.5), P50_S, heard),
        "event_p99_s": (_percentile(seconds, 0.99), P99_S, heard),
        "poll_slowest_s": (max(each for _, each in swept.spent), SWEEP_S + SLACK_S, swept),
    }
    return {
        name: {"value": round(value, 2), "at_most": most, "met": value <= most, "because": _why(each)}
        for name, (value, most, each) in found.items()
    }


def _why(found: Undone) -> str:
    field, seconds = max(found.spent, key=lambda each: each[1])
    return f"the slowest was the {field}, {seconds:.2f} s; calls waited for our tokens {found.paced_s:.1f} s in all"


def _percentile(ascending: Sequence[float], share: float) -> float:
    return ascending[math.ceil(len(ascending) * share) - 1]
