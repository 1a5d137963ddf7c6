"""The registry's own protocol, beside the ECR API over the same content.

Source: OCI Distribution Specification 1.1; Amazon ECR User Guide, "Private registry authentication": a push to a repository
that does not exist is refused, and so is one over a tag of an immutable repository.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import unquote, urlencode

from trimtab.local.images import (
    DIGEST,
    BlobMissing,
    DigestMismatch,
    Image,
    ImageStore,
    Repository,
    TagTaken,
    UploadMoved,
)
from trimtab.local.protocol import Request, Response

_PATH = re.compile(r"/v2/(?P<name>.+)/(?P<what>manifests|blobs/uploads|blobs|tags)/(?P<rest>[^/]*)")
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_SPAN = re.compile(r"(?:bytes )?(\d+)-(\d+)(?:/.*)?")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_LIFE = timedelta(hours=12)


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers


class Tokens:
    """Passwords for twelve hours, as ECR's are: they name their end, and are sealed with the installation's secret."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def issue(self, now: datetime) -> tuple[str, datetime]:
        """(authorization token: base64 of user and password, its end)."""
        ends = (now + _LIFE).replace(microsecond=0)
        body = f"{int(ends.timestamp())}.{secrets.token_hex(8)}"
        return base64.b64encode(f"AWS:{body}.{self._seal(body)}".encode()).decode(), ends

    def accept(self, authorization: str, now: datetime) -> bool:
        """Whether an Authorization header has a token of ours that has not ended."""
        scheme, _, given = authorization.partition(" ")
        try:
            user, _, password = base64.b64decode(given, validate=True).decode().partition(":")
            body, _, seal = password.rpartition(".")
            ends = int(body.partition(".")[0])
        except (binascii.Error, ValueError):
            return False
        sealed = hmac.compare_digest(seal.encode(), self._seal(body).encode())
        return sealed and scheme.lower() == "basic" and user == "AWS" and now.timestamp() < ends

    def _seal(self, body: str) -> str:
        return hmac.new(self._secret, body.encode(), hashlib.sha256).hexdigest()


class Registry:
    """Answers /v2/."""

    def __init__(self, images: ImageStore, tokens: Tokens) -> None:
        self._images, self._tokens = images, tokens

    def handle(self, request: Request, now: datetime) -> Response:
        """Answer one request; every refusal is in the form of the specification."""
        try:
            return self._answer(request, now)
        except Refused as refused:
            return _reply(refused.status, _errors(refused.code, refused.message), refused.headers)
        except OSError as error:
            return _reply(500, _errors("UNKNOWN", f"the registry's disk: {error.strerror or error}"))

    def _answer(self, request: Request, now: datetime) -> Response:
        if not self._tokens.accept(request.headers.get("authorization", ""), now):
            wanted = {"WWW-Authenticate": 'Basic realm="trimtab",service="ecr.amazonaws.com"'}
            raise Refused(401, "UNAUTHORIZED", "authentication required", wanted)
        path = unquote(request.path)
        if path in ("/v2", "/v2/"):
            return _reply(200, b"{}")
        match = _PATH.fullmatch(path)
        if match is None:
            raise Refused(404, "UNSUPPORTED", f"there is no {path}")
        repository = self._images.repositories.get(match["name"])
        if repository is None:
            raise Refused(404, "NAME_UNKNOWN", f"The repository with name '{match['name']}' does not exist in the registry")
        if match["what"] == "manifests":
            return self._manifest(request, repository, match["rest"], now)
        if match["what"] == "blobs/uploads":
            return self._upload(request, repository, match["rest"])
        if match["what"] == "tags":
            return _tags(request, repository, match["rest"])
        return self._blob(request, repository, match["rest"])

    # --- manifests ---

    def _manifest(self, request: Request, repository: Repository, reference: str, now: datetime) -> Response:
        _allow(request, "GET", "HEAD", "PUT", "DELETE")
        if request.method == "PUT":
            return self._put_manifest(request, repository, reference, now)
        digest = repository.resolve(reference)
        image = repository.images.get(digest) if digest else None
        if digest is None or image is None:
            raise Refused(404, "MANIFEST_UNKNOWN", f"{repository.name} has no {reference}")
        if request.method == "DELETE":
            return self._delete_manifest(repository, reference, digest)
        return self._get_manifest(request, digest, image)

    def _get_manifest(self, request: Request, digest: str, image: Image) -> Response:
        try:
            data = self._images.manifest(digest)
        except (KeyError, FileNotFoundError):  # it was deleted while we looked
            raise Refused(404, "MANIFEST_UNKNOWN", f"there is no {digest}") from None
        headers = {"Docker-Content-Digest": digest, "Content-Type": image.media_type}
        return _reply(200, data, headers, head=request.method == "HEAD")

    def _delete_manifest(self, repository: Repository, reference: str, digest: str) -> Response:
        if self._images.index_with(repository, digest) is not None:
            raise Refused(409, "DENIED", f"{digest} is named by an index")
        if reference == digest:
            self._images.drop_image(repository.name, digest)
        else:
            self._images.drop_tag(repository.name, reference)
        return _reply(202, b"")

    def _put_manifest(self, request: Request, repository: Repository, reference: str, now: datetime) -> Response:
        media = request.headers.get("content-type", _MANIFEST).partition(";")[0].strip()
        try:
            digest = self._images.put_manifest(repository, reference, request.body, media, now, pushed=True)
        except DigestMismatch as error:
            raise Refused(400, "DIGEST_INVALID", f"the manifest is not {error}") from error
        except TagTaken as error:
            words = f"The image tag '{error}' already exists in the '{repository.name}' repository and cannot be overwritten"
            raise Refused(400, "TAG_INVALID", f"{words} because the repository is immutable.") from error
        except BlobMissing as error:
            raise Refused(400, "MANIFEST_BLOB_UNKNOWN", f"{error} was not pushed to {repository.name}") from error
        except ValueError as error:
            raise Refused(400, "MANIFEST_INVALID", f"the manifest cannot be taken: {error}") from error
        return _reply(201, b"", {"Docker-Content-Digest": digest, "Location": f"/v2/{repository.name}/manifests/{digest}"})

    # --- blobs ---

    def _blob(self, request: Request, repository: Repository, digest: str) -> Response:
        _allow(request, "GET", "HEAD")
        if not DIGEST.fullmatch(digest):
            raise Refused(400, "DIGEST_INVALID", f"{digest} is no digest")
        path = self._images.blob_of(repository, digest)
        if path is None:
            raise Refused(404, "BLOB_UNKNOWN", f"{repository.name} has no {digest}")
        size = path.stat().st_size
        headers = {"Docker-Content-Digest": digest, "Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
        if request.method == "HEAD":
            return _reply(200, b"", headers | {"Content-Length": str(size)})
        start, end, status = _range(request.headers.get("range", ""), size)
        with path.open("rb") as file:
            file.seek(start)
            data = file.read(end - start)
        span = {"Content-Range": f"bytes {start}-{end - 1}/{size}"} if status == 206 else {}
        return _reply(status, data, headers | span)

    # --- uploads ---

    def _upload(self, request: Request, repository: Repository, id: str) -> Response:
        query: Mapping[str, str] = dict(request.query)
        if not id:
            _allow(request, "POST")
            mounted = query.get("mount", "")
            if mounted and self._images.mount(repository.name, mounted, query.get("from", "")):
                return _made(repository, mounted)
            id = self._images.begin_upload(repository.name)
            if query.get("digest"):
                return self._complete(request, repository, id, query["digest"])
            return _progress(repository, id, 0)
        _allow(request, "GET", "PATCH", "PUT", "DELETE")
        size = self._images.upload_size(id, repository.name)
        if size is None:
            raise Refused(404, "BLOB_UPLOAD_UNKNOWN", f"{repository.name} has no such upload")
        if request.method == "GET":
            return _progress(repository, id, size, 204)
        if request.method == "DELETE":
            self._images.drop_upload(id)
            return _reply(204, b"")
        if request.method == "PATCH":
            return _progress(repository, id, self._append(request, repository, id))
        return self._complete(request, repository, id, query.get("digest", ""))

    def _append(self, request: Request, repository: Repository, id: str) -> int:
        span = _SPAN.fullmatch(request.headers.get("content-range", ""))
        if span and int(span[2]) - int(span[1]) + 1 != len(request.body):
            raise Refused(416, "BLOB_UPLOAD_INVALID", f"{len(request.body)} bytes came for {span[0]}")
        try:
            return self._images.append(id, request.body, int(span[1]) if span else None)
        except UploadMoved as moved:
            headers = dict(_progress(repository, id, moved.size).headers)
            kept = {name: headers[name] for name in ("Location", "Range", "Docker-Upload-UUID")}
            raise Refused(416, "BLOB_UPLOAD_INVALID", f"the upload stands at {moved.size}", kept) from moved

    def _complete(self, request: Request, repository: Repository, id: str, digest: str) -> Response:
        if not DIGEST.fullmatch(digest):
            raise Refused(400, "DIGEST_INVALID", f"{digest!r} is no digest")
        if request.body:
            self._append(request, repository, id)
        try:
            self._images.finish(id, repository.name, digest)
        except DigestMismatch as error:
            raise Refused(400, "DIGEST_INVALID", f"what came is not {error}") from error
        except (FileNotFoundError, KeyError) as error:
            raise Refused(404, "BLOB_UPLOAD_UNKNOWN", f"{repository.name} has no such upload") from error
        return _made(repository, digest)


def _tags(request: Request, repository: Repository, rest: str) -> Response:
    """Sorted; `n` at a time after `last`, with a link to the next."""
    if rest != "list":
        raise Refused(404, "UNSUPPORTED", f"there is no tags/{rest}")
    _allow(request, "GET")
    query: Mapping[str, str] = dict(request.query)
    tags = sorted(tag for image in list(repository.images.values()) for tag in image.tags)
    tags = [tag for tag in tags if tag > query.get("last", "")]
    most = int(query["n"]) if query.get("n", "").isdecimal() else len(tags)
    link = {}
    if most < len(tags):
        more = urlencode({"n": most, "last": tags[most - 1] if most else query.get("last", "")})
        link = {"Link": f'</v2/{repository.name}/tags/list?{more}>; rel="next"'}
    return _reply(200, json.dumps({"name": repository.name, "tags": tags[:most]}).encode(), link)


def _range(text: str, size: int) -> tuple[int, int, int]:
    """(start, end, status) of a Range header; one that cannot be read is as none. Raises Refused. Source: RFC 9110, 14.2."""
    match = _RANGE.fullmatch(text)
    if match is None or not (match[1] or match[2]):
        return 0, size, 200
    if not match[1]:
        start, end = max(size - int(match[2]), 0), size
    else:
        start, end = int(match[1]), min(int(match[2]) + 1, size) if match[2] else size
    if start >= end:
        raise Refused(416, "SIZE_INVALID", f"the blob has {size} bytes", {"Content-Range": f"bytes */{size}"})
    return start, end, 206


def _allow(request: Request, *methods: str) -> None:
    if request.method not in methods:
        raise Refused(405, "UNSUPPORTED", f"{request.method} is not supported here", {"Allow": ", ".join(methods)})


def _made(repository: Repository, digest: str) -> Response:
    return _reply(201, b"", {"Location": f"/v2/{repository.name}/blobs/{digest}", "Docker-Content-Digest": digest})


def _progress(repository: Repository, id: str, size: int, status: int = 202) -> Response:
    where = f"/v2/{repository.name}/blobs/uploads/{id}"
    return _reply(status, b"", {"Location": where, "Range": f"0-{max(size - 1, 0)}", "Docker-Upload-UUID": id})


def _errors(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


def _reply(status: int, body: bytes, headers: Mapping[str, str] | None = None, *, head: bool = False) -> Response:
    fields = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
    fields["Docker-Distribution-Api-Version"] = "registry/2.0"
    if status == 204:
        del fields["Content-Length"]
    return Response(status, tuple(fields.items()), b"" if head else body)
