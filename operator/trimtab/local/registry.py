"""The registry's own protocol, beside the ECR API over the same content.

Source: OCI Distribution Specification 1.1; Amazon ECR: a push to a repository that does not exist is refused.
"""

import base64
import hmac
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from trimtab.local.images import DigestMismatch, ImageStore, Repository, TagTaken
from trimtab.local.protocol import Request, Response

_PATH = re.compile(r"/v2/(?P<name>.+)/(?P<what>manifests|blobs|tags)/(?P<rest>.+)")
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Registry:
    """Answers /v2/."""

    def __init__(self, images: ImageStore, password: str) -> None:
        self._images = images
        self._expected = base64.b64encode(f"AWS:{password}".encode()).decode()

    def handle(self, request: Request, now: datetime) -> Response:
        try:
            given = request.headers.get("authorization", "").partition(" ")[2]
            if not hmac.compare_digest(given, self._expected):
                return _reply(
                    401, _errors("UNAUTHORIZED", "authentication required"), {"WWW-Authenticate": 'Basic realm="trimtab"'}
                )
            if request.path in ("/v2", "/v2/"):
                return _reply(200, b"{}")
            match = _PATH.fullmatch(unquote(request.path)) or re.fullmatch(
                r"/v2/(?P<name>.+)/(?P<what>blobs)/(?P<rest>uploads/?)", unquote(request.path)
            )
            if match is None:
                raise Refused(404, "UNSUPPORTED", f"there is no {request.path}")
            repository = self._images.repositories.get(match["name"])
            if repository is None:
                raise Refused(
                    404, "NAME_UNKNOWN", f"The repository with name '{match['name']}' does not exist in the registry"
                )
            if match["what"] == "manifests":
                return self._manifest(request, repository, match["rest"], now)
            if match["what"] == "tags":
                tags = sorted(tag for image in repository.images.values() for tag in image.tags)
                return _reply(200, json.dumps({"name": repository.name, "tags": tags}).encode())
            if match["rest"].startswith("uploads"):
                return self._upload(request, repository, match["rest"].partition("/")[2])
            return self._blob(request, match["rest"])
        except Refused as refused:
            return _reply(refused.status, _errors(refused.code, refused.message))

    def _manifest(self, request: Request, repository: Repository, reference: str, now: datetime) -> Response:
        if request.method == "PUT":
            return self._put_manifest(request, repository, reference, now)
        digest = repository.resolve(reference)
        if digest is None:
            raise Refused(404, "MANIFEST_UNKNOWN", f"{repository.name} has no {reference}")
        if request.method == "DELETE":
            del repository.images[digest]
            self._images.repositories.put(repository)
            return _reply(202, b"")
        data = self._images.manifest(digest)
        headers = {"Docker-Content-Digest": digest, "Content-Type": repository.images[digest].media_type}
        return _reply(200, data, headers, head=request.method == "HEAD")

    def _put_manifest(self, request: Request, repository: Repository, reference: str, now: datetime) -> Response:
        media = request.headers.get("content-type", _MANIFEST)
        try:
            digest = self._images.put_manifest(repository, reference, request.body, media, now)
        except DigestMismatch as error:
            raise Refused(400, "DIGEST_INVALID", f"the manifest is not {error}") from error
        except TagTaken as error:
            raise Refused(400, "TAG_INVALID", f"The image tag '{error}' already exists and cannot be overwritten") from error
        except KeyError as error:
            raise Refused(400, "MANIFEST_BLOB_UNKNOWN", f"blob {error} is not in the registry") from error
        except (ValueError, TypeError) as error:
            raise Refused(400, "MANIFEST_INVALID", f"the manifest cannot be read: {error}") from error
        return _reply(201, b"", {"Docker-Content-Digest": digest, "Location": f"/v2/{repository.name}/manifests/{digest}"})

    def _blob(self, request: Request, digest: str) -> Response:
        path = self._images.blob(digest) if re.fullmatch(r"sha256:[0-9a-f]{64}", digest) else None
        if path is None:
            raise Refused(404, "BLOB_UNKNOWN", f"there is no {digest}")
        headers = {"Docker-Content-Digest": digest, "Content-Type": "application/octet-stream"}
        if request.method == "HEAD":
            return _reply(200, b"", headers | {"Content-Length": str(path.stat().st_size)})
        data = path.read_bytes()
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        if span:
            end = min(int(span[2]) if span[2] else len(data) - 1, len(data) - 1)
            part = data[int(span[1]) : end + 1]
            return _reply(206, part, headers | {"Content-Range": f"bytes {span[1]}-{end}/{len(data)}"})
        return _reply(200, data, headers)

    def _upload(self, request: Request, repository: Repository, id: str) -> Response:
        query: Mapping[str, str] = dict(request.query)
        base = f"/v2/{repository.name}"
        if request.method == "POST":
            mounted = query.get("mount", "")
            if mounted and self._images.blob(mounted):
                return _reply(201, b"", {"Location": f"{base}/blobs/{mounted}", "Docker-Content-Digest": mounted})
            id = self._images.begin_upload()
            if not query.get("digest"):
                return _progress(base, id, 0)
        size = self._images.upload_size(id)
        if size is None:
            raise Refused(404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload")
        if request.method == "GET":
            return _progress(base, id, size, 204)
        if request.method == "DELETE":
            self._images.drop_upload(id)
            return _reply(204, b"")
        span = re.fullmatch(r"(?:bytes )?(\d+)-(\d+)(?:/.*)?", request.headers.get("content-range", ""))
        if span and int(span[1]) != size:
            raise Refused(416, "BLOB_UPLOAD_INVALID", f"the upload stands at {size}")
        if request.body:
            size = self._images.append(id, request.body)
        if request.method == "PATCH":
            return _progress(base, id, size)
        digest = query.get("digest", "")
        try:
            self._images.finish(id, digest)
        except DigestMismatch as error:
            raise Refused(400, "DIGEST_INVALID", f"the blob is not {error}") from error
        return _reply(201, b"", {"Location": f"{base}/blobs/{digest}", "Docker-Content-Digest": digest})


def _progress(base: str, id: str, size: int, status: int = 202) -> Response:
    headers = {"Location": f"{base}/blobs/uploads/{id}", "Range": f"0-{max(size - 1, 0)}", "Docker-Upload-UUID": id}
    return _reply(status, b"", headers)


def _errors(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


def _reply(status: int, body: bytes, headers: Mapping[str, str] | None = None, *, head: bool = False) -> Response:
    fields: dict[str, Any] = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
    fields["Docker-Distribution-Api-Version"] = "registry/2.0"
    return Response(status, tuple(fields.items()), b"" if head else body)
