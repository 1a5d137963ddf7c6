"""The data plane alone: a balancer, real targets, real clients."""

import asyncio
import itertools
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPResponse, RemoteDisconnected
from typing import Any

import pytest
from aiohttp import web

from ecs_world import eventually
from trimtab.local.balancer import Balancer, Fixed, Forward, Redirect, Route, Routes
from trimtab.local.elbv2_targets import HealthCheck, Pool, Target
from trimtab.local.http import HttpPlane

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
CHECK = HealthCheck("/ping", None, interval_s=5, timeout_s=2, passes=2, failures=2, codes=frozenset({200}))
ADDRESSES = (f"127.33.{(os.getpid() + number // 250) % 256}.{number % 250 + 1}" for number in itertools.count())
HOST = f"127.65.{os.getpid() >> 8 & 255}.{os.getpid() % 254 + 1}"  # another for each process that tests
PORT = 18080


class Stage:
    """A balancer with one pool on an address, and targets that answer as told."""

    def __init__(self) -> None:
        self.plane = HttpPlane()
        self.plane.start()
        self.changes: list[str] = []
        self.balancer = Balancer(self.plane, changed=lambda: self.changes.append(""))
        self.pool = Pool("group", CHECK)
        self.open([Route((), Forward(((self.pool, 1),)))])

    def open(self, rules: list[Route], idle_s: float = 5.0) -> None:
        self.balancer.serve(HOST, PORT, Routes(port=80, idle_s=idle_s, rules=tuple(rules)))

    def target(self, answer: Answer, state: Any = "healthy") -> Target:
        """A server that answers so; state "": enrolled and checked, else in the pool as if it had been."""
        target = Target(next(ADDRESSES), 8080)
        self.plane.listen(target.id, target.port, answer)
        if state:
            target.state = state
            self.pool.add(target)
        else:
            self.balancer.enrol(self.pool, target)
        return target

    def dead(self) -> Target:
        """A target that nobody listens on."""
        target = Target(next(ADDRESSES), 8080, state="healthy")
        self.pool.add(target)
        return target

    def close(self) -> None:
        self.balancer.stop()
        self.plane.stop()


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.close()


def ask(path: str = "/", method: str = "GET", body: Any = None, **headers: str) -> tuple[HTTPResponse, bytes]:
    with closing(HTTPConnection(HOST, PORT, timeout=10)) as connection:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response, response.read()


def says(text: str, status: int = 200) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.Response(status=status, text=text)

    return answer


async def echo(request: web.Request) -> web.StreamResponse:
    body = await request.read()
    lines = [f"{request.method} {request.raw_path} {len(body)}"]
    return web.Response(text="\n".join([*lines, *(f"{name}: {value}" for name, value in request.headers.items())]))


def test_a_request_reaches_the_target_as_it_was_sent_with_what_a_load_balancer_adds(stage: Stage) -> None:
    stage.target(echo)
    _, body = ask("/a%2Fb?x=%20", "POST", b"12345", X_Forwarded_For="10.0.0.1", Connection="keep-alive, X-Hop", X_Hop="1")
    lines = body.decode().split("\n")
    assert lines[0] == "POST /a%2Fb?x=%20 5"
    assert "X-Forwarded-For: 10.0.0.1, 127.0.0.1" in lines
    assert "X-Forwarded-Proto: http" in lines
    assert "X-Forwarded-Port: 80" in lines
    assert f"Host: {HOST}:{PORT}" in lines
    assert any(line.startswith("X-Amzn-Trace-Id: Root=1-") for line in lines)
    assert not any(line.startswith(("X-Hop", "User-Agent", "Accept")) and "python" in line.lower() for line in lines)
    assert not any(line.startswith("X-Hop:") for line in lines)


def test_requests_are_spread_evenly(stage: Stage) -> None:
    for text in "abc":
        stage.target(says(text))
    answers = [ask()[1].decode() for _ in range(9)]
    assert sorted(answers) == sorted("abc" * 3)


def test_a_target_that_refuses_the_connection_costs_no_request_whatever_the_method(stage: Stage) -> None:
    stage.target(says("alive"))
    stage.dead()
    assert {(ask(method="POST", body=b"x" * 100_000)[1]) for _ in range(6)} == {b"alive"}


def test_no_target_is_503_all_refused_is_502_and_silence_is_504(stage: Stage) -> None:
    assert ask()[0].status == 503
    stage.dead()
    assert ask()[0].status == 502

    async def silent(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    stage.pool.targets.clear()
    stage.target(silent)
    stage.open([Route((), Forward(((stage.pool, 1),)))], idle_s=0.3)
    response, body = ask()
    assert (response.status, response.headers["Server"]) == (504, "awselb/2.0")
    assert b"504 Gateway Time-out" in body


def test_a_target_that_breaks_off_before_it_answers_is_502_and_is_not_asked_twice(stage: Stage) -> None:
    asked: list[str] = []

    async def breaks(request: web.Request) -> web.StreamResponse:
        asked.append(request.method)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    stage.target(breaks)
    stage.target(breaks)
    assert ask(method="POST", body=b"x")[0].status == 502
    assert asked == ["POST"]


def test_half_an_answer_does_not_look_like_a_whole_one(stage: Stage) -> None:
    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b"half")
        await asyncio.sleep(0.05)
        assert request.transport is not None
        request.transport.abort()
        return response

    stage.target(half)
    with pytest.raises(Exception) as broken:
        ask()
    assert type(broken.value).__name__ in ("IncompleteRead", "ConnectionResetError", "RemoteDisconnected")


def test_bodies_stream_both_ways(stage: Stage) -> None:
    """The target answers each part as it comes, before the client has sent the next."""

    async def mirror(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        async for part in request.content.iter_any():
            await response.write(part.upper())
        return response

    target = stage.target(mirror)

    async def talk() -> list[bytes]:
        reader, writer = await asyncio.open_connection(HOST, PORT)
        writer.write(f"POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        heard: list[bytes] = []
        writer.write(b"3\r\none\r\n")
        await reader.readuntil(b"\r\n\r\n")
        for part in (b"", b"two"):
            if part:
                writer.write(b"3\r\n" + part + b"\r\n")
            await reader.readuntil(b"\r\n")
            heard.append((await reader.readuntil(b"\r\n")).strip())
        writer.close()  # in mid-upload, which must not leave anything behind
        return heard

    assert asyncio.run(asyncio.wait_for(talk(), 10)) == [b"ONE", b"TWO"]
    eventually(lambda: target.in_flight == 0)


def test_connections_to_targets_are_kept(stage: Stage) -> None:
    peers: set[Any] = set()

    async def peer(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return web.Response(text="x")

    stage.target(peer)
    for _ in range(5):
        ask()
    assert len(peers) == 1


def test_a_draining_target_ends_what_it_has_and_gets_nothing_new(stage: Stage) -> None:
    release, entered = asyncio.Event(), threading.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        entered.set()
        await release.wait()
        return web.Response(text="slow")

    target = stage.target(slow)
    answers: list[bytes] = []
    client = threading.Thread(target=lambda: answers.append(ask()[1]))
    client.start()
    assert entered.wait(5)
    stage.pool.withdraw(target.key)
    assert ask()[0].status == 503
    assert not stage.pool.idle(target.key)
    stage.plane.submit(_set(release)).result(5)
    client.join(5)
    assert answers == [b"slow"]
    eventually(lambda: stage.pool.idle(target.key))


async def _set(event: asyncio.Event) -> None:
    event.set()


def test_a_client_that_leaves_frees_its_place(stage: Stage) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            async for part in _forever():
                await response.write(part)
        return response

    target = stage.target(endless)
    connection = HTTPConnection(HOST, PORT, timeout=5)
    connection.request("GET", "/")
    connection.getresponse().read(1000)
    assert target.in_flight == 1
    connection.close()
    eventually(lambda: target.in_flight == 0)


def test_a_client_that_leaves_a_silent_target_is_not_waited_for(stage: Stage) -> None:
    """Its place is freed at once, and the target hears of it, long before the idle time-out."""
    asked, left = threading.Event(), threading.Event()

    async def silent(request: web.Request) -> web.StreamResponse:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        return web.Response()

    stage.open([Route((), Forward(((stage.pool, 1),)))], idle_s=600)
    target = stage.target(silent)
    connection = HTTPConnection(HOST, PORT, timeout=5)
    connection.request("GET", "/")
    assert asked.wait(5)
    connection.close()
    assert left.wait(5)
    eventually(lambda: target.in_flight == 0)


async def _forever() -> AsyncIterator[bytes]:
    while True:
        await asyncio.sleep(0.001)
        yield b"x" * 10_000


def test_rules_are_tried_in_order_and_answer_without_a_target(stage: Stage) -> None:
    stage.target(says("target"))
    whole = "#{protocol}", "#{host}", "#{port}", "/new/#{path}", "#{query}"
    stage.open(
        [
            Route(({"Field": "path-pattern", "Values": ["/fixed"]},), Fixed(418, "text/plain", "teapot")),
            Route(({"Field": "path-pattern", "Values": ["/moved/*"]},), Redirect(301, *whole)),
            Route(({"Field": "host-header", "Values": ["digits.local"]},), Forward(((stage.pool, 1),))),
            Route((), Fixed(404, "application/json", "{}")),
        ]
    )
    response, body = ask("/fixed")
    assert (response.status, body) == (418, b"teapot")
    response, _ = ask("/moved/a?b=c")
    assert (response.status, response.headers["Location"]) == (301, f"http://{HOST}:80/new/moved/a?b=c")
    assert ask("/", Host="DIGITS.local:8080")[1] == b"target"
    response, body = ask("/")
    assert (response.status, response.headers["Content-Type"], body) == (404, "application/json", b"{}")


def test_weights_of_a_forward_hold(stage: Stage) -> None:
    stage.target(says("heavy"))
    other = Pool("other", CHECK)
    light = Target(next(ADDRESSES), 8080, state="healthy")
    stage.plane.listen(light.id, light.port, says("light"))
    other.add(light)
    stage.open([Route((), Forward(((stage.pool, 1), (other, 0))))])
    assert {ask()[1] for _ in range(10)} == {b"heavy"}
    stage.open([Route((), Forward(((stage.pool, 0), (other, 5))))])
    assert {ask()[1] for _ in range(10)} == {b"light"}


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        pytest.param(says("x"), "healthy", "", id="passes"),
        pytest.param(says("x", 503), "initial", "Elb.InitialHealthChecking", id="another code, once"),
    ],
)
def test_an_enrolled_target_is_asked_at_once(stage: Stage, answer: Answer, state: str, reason: str) -> None:
    target = stage.target(answer, state="")
    eventually(lambda: (target.state, target.reason) == (state, reason))


def test_a_target_that_starts_late_is_healthy_soon_after_and_not_an_interval_later(stage: Stage) -> None:
    target = Target(next(ADDRESSES), 8080)
    stage.balancer.enrol(stage.pool, target)
    eventually(lambda: target.reason == "Elb.InitialHealthChecking")
    stage.plane.listen(target.id, target.port, says("x"))
    eventually(lambda: target.state == "healthy", within_s=2)  # the interval is 5 s
    assert stage.changes


def test_health_is_checked_at_its_interval_by_its_thresholds(stage: Stage) -> None:
    stage.pool.check = HealthCheck(
        "/ping", None, interval_s=0.2, timeout_s=0.1, passes=2, failures=2, codes=frozenset({200})
    )
    status, asked = [200], [0]

    async def answer(request: web.Request) -> web.StreamResponse:
        asked[0] += 1
        return web.Response(status=status[0])

    target = stage.target(answer, state="")
    eventually(lambda: target.state == "healthy")
    status[0], before = 500, asked[0]
    eventually(lambda: target.state == "unhealthy")
    assert asked[0] - before >= 2
    assert target.reason == "Target.ResponseCodeMismatch"
    assert target.description == "Health checks failed with these codes: [500]"
    status[0] = 200
    eventually(lambda: target.state == "healthy")
    stage.pool.withdraw(target.key)
    eventually(lambda: not stage.balancer._watchers)  # a withdrawn target is asked no more


def test_a_port_that_is_taken_is_an_error_and_a_closed_one_refuses(stage: Stage) -> None:
    other = Balancer(HttpPlane(), changed=lambda: None)
    other.plane.start()
    with pytest.raises(OSError):
        other.serve(HOST, PORT, Routes(port=80, idle_s=1, rules=()))
    other.stop()
    other.plane.stop()
    stage.balancer.close(HOST, PORT)
    with pytest.raises((ConnectionRefusedError, RemoteDisconnected)):
        ask()
