"""A look at what moves: one read of each node, judged by its kind."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from trimtab.core.kind import Call, Failure, Moving, Ref, Settled
from trimtab.engine.driver import Driver
from trimtab.engine.observe import Observer
from trimtab.graph.node import Node
from trimtab.plan.snapshot import Found


@dataclass(frozen=True)
class Desired:
    name: str
    cluster: object


@dataclass(frozen=True)
class Observed:
    name: str
    running: int
    count: int = 2
    event: str = ""


class Services:
    """Two tasks are wanted; it settles when both run."""

    name = "ecs.Service"

    def identity(self, desired: Desired) -> str:
        return f"{desired.cluster}|{desired.name}"

    def observe(self, wanted: Any) -> Any:
        found = yield Call("ecs", "DescribeServices", {"services": list(wanted)})
        return {name: each for name, each in found.items() if name in wanted}

    def diff(self, desired: Desired, observed: Observed) -> tuple[str, ...]:
        return () if observed.count == 2 else ("desiredCount",)

    def state(self, desired: Desired, observed: Observed) -> Moving | Settled:
        return Settled() if observed.running == 2 else Moving(f"{observed.running} of 2 tasks")


CLUSTER, SERVICE = Ref("ecs.Cluster/cluster", "name"), "ecs.Service/service"
NODE = Node(SERVICE, "release", Desired("digits", CLUSTER))
SEEN = {"ecs.Cluster/cluster": Found(Desired("main", ""), None), SERVICE: Found(Observed("digits", 1), None)}


class Outside:
    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.made: list[Call] = []

    def make(self, call: Call) -> Any:
        self.made.append(call)
        if isinstance(self.answer, Failure):
            raise self.answer
        return self.answer


def looked(answer: Any) -> tuple[bool, list[Call]]:
    outside = Outside(answer)
    with ThreadPoolExecutor(1) as threads:
        observer = Observer(Driver(outside, None, threads), {"ecs.Service": Services()})  # type: ignore[dict-item, arg-type]
        return observer.stands_as_seen([NODE], SEEN), outside.made


@pytest.mark.parametrize(
    ("answer", "stands"),
    [
        pytest.param({"main|digits": Observed("digits", 1)}, True, id="as it was"),
        pytest.param({"main|digits": Observed("digits", 1, event="registered 1 targets")}, True, id="an event more"),
        pytest.param({"main|digits": Observed("digits", 2)}, False, id="settled"),
        pytest.param({"main|digits": Observed("digits", 1, count=5)}, False, id="changed by hand"),
        pytest.param({}, False, id="gone"),
        pytest.param(Failure("denied", "no"), False, id="not to be read"),
    ],
)
def test_a_look_is_one_read_and_tells_what_a_pass_would_judge_otherwise(answer, stands):
    told, made = looked(answer)
    assert told == stands
    assert [call.arguments for call in made] == [{"services": ["main|digits"]}]
