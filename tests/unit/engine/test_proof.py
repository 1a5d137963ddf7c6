"""What counts as a proof of a release, what as a failure, and what is only not known."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from trimtab.core.kind import Call, Failure
from trimtab.engine.proof import Claim, Evidence, Proof, prove_golden, prove_version
from trimtab.resources.ecs_rotation import Rotation, Task, unproven

CLAIM = Claim("sha256:a", ("10.0.0.7",), "https://x/live", "key1", ("data", "artifacts/job/golden.json"))
GOLDEN = {"inputs": [[1.0, 2.0]], "outputs": [[0.25, 0.75]], "tolerance": 1e-4}


class World:
    """Answers by service and operation; a Failure is raised."""

    def __init__(self, **answers: Any) -> None:
        self.answers, self.asked = answers, list[Call]()

    def make(self, call: Call) -> Mapping[str, Any]:
        self.asked.append(call)
        reply = self.answers[f"{call.service}_{call.operation}"]
        if isinstance(reply, Failure):
            raise reply
        return reply


def answer(body: Any, status: int = 200, **headers: str) -> dict[str, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"Status": status, "Headers": named, "Body": json.dumps(body).encode()}


def golden(reply: Any, stored: Any = GOLDEN, claim: Claim = CLAIM) -> Evidence:
    body = {"Body": json.dumps(stored).encode()} if not isinstance(stored, Failure) else stored
    world = World(s3_GetObject=body, apigateway_GetApiKey={"value": "secret"}, http_POST=reply)
    found = prove_golden(claim, world)  # type: ignore[arg-type]
    sent = [call for call in world.asked if call.service == "http"]
    assert all(call.secret for call in sent), "the key is in its headers"
    return found


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (answer({"predictions": [[0.25, 0.75]]}, x_trimtab_artifact="sha256:a"), "proven"),
        (answer({"predictions": [[0.2504, 0.7496]]}), "proven"),
        (answer({"predictions": [[0.3, 0.7]]}), "failed"),
        (answer({"predictions": [[0.25]]}), "failed"),
        (answer({"predictions": [["a", "b"]]}), "failed"),
        (answer({"predictions": [[0.25, 0.75]]}, x_trimtab_artifact="sha256:other"), "failed"),
        (answer({"label": "cat"}), "unreached"),
        (answer({"predictions": [[9.0]]}, x_trimtab_hooks="output_fn"), "unreached"),
        (answer({"message": "Forbidden"}, status=403), "unreached"),
        (Failure("transient", "nobody there"), "unreached"),
    ],
)
def test_the_golden_request(reply, verdict):
    assert golden(reply).is_ == verdict


def test_without_a_golden_request_or_an_endpoint_it_is_not_known():
    good = answer({"predictions": [[0.25, 0.75]]})
    absent = Evidence("unreached", "the model's folder holds no golden.json")
    assert golden(good, stored=Failure("absent", "no such key")) == absent
    assert golden(good, stored={}).is_ == "unreached"
    assert prove_golden(Claim("a", ("b",), "", None, None), World()).is_ == "unreached"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (answer({"artifact": "sha256:a"}), "proven"),
        (answer({"artifact": "sha256:b"}), "failed"),
        (answer({"artifact": None}), "unreached"),
        (answer({}, status=503), "unreached"),
        (Failure("transient", "timed out"), "unreached"),
    ],
)
def test_a_tasks_own_word(reply, verdict):
    world = World(http_GET=reply)
    assert prove_version(CLAIM, world).is_ == verdict  # type: ignore[arg-type]
    assert world.asked[0].arguments["url"] == "http://10.0.0.7:9090/version"


@pytest.mark.parametrize(
    ("status", "answered", "verdict"),
    [
        pytest.param(500, False, "unreached", id="a fault of what has never answered"),
        pytest.param(500, True, "failed", id="a fault"),
        pytest.param(504, True, "failed", id="no answer in time"),
        pytest.param(429, True, "unreached", id="more requests than may be made"),
        pytest.param(403, True, "unreached", id="a key that is not known"),
    ],
)
def test_a_fault_counts_where_the_release_has_answered_before(status, answered, verdict):
    found = golden(answer({"message": "no"}, status=status), claim=replace(CLAIM, answered=answered))
    assert found.is_ == verdict


def test_each_task_is_asked_up_to_the_first_that_does_not_prove_it():
    answers = {"10.0.0.1": "sha256:a", "10.0.0.2": "sha256:b", "10.0.0.3": "sha256:a"}
    asked: list[str] = []

    class Tasks:
        def make(self, call: Call) -> Mapping[str, Any]:
            asked.append(call.arguments["url"].split("/")[2].partition(":")[0])
            return answer({"artifact": answers[asked[-1]]})

    found = prove_version(replace(CLAIM, addresses=tuple(answers)), Tasks())
    assert (found.is_, asked) == ("failed", ["10.0.0.1", "10.0.0.2"])


def test_the_golden_request_is_sent_as_often_as_there_are_tasks():
    world = World(
        s3_GetObject={"Body": json.dumps(GOLDEN).encode()},
        apigateway_GetApiKey={"value": "secret"},
        http_POST=answer({"predictions": [[0.25, 0.75]]}),
    )
    assert prove_golden(replace(CLAIM, addresses=("a", "b", "c")), world).is_ == "proven"
    assert [call.operation for call in world.asked] == ["GetObject", "GetApiKey", "POST", "POST", "POST"]


@pytest.mark.parametrize(
    ("known", "made", "then"),
    [
        ("proven", "unreached", "proven"),
        ("failed", "unreached", "failed"),
        ("unreached", "proven", "proven"),
        ("proven", "failed", "failed"),
        ("failed", "proven", "proven"),
    ],
)
def test_what_could_not_be_asked_again_changes_nothing(known, made, then):
    before, now = (Proof("k", each, Evidence("unreached", ""), Evidence(each, each)) for each in (known, made))
    assert before.after(now).golden.is_ == then
    assert before.departs(now) == (known != then)


def test_only_what_failed_makes_a_release_fail():
    proof = Proof("k", "t", Evidence("unreached", "no way there"), Evidence("proven", "as in training"))
    assert proof.failure == ""
    assert Proof("k", "t", Evidence("failed", "another model"), Evidence("failed", "no")).failure == "another model; no"


TASKS = {"10.0.0.1": Task("10.0.0.1", "arn:td:1", "sha256:i"), "10.0.0.2": Task("10.0.0.2", "arn:td:1", "sha256:i")}


@pytest.mark.parametrize(
    ("healthy", "tasks", "because"),
    [
        (("10.0.0.1", "10.0.0.2"), TASKS, ""),
        ((), TASKS, "no target is healthy"),
        (("10.0.0.2",), TASKS, "1 of 2 tasks are healthy targets"),
        (("10.0.0.9",), TASKS, "target 10.0.0.9 answers and is no task of the service"),
        (("10.0.0.1",), {"10.0.0.1": Task("10.0.0.1", "arn:td/old:3", "sha256:i")}, "target 10.0.0.1 runs old:3"),
        (("10.0.0.1",), {"10.0.0.1": Task("10.0.0.1", "arn:td:1", "sha256:o")}, "target 10.0.0.1 runs image sha256:o"),
        (
            ("10.0.0.1",),
            {"10.0.0.1": Task("10.0.0.1", "arn:td:1", "")},
            "target 10.0.0.1 runs image (ECS does not say which)",
        ),
    ],
)
def test_every_healthy_target_must_be_a_task_of_the_release(healthy, tasks, because):
    assert unproven(Rotation(healthy, tasks), "sha256:i", "arn:td:1", 2) == because
