"""A ledger that others wrote: what is told of it, and that nothing is done on its word. Bad input of issue 6."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any

import pytest

from trimtab.core.errors import UserError
from trimtab.core.kind import DEPLOYMENT, ENVIRONMENT, UID, Call, Failure
from trimtab.engine.brake import Vanished
from trimtab.engine.ledger import Ledger, Ledgers, Resource, _source_key
from trimtab.engine.rebuild import check_uid
from trimtab.graph.node import Node, graph_of
from trimtab.plan.snapshot import Found, Snapshot

LEDGER = Ledger("uid-1", "vision", "digits", "local", "1", "us-east-1", resources=(Resource("a/b", "a", "x"),))
KEY = "ledgers/vision/digits.json"


class State:
    """A state bucket."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {KEY: text_of(LEDGER)}

    def make(self, call: Call) -> dict[str, Any]:
        if call.operation == "ListObjectsV2":
            keys = [key for key in self.objects if key.startswith(call.arguments["Prefix"])]
            return {"Contents": [{"Key": key, "ETag": "etag"} for key in keys]}
        if call.operation == "PutObject":
            self.objects[call.arguments["Key"]] = call.arguments["Body"]
            return {"ETag": "etag"}
        if call.arguments["Key"] not in self.objects:
            raise Failure("absent", "no such key", code="NoSuchKey")
        return {"Body": self.objects[call.arguments["Key"]], "ETag": "etag"}


def text_of(ledger: Ledger, **changes: Any) -> bytes:
    return json.dumps({**asdict(ledger), **changes}).encode()


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
def ledgers(state) -> Ledgers:
    return Ledgers(state, "state")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(b"", "is no JSON", id="empty"),
        pytest.param(text_of(LEDGER)[:-40], "is no JSON", id="cut"),
        pytest.param(b"\xff\xfe", "is no JSON", id="bytes"),
        pytest.param(b"null", "Input should be a dictionary", id="null"),
        pytest.param(b"[]", "Input should be a dictionary", id="a list"),
        pytest.param(text_of(LEDGER, uid=None), "uid: Input should be a valid string", id="no uid"),
        pytest.param(
            text_of(LEDGER, generation="many"), "generation: Input should be a valid integer", id="of another type"
        ),
        pytest.param(text_of(LEDGER, resources=[{"node": "a/b"}]), "resources.0.kind: Field required", id="half a resource"),
        pytest.param(text_of(LEDGER, colour="blue"), "colour: Unexpected", id="of a later version"),
        pytest.param(text_of(LEDGER, lease={"holder": "a", "until": "b", "why": "c"}), "lease.why: Unexpected", id="deep"),
        pytest.param(text_of(replace(LEDGER, name="other")), "is the ledger of vision/other", id="of another deployment"),
    ],
)
def test_an_edited_ledger_is_named_and_says_how_to_mend_it(state, ledgers, text, said):
    state.objects[KEY] = text
    with pytest.raises(UserError) as raised:
        ledgers.load("vision", "digits")
    assert said in str(raised.value)
    assert f"s3://state/{KEY}" in str(raised.value)
    assert raised.value.reason == "LedgerEdited"
    assert "put its last version back, or delete it" in raised.value.fix


def test_one_that_cannot_be_read_hides_no_other(state, ledgers):
    state.objects["ledgers/vision/bad.json"] = b"{"
    found, (mistake,) = ledgers.readable()
    assert found == (LEDGER,)
    assert "ledgers/vision/bad.json" in str(mistake)
    with pytest.raises(ExceptionGroup):  # who must know of all is not told of some
        ledgers.all()


def test_what_is_shared_and_what_the_brake_remembers_are_held_to_the_same(state, ledgers):
    state.objects["environments/local.json"] = b'{"uid": "u", "environment": "local", "users": 3}'
    with pytest.raises(UserError, match="users: Input should be a valid tuple"):
        ledgers.load_shared("local")
    state.objects = {_source_key("folder:/m"): b'{"since": 3}'}
    with pytest.raises(UserError, match="since: Input should be a valid dictionary"):
        ledgers.load_vanished("folder:/m")
    assert ledgers.braked_sources() == ()


def test_what_the_brake_remembers_is_read_as_it_was_written(ledgers):
    memory = Vanished({"v/a": "t"}, {"v/b": "t"}, frozenset({"v/a"}), frozenset({"v/c", "v/d"}))
    ledgers.save_vanished("folder:/m", memory, None)
    assert ledgers.load_vanished("folder:/m").value == memory
    assert ledgers.braked_sources() == ("folder:/m",)


# --- a uid that is not that of what exists ---

GRAPH = graph_of(
    [
        Node("logs.LogGroup/logs", "environment", SimpleNamespace(tags={})),
        Node("iam.Role/task", "environment", SimpleNamespace(tags={})),
        Node("elbv2.LoadBalancer/shared", "environment", SimpleNamespace(tags={}), shared=True),
    ],
    {},
)
THEIRS = {UID: "uid-2", DEPLOYMENT: "vision/digits", ENVIRONMENT: "local"}


def seen(logs: Mapping[str, str] | None, role: Mapping[str, str] | str | None = "absent") -> Snapshot:
    found: dict[str, Any] = {
        "logs.LogGroup/logs": Found("logs", logs),
        "elbv2.LoadBalancer/shared": Found("balancer", {UID: "shared"}),
        "iam.Role/task": None if role == "absent" else Found("role", role),
    }
    return Snapshot(None, found)  # pyright: ignore[reportArgumentType]


def test_a_wrong_uid_is_told_before_anything_is_made_a_second_time():
    with pytest.raises(UserError, match="says the uid uid-1, its log group says uid-2"):
        check_uid(LEDGER, GRAPH, seen(THEIRS))
    with pytest.raises(UserError, match="LedgerEdited"):  # and where something has a name without a uid
        check_uid(LEDGER, GRAPH, seen(THEIRS, THEIRS))


@pytest.mark.parametrize(
    "snapshot",
    [
        pytest.param(seen({**THEIRS, UID: "uid-1"}), id="as it should be"),
        pytest.param(seen(THEIRS, {**THEIRS, UID: "uid-1"}), id="the tag of the log group alone is another"),
        pytest.param(seen(THEIRS, None), id="the others were not read, for they are as they were"),
        pytest.param(seen({**THEIRS, DEPLOYMENT: "vision/other"}), id="somebody else's log group"),
        pytest.param(seen({"team": "red"}), id="a log group without our tags"),
    ],
)
def test_what_a_tag_alone_says_is_no_reason_to_doubt_the_ledger(snapshot):
    check_uid(LEDGER, GRAPH, snapshot)
