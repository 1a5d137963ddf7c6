"""Images made in a test: a few files on an empty host base, pushed into a store without a registry."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from trimtab.local.images import ImageStore, Repository

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
HOST_LABELS = {"trimtab.dev/base": "host"}


class MemoryStore:
    """Documents that live as long as the test."""

    def __init__(self) -> None:
        self.kinds: dict[str, dict[str, dict[str, Any]]] = {}

    def get(self, kind: str, id: str) -> dict[str, Any] | None:
        return self.kinds.get(kind, {}).get(id)

    def put(self, kind: str, id: str, value: Mapping[str, Any]) -> None:
        self.kinds.setdefault(kind, {})[id] = dict(value)

    def delete(self, kind: str, id: str) -> None:
        self.kinds.get(kind, {}).pop(id, None)

    def all(self, kind: str) -> dict[str, dict[str, Any]]:
        return dict(self.kinds.get(kind, {}))


def tar_of(files: Mapping[str, bytes | str], change: Callable[[tarfile.TarInfo], None] | None = None) -> bytes:
    """A layer: text or bytes by path; `change` may make of each entry what it likes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(data), 0o644
            if change:
                change(entry)
            archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(buffer.getvalue(), mtime=0)


def parts_of(
    layers: Sequence[bytes], digests: Sequence[str], config_digest: str, config: bytes
) -> bytes:  # the manifest of an image whose parts are pushed already
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": config_digest,
            "size": len(config),
        },
        "layers": [
            {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest, "size": len(data)}
            for digest, data in zip(digests, layers, strict=True)
        ],
    }
    return json.dumps(manifest).encode()


def config_of(labels: Mapping[str, str] = HOST_LABELS, **inside: Any) -> bytes:
    return json.dumps({"os": "linux", "architecture": "amd64", "config": {"Labels": dict(labels), **inside}}).encode()


def push(images: ImageStore, name: str, layers: Sequence[bytes], config: bytes, tag: str = "1") -> str:
    """Put an image into a store; returns how a unit names it."""
    now = datetime.now(UTC)
    repository = images.repositories.get(name) or Repository(name, now)
    images.repositories.put(repository)
    digests = [images.add_blob(data) for data in layers]
    manifest = parts_of(layers, digests, images.add_blob(config), config)
    images.put_manifest(repository, tag, manifest, MANIFEST, now)
    return f"127.0.0.1:4566/{name}:{tag}"


def push_script(images: ImageStore, name: str, script: str, **inside: Any) -> str:
    """An image whose command is one Python script."""
    config = config_of(**{"Entrypoint": ["python3", "/opt/program/main.py"], **inside})
    return push(images, name, [tar_of({"opt/program/main.py": script})], config)
