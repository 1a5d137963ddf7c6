"""Resolve what may move to what cannot, once: image tags to digests, the launcher to its bytes.

A pin is sticky: it stands in the ledger and is resolved again when its text changes, or on `trimtab refresh`. That a tag
stands for something newer by now is only told: `PinsOutdated`.
"""

import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from trimtab.core.errors import UserError
from trimtab.core.kind import Call, Failure, Reply
from trimtab.engine.driver import Driver
from trimtab.engine.ledger import Ledger

_IMAGE = re.compile(r"(?P<host>[^/]+)/(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?")
_LOOK_AGAIN = timedelta(minutes=10)  # at a tag; whoever watches a registry does not come more often
_ACCOUNT = re.compile(r"(\d{12})\.dkr\.ecr\..*")


@dataclass(slots=True)
class Tags:
    """What image tags stand for now, each read once in ten minutes, whoever asks."""

    _known: dict[str, tuple[str, datetime]] = field(default_factory=dict[str, tuple[str, datetime]])

    def digest(self, uri: str, driver: Driver, now: datetime) -> str:
        """Raises UserError when there is none, Failure when it is not read."""
        known = self._known.get(uri)
        if known and timedelta() <= now - known[1] < _LOOK_AGAIN:
            return known[0]
        return self.fresh(uri, driver, now)

    def fresh(self, uri: str, driver: Driver, now: datetime) -> str:
        """Read it, as a new pin must be. Raises as `digest` does."""
        found = image_digest(uri, driver)
        self._known[uri] = (found, now)
        return found


def with_pins(ledger: Ledger, texts: Mapping[str, str], launcher: str, digest: Callable[[str], str]) -> Ledger:
    """With a pin for each text; those whose text is unchanged stay.

    texts: image URIs by name ("training", "serving"). launcher: digest of this installation's launcher.
    digest: of an image by its URI; raises UserError when it is not in its registry.
    """
    pins = {name: pin for name, pin in ledger.pins.items() if name in texts or name == "launcher"}
    for name, text in texts.items():
        if pins.get(name, {}).get("text") != text:
            pins[name] = {"text": text, "digest": digest(text)}
    pins.setdefault("launcher", {"text": "trimtab-container", "digest": launcher})
    return replace(ledger, pins=pins) if pins != dict(ledger.pins) else ledger


def outdated(
    pins: Mapping[str, Mapping[str, str]], texts: Mapping[str, str], launcher: str, digest: Callable[[str], str]
) -> tuple[str, ...]:
    """What pins would be resolved to something else by now, in words. What cannot be read is not said to be outdated."""
    found: list[str] = []
    for name, text in texts.items():
        with contextlib.suppress(UserError, Failure):
            if (now := digest(text)) != pins[name]["digest"]:
                found.append(f"{name}: {text} is {_short(now)} by now, and {_short(pins[name]['digest'])} is used")
    if pins["launcher"]["digest"] != launcher:
        found.append("launcher: this trimtab brings another one than is used")
    return tuple(found)


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


def image_digest(uri: str, driver: Driver) -> str:
    """The digest that an image's tag stands for in ECR. Raises UserError when there is none, Failure when it is not read."""
    match = _IMAGE.fullmatch(uri)
    if match is None:
        raise UserError(f"{uri!r} is no image of a registry", code="TT3003", fix="write <registry host>/<repository>:<tag>")
    if match["digest"]:
        return match["digest"]
    account = _ACCOUNT.fullmatch(match["host"])
    arguments = {"repositoryName": match["repository"], "imageIds": [{"imageTag": match["tag"] or "latest"}]}
    try:
        reply: Reply = driver.make(Call("ecr", "BatchGetImage", arguments | ({"registryId": account[1]} if account else {})))
    except Failure as failure:
        if failure.meaning != "absent":
            raise
        reply = {"images": list[Any]()}
    if not reply["images"]:
        raise UserError(
            f"image {uri} is not in its registry", code="TT3004", reason="ImageMissing", fix="push it, or name another"
        )
    return reply["images"][0]["imageId"]["imageDigest"]
