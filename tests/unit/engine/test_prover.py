"""What stands is asked again by turns, and only what it has answered before."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from trimtab.core.kind import Call, Failure
from trimtab.engine.proof import Claim, Evidence, Proof
from trimtab.engine.prover import Proven, Prover, Turn, due

ARTIFACT = "sha256:a"
CLAIM = Claim(ARTIFACT, ("10.0.0.1", "10.0.0.2"), "https://x/live", "key1", ("data", "artifacts/golden.json"), answered=True)
GOOD = Evidence("proven", "as in training")
NEVER = Evidence("unreached", "no way there")
PROVEN = Proven(CLAIM, Proof("release", "at", GOOD, GOOD))


@dataclass
class World:
    predicts: float = 6.0
    loaded: str = ARTIFACT
    inputs: Any = field(default_factory=lambda: [[1, 2]])
    refuses: Failure | None = None
    made: list[Call] = field(default_factory=list)
    goes_on: threading.Event = field(default_factory=threading.Event)  # what the model waits for before it answers

    def make(self, call: Call) -> Any:
        self.made.append(call)
        if call.operation == "POST":
            assert self.goes_on.wait(30)
            if self.refuses:
                raise self.refuses
        body = {
            "GetObject": {"inputs": self.inputs, "outputs": [[6.0]]},
            "POST": {"predictions": [[self.predicts]]},
            "GET": {"artifact": self.loaded},
        }.get(call.operation, {})
        return {"Status": 200, "Headers": {}, "Body": json.dumps(body).encode(), "value": "secret"}

    @property
    def operations(self) -> list[str]:
        return [call.operation for call in self.made]


@dataclass
class Time:
    seconds: float = 0.0

    def monotonic(self) -> float:
        self.seconds += 60.0
        return self.seconds


@pytest.fixture
def world() -> World:
    made = World()
    made.goes_on.set()
    return made


@pytest.fixture
def prover(world) -> Iterator[Prover]:
    with ThreadPoolExecutor(2) as threads:
        yield Prover(world, threads, Time().monotonic)


def asked(prover: Prover, proven: Proven = PROVEN) -> bool:
    """Whether it departs when it is asked once more."""
    prover.begin({"v/digits": proven})
    return "v/digits" in prover.departed()


def test_one_that_was_never_asked_goes_first_then_the_longest_unasked():
    turns = {"v/a": Turn(3, 30.0), "v/b": Turn(3, 10.0), "v/c": Turn(3, 20.0)}
    assert due({"v/a", "v/b", "v/c", "v/new"}, turns, 3) == ["v/new", "v/b", "v/c"]


def test_many_are_asked_by_turns_until_each_was(prover, world):
    many = {f"v/{number:03}": replace(PROVEN, claim=replace(CLAIM, url=f"https://{number}")) for number in range(700)}
    for count in (1, 301, 601, 700):  # the first sweep does not know how long it has been
        prover.begin(many)
        assert prover.departed() == {}
        assert len({call.arguments["url"] for call in world.made if call.operation == "POST"}) == count


@pytest.mark.parametrize(
    ("changes", "departs"),
    [
        pytest.param({}, False, id="as it was"),
        pytest.param({"predicts": 6.0005}, False, id="nearly as it was"),
        pytest.param({"predicts": 7.0}, True, id="another answer"),
        pytest.param({"loaded": "sha256:b"}, True, id="another model by its own word"),
        pytest.param({"refuses": Failure("transient", "nobody there")}, False, id="nobody answers us"),
        pytest.param({"refuses": RecursionError("deep")}, True, id="a fault of ours, which a pass tells"),
    ],
)
def test_what_answers_otherwise_departs(prover, world, changes, departs):
    for name, value in changes.items():
        setattr(world, name, value)
    assert asked(prover) is departs


def test_one_that_failed_and_answers_rightly_again_departs_too(prover):
    failed = Proof("release", "at", GOOD, Evidence("failed", "otherwise than in training"))
    assert asked(prover, Proven(CLAIM, failed))


@pytest.mark.parametrize(
    ("proof", "operations"),
    [
        (Proof("release", "at", NEVER, GOOD), {"GetObject", "GetApiKey", "POST"}),
        (Proof("release", "at", GOOD, NEVER), {"GET"}),
    ],
)
def test_what_never_was_answered_is_not_asked(prover, world, proof, operations):
    assert not asked(prover, Proven(CLAIM, proof))
    assert set(world.operations) == operations


def test_a_turn_is_one_request_of_each_and_no_call_to_aws_after_the_first(prover, world):
    asked(prover)
    world.made.clear()
    asked(prover)
    asked(prover)
    assert sorted(world.operations) == ["GET", "GET", "POST", "POST"]
    assert all(call.arguments["headers"]["x-api-key"] == "secret" for call in world.made if call.operation == "POST")
    assert {call.arguments["url"] for call in world.made if call.operation == "GET"} == {
        f"http://{address}:9090/version" for address in CLAIM.addresses
    }


def test_a_large_golden_request_is_read_again_rather_than_remembered(prover, world):
    world.inputs = [[0.5] * 20_000]
    asked(prover)
    asked(prover)
    assert (world.operations.count("GetObject"), world.operations.count("GetApiKey")) == (2, 1)


def test_a_hung_model_holds_nobody_up_and_is_told_by_a_later_sweep(prover, world):
    prover.wait_s = 0.0
    world.goes_on.clear()
    world.predicts = 7.0
    assert not asked(prover)
    assert not asked(prover)
    world.goes_on.set()
    prover.wait_s = 30.0
    assert prover.departed() == {"v/digits": PROVEN}
    assert world.operations.count("POST") == 1
