"""API Gateway's execution before a real server, with the body that a document compiles to: who may read what."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3

from container_servers import Running, serving
from models import write_model
from samples_compile import graph, spec
from trimtab.local.apigateway_execution import Execution, own_headers_of, routes_of
from trimtab.local.apigateway_records import Api, Deployment, Key, Stage, UsagePlan
from trimtab.local.commands import free_ports
from trimtab.local.http import HttpPlane
from trimtab.resources.rest_api import body_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POOL = urllib3.PoolManager(retries=False, timeout=10)
SHOP, DESK = "https://shop.example", "http://127.0.0.1:8700"
BOTH = (SHOP, DESK)


def body_with(origins: tuple[str, ...], auth: str = "apiKey") -> dict[str, Any]:
    """The OpenAPI body of a document that allows these origins."""
    document = spec("serving.gateway.cors.allowOrigins", list(origins))
    document["spec"]["serving"]["gateway"]["auth"] = auth
    desired: Any = graph(document=document).nodes["apigateway.RestApi/api"].desired
    return body_of(replace(desired, vpc_link_id="link", listener_arn="listener"))


class Door:
    """A stage in front of a server. The key is "k"."""

    def __init__(self, execution: Execution, port: int) -> None:
        self._execution, self._port = execution, port

    def show(self, body: dict[str, Any], rate: float = 1000) -> None:
        stage = Stage("live", "d", NOW, NOW, settings={"*/*": {"throttlingRateLimit": rate, "throttlingBurstLimit": rate}})
        api = Api("api", "digits", NOW, deployments={"d": Deployment("d", NOW, "", body)}, stages={"live": stage})
        plan = UsagePlan("plan", "digits", NOW, stages=["api:live"], keys=["key"])
        self._execution.show([api], [Key("key", "digits", "k", NOW, NOW)], [plan])

    def ask(self, verb: str, origin: str = "", body: bytes = b"[[1, 2]]", **headers: str) -> urllib3.BaseHTTPResponse:
        sent = {name.replace("_", "-"): value for name, value in headers.items()} | ({"Origin": origin} if origin else {})
        url = f"http://127.0.0.1:{self._port}/api/live/invocations"
        return POOL.request(verb, url, body=body if verb == "POST" else None, headers=sent)

    def preflight(self, origin: str) -> urllib3.BaseHTTPResponse:
        wanted = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "content-type,x-api-key"}
        return self.ask("OPTIONS", origin, **wanted)


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("ml")
    write_model(folder / "model")
    with serving(folder) as running:
        yield running


@contextmanager
def standing_before(address: str) -> Iterator[Door]:
    plane = HttpPlane()
    plane.start()
    place = urlsplit(address)
    behind = SimpleNamespace(is_available=lambda _: True, route=lambda _: (place.hostname, place.port))
    (port,) = free_ports(1)
    world: Any = SimpleNamespace(http=plane, invoke_port=port, overlay=lambda _: behind)
    execution = Execution(world)
    try:
        execution.listen()
        yield Door(execution, port)
    finally:
        plane.stop()


@pytest.fixture
def door(server: Running) -> Iterator[Door]:
    with standing_before(server.public) as made:
        yield made


def readable(reply: urllib3.BaseHTTPResponse) -> str | None:
    return reply.headers.get("Access-Control-Allow-Origin")


@pytest.mark.parametrize("origins", [BOTH, (SHOP,), ("https://Shop.Example",)], ids=["several", "one", "in capitals"])
def test_a_page_of_an_allowed_origin_may_call_and_read(door: Door, origins):
    door.show(body_with(origins))
    before, reply = door.preflight(SHOP), door.ask("POST", SHOP, x_api_key="k")
    assert (before.status, readable(before)) == (200, SHOP)
    assert {"content-type", "x-api-key"} <= set(before.headers["Access-Control-Allow-Headers"].split(", "))
    assert (reply.status, readable(reply), reply.headers["Vary"]) == (200, SHOP, "origin")
    assert {"x-trimtab-release", "x-trimtab-artifact"} <= set(reply.headers["Access-Control-Expose-Headers"].split(", "))
    assert reply.headers["X-Trimtab-Release"] == "r1"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", f"{DESK}0", "https://shop.example,http://127.0.0.1:8700"]
)
def test_a_page_of_another_origin_may_not(door: Door, origin):
    door.show(body_with(BOTH))
    before, reply = door.preflight(origin), door.ask("POST", origin, x_api_key="k")
    assert readable(before) is None
    assert readable(reply) is None
    assert reply.headers["Vary"] == "origin"


def test_a_star_allows_every_page(door: Door):
    door.show(body_with(("*",)))
    assert readable(door.preflight("https://any.example")) == "*"
    assert readable(door.ask("POST", "https://any.example", x_api_key="k")) == "*"


def test_without_origins_no_page_may_and_nothing_is_routed(door: Door):
    door.show(body_with(()))
    assert door.preflight(DESK).status == 403
    reply = door.ask("POST", DESK, x_api_key="k")
    assert (reply.status, readable(reply)) == (200, None)


def test_a_caller_cannot_say_for_itself_who_may_read(door: Door):
    door.show(body_with((SHOP,)))
    spoofed = door.ask("POST", "https://evil.example", x_api_key="k", x_trimtab_cors_origins="*")
    assert readable(spoofed) is None


@pytest.mark.parametrize(("origins", "said"), [((DESK,), DESK), (BOTH, "*")])
def test_what_the_gateway_itself_refuses_can_be_read(door: Door, origins, said):
    door.show(body_with(origins))
    reply = door.ask("POST", DESK, x_api_key="wrong")
    assert (reply.status, readable(reply), reply.json()) == (403, said, {"message": "Forbidden"})
    door.show(body_with(origins), rate=1)
    slow = [door.ask("POST", DESK, x_api_key="k") for _ in range(3)][-1]
    assert (slow.status, readable(slow)) == (429, said)


def test_a_backend_that_is_gone_can_be_read_too():
    (port,) = free_ports(1)
    with standing_before(f"http://127.0.0.1:{port}") as door:
        door.show(body_with((DESK,)))
        reply = door.ask("POST", DESK, x_api_key="k")
        assert (reply.status, readable(reply)) == (500, DESK)


def test_what_the_model_refuses_can_be_read(door: Door):
    door.show(body_with(BOTH))
    reply = door.ask("POST", DESK, b"{", x_api_key="k", content_type="application/json")
    assert (reply.status, readable(reply)) == (400, DESK)
    assert reply.json()["error"]["reason"] == "InvalidJSON"


@pytest.mark.parametrize(
    "change",
    [
        {"x-amazon-apigateway-gateway-responses": {"INVALID_API_KEY": {"statusCode": "401"}}},
        {"x-amazon-apigateway-gateway-responses": {"DEFAULT_4XX": {"responseTemplates": {"application/json": "{}"}}}},
        {
            "x-amazon-apigateway-gateway-responses": {
                "DEFAULT_4XX": {"responseParameters": {"gatewayresponse.header.X": "method.request.header.Origin"}}
            }
        },
    ],
)
def test_gateway_responses_that_are_not_simulated_are_refused(change):
    with pytest.raises(ValueError, match="the local cloud simulates"):
        own_headers_of(body_with(()) | change)


def test_parameters_that_are_not_simulated_are_refused():
    text = json.dumps(body_with(BOTH)).replace(f"'{','.join(BOTH)}'", "method.request.header.Origin")
    with pytest.raises(ValueError, match="the local cloud simulates static values"):
        routes_of(json.loads(text))
