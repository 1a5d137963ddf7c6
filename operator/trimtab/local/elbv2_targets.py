"""Targets in rotation: which of a group's targets are healthy, and which takes the next request.

Shared by the control plane (under the cloud's lock) and the data plane (on its loop), so a pool has a small lock of its own:
a target that has been withdrawn with nothing in flight can never be picked again, which is what makes a drain safe.
Source: Elastic Load Balancing, "Health checks for Application Load Balancer target groups" and "Deregistration delay".
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal

State = Literal["initial", "healthy", "unhealthy", "draining", "unused"]
Key = tuple[str, int]  # address and port

MESSAGES = {
    "Elb.RegistrationInProgress": "Target registration is in progress",
    "Elb.InitialHealthChecking": "Initial health checks in progress",
    "Target.Timeout": "Request timed out",
    "Target.FailedHealthChecks": "Health checks failed",
    "Target.NotRegistered": "Target is not registered to the target group",
    "Target.NotInUse": "Target group is not configured to receive traffic from the load balancer",
    "Target.DeregistrationInProgress": "Target deregistration is in progress",
}


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How a group's targets are asked. Times in seconds."""

    path: str
    port: int | None  # None: the port of the target ("traffic-port")
    interval_s: float
    timeout_s: float
    passes: int  # in a row, from unhealthy to healthy; a newly registered target needs one
    failures: int  # in a row, to become unhealthy
    codes: frozenset[int]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one health check found. reason "" is a pass."""

    reason: str = ""
    description: str = ""


@dataclass(slots=True)
class Target:
    """One address and port, and what is known about it."""

    id: str
    port: int
    state: State = "initial"
    reason: str = "Elb.RegistrationInProgress"
    description: str = MESSAGES["Elb.RegistrationInProgress"]
    streak: int = 0  # checks in a row that speak against the present state
    in_flight: int = 0
    proven: bool = False  # has been healthy since it was registered

    @property
    def key(self) -> Key:
        return self.id, self.port

    def note(self, outcome: Outcome, check: HealthCheck) -> bool:
        """Take in the outcome of a check; True when the state has changed."""
        passed = not outcome.reason
        if self.state == "draining":
            return False
        if self.state == ("healthy" if passed else "unhealthy"):
            self.streak = 0
            self.reason, self.description = (
                outcome.reason,
                outcome.description,
            )  # unhealthy still, perhaps for another reason
            return False
        self.streak += 1
        needed = 1 if passed and self.state == "initial" else check.passes if passed else check.failures
        if self.streak < needed:
            if self.state == "initial":
                self.reason = "Elb.InitialHealthChecking"
                self.description = MESSAGES[self.reason]
            return False
        self.state, self.streak = ("healthy" if passed else "unhealthy"), 0
        self.reason, self.description = outcome.reason, outcome.description
        self.proven = self.proven or passed
        return True


@dataclass(slots=True)
class Pool:
    """The targets of one group. Round robin over the healthy; over the unhealthy when none is healthy (fail open)."""

    arn: str
    check: HealthCheck
    lock: Lock = field(default_factory=Lock)
    targets: dict[Key, Target] = field(default_factory=dict[Key, Target])
    turn: int = 0

    def add(self, target: Target) -> None:
        with self.lock:
            self.targets[target.key] = target

    def withdraw(self, key: Key) -> None:
        """Take a target out of rotation; what is in flight may end."""
        with self.lock:
            if (target := self.targets.get(key)) is not None:
                target.state, target.streak = "draining", 0
                target.reason = "Target.DeregistrationInProgress"
                target.description = MESSAGES[target.reason]

    def remove(self, key: Key) -> None:
        with self.lock:
            self.targets.pop(key, None)

    def idle(self, key: Key) -> bool:
        """True when a target is out of rotation with nothing in flight."""
        with self.lock:
            target = self.targets.get(key)
            return target is None or (target.state == "draining" and target.in_flight == 0)

    def pick(self, tried: Collection[Key] = ()) -> Target | None:
        """The target of the next request, counted as in flight until `release`; None when there is none left to try."""
        with self.lock:
            able = [each for each in self.targets.values() if each.state == "healthy"]
            able = able or [each for each in self.targets.values() if each.state == "unhealthy"]
            able = [each for each in able if each.key not in tried]
            if not able:
                return None
            self.turn += 1
            target = able[self.turn % len(able)]
            target.in_flight += 1
            return target

    def release(self, target: Target) -> None:
        with self.lock:
            target.in_flight -= 1

    def note(self, target: Target, outcome: Outcome) -> bool:
        with self.lock:
            return self.targets.get(target.key) is target and target.note(outcome, self.check)

    def any_registered(self) -> bool:
        return bool(self.states())

    def states(self) -> list[State]:
        """Of the targets that are registered; one that drains is not any more."""
        with self.lock:
            return [each.state for each in self.targets.values() if each.state != "draining"]


def codes_in(matcher: str) -> frozenset[int]:
    """Status codes of a matcher: "200", "200,202" or "200-299". Raises ValueError for anything else."""
    codes: set[int] = set()
    for part in matcher.split(","):
        low, dash, high = part.partition("-")
        first, last = int(low), int(high if dash else low)
        if not 200 <= first <= last <= 499:
            raise ValueError(f"status codes must be in 200 to 499, not {part}")
        codes.update(range(first, last + 1))
    return frozenset(codes)
