"""Ready is proven, by the strongest proof there is: the tasks in rotation, their own word, and a golden request.

(a) required: every healthy target is a task with the declared image and template, by the platform's own report.
(b) where its address can be reached: `/version` of a task names the digest hashed from the bytes it loaded.
(c) the golden request that training left is answered through the public endpoint as it was then.
(b) and (c) are made when a release is new, and again by turns while it stands. One that could not be made is shown; one with
another answer is a failed release.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, cast

from trimtab.core.kind import Call, Caller, Failure

Verdict: TypeAlias = Literal["proven", "failed", "unreached"]
INNER_PORT = 9090  # of /version in our containers
_TOLERANCE = 1e-3
_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


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

    def after(self, made: "Proof") -> "Proof":
        """What is known once it was asked again: what could not be asked this time refutes nothing, and mends nothing."""
        return replace(made, version=_latest(self.version, made.version), golden=_latest(self.golden, made.golden))

    def departs(self, made: "Proof") -> bool:
        """Whether that leaves another verdict than this one."""
        now = self.after(made)
        return (now.version.is_, now.golden.is_) != (self.version.is_, self.golden.is_)


@dataclass(frozen=True, slots=True)
class Claim:
    """What is to be proven of a release."""

    artifact: str  # "sha256:..." of the model folder
    addresses: tuple[str, ...]  # of healthy tasks: each is asked what it loaded, and the golden request sent as often
    url: str  # of the public endpoint, without a path; "" for none
    key_id: str | None  # of the API key, None where no key is needed
    golden: tuple[str, str] | None  # (bucket, key) of golden.json; None where the artifact's place is not known
    answered: bool = False  # this release has answered the golden request as in training: a fault is no beginner's


@dataclass(frozen=True, slots=True)
class Question:
    """The golden request as it is sent, and what training answered to it."""

    body: bytes
    headers: Mapping[str, str] = field(repr=False)  # with the key
    outputs: Any
    tolerance: float


def prove_version(claim: Claim, driver: Caller) -> Evidence:
    """Ask tasks what they loaded, up to the first that does not prove it."""
    return _first_doubt(_version(address, claim, driver) for address in claim.addresses)


def _version(address: str, claim: Claim, driver: Caller) -> Evidence:
    url = f"http://{address}:{INNER_PORT}/version"
    try:
        reply = driver.make(Call("http", "GET", {"url": url}))
    except Failure as failure:
        return Evidence("unreached", failure.reason)
    digest = _object(reply["Body"]).get("artifact")
    if reply["Status"] != 200 or not digest:
        return Evidence("unreached", f"{url} answers {reply['Status']} and names no artifact")
    if digest != claim.artifact:
        return Evidence("failed", f"task {address} has loaded {digest}, not {claim.artifact}")
    return Evidence("proven", f"task {address} has loaded {digest}")


def prove_golden(claim: Claim, driver: Caller) -> Evidence:
    """Send what training left through the public endpoint, and compare the answer, up to the first that is not as it was."""
    question = question_of(claim, driver)
    if isinstance(question, Evidence):
        return question
    return _first_doubt(ask(question, claim, driver) for _ in claim.addresses)


def question_of(claim: Claim, driver: Caller, headers: Mapping[str, str] | None = None) -> Question | Evidence:
    """Read the golden request, and the key that goes with it unless `headers` has it; or what keeps it from being asked."""
    if not claim.url or claim.golden is None:
        return Evidence("unreached", "there is no public endpoint" if not claim.url else "the model has no golden request")
    bucket, key = claim.golden
    try:
        golden = _object(driver.make(Call("s3", "GetObject", {"Bucket": bucket, "Key": key}))["Body"])
    except Failure as failure:
        absent = failure.meaning == "absent"
        return Evidence("unreached", "the model's folder holds no golden.json" if absent else failure.reason)
    try:
        headers = headers or (_HEADERS | _key_header(claim.key_id, driver))
        body = json.dumps({"instances": golden["inputs"]}).encode()
    except Failure as failure:
        return Evidence("unreached", failure.reason)
    except KeyError:
        return Evidence("unreached", f"s3://{bucket}/{key} has no inputs")
    return Question(body, headers, golden.get("outputs"), max(float(golden.get("tolerance", 0.0)), _TOLERANCE))


def ask(question: Question, claim: Claim, driver: Caller) -> Evidence:
    """Send the golden request once."""
    arguments = {"url": f"{claim.url}/invocations", "headers": question.headers, "body": question.body}
    try:
        reply = driver.make(Call("http", "POST", arguments, secret=True))
    except Failure as failure:
        return Evidence("unreached", failure.reason)
    if reply["Status"] != 200:
        is_fault = claim.answered and reply["Status"] >= 500
        said = f"{claim.url}/invocations answers {reply['Status']}"
        return Evidence("failed", f"{said} to the golden request") if is_fault else Evidence("unreached", said)
    return _compared(question, reply, claim)


def _latest(known: Evidence, made: Evidence) -> Evidence:
    return known if made.is_ == "unreached" else made


def _first_doubt(found: Iterable[Evidence]) -> Evidence:
    """The first that is not proven, else the last: those behind it are not asked."""
    last = Evidence("unreached", "nobody was asked")
    for last in found:
        if last.is_ != "proven":
            break
    return last


def _compared(question: Question, reply: Mapping[str, Any], claim: Claim) -> Evidence:
    answered = reply["Headers"].get("x-trimtab-artifact")
    if answered and answered != claim.artifact:
        return Evidence("failed", f"{claim.url} is answered by {answered}, not {claim.artifact}")
    given = _object(reply["Body"]).get("predictions")
    if given is None or reply["Headers"].get("x-trimtab-hooks"):  # what a hook made of the answer only its author knows
        return Evidence("unreached", "the answer has a form of its own, which cannot be compared")
    got, wanted = list(_numbers(given)), list(_numbers(question.outputs))
    is_near = all(abs(one - other) <= question.tolerance for one, other in zip(got, wanted, strict=False))
    if len(got) != len(wanted) or not is_near:
        return Evidence("failed", "the golden request is answered otherwise than in training")
    return Evidence("proven", f"the golden request is answered as in training, by {answered or 'an unnamed model'}")


def _key_header(key_id: str | None, driver: Caller) -> dict[str, str]:
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
