"""The content of the registry: blobs by digest on disk, repositories and their images as records.

A digest is that of the bytes, always: what is stored under one was hashed on the way in.
"""

import hashlib
import json
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from trimtab.local.overlay import Store
from trimtab.local.shelf import Shelf


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

    def resolve(self, reference: str) -> str | None:
        """The digest that a tag or digest stands for."""
        if reference.startswith("sha256:"):
            return reference if reference in self.images else None
        return next((digest for digest, image in self.images.items() if reference in image.tags), None)


class TagTaken(Exception):
    """A tag of an immutable repository that already stands for another image."""


class DigestMismatch(Exception):
    """Bytes that do not have the digest they were announced with."""


class ImageStore:
    """Blobs, uploads and repositories of one registry."""

    def __init__(self, folder: Path, store: Store) -> None:
        self._blobs, self._uploads = folder / "blobs", folder / "uploads"
        for each in (self._blobs, self._uploads):
            each.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.repositories = Shelf(store, "ecr.repository", Repository, lambda repository: repository.name)

    # --- blobs ---

    def blob(self, digest: str) -> Path | None:
        path = self._blobs / digest.replace(":", "-")
        return path if path.is_file() else None

    def add_blob(self, data: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if self.blob(digest) is None:
            fresh = self._uploads / uuid.uuid4().hex
            fresh.write_bytes(data)
            fresh.rename(self._blobs / digest.replace(":", "-"))
        return digest

    def begin_upload(self) -> str:
        id = uuid.uuid4().hex
        (self._uploads / id).touch()
        return id

    def upload_size(self, id: str) -> int | None:
        path = self._uploads / id
        return path.stat().st_size if id.isalnum() and path.is_file() else None

    def append(self, id: str, data: bytes) -> int:
        """Add to an upload; answers its size."""
        with (self._uploads / id).open("ab") as file:
            file.write(data)
            return file.tell()

    def finish(self, id: str, digest: str) -> None:
        """Make an upload a blob. Raises DigestMismatch."""
        path, found = self._uploads / id, hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                found.update(chunk)
        if f"sha256:{found.hexdigest()}" != digest:
            raise DigestMismatch(digest)
        path.rename(self._blobs / digest.replace(":", "-"))

    def drop_upload(self, id: str) -> None:
        (self._uploads / id).unlink(missing_ok=True)

    # --- images ---

    def put_manifest(self, repository: Repository, reference: str, data: bytes, media_type: str, now: datetime) -> str:
        """Add an image under a tag or its digest. Raises TagTaken, DigestMismatch, KeyError for a blob that is missing."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if reference.startswith("sha256:") and reference != digest:
            raise DigestMismatch(reference)
        body = json.loads(data)
        parts: list[dict[str, Any]] = [*body.get("layers", []), *([body["config"]] if "config" in body else [])]
        missing = [each["digest"] for each in parts if self.blob(each["digest"]) is None]
        if missing:
            raise KeyError(missing[0])
        holder = None if reference.startswith("sha256:") else repository.resolve(reference)
        if holder not in (None, digest) and repository.mutability.startswith("IMMUTABLE"):
            raise TagTaken(reference)
        self.add_blob(data)
        if holder and holder != digest:
            repository.images[holder].tags.remove(reference)
        image = repository.images.setdefault(digest, Image(media_type, sum(each.get("size", 0) for each in parts), now))
        if not reference.startswith("sha256:") and reference not in image.tags:
            image.tags.append(reference)
        self.repositories.put(repository)
        return digest

    def manifest(self, digest: str) -> bytes:
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
