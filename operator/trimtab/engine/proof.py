"""Ready is proven, by the strongest proof there is: the tasks in rotation, their own word, and a golden request.

(a) required: every healthy target is a task with the declared image and template, by the platform's own report.
(b) where its address can be reached: `/version` of a task names the digest hashed from the bytes it loaded.
(c) the golden request that training left is answered through the public endpoint as it was then.
(b) and (c) are made once for each release. One that could not be made is shown; one with another answer is a failed release.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

from trimtab.core.kind import Call, Failure
from trimtab.engine.driver import Driver

Verdict: TypeAlias = Literal["proven", "failed", "unreached"]
INNER_PORT = 9090  # of /version in our containers
_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one kind of proof found."""

    is_: Verdict
    said: str


@dataclass(frozen=True, slots=True)
class Proof:
    """Of one release."""

    release: str  # 12 digits of its key
    at: str  # RFC 3339
    version: Evidence
    golden: Evidence

    @property
    def failure(self) -> str:
        """Why the release is not what it should be; "" when nothing says so."""
        failed = [each.said for each in (self.version, self.golden) if each.is_ == "failed"]
        return "; ".join(failed)


@dataclass(frozen=True, slots=True)
class Claim:
    """What is to be proven of a release."""

    artifact: str  # "sha256:..." of the model folder
    address: str  # of one healthy task
    url: str  # of the public endpoint, without a path; "" for none
    key_id: str | None  # of the API key, None where no key is needed
    golden: tuple[str, str] | None  # (bucket, key) of golden.json; None where the artifact's place is not known


def prove_version(claim: Claim, driver: Driver) -> Evidence:
    """Ask one healthy task what it loaded."""
    url = f"http://{claim.address}:{INNER_PORT}/version"
    try:
        reply = driver.make(Call("http", "GET", {"url": url}))
    except Failure as failure:
        return Evidence("unreached", failure.reason)
    digest = _object(reply["Body"]).get("artifact")
    if reply["Status"] != 200 or not digest:
        return Evidence("unreached", f"{url} answers {reply['Status']} and names no artifact")
    if digest != claim.artifact:
        return Evidence("failed", f"task {claim.address} has loaded {digest}, not {claim.artifact}")
    return Evidence("proven", f"task {claim.address} has loaded {digest}")


def prove_golden(claim: Claim, driver: Driver) -> Evidence:
    """Send what training left through the public endpoint, and compare the answer."""
    if not claim.url or claim.golden is None:
        return Evidence("unreached", "there is no public endpoint" if not claim.url else "the model has no golden request")
    bucket, key = claim.golden
    try:
        golden = _object(driver.make(Call("s3", "GetObject", {"Bucket": bucket, "Key": key}))["Body"])
    except Failure as failure:
        absent = failure.meaning == "absent"
        return Evidence("unreached", "the model's folder holds no golden.json" if absent else failure.reason)
    try:
        headers = {"Content-Type": "application/json", "Accept": "application/json"} | _key_header(claim.key_id, driver)
        body = json.dumps({"instances": golden["inputs"]}).encode()
        arguments = {"url": f"{claim.url}/invocations", "headers": headers, "body": body}
        reply = driver.make(Call("http", "POST", arguments, secret=True))
    except Failure as failure:
        return Evidence("unreached", failure.reason)
    except KeyError:
        return Evidence("unreached", f"s3://{bucket}/{key} has no inputs")
    if reply["Status"] != 200:
        return Evidence("unreached", f"{claim.url}/invocations answers {reply['Status']}")
    return _compared(golden, reply, claim)


def _compared(golden: Mapping[str, Any], reply: Mapping[str, Any], claim: Claim) -> Evidence:
    answered = reply["Headers"].get("x-trimtab-artifact")
    if answered and answered != claim.artifact:
        return Evidence("failed", f"{claim.url} is answered by {answered}, not {claim.artifact}")
    given = _object(reply["Body"]).get("predictions")
    if given is None or reply["Headers"].get("x-trimtab-hooks"):  # what a hook made of the answer only its author knows
        return Evidence("unreached", "the answer has a form of its own, which cannot be compared")
    tolerance = max(float(golden.get("tolerance", 0.0)), _TOLERANCE)
    got, wanted = list(_numbers(given)), list(_numbers(golden.get("outputs")))
    if len(got) != len(wanted) or any(not abs(one - other) <= tolerance for one, other in zip(got, wanted, strict=True)):
        return Evidence("failed", "the golden request is answered otherwise than in training")
    return Evidence("proven", f"the golden request is answered as in training, by {answered or 'an unnamed model'}")


def _key_header(key_id: str | None, driver: Driver) -> dict[str, str]:
    if key_id is None:
        return {}
    reply = driver.make(Call("apigateway", "GetApiKey", {"apiKey": key_id, "includeValue": True}, secret=True))
    return {"x-api-key": reply["value"]}


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def _numbers(value: Any) -> "list[float]":
    """All numbers of nested lists, in order; what is no number is one that equals nothing."""
    if isinstance(value, list):
        return [number for each in cast(list[Any], value) for number in _numbers(each)]
    return [float(value)] if isinstance(value, (int, float)) else [float("nan")]
