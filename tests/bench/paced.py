"""Calls under AWS's token buckets: goals G4 and G5.

`steady`: what a sweep over 1,000 deployments asks each minute, by docs/internals/sweep.md, sent through our own buckets and
on to AWS's, in virtual time: how full AWS's stay, and what share of each is used. `change`: a roll-out over 200 deployments
by the operator's queue and pace, in real threads, at TIMES the speed: when it ends beside the bound of the scarcest bucket,
and how soon a person's edit begins that comes meanwhile.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from sweep_calls import BY_TURNS_PER_S, PAGES, calls_by_read

from trimtab.clients.pace import SHARE, Pace, ours, urgent
from trimtab.core.limits import LIMITS, Bucket, Limit
from trimtab.engine.queue import Priority, WorkQueue

DEPLOYMENTS, INTERVAL_S, MINUTES = 1000, 60.0, 10
FLEET, WORKERS, TIMES, EDIT_AT_S = 200, 8, 20.0, 60.0
READS = (  # of a pass, in order: those that have limits
    *("ecs:DescribeClusters", "ecs:DescribeServices", "ecs:DescribeTaskDefinition", "ecs:ListTasks", "ecs:DescribeTasks"),
    *("elbv2:DescribeLoadBalancers", "elbv2:DescribeListeners", "elbv2:DescribeRules", "elbv2:DescribeTargetGroups"),
    *("elbv2:DescribeTargetGroupAttributes", "elbv2:DescribeTargetHealth", "logs:DescribeLogGroups"),
    *("apigateway:GetRestApis", "apigateway:GetApiKeys", "apigateway:GetUsagePlans", "apigateway:GetUsagePlanKeys"),
    *("apigateway:GetStages", "apigateway:GetDeployments"),
)
WRITES = ("ecs:RegisterTaskDefinition", "ecs:UpdateService")
MOST_OF_A_BUCKET, MOST_OF_THE_BOUND, EDIT_STARTS_S = 0.25, 1.1, 5.0


def measure() -> dict[str, Any]:
    steady, change = _steady(), _change()
    share = max(row["share"] for row in steady.values())
    refused = sum(row["refused"] for row in steady.values())
    goals = {
        "steady_refused": {"value": refused, "at_most": 0, "met": refused == 0},
        "steady_share": {"value": share, "at_most": MOST_OF_A_BUCKET, "met": share <= MOST_OF_A_BUCKET},
        "change_of_our_bound": _at_most(change["of_our_bound"], MOST_OF_THE_BOUND),
        "change_of_awss_bound": {
            **_at_most(change["of_awss_bound"], MOST_OF_THE_BOUND),
            "because": f"{change['bound_by']} binds, which others ask for too: {SHARE:g} of it is ours (docs/adr/0009)",
        },
        "edit_starts_s": _at_most(change["edit_starts_s"], EDIT_STARTS_S),
    }
    return {"steady": steady, "change": change, "goals": goals}


def _at_most(value: float, most: float) -> dict[str, Any]:
    return {"value": value, "at_most": most, "met": value <= most}


# --- steady ---------------------------------------------------------------------------------------------------------


def _steady() -> dict[str, Any]:
    """By class: calls a sweep, their share of what AWS allows in an interval, how low its bucket was, calls refused."""
    asked: dict[str, int] = {}
    for read, count in _sweep_of(DEPLOYMENTS).items():
        if name := _class_of(read):
            asked[name] = asked.get(name, 0) + count
    return {name: _class_row(name, count) for name, count in sorted(asked.items())}


def _class_row(name: str, calls: int) -> dict[str, Any]:
    limit = LIMITS[name][0]
    mine, theirs = (Bucket(each, each.burst, 0.0) for each in (ours(name, limit), limit))
    lowest, refused = limit.burst, 0
    for sweep in range(MINUTES):
        now = sweep * INTERVAL_S
        for _ in range(calls):
            mine, wait_s = mine.taken(now)
            while wait_s:
                now += wait_s
                mine, wait_s = mine.taken(now)
            theirs, wait = theirs.taken(now)
            refused += wait > 0
            lowest = min(lowest, theirs.tokens)
    share = round(calls / (limit.rate * INTERVAL_S), 3)
    return {"calls": calls, "share": share, "burst": limit.burst, "lowest": round(lowest, 1), "refused": refused}


def _sweep_of(count: int) -> Mapping[str, int]:
    """Its calls by read: whole deployments, two tasks each, ten releases kept, one load balancer for all."""
    one = dict.fromkeys(("ecs:DescribeClusters", "elbv2:DescribeLoadBalancers", "elbv2:DescribeListeners"), 1)
    tasks = dict.fromkeys(("ecs:ListTasks", "ecs:DescribeTasks"), 2 * count)
    many = {"ecs:ListTaskDefinitionFamilies": 10 * count, "iam:GetAccountAuthorizationDetails": 4 * count}
    bulk = calls_by_read(dict.fromkeys(PAGES, count) | one | tasks | many)
    turns = int(BY_TURNS_PER_S * INTERVAL_S)
    return {**bulk, "apigateway:GetStages": min(3 * count, turns), "elbv2:DescribeTargetHealth": min(2 * count, turns)}


def _class_of(read: str) -> str:
    service, _, operation = read.partition(":")
    found = (name for name, (_, names) in LIMITS.items() if name.startswith(f"{service}:") and names & {operation, "*"})
    return next(found, "")


# --- change ---------------------------------------------------------------------------------------------------------


def _change() -> dict[str, Any]:
    """Seconds as they would be at the real speed."""
    table = {name: (Limit(limit.burst, limit.rate * TIMES), names) for name, (limit, names) in LIMITS.items()}
    queue, pace = WorkQueue(time.monotonic), Pace(time.monotonic, table=table)
    began, ended = time.monotonic(), dict[str, float]()
    edit: dict[str, float] = {}
    for number in range(FLEET):
        queue.add(f"fleet/{number:03}", Priority.FLEET)

    def work(least: Priority) -> None:
        while (taken := queue.take(least)) is not None:
            if taken.key == "person/edit":
                edit["starts_s"] = (time.monotonic() - edit["asked"]) * TIMES
            with urgent(taken.priority):
                for call in (*READS, *WRITES, *READS):
                    pace.pay(*call.split(":"))
            ended[taken.key] = (time.monotonic() - began) * TIMES
            queue.done(taken.key)
            if len(ended) == FLEET + 1:
                queue.close()

    least = [Priority.EDIT, *[Priority.SWEEP] * (WORKERS - 1)]  # as the operator has it
    threads = [threading.Thread(target=work, args=(each,), daemon=True) for each in least]
    for thread in threads:
        thread.start()
    threads[0].join(EDIT_AT_S / TIMES)
    edit["asked"] = time.monotonic()
    queue.add("person/edit", Priority.EDIT)
    for thread in threads:
        thread.join()
    seconds = max(ended.values())
    our_bounds, awss_bounds = _bounds_s(ours), _bounds_s(lambda _, limit: limit)
    bound, bound_by = max(our_bounds.values()), max(our_bounds, key=lambda name: our_bounds[name])
    return {
        "deployments": FLEET,
        "seconds": round(seconds),
        "bound_by": bound_by,
        "bound_at_aws_s": round(max(awss_bounds.values())),
        "bound_of_ours_s": round(bound),
        "of_our_bound": round(seconds / bound, 2),
        "of_awss_bound": round(seconds / max(awss_bounds.values()), 2),
        "edit_starts_s": round(edit["starts_s"], 2),
        "edit_ends_s": round(ended["person/edit"] - EDIT_AT_S, 1),
    }


def _classes() -> Mapping[str, int]:
    """Calls of one deployment, by class."""
    found: dict[str, int] = {}
    for call in (*READS, *WRITES, *READS):
        name = _class_of(call)
        found[name] = found.get(name, 0) + 1
    return found


def _bounds_s(of: Callable[[str, Limit], Limit]) -> Mapping[str, float]:
    """By class: the least time in which such a bucket lets the calls of all pass."""
    limits = {name: of(name, LIMITS[name][0]) for name in _classes()}
    return {
        name: max(0.0, (count * (FLEET + 1) - limits[name].burst) / limits[name].rate) for name, count in _classes().items()
    }
