"""Upload a tree to its content-addressed prefix, the manifest last.

Each object is sent with the SHA-256 that it was hashed to, so that S3 itself refuses bytes that changed in between. What an
interrupted upload left is used: whole objects by their size, parts of a multipart upload by number and content. What an
earlier tree of the deployment holds, and what lies in S3 anyway, is copied by S3, and its SHA-256 compared; where that is
another, or the object is gone, the file is sent.
Source: Amazon S3 API, PutObject and UploadPart with ChecksumSHA256, ListParts, UploadPartCopy, CopyObject (at most 5 GB;
with a ChecksumAlgorithm it answers that of the whole object, however that came there).
"""

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from functools import partial
from typing import Any, TypeAlias

from trimtab.clients.aws import Aws
from trimtab.core.errors import UserError
from trimtab.core.kind import Call, Failure, Progress
from trimtab.engine.contents import Content, Origin
from trimtab.engine.transfers import Report
from trimtab.engine.workers import Bench
from trimtab.engine.workers.reuse import reusable
from trimtab_container.digests import Entry

PART = 16 << 20  # bytes; at most 10,000 parts: files up to 156 GiB
_WHOLE = 32 << 20  # a smaller file goes in one request
_COPY_WHOLE = 5_000_000_000  # a larger object is copied in parts
_STREAMS = 8
_TRIES = 4
_PASSING = ("transient", "throttled")

Find: TypeAlias = Callable[[Sequence[Entry]], dict[str, Origin]]  # what can be copied, by path, of what is missing


class Upload:
    """The worker "upload": arguments as s3.Content yields them."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def __call__(self, arguments: Mapping[str, Any], report: Report) -> None:
        content = content_of(self._bench, arguments["source"], arguments["digest"])
        bucket, prefix = arguments["bucket"], arguments["prefix"]
        send_tree(self._bench.aws, bucket, prefix, content, report, partial(reusable, self._bench.aws, bucket, prefix))
        manifest = {"digest": content.digest, "files": [[each.path, each.size, each.sha256] for each in content.entries]}
        body = json.dumps(manifest, separators=(",", ":")).encode()
        put = {
            "Bucket": bucket,
            "Key": arguments["manifest_key"],
            "Body": body,
            "ContentType": "application/json",
        }
        self._bench.aws.make(Call("s3", "PutObject", put, repeat="safe"))


def content_of(bench: Bench, source: str, digest: str) -> Content:
    """A content set that must be the one of that digest. Raises UserError where it is not at hand, or another by now."""
    content = bench.contents.get(source)
    if content is None:
        raise UserError(
            f"the files of {source} are not at hand here", code="TT4001", reason="SourceMissing",
            fix="run `trimtab apply` with the document and its folder",
        )  # fmt: skip
    if content.digest != digest:
        raise _changed(source)
    return content


def send_tree(aws: Aws, bucket: str, prefix: str, content: Content, report: Report, find: Find | None = None) -> None:
    """Send what is not there yet, save for what `find` says can be copied.

    Raises Failure, and UserError (DatasetChanged) when a file is not what was hashed.
    """
    _Sender(aws, bucket, prefix, content, report).send_all(find)


def opened(aws: Aws, content: Content, entry: Entry) -> AbstractContextManager[Any]:
    """The bytes of an entry, to read: from its folder, or from where it lies in S3. Raises UserError when it changed."""
    origin = content.origins.get(entry.path)
    if origin is None:
        return content.file(entry).open("rb")
    source = {"Bucket": origin.bucket, "Key": origin.key, "IfMatch": origin.etag}
    try:
        return closing(aws.open(Call("s3", "GetObject", source))["Body"])
    except Failure as failure:
        if failure.code in ("PreconditionFailed", "412", "NoSuchKey"):
            raise _changed(f"s3://{origin.bucket}/{origin.key}") from failure
        raise


class _Sender:
    """Sends one tree; counts bytes for the report."""

    def __init__(self, aws: Aws, bucket: str, prefix: str, content: Content, report: Report) -> None:
        self._aws, self._bucket, self._prefix, self._content, self._report = aws, bucket, prefix, content, report
        self._sent = 0
        self._sources: dict[str, Origin] = {}
        self._lock = threading.Lock()

    def send_all(self, find: Find | None) -> None:
        there = self._there()
        started = self._started()
        missing = [each for each in self._content.entries if there.get(each.path) != each.size]
        self._count(self._content.size_bytes - sum(each.size for each in missing))
        self._sources = {**self._content.origins, **(find(missing) if find else {})}
        with ThreadPoolExecutor(_STREAMS, thread_name_prefix="upload") as pool:
            for waiting in [pool.submit(self._send, each, started.get(each.path)) for each in missing]:
                waiting.result()

    def _there(self) -> dict[str, int]:
        listed = self._aws.make(Call("s3", "ListObjectsV2", {"Bucket": self._bucket, "Prefix": self._prefix}))
        return {item["Key"].removeprefix(self._prefix): item["Size"] for item in listed.get("Contents", [])}

    def _started(self) -> dict[str, str]:
        listed = self._aws.make(Call("s3", "ListMultipartUploads", {"Bucket": self._bucket, "Prefix": self._prefix}))
        return {item["Key"].removeprefix(self._prefix): item["UploadId"] for item in listed.get("Uploads", [])}

    def _send(self, entry: Entry, upload: str | None) -> None:
        if upload is None and entry.size <= _COPY_WHOLE and self._is_copied(entry):
            self._count(entry.size)
        elif entry.size <= _WHOLE:
            with opened(self._aws, self._content, entry) as file:
                data = file.read()
            if hashlib.sha256(data).hexdigest() != entry.sha256:
                raise _changed(entry.path)
            self._put("PutObject", {"Key": self._prefix + entry.path, "Body": data, "ChecksumSHA256": _base64(entry.sha256)})
            self._count(entry.size)
        else:
            self._send_parts(entry, upload)

    def _send_parts(self, entry: Entry, upload: str | None) -> None:
        key = self._prefix + entry.path
        if upload is None:
            begun = self._put("CreateMultipartUpload", {"Key": key, "ChecksumAlgorithm": "SHA256"}, once=True)
            upload = str(begun["UploadId"])
        listed = self._aws.make(Call("s3", "ListParts", {"Bucket": self._bucket, "Key": key, "UploadId": upload}))
        done = {part["PartNumber"]: part for part in listed.get("Parts", [])}
        whole, parts = hashlib.sha256(), list[dict[str, Any]]()
        with opened(self._aws, self._content, entry) as file:
            number = 0
            while data := file.read(PART):
                number += 1
                whole.update(data)
                checksum = base64.b64encode(hashlib.sha256(data).digest()).decode()
                tag = self._part(entry, upload, number, data, checksum, done.get(number))
                parts.append({"PartNumber": number, "ETag": tag, "ChecksumSHA256": checksum})
                self._count(len(data))
        if whole.hexdigest() != entry.sha256:
            self._put("AbortMultipartUpload", {"Key": key, "UploadId": upload})
            raise _changed(entry.path)
        self._put("CompleteMultipartUpload", {"Key": key, "UploadId": upload, "MultipartUpload": {"Parts": parts}})

    def _part(
        self, entry: Entry, upload: str, number: int, data: bytes, checksum: str, done: Mapping[str, Any] | None
    ) -> str:
        """Have one part there; answers its ETag."""
        if done and _holds(done, data, checksum):
            return done["ETag"]
        part = {"Key": self._prefix + entry.path, "UploadId": upload, "PartNumber": number}
        start = (number - 1) * PART
        copied = self._copy("UploadPartCopy", entry, {**part, "CopySourceRange": f"bytes={start}-{start + len(data) - 1}"})
        if copied and _holds(copied, data, checksum):
            return copied["ETag"]
        return self._put("UploadPart", {**part, "Body": data, "ChecksumSHA256": checksum})["ETag"]

    def _is_copied(self, entry: Entry) -> bool:
        """Have S3 copy it from an earlier tree; false where it must be sent."""
        copied = self._copy("CopyObject", entry, {"Key": self._prefix + entry.path, "ChecksumAlgorithm": "SHA256"})
        return copied.get("ChecksumSHA256") == _base64(entry.sha256)

    def _copy(self, operation: str, entry: Entry, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """What S3 answers of a copy; empty where there is none. A source that is gone or was written to is asked once."""
        source = self._sources.get(entry.path)
        if source is None:
            return {}
        origin = {"CopySource": {"Bucket": source.bucket, "Key": source.key}, "CopySourceIfMatch": source.etag}
        try:
            reply = self._put(operation, {**arguments, **origin})
        except Failure as failure:
            if failure.meaning in _PASSING:
                raise
            del self._sources[entry.path]
            return {}
        return reply.get("CopyObjectResult") or reply.get("CopyPartResult") or {}

    def _put(self, operation: str, arguments: Mapping[str, Any], *, once: bool = False) -> Mapping[str, Any]:
        """Write; safe repeats are tried again after a passing fault."""
        call = Call("s3", operation, {"Bucket": self._bucket, **arguments}, repeat="once" if once else "safe")
        for left in reversed(range(_TRIES)):
            try:
                return self._aws.make(call)
            except Failure as failure:
                if once or not left or failure.meaning not in _PASSING:
                    raise
        raise AssertionError("unreachable")

    def _count(self, size: int) -> None:
        with self._lock:
            self._sent += size
            self._report(Progress(self._sent, self._content.size_bytes, "bytes", "uploading"))


def _base64(digest: str) -> str:
    """A digest in hexadecimal as S3 spells checksums."""
    return base64.b64encode(bytes.fromhex(digest)).decode()


def _holds(part: Mapping[str, Any], data: bytes, checksum: str) -> bool:
    """Whether a part that S3 has is these bytes: by its checksum, or where none is told by its ETag, an MD5 then."""
    told = part.get("ChecksumSHA256")
    return told == checksum if told else part["ETag"].strip('"') == hashlib.md5(data, usedforsecurity=False).hexdigest()


def _changed(what: str) -> UserError:
    return UserError(
        f"{what} changed after it was hashed",
        code="TT2005",
        reason="DatasetChanged",
        fix="run it again once nothing writes there",
    )
