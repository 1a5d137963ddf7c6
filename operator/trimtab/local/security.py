"""The gate of the local cloud: something that starts processes must not be reached from a web page.

Refused: any foreign Origin or Host, and any request without a valid signature by a key of this installation.
Source: AWS Signature Version 4, "Create a signed AWS API request".
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from trimtab.local.overlay import ServiceError

_ALGORITHM = "AWS4-HMAC-SHA256"
_SKEW = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Key:
    """An access key."""

    id: str
    secret: str


@dataclass(frozen=True, slots=True)
class Signed:
    """Who signed, and for what."""

    service: str  # as the credential scope names it: "s3", "elasticloadbalancing"
    region: str
    caller: Any  # whose the key is


def check_origin(headers: Mapping[str, str], hosts: frozenset[str]) -> None:
    """Refuse what a browser sends for another site, and names that are not ours (DNS rebinding)."""
    if "origin" in headers or headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise ServiceError("AccessDenied", "requests of web pages are refused", 403)
    if headers.get("host", "").lower() not in hosts:
        raise ServiceError("AccessDenied", f"this host is not {' or '.join(sorted(hosts))}", 403)


def check_signature(
    method: str,
    uri: str,
    headers: Mapping[str, str],
    body: bytes,
    find: Callable[[str], tuple[str, Any] | None],
    now: datetime,
) -> Signed:
    """Verify a signature in the header or the query. Raises ServiceError.

    headers: names in lower case. find: (secret, whose it is) of an access key id, None for one that is not known.
    """
    path, _, query = uri.partition("?")
    given = headers.get("authorization", "")
    if given.startswith(_ALGORITHM):
        fields = dict(part.strip().split("=", 1) for part in given[len(_ALGORITHM) :].split(",") if "=" in part)
        credential, names, signature = (
            fields.get("Credential", ""),
            fields.get("SignedHeaders", ""),
            fields.get("Signature", ""),
        )
        stamp = headers.get("x-amz-date", "")
        payload = headers.get("x-amz-content-sha256") or hashlib.sha256(body).hexdigest()
        expires = _SKEW
    else:
        fields = dict(parse_qsl(query, keep_blank_values=True))
        if fields.get("X-Amz-Algorithm") != _ALGORITHM:
            raise ServiceError("MissingAuthenticationToken", "the request is not signed", 403)
        credential, names = fields.get("X-Amz-Credential", ""), fields.get("X-Amz-SignedHeaders", "")
        signature, stamp = fields.get("X-Amz-Signature", ""), fields.get("X-Amz-Date", "")
        query = "&".join(part for part in query.split("&") if not part.startswith("X-Amz-Signature="))
        payload, expires = "UNSIGNED-PAYLOAD", timedelta(seconds=int(fields.get("X-Amz-Expires", "0") or 0))
    parts = credential.split("/")
    if len(parts) != 5:
        raise ServiceError("IncompleteSignature", "the credential scope is not whole", 403)
    id_, day, region, service, _ = parts
    known = find(id_)
    if known is None:
        raise ServiceError("InvalidClientTokenId", "the access key is not this local cloud's: see `trimtab local env`", 403)
    _check_time(stamp, expires, now)
    signed = "".join(f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in names.split(";"))
    canonical = "\n".join((method, _path(path, service), _query(query), signed, names, payload))
    scope = f"{day}/{region}/{service}/aws4_request"
    text = "\n".join((_ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    secret = f"AWS4{known[0]}".encode()
    for part in (day, region, service, "aws4_request"):
        secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(hmac.new(secret, text.encode(), hashlib.sha256).hexdigest(), signature):
        raise ServiceError("SignatureDoesNotMatch", "the signature does not match", 403)
    return Signed(service, region, known[1])


def _check_time(stamp: str, expires: timedelta, now: datetime) -> None:
    try:
        at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise ServiceError("IncompleteSignature", "the signature has no time", 403) from None
    if now > at + max(expires, timedelta(0)) or at > now + _SKEW:
        raise ServiceError("RequestExpired", "the signature is too old, or of the future", 403)


def _path(path: str, service: str) -> str:
    """S3 signs the path as it is sent; all others escape it once more."""
    return path if service == "s3" else quote(path, safe="/-_.~")


def _query(query: str) -> str:
    pairs = [part.partition("=")[::2] for part in query.split("&") if part]
    escaped = sorted((quote(unquote(name), safe="-_.~"), quote(unquote(value), safe="-_.~")) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in escaped)
