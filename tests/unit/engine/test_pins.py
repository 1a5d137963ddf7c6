"""Pins are sticky: what a tag stands for by now is told, and taken by a refresh alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from trimtab.core.errors import UserError
from trimtab.core.kind import Failure
from trimtab.engine.ledger import Ledger
from trimtab.engine.pins import Tags, outdated, with_pins

NOW = datetime(2026, 11, 26, tzinfo=UTC)
FRESH = Ledger("u", "vision", "digits", "local", "123456789012", "r")
TEXTS = {"training": "host/training:2", "serving": "host/python:3.11"}


def one(_: str) -> str:
    return "sha256:" + "1" * 64


def two(_: str) -> str:
    return "sha256:" + "2" * 64


class Registry:
    """Answers with one digest after the other."""

    def __init__(self) -> None:
        self.asked = 0

    def make(self, call):
        self.asked += 1
        return {"images": [{"imageId": {"imageDigest": f"sha256:{self.asked}"}}]}


def test_a_pin_stays_while_its_text_does():
    pinned = with_pins(FRESH, TEXTS, "sha256:l", one)
    assert with_pins(pinned, TEXTS, "sha256:other", two) is pinned
    moved = with_pins(pinned, {**TEXTS, "serving": "host/python:3.12"}, "sha256:l", two)
    assert moved.pins["serving"]["digest"] == two("")
    assert moved.pins["training"]["digest"] == one("")


def test_what_is_newer_is_told_by_name():
    pinned = with_pins(FRESH, TEXTS, "sha256:l", one)
    assert outdated(pinned.pins, TEXTS, "sha256:l", one) == ()
    said = outdated(pinned.pins, TEXTS, "sha256:m", lambda uri: two(uri) if "python" in uri else one(uri))
    assert said == (
        "serving: host/python:3.11 is 222222222222 by now, and 111111111111 is used",
        "launcher: this trimtab brings another one than is used",
    )


@pytest.mark.parametrize("error", [Failure("denied", "no"), UserError("gone", code="TT3004")])
def test_what_cannot_be_read_is_not_said_to_be_outdated(error):
    def fails(_: str) -> str:
        raise error

    assert outdated(with_pins(FRESH, TEXTS, "sha256:l", one).pins, TEXTS, "sha256:l", fails) == ()


def test_a_tag_is_read_once_in_ten_minutes_whoever_asks_and_anew_for_a_pin():
    registry, tags = Registry(), Tags()
    assert [tags.digest("host/a:1", registry, NOW) for _ in range(3)] == ["sha256:1"] * 3
    assert tags.digest("host/a:1", registry, NOW + timedelta(minutes=9)) == "sha256:1"
    assert tags.fresh("host/a:1", registry, NOW + timedelta(minutes=9)) == "sha256:2"
    assert tags.digest("host/a:1", registry, NOW + timedelta(minutes=9)) == "sha256:2"
    assert tags.digest("host/a:1", registry, NOW + timedelta(minutes=20)) == "sha256:3"
    assert tags.digest("host/a:1", registry, NOW) == "sha256:4"  # a clock that was set back


def test_a_refresh_of_one_leaves_the_others():
    pinned = with_pins(FRESH, TEXTS, "sha256:l", one)
    again = with_pins(replace(pinned, pins={name: pinned.pins[name] for name in ("training", "launcher")}), TEXTS, "x", two)
    assert {name: pin["digest"][-1] for name, pin in again.pins.items()} == {
        "training": "1",
        "serving": "2",
        "launcher": "l",
    }
