"""A fleet on a local cloud that refuses calls as AWS's published rates would: goals G4 and G5.

A deployment is what tests/fleet.py makes. `steady`: sweeps over 1,000, a minute apart. `change`: a new task definition for
each of 200, by the operator's own observer, driver and apply, in eight threads behind its queue; a person's edit comes
meanwhile. Time in which nothing happens is skipped by the cloud's clock and ours at once; in `change` both run at TIMES the
speed.
"""

import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from clouds import running_cloud
from fleet import RELEASE, Fleet
from trimtab.clients.aws import Aws
from trimtab.clients.pace import Pace, ours, urgent
from trimtab.core.kind import Unknown
from trimtab.core.limits import LIMITS, Limit
from trimtab.engine.apply import apply
from trimtab.engine.driver import Driver
from trimtab.engine.observe import Observer
from trimtab.engine.queue import Priority, WorkQueue
from trimtab.engine.transfers import Transfers
from trimtab.local.commands import clock, throttle
from trimtab.plan.plan import Action, ActionVerb
from trimtab.plan.snapshot import Found, Seen
from trimtab.resources import KINDS

DEPLOYMENTS, INTERVAL_S, SWEEPS = 1000, 60.0, 3
FLEET, EDITED, WORKERS, TIMES, EDIT_AT_S = 200, 200, 8, 5.0, 60.0
SERVICE = "ecs.Service/service"
BOUND_BY = "ecs: definitions written"
MOST_OF_A_BUCKET, MOST_OF_THE_BOUND, EDIT_STARTS_S = 0.25, 1.1, 5.0
Buckets = Sequence[Mapping[str, Any]]


@dataclass
class Skipped:
    """This machine's time, of which some is skipped."""

    seconds: float = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.seconds


def measure() -> dict[str, Any]:
    """By class of calls: what was asked of AWS's buckets, and how low they were; and the goals."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_cloud(Path(folder) / "state") as cloud,
        ThreadPoolExecutor(16) as threads,
    ):
        skipped = Skipped()
        fleet = Fleet(cloud, threads, pace=Pace(skipped.monotonic))
        fleet.grow(DEPLOYMENTS)
        steady = _steady(fleet, skipped)
        change = _Change(fleet, paced(fleet)).measured()
    return {"steady": steady, "change": change, "goals": _goals(steady, change)}


def _goals(steady: Mapping[str, Mapping[str, Any]], change: Mapping[str, Any]) -> dict[str, Any]:
    rows = (*steady.values(), *change["buckets"].values())
    refused, share = sum(row["refused"] for row in rows), max(row["share"] for row in steady.values())
    return {
        "refused": {"value": refused, "at_most": 0, "met": refused == 0},
        "steady_share": {"value": share, "at_most": MOST_OF_A_BUCKET, "met": share <= MOST_OF_A_BUCKET},
        "change_of_our_bound": _at_most(change["of_our_bound"], MOST_OF_THE_BOUND),
        "change_of_awss_bound": _at_most(change["of_awss_bound"], MOST_OF_THE_BOUND),
        "edit_starts_s": _at_most(change["edit_starts_s"], EDIT_STARTS_S),
    }


def _at_most(value: float, most: float) -> dict[str, Any]:
    return {"value": value, "at_most": most, "met": value <= most}


def _rows(buckets: Buckets) -> dict[str, dict[str, Any]]:
    return {each["class"]: {name: each[name] for name in ("burst", "lowest", "taken", "refused")} for each in buckets}


# --- steady ---------------------------------------------------------------------------------------------------------


def _steady(fleet: Fleet, skipped: Skipped) -> dict[str, Any]:
    """By class: calls of a sweep, the share of what AWS gives in an interval, the low-water mark, calls refused."""
    folder = fleet.cloud.folder
    throttle(folder, on=True)
    for _ in range(SWEEPS):
        began = time.monotonic()
        found = fleet.sweep(INTERVAL_S)
        if len(found.stand) != fleet.size:
            raise RuntimeError(f"{len(found.stand)} of {fleet.size} stand: {sorted(found.moved)[:5]}")
        left_s = INTERVAL_S - (time.monotonic() - began)
        clock(folder, advanceSeconds=left_s)
        skipped.seconds += left_s
    rows = _rows(throttle(folder)["buckets"])
    for name, row in rows.items():
        row["calls"] = row.pop("taken") / SWEEPS
        row["share"] = round(row["calls"] / (LIMITS[name][0].rate * INTERVAL_S), 3)
    return rows


# --- change ---------------------------------------------------------------------------------------------------------


def paced(fleet: Fleet) -> Driver:
    """The operator's own, whose buckets fill TIMES as fast."""
    table = {name: (Limit(limit.burst, limit.rate * TIMES), operations) for name, (limit, operations) in LIMITS.items()}
    aws = Aws(fleet.aws.account, pace=Pace(time.monotonic, table=table))
    return Driver(aws, Transfers({}), fleet.threads)


@dataclass
class _Change:
    """Seconds in it are those of the cloud."""

    fleet: Fleet
    driver: Driver
    began: float = 0.0
    starts: dict[int, float] = field(default_factory=dict[int, float])  # when the first call of each was answered
    ends: dict[int, float] = field(default_factory=dict[int, float])

    def measured(self) -> dict[str, Any]:
        folder, queue = self.fleet.cloud.folder, WorkQueue(time.monotonic)
        clock(folder, speed=TIMES)
        throttle(folder, on=True)
        self.began = time.monotonic()
        for number in range(FLEET):
            queue.add(str(number), Priority.FLEET)
        least = [Priority.EDIT, *[Priority.SWEEP] * (WORKERS - 1)]  # as the operator has it
        with ThreadPoolExecutor(WORKERS) as threads:
            working = [threads.submit(self._work, queue, each) for each in least]
            threading.Event().wait(EDIT_AT_S / TIMES)
            asked = self._now()
            queue.add(str(EDITED), Priority.EDIT)
            for each in working:
                each.result()
        buckets = _rows(throttle(folder)["buckets"])
        seconds = max(self.ends.values())
        limit = LIMITS[BOUND_BY][0]
        our_bound, awss_bound = (_bound_s(FLEET + 1, each) for each in (ours(BOUND_BY, limit), limit))
        return {
            "deployments": FLEET,
            "seconds": round(seconds),
            "bound_by": BOUND_BY,
            "bound_at_aws_s": round(awss_bound),
            "bound_of_ours_s": round(our_bound),
            "of_our_bound": round(seconds / our_bound, 2),
            "of_awss_bound": round(seconds / awss_bound, 2),
            "edit_starts_s": round(self.starts[EDITED] - asked, 2),
            "edit_ends_s": round(self.ends[EDITED] - asked, 2),
            "buckets": buckets,
        }

    def _work(self, queue: WorkQueue, least: Priority) -> None:
        while (taken := queue.take(least)) is not None:
            with urgent(taken.priority):
                self._pass(int(taken.key))
            queue.done(taken.key)
            if len(self.ends) == FLEET + 1:
                queue.close()

    def _pass(self, number: int) -> None:
        """Look, make the new task definition, look, point the service to it, and look again."""
        nodes = self.fleet.desired[number]
        release = replace(nodes[RELEASE], family=f"{nodes[RELEASE].family}-b")
        self._look(number, {RELEASE: release, SERVICE: nodes[SERVICE]})
        self._do("create", RELEASE, release)
        seen = self._look(number, {RELEASE: release, SERVICE: nodes[SERVICE]})
        service = replace(nodes[SERVICE], task_definition=seen[RELEASE].arn)
        self._do("update", SERVICE, service, seen[SERVICE])
        if drift := KINDS["ecs.Service"].diff(service, self._look(number, {SERVICE: service})[SERVICE]):
            raise RuntimeError(f"{number} is not as it should be: {drift}")
        self.ends[number] = self._now()

    def _look(self, number: int, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """What was observed of each; None for what is not there."""
        places = {node: (_kind(node), KINDS[_kind(node)].identity(desired)) for node, desired in wanted.items()}
        seen = Observer(self.driver, KINDS).read(places)
        self.starts.setdefault(number, self._now())
        return {node: _observed(node, each) for node, each in seen.items()}

    def _do(self, verb: ActionVerb, node: str, desired: Any, observed: Any = None) -> None:
        drift = KINDS[_kind(node)].diff(desired, observed) if observed else ()
        action = Action(verb, node, "the fleet changes", drift, desired, observed)
        if troubles := apply([action], KINDS, self.driver):
            raise RuntimeError(str(troubles))

    def _now(self) -> float:
        return (time.monotonic() - self.began) * TIMES


def _observed(node: str, seen: Seen) -> Any:
    if isinstance(seen, Found):
        return seen.observed
    if isinstance(seen, Unknown):
        raise RuntimeError(f"{node}: {seen}")
    return None


def _bound_s(count: int, limit: Limit) -> float:
    return max(0.0, (count - limit.burst) / limit.rate)


def _kind(node: str) -> str:
    return node.partition("/")[0]
