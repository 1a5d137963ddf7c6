"""A client of a container registry: what a push and a pull need, missing blobs only.

Source: OCI Distribution Specification 1.1. Credentials are ECR's (GetAuthorizationToken) and are in no message.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode, urljoin

import urllib3

from trimtab.core.kind import Failure, Meaning

_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json"
)
_CHUNK = 8 << 20
_MEANINGS: dict[int, Meaning] = {401: "denied", 403: "denied", 404: "absent", 409: "conflict", 429: "throttled"}


class Registry:
    """One registry host. Raises Failure.

    host: "123456789012.dkr.ecr.eu-west-1.amazonaws.com" or "127.0.0.1:4566"; loopback hosts are spoken to without TLS.
    token: answers the base64 text of Basic authorisation; asked for again when it is refused.
    """

    def __init__(self, host: str, token: Callable[[], str]) -> None:
        scheme = "http" if host.startswith(("127.", "localhost", "[::1]")) else "https"
        self._base = f"{scheme}://{host}/v2/"
        self._token = token
        # A chunk is not sent again blindly: the registry would have to guess where it belongs. All else may be.
        retries = urllib3.Retry(3, redirect=5, status=0, allowed_methods={"GET", "HEAD", "POST", "PUT"}, backoff_factor=0.1)
        self._pool = urllib3.PoolManager(retries=retries, timeout=urllib3.Timeout(10, 120))
        self._authorization = ""

    def manifest(self, repository: str, reference: str) -> tuple[dict[str, Any], str]:
        """The manifest and its digest; of an index, that of linux/amd64."""
        reply = self._ask("GET", f"{repository}/manifests/{reference}", headers={"Accept": _MANIFESTS})
        body = json.loads(reply.data)
        if "manifests" in body:
            return self.manifest(repository, _for_platform(body, repository, reference))
        return body, reply.headers.get("Docker-Content-Digest", reference)

    def blob(self, repository: str, digest: str) -> bytes:
        return self._ask("GET", f"{repository}/blobs/{digest}").data

    def has_blob(self, repository: str, digest: str) -> bool:
        return self._ask("HEAD", f"{repository}/blobs/{digest}", accept=(404,)).status == 200

    def mount(self, repository: str, digest: str, source: str) -> bool:
        """Take a blob over from another repository of the same registry; False: it must be copied."""
        query = urlencode({"mount": digest, "from": source})
        return self._ask("POST", f"{repository}/blobs/uploads/?{query}").status == 201

    def push_blob(self, repository: str, digest: str, data: bytes, report: Callable[[int], None]) -> None:
        """Upload in chunks; report is called with the size of each in bytes."""
        where = self._ask("POST", f"{repository}/blobs/uploads/").headers["Location"]
        for start in range(0, len(data), _CHUNK):
            chunk = data[start : start + _CHUNK]
            span = {"Content-Range": f"{start}-{start + len(chunk) - 1}", "Content-Type": "application/octet-stream"}
            where = self._ask("PATCH", where, body=chunk, headers=span).headers.get("Location", where)
            report(len(chunk))
        self._ask("PUT", f"{where}{'&' if '?' in where else '?'}{urlencode({'digest': digest})}")

    def push_manifest(self, repository: str, tag: str, manifest: bytes, media_type: str) -> None:
        self._ask("PUT", f"{repository}/manifests/{tag}", body=manifest, headers={"Content-Type": media_type})

    def _ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        accept: tuple[int, ...] = (),
    ) -> urllib3.BaseHTTPResponse:
        reply = self._send(method, path, body, headers)
        if reply.status == 401:  # a token lives twelve hours
            self._authorization = ""
            reply = self._send(method, path, body, headers)
        if reply.status < 400 or reply.status in accept:
            return reply
        meaning = _MEANINGS.get(reply.status, "transient" if reply.status >= 500 else "invalid")
        raise Failure(
            meaning,
            f"registry: {method} {path.partition('?')[0]}: {reply.status} {_reason(reply.data)}",
            code=str(reply.status),
        )

    def _send(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str] | None
    ) -> urllib3.BaseHTTPResponse:
        self._authorization = self._authorization or f"Basic {self._token()}"
        sent = {"Authorization": self._authorization, **(headers or {})}
        try:
            return self._pool.request(method, urljoin(self._base, path), body=body, headers=sent)
        except urllib3.exceptions.HTTPError as error:
            raise Failure("transient", f"registry {self._base}: {type(error).__name__}", operation=method) from error


def _for_platform(index: Mapping[str, Any], repository: str, reference: str) -> str:
    for each in index["manifests"]:
        platform = each.get("platform", {})
        if (platform.get("os"), platform.get("architecture")) == ("linux", "amd64"):
            return each["digest"]
    raise Failure("absent", f"registry: {repository}@{reference} has no image for linux/amd64")


def _reason(body: bytes) -> str:
    try:
        errors = json.loads(body)["errors"]
    except (ValueError, KeyError, TypeError):
        return ""
    return "; ".join(f"{each.get('code', '')}: {each.get('message', '')}" for each in errors)
