"""Rollouts under load, good and bad: how long beside what their parts need, and whether a request fails."""

import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from by_hand import Hands
from gitops_life import Served
from operating import Operator, condition, edited, given_up, operating
from outside import Outside, until

from bench import load
from bench.operated import cloud_to_operate
from bench.outside import steady_since, told_ecs
from trimtab.local.elbv2_base import LOW_PORTS_ADD

REPLICAS, CONNECTIONS, SLICE_S = 2, 4, 0.1
RATIO, BAD_RATIO, REQUESTS = 1.5, 2.0, 10_000  # goal G13
BAD = "PYTHONHOME: /nowhere"


@dataclass(frozen=True, slots=True)
class Slice:
    """A moment of the load. Times are Unix times in seconds."""

    began: float
    ended: float
    spent: Sequence[float]  # seconds that each answer took
    failed: int


@dataclass(frozen=True, slots=True)
class Rollout:
    """One of them, in seconds."""

    word: float  # to ECS, as a Unix time
    took: float  # until ECS says that it is steady
    start: float  # the slowest task, from PROVISIONING to RUNNING
    health: float  # interval x passes
    drain: float

    @property
    def ratio(self) -> float:
        return self.took / self.parts

    @property
    def parts(self) -> float:
        return self.start + self.health + self.drain

    def loaded(self, load: Sequence[Slice]) -> list[Slice]:
        """What of a load fell into it."""
        return [each for each in load if each.began >= self.word and each.ended <= self.word + self.took]


def measure() -> dict[str, Any]:
    """Rollouts and their parts, as many as it takes to see so many requests in them; and how long a bad one was there."""
    with cloud_to_operate() as outside:
        model = Served(outside, outside.work / "models", "rolled")
        edited(model.document, "min: 1", f"min: {REPLICAS}")
        with operating(outside, "rollouts", [model.source]) as operator:
            model.served(operator)
            edited(model.document, "  serving:\n", "  serving:\n    env: {COLOUR: c0}\n")
            model.served(operator, model.generation())
            rollouts: list[Rollout] = []
            with loading(outside, model) as good:
                while _requests(during := [each for rollout in rollouts for each in rollout.loaded(good)]) < REQUESTS:
                    rollouts.append(rolled(outside, model, operator, len(rollouts)))
            with loading(outside, model) as beside:
                bad_s = spoilt(outside, model, operator, len(rollouts))
    slowest, requests = max(rollouts, key=lambda each: each.ratio), _requests(during)
    goals = {
        "slowest_ratio": at_most(slowest.ratio, RATIO, f"its parts: {shown(slowest)}"),
        "failed": at_most(sum(each.failed for each in [*good, *beside]), 0, "see load and bad"),
        "requests": {"value": requests, "at_least": REQUESTS, "met": requests >= REQUESTS},
        "bad_ratio": at_most(bad_s / slowest.parts, BAD_RATIO, f"given up after {bad_s:.1f} s"),
    }
    return {
        "rollouts": [shown(each) for each in rollouts],
        "load": {"while_rolling": figures(during), "between": figures([each for each in good if each not in during])},
        "bad": {"seconds_to_rolled_back": round(bad_s, 2), "load": figures(beside)},
        "goals": goals,
    }


def _requests(load: Sequence[Slice]) -> int:
    return sum(len(each.spent) for each in load)


def rolled(outside: Outside, model: Served, operator: Operator, number: int) -> Rollout:
    """An edit of the environment, until ECS is done with it and the operator says so."""
    since, generation = outside.last_number(), model.generation()
    edited(model.document, f"COLOUR: c{number}", f"COLOUR: c{number + 1}")
    model.served(operator, generation)
    word = told_ecs(outside.journal(since))
    end = operator.until(lambda: steady_since(Hands(outside.aws).service(), word), "steady state")
    return Rollout(word, end - word, start_s(outside), *waits_s(outside))


def spoilt(outside: Outside, model: Served, operator: Operator, number: int) -> float:
    """Seconds from the word to ECS of a release that cannot start until the status says that it was given up."""
    since = outside.last_number()
    edited(model.document, f"COLOUR: c{number}", BAD)
    status = operator.until(lambda: given_up(model.status()), "word of the bad one")
    told = time.time()
    outside.say(condition(status, "Ready")[2])
    return told - told_ecs(outside.journal(since))


def start_s(outside: Outside) -> float:
    """Of the slowest of the tasks that run now."""
    ecs, service = outside.aws("ecs"), Hands(outside.aws).service()
    arns = ecs.list_tasks(cluster=service["clusterArn"], serviceName=service["serviceName"])["taskArns"]
    tasks = ecs.describe_tasks(cluster=service["clusterArn"], tasks=arns)["tasks"]
    return max((each["startedAt"] - each["createdAt"]).total_seconds() for each in tasks)


def waits_s(outside: Outside) -> tuple[float, float]:
    """(health checks that a target must pass, connections that may end), as the target group has them."""
    elb = outside.aws("elbv2")
    (group,) = elb.describe_target_groups()["TargetGroups"]
    attributes = elb.describe_target_group_attributes(TargetGroupArn=group["TargetGroupArn"])["Attributes"]
    drain = next(float(each["Value"]) for each in attributes if each["Key"] == "deregistration_delay.timeout_seconds")
    return float(group["HealthCheckIntervalSeconds"] * group["HealthyThresholdCount"]), drain


@contextmanager
def loading(outside: Outside, model: Served) -> Iterator[list[Slice]]:
    """Ask through the load balancer all the while, each connection with one request in flight."""
    host, port, sent = place_of(outside, model)
    seen, over = list[Slice](), threading.Event()

    def work() -> None:
        while not over.is_set():
            began = time.time()
            try:
                spent, failed = load.ask(port, sent, CONNECTIONS, SLICE_S, host)
            except OSError:  # a connection that was refused or broke
                spent, failed = [], 1
            seen.append(Slice(began, time.time(), spent, failed))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        until(lambda: seen and seen[0].spent, "answer through the load balancer")
        yield seen
    finally:
        over.set()
        thread.join()


def place_of(outside: Outside, model: Served) -> tuple[str, int, bytes]:
    """(address of the load balancer, its port, the request)."""
    elb = outside.aws("elbv2")
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    (listener,) = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    rules = elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
    conditions = [each for rule in rules for each in rule["Conditions"] if each["Field"] == "host-header"]
    ((name,),) = (each["HostHeaderConfig"]["Values"] for each in conditions)
    body = (model.project / "request.json").read_bytes()
    sent = load.request("/invocations", "application/json", body, name)
    return balancer["DNSName"], listener["Port"] + LOW_PORTS_ADD, sent


def at_most(value: float, most: float, because: str) -> Mapping[str, Any]:
    return {"value": round(value, 2), "at_most": most, "met": value <= most, "because": because}


def shown(rollout: Rollout) -> Mapping[str, float]:
    names = ("took", "start", "health", "drain", "ratio")
    return {name if name == "ratio" else f"{name}_s": round(getattr(rollout, name), 2) for name in names}


def figures(seen: Sequence[Slice]) -> Mapping[str, float]:
    ascending = sorted(spent for each in seen for spent in each.spent)
    return {
        "requests": len(ascending),
        "failed": sum(each.failed for each in seen),
        "p50_ms": round(ascending[len(ascending) // 2] * 1000, 2),
        "p99_ms": round(ascending[math.ceil(len(ascending) * 0.99) - 1] * 1000, 2),
    }
