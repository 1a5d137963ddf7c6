"""What goes into a serving image, and its configuration: one definition for every builder.

Base, requirements, code, model, launcher, in this order: what changes seldom lies below. The image sets no USER and runs as
any uid with a read-only root.
Source: OCI image specification, image configuration and manifest.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.build.layers import Layer, layer, sha256

CODE, MODEL, LAUNCHER, PACKAGES = "opt/program", "opt/ml/model", "opt/trimtab/launcher.pyz", "opt/trimtab/packages"
BASE_LABEL, REQUIREMENTS_LABEL = "trimtab.dev/base", "trimtab.dev/requirements"
HOST = "host"  # a base that is empty and stands for the machine's own Python (the local cloud)
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Parts:
    """Files by path relative to their place in the image."""

    code: Mapping[str, Path]
    model: Mapping[str, Path]  # empty when the model is fetched at start
    launcher: Path
    requirements: str  # the hash-locked text
    packages: Mapping[str, Path]  # what the lock installs; empty on a host base, where the lock is a label


@dataclass(frozen=True, slots=True)
class Image:
    """All that a push needs. `layers` are the ones added to the base's."""

    layers: tuple[Layer, ...]
    config: bytes
    manifest: bytes
    digest: str  # of the manifest: the image's own


def assemble(
    base_manifest: Mapping[str, Any], base_config: Mapping[str, Any], parts: Parts, labels: Mapping[str, str]
) -> Image:
    """Put an image together. Equal inputs give equal bytes."""
    added = [
        layer({f"{PACKAGES}/{path}": source for path, source in parts.packages.items()}) if parts.packages else None,
        layer({f"{CODE}/{path}": source for path, source in parts.code.items()}) if parts.code else None,
        layer({f"{MODEL}/{path}": source for path, source in parts.model.items()}) if parts.model else None,
        layer({LAUNCHER: parts.launcher}),
    ]
    layers = tuple(each for each in added if each)
    return image_of(base_manifest, base_config, layers, _inside(base_config, parts, labels))


def image_of(
    base_manifest: Mapping[str, Any], base_config: Mapping[str, Any], layers: tuple[Layer, ...], inside: Mapping[str, Any]
) -> Image:
    """Layers on a base. inside: the whole of the configuration's `config`."""
    whole = {
        "architecture": base_config.get("architecture", "amd64"),
        "os": base_config.get("os", "linux"),
        "created": _EPOCH,
        "config": dict(inside),
        "rootfs": {"type": "layers", "diff_ids": [*base_config["rootfs"]["diff_ids"], *(each.diff_id for each in layers)]},
    }
    config = json.dumps(whole, sort_keys=True, separators=(",", ":")).encode()
    manifest = json.dumps(_manifest(base_manifest, layers, config), sort_keys=True, separators=(",", ":")).encode()
    return Image(layers, config, manifest, sha256(manifest))


def is_host(config: Mapping[str, Any]) -> bool:
    """Whether a base is empty and stands for the machine's Python."""
    labels: Mapping[str, str] = config.get("config", {}).get("Labels") or {}
    return labels.get(BASE_LABEL) == HOST


def _inside(base: Mapping[str, Any], parts: Parts, labels: Mapping[str, str]) -> dict[str, Any]:
    inside: dict[str, Any] = dict(base.get("config", {}))
    before: dict[str, str] = inside.get("Labels") or {}
    all_labels = {**before, **labels, REQUIREMENTS_LABEL: parts.requirements}
    variables: list[str] = inside.get("Env") or []
    environment = [each for each in variables if not each.startswith("PYTHONPATH=")]
    return inside | {
        "Entrypoint": ["python3", f"/{LAUNCHER}"],
        "Cmd": ["serve"],
        "Env": [*environment, f"PYTHONPATH=/{PACKAGES}", "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1"],
        "ExposedPorts": {"8080/tcp": {}},
        "Labels": all_labels,
    }


def _manifest(base: Mapping[str, Any], layers: Sequence[Layer], config: bytes) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "digest": sha256(config), "size": len(config)},
        "layers": [*base["layers"], *(each.descriptor for each in layers)],
    }
