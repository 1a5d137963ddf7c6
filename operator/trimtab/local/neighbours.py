"""The services that moto keeps for us (S3, IAM, STS, EC2 and the like): dispatched in-process, and made durable.

moto is not safe for threads and keeps nothing. So one lock stands round it, and every request that changed something is kept
and made again after a restart, with the same seed, so that ids and ARNs come out the same. Bodies beyond 64 KiB are files.
What need not be made again is dropped (compaction.py) at every start, and when the journal has doubled.
tests/unit/local/test_moto_contract.py holds each name of moto's inside that is used here.
"""

import hashlib
import io
import os
import re
import shutil
import threading
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, unquote
from xml.etree import ElementTree

import botocore.session
from botocore.model import OperationNotFoundError
from werkzeug.test import EnvironBuilder, run_wsgi_app

from trimtab.local.compaction import superfluous
from trimtab.local.overlay import ServiceError
from trimtab.local.protocol import Request, Response
from trimtab.local.store import SqliteStore, StoredRequest

_INLINE = 64 * 1024
_RESERVE = 16 * 1024 * 1024  # bytes of disk that large bodies may not take
_KEPT_HEADERS = (
    "authorization",
    "content-type",
    "content-encoding",
    "x-amz-",
    "range",
    "cache-control",
)
# What is kept has succeeded, and what it was conditional on may be dropped from the journal.
_CONDITIONS = ("x-amz-copy-source-if-",)
_GROWTH = 32 * 1024 * 1024  # bytes that the journal may grow by, at least, before it is compacted
_ROW = 16 * 1024  # bytes that a request counts for beside its body: it takes time at the next start
_UPLOAD = re.compile(rb"<UploadId>([^<]+)</UploadId>")
_NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


class Neighbours:
    """moto behind one lock, with a memory."""

    def __init__(self, folder: Path, store: SqliteStore, account: str, region: str) -> None:
        os.environ.update(MOTO_ACCOUNT_ID=account, MOTO_ALLOW_NONEXISTENT_REGION="true", MOTO_DISABLE_GLOBAL_CORS="true")
        os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"  # those of AWS, which roles are given by ARN
        self.lock = threading.RLock()
        self._store = store
        self._files = folder / "bodies"
        self._files.mkdir(mode=0o700, exist_ok=True)
        self._scope = f"20260101/{region}"
        self._app, self._random = _moto()
        self._number = 0
        self._account = account
        self._touched: set[tuple[str, str]] = set()
        self.heard: Callable[[Request, Response], None] | None = None  # of what changed something, in order
        self._grown, self._bound = 0, _GROWTH  # bytes since the last compaction, and how many bring the next

    def replay(self) -> int:
        """Make every kept request again. Answers how many could not be."""
        lost = 0
        with self.lock:
            self.compact()
            _reset()
            for kept in self._store.requests():
                self._number = kept.number
                lost += not self._made_again(kept)
            self._number = self._store.last_number()
        return lost

    def _made_again(self, kept: StoredRequest) -> bool:
        try:
            body = (self._files / kept.file).read_bytes() if kept.file else kept.body
            return self._write(Request(kept.method, kept.uri, _lasting(kept.headers), body)).status < 400
        except (FileNotFoundError, ServiceError):
            return False

    def compact(self) -> int:
        """Drop requests whose effect is gone, then the bodies that nothing names; returns how many requests went.

        A SIGKILL leaves the requests whole, old or new: they go in one transaction, and before the bodies do.
        """
        with self.lock:
            requests = list(self._store.requests())
            dropped = superfluous(requests)
            if dropped:
                self._store.drop_requests(dropped, max(self._number, self._store.last_number()))
            named = {each.file for each in requests if each.number not in dropped}
            size = sum(_ROW + len(each.body) for each in requests if each.number not in dropped)
            for file in self._files.iterdir():
                if file.name in named:
                    size += file.stat().st_size
                else:
                    file.unlink()
            self._grown, self._bound = 0, max(_GROWTH, size)
            return len(dropped)

    def handle(self, request: Request, *, reading: bool) -> Response:
        """Answer a request; one that changed something is durable before it is answered. Raises ServiceError."""
        with self.lock:
            if reading:
                return self._dispatch(request)
            self._make_room(len(request.body))
            self._number += 1
            response = self._write(request)
            if response.status < 400:
                self._keep(request, response)
                if self.heard:
                    self.heard(request, response)
                if self._grown > self._bound:
                    self.compact()
            return response

    def _make_room(self, size: int) -> None:
        """Refuse a large body while there is still room for the small records by which a person gets out of a full disk."""
        if size <= _INLINE:
            return
        if shutil.disk_usage(self._files).free - size < _RESERVE:
            self.compact()
        free = shutil.disk_usage(self._files).free
        if free - size < _RESERVE:
            raise ServiceError(
                "InsufficientStorage", f"the local cloud's disk is full: {free >> 20} MiB are free at {self._files}", 507
            )

    def _write(self, request: Request) -> Response:
        """Dispatch with the seed of this request's number. A backend that is first touched makes ids of its own (a default
        VPC): it is touched before, or a replay, in which no read came first, would draw other ids."""
        self._touch(request.headers.get("authorization", ""))
        self._random.seed(self._number)
        return self._dispatch(request)

    def _touch(self, authorization: str) -> None:
        scope = authorization.partition("Credential=")[2].partition(",")[0].split("/")
        if len(scope) == 5 and (scope[3], scope[2]) not in self._touched:
            self._touched.add((scope[3], scope[2]))
            self._random.seed(0)
            _backend(scope[3], self._account, scope[2])

    def _keep(self, request: Request, response: Response) -> None:
        body, file = request.body, ""
        if len(body) > _INLINE:
            file, body = hashlib.sha256(body).hexdigest(), b""
            path = self._files / file
            if not path.exists():
                path.with_suffix(".new").write_bytes(request.body)
                path.with_suffix(".new").rename(path)
        headers = _lasting(request.headers)
        made = _UPLOAD.search(response.body) if request.method == "POST" and "uploads" in request.uri else None
        id = made[1].decode() if made else ""
        self._store.add_request(StoredRequest(self._number, request.method, request.uri, headers, body, file, id))
        self._grown += _ROW + len(request.body)

    def _dispatch(self, request: Request) -> Response:
        path, _, query = request.uri.partition("?")
        builder = EnvironBuilder(
            method=request.method,
            path=unquote(path),
            query_string=query,
            base_url="http://127.0.0.1:4566",
            headers=[(name, value) for name, value in request.headers.items() if name not in ("host", "content-length")],
            input_stream=io.BytesIO(request.body),
            content_length=len(request.body),
        )
        environ = builder.get_environ()
        environ["RAW_URI"] = environ["REQUEST_URI"] = request.uri
        try:
            app_iter, status, headers = run_wsgi_app(self._app, environ, buffered=True)
        except NotImplementedError as error:
            raise ServiceError("NotImplemented", f"the local cloud has no such operation: {error}", 501) from error
        except OperationNotFoundError as error:
            raise ServiceError("InvalidAction", f"there is no such action: {error}", 400) from error
        except Exception as error:  # moto's own faults must not look like a page
            raise ServiceError("InternalFailure", f"moto: {type(error).__name__}: {error}", 500) from error
        body = b"".join(app_iter)
        code = int(status.split()[0])
        if body[:200].lstrip().lower().startswith((b"<!doctype", b"<html")) and code >= 400:
            if code >= 500:
                raise ServiceError("InternalFailure", "moto could not answer this request", 500)
            word = "MethodNotAllowed" if code == 405 else "UnknownOperationException"
            raise ServiceError(word, f"the local cloud has no {request.method} {path}", code)
        return Response(code, tuple(headers.items()), body)

    # --- from inside ---

    def region_of(self, bucket: str) -> str:
        """Where a bucket is; "" for one that is not there."""
        from moto.backends import get_backend

        with self.lock:
            buckets: Mapping[str, Any] = cast(Any, get_backend)("s3")[self._account]["aws"].buckets
            return str(buckets[bucket].region_name) if bucket in buckets else ""

    def ask(self, service: str, method: str, uri: str, body: bytes = b"", *, reading: bool) -> Response:
        """Make a request as a client would, but unsigned. A POST's body is a form. Raises ServiceError."""
        credential = f"Credential=local/{self._scope}/{service}/aws4_request"
        headers = {"authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0"}
        if method == "POST":
            headers["content-type"] = "application/x-www-form-urlencoded; charset=utf-8"
        return self.handle(Request(method, uri, headers, body), reading=reading)

    def get(self, bucket: str, key: str) -> bytes:
        """An object's bytes. Raises KeyError."""
        response = self.ask("s3", "GET", f"/{bucket}/{quote(key)}", reading=True)
        if response.status != 200:
            raise KeyError(f"s3://{bucket}/{key}")
        return response.body

    def fetch(self, bucket: str, key: str, target: Path) -> None:
        """An object as a file. Raises KeyError."""
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self.get(bucket, key))

    def put(self, bucket: str, key: str, source: Path | bytes) -> None:
        """Write an object. Raises KeyError for a missing bucket."""
        body = source if isinstance(source, bytes) else source.read_bytes()
        response = self.ask("s3", "PUT", f"/{bucket}/{quote(key)}", body, reading=False)
        if response.status != 200:
            raise KeyError(f"s3://{bucket}")

    def keys(self, bucket: str, prefix: str) -> list[tuple[str, int]]:
        """(key, size in bytes) below a prefix, sorted. A missing bucket has none."""
        found: list[tuple[str, int]] = []
        token = ""
        while True:
            more = f"&continuation-token={quote(token, safe='')}" if token else ""
            uri = f"/{bucket}?list-type=2&prefix={quote(prefix, safe='')}{more}"
            response = self.ask("s3", "GET", uri, reading=True)
            if response.status != 200:
                return found
            tree = ElementTree.fromstring(response.body)  # noqa: S314 - moto's own answer
            for item in tree.iter(f"{_NAMESPACE}Contents"):
                found.append((item.findtext(f"{_NAMESPACE}Key", ""), int(item.findtext(f"{_NAMESPACE}Size", "0"))))
            token = tree.findtext(f"{_NAMESPACE}NextContinuationToken", "")
            if not token:
                return sorted(found)


def _moto() -> tuple[Any, Any]:
    """(moto's dispatcher, its generator of ids), with two slow look-ups cached: each request made 175 stat calls."""
    # Each session of botocore's would parse the models anew, and moto makes many; in this process they share them.
    botocore.session.create_loader = cache(cast(Any, botocore.session).create_loader)
    import moto.backends as backends
    from moto.core import responses
    from moto.iam import responses as iam
    from moto.moto_api._internal import mock_random
    from moto.moto_server import werkzeug_app
    from moto.s3 import models as s3

    s3.FakeMultipart = _seeded(s3.FakeMultipart, mock_random)
    iam.IamResponse.update_role = _update_role
    backends.list_of_moto_modules = lru_cache(lambda: list(_modules(backends)))
    names = lru_cache(responses.method_names_from_class)  # pyright: ignore[reportPrivateImportUsage]
    responses.method_names_from_class = names  # pyright: ignore[reportPrivateImportUsage]

    def create(service: Any) -> Any:
        app = werkzeug_app.create_backend_app(service)
        app.config["PROPAGATE_EXCEPTIONS"] = True
        return app

    return werkzeug_app.DomainDispatcherApplication(create), mock_random


def _update_role(self: Any) -> Any:
    """UpdateRole that leaves alone what is not given: moto forgets the description and shortens sessions to an hour."""
    from moto.core.responses import EmptyResult

    role = self.backend.get_role(self._get_param("RoleName"))
    description = self._get_param("Description", role.description)
    duration = self._get_param("MaxSessionDuration", role.max_session_duration)
    self.backend.update_role(role.name, description, duration)
    return EmptyResult()


def _lasting(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with which a request is made again."""
    return {
        name: value for name, value in headers.items() if name.startswith(_KEPT_HEADERS) and not name.startswith(_CONDITIONS)
    }


def _seeded(multipart: Any, random: Any) -> Any:
    """moto draws the ids of multipart uploads from the operating system: no replay would know its own parts."""

    class Multipart(multipart):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self.id: str = random.get_random_hex(64)

    return multipart if multipart.__name__ == Multipart.__name__ else Multipart


def _modules(backends: Any) -> Any:
    path = Path(backends.__file__).parent
    return [each.name for each in path.iterdir() if each.is_dir() and not each.name.startswith("__")]


def _reset() -> None:
    from moto.moto_api._internal.models import moto_api_backend

    moto_api_backend.reset()


def _backend(service: str, account: str, region: str) -> None:
    """Have moto make the backend of a service; those without regions have one called "aws"."""
    from moto.backends import get_backend

    try:
        regions = cast(Any, get_backend)(service)[account]
    except (ImportError, KeyError):
        return  # no service of moto's by that name
    for name in (region, "aws"):
        if name in regions.regions:
            regions[name]  # made by being asked for
            return
