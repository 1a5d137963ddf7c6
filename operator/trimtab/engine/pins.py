"""Resolve what may move to what cannot, once: image tags to digests, the launcher to its bytes.

A pin is sticky: it stands in the ledger and is resolved again when its text changes.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from trimtab.core.errors import UserError
from trimtab.core.kind import Call, Failure, Reply
from trimtab.engine.driver import Driver
from trimtab.engine.ledger import Ledger

_IMAGE = re.compile(r"(?P<host>[^/]+)/(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?")
_ACCOUNT = re.compile(r"(\d{12})\.dkr\.ecr\..*")


def with_pins(ledger: Ledger, texts: Mapping[str, str], launcher: str, driver: Driver) -> Ledger:
    """With a pin for each text; those whose text is unchanged stay.

    texts: image URIs by name ("training", "serving"). launcher: digest of this installation's launcher.
    Raises UserError when an image is not in its registry.
    """
    pins = {name: pin for name, pin in ledger.pins.items() if name in texts or name == "launcher"}
    for name, text in texts.items():
        if pins.get(name, {}).get("text") != text:
            pins[name] = {"text": text, "digest": image_digest(text, driver)}
    pins.setdefault("launcher", {"text": "trimtab-container", "digest": launcher})
    return replace(ledger, pins=pins) if pins != dict(ledger.pins) else ledger


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
