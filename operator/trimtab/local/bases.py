"""The images that the local cloud brings: empty, and marked to stand for a Python of this machine.

`trimtab/host-python:3.11` is the base of serving images; `trimtab/pytorch-training:2` and `trimtab/sklearn-training:1`
train, and the lock of each is a label.
"""

import hashlib
import json
from datetime import datetime
from typing import Any

from trimtab.local.environments import TRAINING, training_lock
from trimtab.local.images import ImageStore, Repository

BASES = {"trimtab/host-python": "3.11", "trimtab/pytorch-training": "2", "trimtab/sklearn-training": "1"}
_LOCKED = {f"trimtab/{framework}-training": framework for framework in TRAINING}
_CONFIG, _MANIFEST = "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.manifest.v1+json"


def push_bases(images: ImageStore, now: datetime) -> None:
    """Put them into the registry; nothing is written when they are there."""
    for name, tag in BASES.items():
        lock = training_lock(_LOCKED[name]) if name in _LOCKED else ""
        repository = images.repositories.get(name) or Repository(name, now)
        config = _config(lock)
        digest = images.add_blob(config)
        manifest: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {"mediaType": _CONFIG, "digest": digest, "size": len(config)},
            "layers": [],
        }
        data = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
        if repository.resolve(tag) == f"sha256:{hashlib.sha256(data).hexdigest()}":
            continue
        images.put_manifest(repository, tag, data, _MANIFEST, now)


def _config(lock: str) -> bytes:
    labels = {"trimtab.dev/base": "host"} | ({"trimtab.dev/requirements": lock} if lock else {})
    value: dict[str, Any] = {
        "architecture": "amd64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {"Labels": labels, "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"]},
        "rootfs": {"type": "layers", "diff_ids": []},
    }
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
