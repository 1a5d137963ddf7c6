"""Faults that a person injects: throttling, refusals, expired credentials, server errors, silence and resets.

They strike before or after the effect. A fault names a service and an operation and is due a number of times.
Source: the common errors of each service's API reference; Amazon S3 API, error responses (SlowDown, 503); IAM User Guide,
"Troubleshoot access denied error messages"; Amazon S3 API, error responses (ExpiredToken).
"""

import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from trimtab.local.overlay import ServiceError

KINDS = ("throttle", "denied", "expired", "serverError", "timeout", "reset")
MOMENTS = ("before", "after")
THROTTLED: Mapping[str, tuple[str, int]] = {  # (code, status) by service; others say ThrottlingException
    "s3": ("SlowDown", 503),
    "apigateway": ("TooManyRequestsException", 429),
    "apigatewayv2": ("TooManyRequestsException", 429),
    "elbv2": ("Throttling", 400),
    "iam": ("Throttling", 400),
    "sts": ("Throttling", 400),
    "ec2": ("RequestLimitExceeded", 503),
}
_DENIED: Mapping[str, tuple[str, int]] = {
    "s3": ("AccessDenied", 403),
    "elbv2": ("AccessDenied", 403),
    "iam": ("AccessDenied", 403),
    "sts": ("AccessDenied", 403),
    "ec2": ("UnauthorizedOperation", 403),
}
_EXPIRED: Mapping[str, tuple[str, int, str]] = {
    "s3": ("ExpiredToken", 400, "The provided token has expired."),
    "ec2": ("RequestExpired", 400, "Request has expired."),
    **dict.fromkeys(("elbv2", "iam", "sts"), ("ExpiredToken", 403, "The security token included in the request is expired")),
}
_MOST_SECONDS = 120.0


class Dropped(Exception):
    """The connection is closed without an answer, after so many seconds of silence."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"closed after {seconds:g} s")
        self.seconds = seconds


@dataclass(slots=True)
class Fault:
    """One injected fault."""

    service: str  # botocore's name
    kind: str  # of KINDS
    operation: str = ""  # "" for any
    when: str = "before"  # or after the effect
    count: int = 1  # how often it is still due
    seconds: float = 65.0  # of silence, for a timeout: longer than a client waits


class Faults:
    """Those that are due. Safe to use from several threads."""

    def __init__(self) -> None:
        self._due: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, body: bytes) -> None:
        """Take faults as a JSON array of objects. Raises ServiceError for what is none."""
        given = _parsed(body)
        with self._lock:
            self._due += given

    def clear(self) -> None:
        with self._lock:
            self._due.clear()

    def shown(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(each) for each in self._due]

    def strike(self, service: str, operation: str, when: str, principal: str) -> None:
        """Raise the fault that is due at this moment, if there is one: a ServiceError, or Dropped.

        principal: ARN of the caller, whom a refusal names.
        """
        with self._lock:
            due = next((each for each in self._due if _meant(each, service, operation, when)), None)
            if due is None:
                return
            due.count -= 1
            if due.count <= 0:
                self._due.remove(due)
        if due.kind in ("timeout", "reset"):
            raise Dropped(min(due.seconds, _MOST_SECONDS) if due.kind == "timeout" else 0.0)
        if due.kind == "throttle":
            code, status = THROTTLED.get(service, ("ThrottlingException", 400))
            raise ServiceError(code, "Rate exceeded (injected)", status)
        if due.kind == "denied":
            raise _denied(service, operation, principal)
        if due.kind == "expired":
            told = "The security token included in the request is expired"
            code, status, message = _EXPIRED.get(service, ("ExpiredTokenException", 400, told))
            raise ServiceError(code, message, status)
        raise ServiceError("InternalError" if service == "s3" else "InternalFailure", "injected", 500)


def _denied(service: str, operation: str, principal: str) -> ServiceError:
    """S3 says no more than "Access Denied"; the others name caller and action. None of the resource: it is injected."""
    code, status = _DENIED.get(service, ("AccessDeniedException", 400))
    if service == "s3":
        return ServiceError(code, "Access Denied", status)
    action = f"{'elasticloadbalancing' if service == 'elbv2' else service}:{operation}"
    because = f"because no identity-based policy allows the {action} action"
    return ServiceError(code, f"User: {principal} is not authorized to perform: {action} {because}", status)


def _meant(fault: Fault, service: str, operation: str, when: str) -> bool:
    return fault.when == when and fault.service == service and fault.operation in ("", operation)


def _parsed(body: bytes) -> list[Fault]:
    try:
        items = cast(list[dict[str, Any]], json.loads(body))
        faults = [Fault(**each) for each in items]
    except (ValueError, TypeError) as error:
        raise ServiceError("ValidationException", f"faults are a JSON array of objects: {error}", 400) from error
    for each in faults:
        if each.kind not in KINDS or each.when not in MOMENTS or each.count < 1:
            wanted = f"kind is one of {', '.join(KINDS)}; when is before or after; count is 1 or more"
            raise ServiceError("ValidationException", f"{asdict(each)}: {wanted}", 400)
    return faults
