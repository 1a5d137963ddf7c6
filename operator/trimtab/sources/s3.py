"""An S3 prefix as a source: objects by their ETags, taken once the set is whole; status below `.trimtab/` of the prefix.

A prefix has no commit: people and programs write it object by object. So a set counts once two listings in a row are equal,
or, where a manifest is named, once everything that the manifest lists is there as it lists it. Events only say when to look.
Cost of a look: 1 ListObjectsV2 per 1,000 objects, 1 GetObject per document that changed.
Source: Amazon S3 API, ListObjectsV2, GetObject (IfMatch), PutObject (IfMatch, IfNoneMatch).
"""

import hashlib
import json
import posixpath
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from trimtab.core.errors import Transient, UserError
from trimtab.core.kind import Call, Caller, Failure
from trimtab.engine.declared import Listing
from trimtab.engine.hearing import Ear
from trimtab.model.load import Document
from trimtab.model.yaml_loader import MAX_BYTES
from trimtab.sources.files import is_document, listing_of, local_sources, too_large

_STATUS = ".trimtab/"
GONE_S = 10.0  # an object that is missing for less than this may be on its way back: moved, or deleted and put again
RESTLESS_S = 60.0  # a set that is not whole for longer is told
_SETTLING_S = 1.0  # between the two listings that must be equal
_POLL_S = 2  # of the queue: a stop does not wait longer
_TRIES = 5  # others may write the status, too
_LINE = re.compile(r"(?:(?P<etag>[0-9a-f]{32}(?:-[0-9]+)?) [ *])?(?P<path>\S.*)")  # as md5sum writes it


@dataclass(frozen=True, slots=True)
class Object:
    """One object as it is listed."""

    etag: str
    size: int


@dataclass(slots=True)
class S3Source:
    """prefix: "" or one that ends in a slash. manifest: its path below that; "" for none. now: seconds, of any start.

    pause: wait for a stop, so many of these seconds.
    """

    caller: Caller
    bucket: str
    prefix: str = ""
    manifest: str = ""
    ear: Ear | None = None
    interval_s: float = 10.0
    now: Callable[[], float] = time.monotonic
    pause: Callable[[threading.Event, float], object] = threading.Event.wait
    _before: Mapping[str, Object] | None = None  # the last listing
    _texts: dict[str, tuple[str, bytes]] = field(default_factory=dict[str, tuple[str, bytes]])  # (ETag, text) by path
    _written: dict[str, str] = field(default_factory=dict[str, str])  # ETag of each status as we left it
    _gone: dict[str, float] = field(default_factory=dict[str, float])  # since when documents are missing
    _places: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])  # as they were placed last
    _restless: float | None = None  # since when the set is not whole
    _is_settling: bool = True

    @property
    def name(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def read(self) -> Listing | None:
        """None while the set is not whole. Raises Failure, Transient where that lasts, UserError for a bad manifest."""
        objects = self._objects()
        whole = self._listed_by_manifest(objects) if self.manifest else objects
        self._is_settling = whole is None or (not self.manifest and objects != self._before)
        self._before = objects
        if self._is_settling or whole is None or not self._take(whole):
            return self._not_whole()
        self._restless = None
        texts = {path: text for path, (_, text) in self._texts.items()}
        listing = listing_of(texts, lambda document: self._place(whole, document), gone=self._gone)
        huge = [too_large(path, each.size) for path, each in whole.items() if is_document(path) and each.size > MAX_BYTES]
        return Listing(listing.declared, (*listing.refused, *huge))

    def _not_whole(self) -> None:
        self._restless = self.now() if self._restless is None else self._restless
        if (lasted := self.now() - self._restless) > RESTLESS_S:
            raise Transient(f"{self.name} has not been whole for {lasted:.0f} s; what was read before stays in force")

    def wait(self, stop: threading.Event, seconds: float) -> None:
        deadline = self.now() + (_SETTLING_S if self._is_settling else seconds)
        while (left := deadline - self.now()) > 0 and not stop.is_set():
            if self.ear is None or left < _POLL_S:
                self.pause(stop, left)
                return
            try:
                if self.ear.hear(_POLL_S):
                    return
            except Failure:  # it is a hint alone, and the next look says what is wrong with the account
                self.pause(stop, left)

    def report(self, key: str, status: Mapping[str, Any] | None) -> None:
        """`.trimtab/<namespace>/<name>.json`, if it is as we know it; else it is read, and written over. Raises Failure."""
        place = {"Bucket": self.bucket, "Key": f"{self.prefix}{_STATUS}{key}.json"}
        if status is None:
            self._written.pop(key, None)
            self.caller.make(Call("s3", "DeleteObject", place, repeat="safe"))
            return
        body = json.dumps(status, indent=1).encode() + b"\n"
        content = place | {"Body": body, "ContentType": "application/json"}
        for _ in range(_TRIES):
            known = self._written.get(key)
            condition = {"IfMatch": known} if known else {"IfNoneMatch": "*"}
            try:
                self._written[key] = self.caller.make(Call("s3", "PutObject", content | condition, repeat="safe"))["ETag"]
                return
            except Failure as failure:
                if failure.meaning not in ("conflict", "absent"):
                    raise
                self._look_at(key, place)
        raise Transient(f"s3://{self.bucket}/{place['Key']} is written by others all the time")

    def _look_at(self, key: str, place: Mapping[str, str]) -> None:
        try:
            self._written[key] = self.caller.make(Call("s3", "HeadObject", place))["ETag"]
        except Failure as failure:
            if failure.meaning != "absent":
                raise
            self._written.pop(key, None)

    def _objects(self) -> dict[str, Object]:
        """What is there, by its path below the prefix, without the status and the folders' own markers."""
        reply = self.caller.make(Call("s3", "ListObjectsV2", {"Bucket": self.bucket, "Prefix": self.prefix}))
        found = {str(each["Key"])[len(self.prefix) :]: each for each in reply.get("Contents", ())}
        return {
            path: Object(str(each["ETag"]).strip('"'), int(each["Size"]))
            for path, each in sorted(found.items())
            if path and not path.startswith(_STATUS) and not path.endswith("/")
        }

    def _listed_by_manifest(self, objects: Mapping[str, Object]) -> Mapping[str, Object] | None:
        """Just what the manifest lists; None while something of it is not there, or not as it lists it."""
        found = objects.get(self.manifest)
        if found is None:
            raise UserError(f"{self.name} has no manifest {self.manifest}", code="TT6009", fix="write it, or name none")
        text = self._text(self.manifest, found)
        if text is None:
            return None
        listed: dict[str, Object] = {}
        for number, line in enumerate(text.decode(errors="replace").splitlines(), 1):
            if not line.strip():
                continue
            match = _LINE.fullmatch(line.strip())
            path = posixpath.normpath(match["path"]) if match else ""
            if match is None or path.startswith(("/", "..")):
                raise UserError(
                    f"{self.name}{self.manifest}:{number}: is no line of a manifest",
                    code="TT6009", fix="write one path a line, or what md5sum prints",
                )  # fmt: skip
            each = objects.get(path)
            if each is None or (match["etag"] and match["etag"] != each.etag):
                return None
            listed[path] = each
        return listed

    def _take(self, objects: Mapping[str, Object]) -> bool:
        """Read the documents that are others by now. False where one was written meanwhile."""
        taken: dict[str, tuple[str, bytes]] = {}
        for path, each in objects.items():
            if is_document(path) and path != self.manifest and each.size <= MAX_BYTES:
                text = self._text(path, each)
                if text is None:
                    return False
                taken[path] = (each.etag, text)
        missing = {} if self.manifest else {path: each for path, each in self._texts.items() if path not in objects}
        self._gone = {path: self._gone.get(path, self.now()) for path in missing}
        self._texts = taken | {path: each for path, each in missing.items() if self.now() - self._gone[path] < GONE_S}
        return True

    def _text(self, path: str, each: Object) -> bytes | None:
        known = self._texts.get(path)
        if known and known[0] == each.etag:
            return known[1]
        arguments = {"Bucket": self.bucket, "Key": f"{self.prefix}{path}", "IfMatch": f'"{each.etag}"'}
        try:
            return self.caller.make(Call("s3", "GetObject", arguments))["Body"]
        except Failure as failure:
            if failure.meaning in ("conflict", "absent"):
                return None
            raise

    def _place(self, objects: Mapping[str, Object], document: Document) -> tuple[str, str]:
        """The prefix that the document is in, and a mark of it and of all objects that it names."""
        if document.file in self._gone and document.file in self._places:
            return self._places[document.file]  # with it, what it names may be on its way back
        folder = posixpath.dirname(document.file)
        below = tuple(f"{posixpath.normpath(posixpath.join(folder, each))}/" for each in local_sources(document))
        digest = hashlib.sha256(f"{document.file}\0{self._texts[document.file][0]}\n".encode())
        for path, each in objects.items():
            if path.startswith(below) or "./" in below:
                digest.update(f"{path}\0{each.etag}\n".encode())
        place = self._places[document.file] = (f"{self.name}{folder}".rstrip("/"), digest.hexdigest())
        return place
