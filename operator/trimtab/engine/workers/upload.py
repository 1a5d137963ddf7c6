"""Upload a tree to its content-addressed prefix, the manifest last.

Each object is sent with the SHA-256 that it was hashed to, so that S3 itself refuses bytes that changed in between. What an
interrupted upload left is used: whole objects by their size, parts of a multipart upload by number and size.
Source: Amazon S3 API, PutObject and UploadPart with ChecksumSHA256, ListParts.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from trimtab.clients.aws import Aws
from trimtab.core.errors import UserError
from trimtab.core.kind import Call, Failure, Progress
from trimtab.engine.contents import Content
from trimtab.engine.transfers import Report
from trimtab.engine.workers import Bench
from trimtab_container.digests import Entry

PART = 16 << 20  # bytes; at most 10,000 parts: files up to 156 GiB
_WHOLE = 32 << 20  # a smaller file goes in one request
_STREAMS = 8
_TRIES = 4


class Upload:
    """The worker "upload": arguments as s3.Content yields them."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def __call__(self, arguments: Mapping[str, Any], report: Report) -> None:
        content = self._bench.contents.get(arguments["source"])
        if content is None:
            raise UserError(
                f"the files of {arguments['source']} are not at hand here", code="TT4001", reason="SourceMissing",
                fix="run `trimtab apply` with the document and its folder",
            )  # fmt: skip
        if content.digest != arguments["digest"]:
            raise _changed(arguments["source"])
        send_tree(self._bench.aws, arguments["bucket"], arguments["prefix"], content, report)
        manifest = {"digest": content.digest, "files": [[each.path, each.size, each.sha256] for each in content.entries]}
        body = json.dumps(manifest, separators=(",", ":")).encode()
        put = {
            "Bucket": arguments["bucket"],
            "Key": arguments["manifest_key"],
            "Body": body,
            "ContentType": "application/json",
        }
        self._bench.aws.make(Call("s3", "PutObject", put, repeat="safe"))


def send_tree(aws: Aws, bucket: str, prefix: str, content: Content, report: Report) -> None:
    """Send what is not there yet. Raises Failure, and UserError (DatasetChanged) when a file is not what was hashed."""
    _Sender(aws, bucket, prefix, content, report).send_all()


class _Sender:
    """Sends one tree; counts bytes for the report."""

    def __init__(self, aws: Aws, bucket: str, prefix: str, content: Content, report: Report) -> None:
        self._aws, self._bucket, self._prefix, self._content, self._report = aws, bucket, prefix, content, report
        self._sent = 0
        self._lock = threading.Lock()

    def send_all(self) -> None:
        there = self._there()
        started = self._started()
        missing = [each for each in self._content.entries if there.get(each.path) != each.size]
        self._count(self._content.size_bytes - sum(each.size for each in missing))
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
        if entry.size <= _WHOLE:
            data = (self._content.root / entry.path).read_bytes()
            if hashlib.sha256(data).hexdigest() != entry.sha256:
                raise _changed(entry.path)
            checksum = base64.b64encode(bytes.fromhex(entry.sha256)).decode()
            self._put("PutObject", {"Key": self._prefix + entry.path, "Body": data, "ChecksumSHA256": checksum})
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
        with (self._content.root / entry.path).open("rb") as file:
            number = 0
            while data := file.read(PART):
                number += 1
                whole.update(data)
                checksum = base64.b64encode(hashlib.sha256(data).digest()).decode()
                tag = self._part(key, upload, number, data, checksum, done.get(number))
                parts.append({"PartNumber": number, "ETag": tag, "ChecksumSHA256": checksum})
                self._count(len(data))
        if whole.hexdigest() != entry.sha256:
            self._put("AbortMultipartUpload", {"Key": key, "UploadId": upload})
            raise _changed(entry.path)
        self._put("CompleteMultipartUpload", {"Key": key, "UploadId": upload, "MultipartUpload": {"Parts": parts}})

    def _part(self, key: str, upload: str, number: int, data: bytes, checksum: str, done: Mapping[str, Any] | None) -> str:
        if done and done.get("ChecksumSHA256", checksum) == checksum and done["ETag"].strip('"') == _md5(data):
            return done["ETag"]
        part = {"Key": key, "UploadId": upload, "PartNumber": number, "Body": data, "ChecksumSHA256": checksum}
        return self._put("UploadPart", part)["ETag"]

    def _put(self, operation: str, arguments: Mapping[str, Any], *, once: bool = False) -> Mapping[str, Any]:
        """Write; safe repeats are tried again after a passing fault."""
        call = Call("s3", operation, {"Bucket": self._bucket, **arguments}, repeat="once" if once else "safe")
        for left in reversed(range(_TRIES)):
            try:
                return self._aws.make(call)
            except Failure as failure:
                if once or not left or failure.meaning not in ("transient", "throttled"):
                    raise
        raise AssertionError("unreachable")

    def _count(self, size: int) -> None:
        with self._lock:
            self._sent += size
            self._report(Progress(self._sent, self._content.size_bytes, "bytes", "uploading"))


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _changed(what: str) -> UserError:
    return UserError(
        f"{what} changed after it was hashed",
        code="TT2005",
        reason="DatasetChanged",
        fix="run it again once nothing writes there",
    )
