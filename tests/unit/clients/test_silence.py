"""A service that answers nothing is asked by one call now and then; all other calls fail at once."""

import socket
from collections.abc import Iterator

import pytest

from trimtab.clients import aws
from trimtab.clients.aws import Account, Aws
from trimtab.clients.silence import ASKED_AGAIN_S, ROW, Silence
from trimtab.core.kind import Call, Failure


class Clock:
    at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def silence(clock) -> Silence:
    return Silence(clock)


def is_asked(silence: Silence, service: str = "ecs") -> bool:
    try:
        silence.check(service, "ListClusters")
    except Failure:
        return False
    return True


def fall_silent(silence: Silence) -> None:
    for _ in range(ROW):
        assert is_asked(silence)
        silence.timed_out("ecs")


def test_a_service_that_answers_nothing_is_asked_once_in_a_while_and_others_as_ever(silence, clock):
    fall_silent(silence)
    assert [is_asked(silence), is_asked(silence, "elbv2")] == [False, True]
    clock.at += ASKED_AGAIN_S
    assert [is_asked(silence), is_asked(silence)] == [True, False]
    silence.timed_out("ecs")
    clock.at += ASKED_AGAIN_S
    assert [is_asked(silence), is_asked(silence)] == [True, False]


def test_any_answer_ends_it(silence, clock):
    fall_silent(silence)
    clock.at += ASKED_AGAIN_S
    assert is_asked(silence)
    silence.answered("ecs")
    assert [is_asked(silence), is_asked(silence)] == [True, True]


def test_a_call_that_times_out_among_answers_is_no_silence(silence):
    for _ in range(2 * ROW):
        silence.timed_out("ecs")
        silence.answered("ecs")
    assert is_asked(silence)


@pytest.fixture
def mute(monkeypatch) -> Iterator[str]:
    """The URL of what takes every connection and never says anything."""
    monkeypatch.setattr(aws, "_LONG_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_calls_that_nobody_answers_cost_no_time_any_more(mute):
    made = Aws(Account("us-east-1", mute, "id", "secret"))
    create = Call("ecs", "CreateCluster", {"clusterName": "main"}, repeat="safe")
    codes: list[str] = []
    for _ in range(ROW + 1):
        with pytest.raises(Failure) as raised:
            made.make(create)
        codes.append(raised.value.code)
    assert raised.value.meaning == "transient"
    assert codes == ["ReadTimeoutError"] * ROW + ["Silent"]
    assert raised.value.reason == "ecs:CreateCluster: ecs answers nothing; it is asked again in 30 s"
