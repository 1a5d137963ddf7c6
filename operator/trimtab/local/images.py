"""The content of the registry: blobs by digest on disk, repositories and their images as records.

A digest is that of the bytes, always: what is stored under one was hashed on the way in. A blob is stored once and belongs
to the repositories that it was pushed to or mounted in; when the last of them drops it, its bytes go. Safe for threads.
"""

import hashlib
import json
import os
import re
import threading
import uuid
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, cast

from trimtab.local.overlay import Store
from trimtab.local.shelf import Shelf

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_OF = ".of"  # beside an upload: the repository that it goes to
_UPLOADS_KEPT = timedelta(days=1)


@dataclass(slots=True)
class Image:
    """One manifest in one repository."""

    media_type: str
    size: int  # bytes of its layers and configuration
    pushed: datetime
    tags: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class Repository:
    name: str
    created: datetime
    mutability: str = "MUTABLE"
    scan: bool = False
    tags: dict[str, str] = field(default_factory=dict[str, str])
    policy: str = ""
    lifecycle: str = ""
    images: dict[str, Image] = field(default_factory=dict[str, Image])  # by digest
    blobs: list[str] = field(default_factory=list[str])  # digests of what was pushed or mounted here
    exclusions: list[str] = field(default_factory=list[str])  # tags, with "*", to which `mutability` does not apply
    encryption: dict[str, str] = field(default_factory=lambda: {"encryptionType": "AES256"})

    def resolve(self, reference: str) -> str | None:
        """The digest that a tag or digest stands for."""
        if reference.startswith("sha256:"):
            return reference if reference in self.images else None
        return next((digest for digest, image in self.images.items() if reference in image.tags), None)

    def keeps(self, tag: str) -> bool:
        """Whether a tag, once given, stays with its image."""
        excluded = any(fnmatchcase(tag, pattern) for pattern in self.exclusions)
        return self.mutability.startswith("IMMUTABLE") != excluded


@dataclass(frozen=True, slots=True)
class ImageChange:
    """What happened to an image of a repository."""

    action: Literal["PUSH", "DELETE"]
    repository: str
    digest: str
    tag: str  # "" for none
    media_type: str


class TagTaken(Exception):
    """A tag of an immutable repository that already stands for another image."""


class DigestMismatch(Exception):
    """Bytes that do not have the digest they were announced with."""


class BlobMissing(KeyError):
    """A manifest speaks of a blob, or of another image, that was not pushed to its repository."""

    def __str__(self) -> str:
        return str(self.args[0])


class UploadMoved(Exception):
    """A part of an upload that does not begin where the last one ended; `size` is where that is."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


class ImageStore:
    """Blobs, uploads and repositories of one registry."""

    def __init__(self, folder: Path, store: Store) -> None:
        self._blobs, self._uploads = folder / "blobs", folder / "uploads"
        for each in (self._blobs, self._uploads):
            each.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.repositories = Shelf(store, "ecr.repository", Repository, lambda repository: repository.name)
        self.lock = threading.RLock()  # a change of records; the registry's requests come outside the cloud's lock
        self.told: Callable[[ImageChange], None] = lambda _: None  # of each change, once it is kept

    @contextmanager
    def changing(self, name: str) -> Generator[Repository]:
        """A repository to change: nobody else does meanwhile, and it is kept afterwards. Raises KeyError."""
        with self.lock:
            repository = self.repositories.get(name)
            if repository is None:
                raise KeyError(name)
            yield repository
            self.repositories.put(repository)

    # --- blobs ---

    def blob(self, digest: str) -> Path | None:
        """The file of a blob, wherever it belongs."""
        path = self._path(digest) if DIGEST.fullmatch(digest) else None
        return path if path and path.is_file() else None

    def blob_of(self, repository: Repository, digest: str) -> Path | None:
        """The file of a blob of one repository."""
        return self.blob(digest) if digest in repository.blobs else None

    def add_blob(self, data: bytes) -> str:
        """Store bytes, for an image that is put by this process: they belong to a repository once its manifest is there."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if self.blob(digest) is None:
            fresh = self._uploads / uuid.uuid4().hex
            fresh.write_bytes(data)
            fresh.rename(self._path(digest))
        return digest

    def mount(self, name: str, digest: str, source: str) -> bool:
        """Take a blob over from another repository; False when that has none such."""
        with self.lock:
            origin = self.repositories.get(source)
            if origin is None or self.blob_of(origin, digest) is None:
                return False
            self._own(name, [digest])
            return True

    # --- uploads ---

    def begin_upload(self, name: str) -> str:
        id = uuid.uuid4().hex
        (self._uploads / f"{id}{_OF}").write_text(name)
        (self._uploads / id).touch()
        return id

    def upload_size(self, id: str, name: str) -> int | None:
        """Bytes that came so far; None when the repository has no such upload."""
        path = self._uploads / id
        try:
            return path.stat().st_size if id.isalnum() and path.with_suffix(_OF).read_text() == name else None
        except OSError:
            return None

    def append(self, id: str, data: bytes, start: int | None = None) -> int:
        """Add to an upload; answers its size. Raises UploadMoved when `start` is given and is not where it stands."""
        with self.lock, (self._uploads / id).open("ab") as file:
            if start not in (None, file.tell()):
                raise UploadMoved(file.tell())
            size = file.tell()
            try:
                file.write(data)
                file.flush()
            except OSError:
                os.truncate(file.fileno(), size)  # a full disk leaves no half part: the client can go on from here
                raise
            return file.tell()

    def finish(self, id: str, name: str, digest: str) -> None:
        """Make an upload a blob of its repository. Raises DigestMismatch, FileNotFoundError after another finish."""
        path = self._uploads / id
        if f"sha256:{_sha256_of(path)}" != digest:
            raise DigestMismatch(digest)
        with self.lock:
            path.rename(self._path(digest))
            path.with_suffix(_OF).unlink(missing_ok=True)
            self._own(name, [digest])

    def drop_upload(self, id: str) -> None:
        for path in (self._uploads / id, self._uploads / f"{id}{_OF}"):
            path.unlink(missing_ok=True)

    def drop_old_uploads(self, now: datetime) -> None:
        """Forget uploads that nobody has gone on with for a day."""
        for path in self._uploads.iterdir():
            if path.stat().st_mtime < (now - _UPLOADS_KEPT).timestamp():
                path.unlink(missing_ok=True)

    # --- images ---

    def put_manifest(
        self,
        repository: Repository,
        reference: str,
        data: bytes,
        media_type: str,
        now: datetime,
        *,
        pushed: bool = False,
    ) -> str:
        """Add an image under a tag or its digest; answers the digest.

        pushed: its parts must have been pushed to this repository, in the sizes it names; else they need only be there.
        Raises TagTaken, DigestMismatch, BlobMissing, ValueError for what is no manifest.
        """
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        tag = "" if reference.startswith("sha256:") else reference
        if not tag and reference != digest:
            raise DigestMismatch(reference)
        if tag and not TAG.fullmatch(tag):
            raise ValueError(f"{tag!r} is no tag")
        parts, others = _parts(data)
        with self.lock:
            current = self.repositories.get(repository.name)
            if current is None and pushed:  # deleted while the manifest came: it is not made again
                raise BlobMissing(repository.name)
            repository = current or repository
            self._check_parts(repository, parts, others, pushed=pushed)
            holder = repository.resolve(tag) if tag else None
            if holder not in (None, digest) and repository.keeps(tag):
                raise TagTaken(tag)
            self.add_blob(data)
            if holder and holder != digest:
                repository.images[holder].tags.remove(tag)
            image = repository.images.setdefault(digest, Image(media_type, sum(parts.values()), now))
            if tag and tag not in image.tags:
                image.tags.append(tag)
            repository.blobs += [each for each in parts if each not in repository.blobs]
            self.repositories.put(repository)
            if pushed:
                self.told(ImageChange("PUSH", repository.name, digest, tag, media_type))
        return digest

    def manifest(self, digest: str) -> bytes:
        """An image's manifest. Raises KeyError."""
        path = self.blob(digest)
        if path is None:
            raise KeyError(digest)
        return path.read_bytes()

    def find(self, uri: str) -> str | None:
        """The digest of "<host>/<repository>[:tag|@digest]", or None."""
        name, _, digest = uri.partition("/")[2].partition("@")
        repository_name, _, tag = name.partition(":")
        repository = self.repositories.get(repository_name)
        return repository.resolve(digest or tag or "latest") if repository else None

    def index_with(self, repository: Repository, digest: str) -> str | None:
        """An index of the repository that names an image, if there is one."""
        for other, image in repository.images.items():
            if image.media_type in INDEXES and digest in _parts(self.manifest(other))[1]:
                return other
        return None

    def drop_tag(self, name: str, tag: str) -> None:
        """Take a tag away; the image goes with its last one."""
        with self.changing(name) as repository:
            digest = repository.resolve(tag)
            if digest is None:
                return
            image = repository.images[digest]
            image.tags.remove(tag)
            if not image.tags:
                self._drop(repository, digest)
        self.told(ImageChange("DELETE", name, digest, tag, image.media_type))

    def drop_image(self, name: str, digest: str) -> None:
        """Remove an image with all its tags, and the blobs that no other image has."""
        with self.changing(name) as repository:
            image = repository.images.get(digest)
            if image is None:
                return
            self._drop(repository, digest)
        self._tell_gone(name, digest, image)

    def drop_repository(self, name: str) -> None:
        """Remove a repository with all that is in it."""
        with self.lock:
            repository = self.repositories.get(name)
            if repository is not None:
                self.repositories.drop(name)
                self._sweep([*repository.blobs, *repository.images])
                for digest, image in repository.images.items():
                    self._tell_gone(name, digest, image)

    # --- inside ---

    def _tell_gone(self, name: str, digest: str, image: Image) -> None:
        for tag in image.tags or [""]:
            self.told(ImageChange("DELETE", name, digest, tag, image.media_type))

    def _check_parts(self, repository: Repository, parts: dict[str, int], others: list[str], *, pushed: bool) -> None:
        for digest, size in parts.items():
            path = self.blob_of(repository, digest) if pushed else self.blob(digest)
            if path is None:
                raise BlobMissing(digest)
            if pushed and path.stat().st_size != size:
                raise ValueError(f"{digest} has {path.stat().st_size} bytes, not {size}")
        for digest in others:
            if digest not in repository.images:
                raise BlobMissing(digest)

    def _own(self, name: str, digests: Iterable[str]) -> None:
        with self.changing(name) as repository:
            repository.blobs += [each for each in digests if each not in repository.blobs]

    def _drop(self, repository: Repository, digest: str) -> None:
        parts = set(_parts(self.manifest(digest))[0])
        del repository.images[digest]
        for other in repository.images:
            parts -= set(_parts(self.manifest(other))[0])
        repository.blobs = [each for each in repository.blobs if each not in parts]
        self.repositories.put(repository)
        self._sweep([*parts, digest])

    def _sweep(self, digests: Iterable[str]) -> None:
        """Remove the bytes of those that belong to no repository any more."""
        kept = {each for repository in self.repositories for each in (*repository.blobs, *repository.images)}
        for digest in set(digests) - kept:
            self._path(digest).unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        return self._blobs / digest.replace(":", "-")


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parts(data: bytes) -> tuple[dict[str, int], list[str]]:
    """Of a manifest: (size of each of its blobs by digest, digests of the images it names). Raises ValueError."""
    body: Any = json.loads(data)
    if not isinstance(body, dict) or cast(dict[str, Any], body).get("schemaVersion") != 2:
        raise ValueError("a manifest of schema version 2 is wanted")
    known = cast(dict[str, Any], body)
    try:
        blobs = [*known.get("layers", []), *([known["config"]] if "config" in known else [])]
        parts = {str(each["digest"]): int(each["size"]) for each in blobs}
        others = [str(each["digest"]) for each in known.get("manifests", [])]
    except (KeyError, TypeError) as error:
        raise ValueError(f"a descriptor is not whole: {error}") from error
    if "config" not in known and "manifests" not in known:
        raise ValueError("there is neither a configuration nor a list of manifests")
    return parts, others
