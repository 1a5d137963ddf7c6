"""CORS: which web pages may read an answer.

API Gateway passes a proxied answer on as it is, so the server says it. The origins come with each request, in a header that
the gateway sets from the document: another list is no new release. A page cannot set it, for no preflight allows it.
Source: Fetch standard, "CORS protocol"; Amazon API Gateway Developer Guide, "Parameter mapping for REST APIs".
"""

from collections.abc import Mapping

ORIGINS = b"x-trimtab-cors-origins"  # "https://a.example,https://b.example", or "*"
_READABLE = b"x-trimtab-release, x-trimtab-artifact, x-trimtab-hooks, x-amzn-requestid"
_PREFLIGHT = [
    (b"access-control-allow-methods", b"POST, OPTIONS"),
    (b"access-control-allow-headers", b"accept, content-type, x-api-key"),
    (b"access-control-max-age", b"600"),  # seconds
]
Headers = list[tuple[bytes, bytes]]


def cors_headers(headers: Mapping[bytes, bytes]) -> Headers:
    """What an answer says of who may read it; nothing where the request came without a list of origins."""
    if ORIGINS not in headers:
        return []
    origin = _allowed(headers)
    if not origin:
        return [(b"vary", b"origin")]
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", _READABLE),
        *([(b"vary", b"origin")] if origin != b"*" else []),
    ]


def preflight_headers(headers: Mapping[bytes, bytes]) -> Headers:
    """The same before a request is made: method and headers too, for an origin that is allowed."""
    return cors_headers(headers) + (_PREFLIGHT if _allowed(headers) else [])


def _allowed(headers: Mapping[bytes, bytes]) -> bytes:
    """The origin that may read, "*" for any, or nothing. Browsers write origins in lower case."""
    declared = [each.strip() for each in headers.get(ORIGINS, b"").lower().split(b",")]
    if b"*" in declared:
        return b"*"
    origin = headers.get(b"origin", b"")
    return origin if origin and origin.lower() in declared else b""
