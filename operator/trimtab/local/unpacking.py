"""Images as folders: each layer unpacked once, and a unit's own copy of all of them.

Only what a layer of ours holds is taken: files, folders and links that stay inside, all below /opt. A unit gets copies,
never the cache's files: what it writes is its own.
Source: OCI image specification, "Image Layer Filesystem Changeset" (order, whiteouts).
"""

import fcntl
import json
import os
import shutil
import tarfile
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from trimtab.local.images import ImageStore

BASE, HOST, REQUIREMENTS = "trimtab.dev/base", "host", "trimtab.dev/requirements"
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_FICLONE = 0x40049409  # ioctl_ficlone(2): a copy that shares its blocks, on file systems that have it


class Unusable(Exception):
    """An image or a unit that cannot be run here."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What an image says of itself."""

    layers: tuple[str, ...]  # digests, lowest first
    lock: str  # the hash-locked requirements of its packages
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: str  # working directory


def layout_of(images: ImageStore, image: str) -> Layout:
    """Read an image's manifest and configuration. Raises Unusable."""
    digest = images.find(image)
    if digest is None:
        raise Unusable(f"CannotPullContainerError: {image} is not in the local registry")
    manifest = json.loads(images.manifest(digest))
    if "config" not in manifest:
        raise Unusable(f"{image} is an index of several images: name the one for linux/amd64 by its digest")
    blob = images.blob(manifest["config"]["digest"])
    if blob is None:
        raise Unusable(f"CannotPullContainerError: the configuration of {image} is not in the local registry")
    config: dict[str, Any] = json.loads(blob.read_bytes()).get("config") or {}
    labels: dict[str, str] = config.get("Labels") or {}
    if labels.get(BASE) != HOST:
        raise Unusable(
            f"{image} does not stand on a host base (label {BASE}: {HOST}): without a container engine no other runs here"
        )
    return Layout(
        layers=tuple(each["digest"] for each in manifest["layers"]),
        lock=labels.get(REQUIREMENTS) or "",
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        environment=dict(each.partition("=")[::2] for each in config.get("Env") or ()),
        folder=config.get("WorkingDir") or "/",
    )


def unpack(images: ImageStore, digests: tuple[str, ...], cache: Path, root: Path) -> None:
    """Lay an image's layers one over another in a new folder `root`. Raises Unusable, OSError."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    for digest in digests:
        _lay(_layer(images, digest, cache), root)


def _layer(images: ImageStore, digest: str, cache: Path) -> Path:
    """A layer as a folder, unpacked once. Two that do it at a time both succeed; one result stays."""
    path = cache / "layers" / digest.replace(":", "-")
    if path.exists():
        return path
    blob = images.blob(digest)
    if blob is None:
        raise Unusable(f"CannotPullContainerError: layer {digest} is not in the local registry")
    fresh = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    fresh.mkdir(parents=True)
    try:
        with tarfile.open(blob, "r:*") as tar:
            for member in tar:
                _extract(tar, member, fresh, digest)
        with suppress(OSError):  # another one was faster
            fresh.rename(path)
    except (tarfile.TarError, EOFError) as error:
        raise Unusable(f"layer {digest} cannot be unpacked: {error}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return path


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, root: Path, digest: str) -> None:
    name = PurePosixPath(member.name)
    parts = [part for part in name.parts if part != "."]
    if name.is_absolute() or ".." in parts:
        raise Unusable(f"layer {digest} holds {member.name}, which leaves the image")
    if not parts:
        return
    if parts[0] != "opt" and not member.isdir():
        raise Unusable(
            f"layer {digest} holds {member.name}: only what lies below /opt can be run without a container engine"
        )
    place = root.joinpath(*parts)
    if any(parent.is_symlink() for parent in place.parents if parent.is_relative_to(root)):
        raise Unusable(f"layer {digest} holds {member.name}, which lies behind a link")
    if member.isdir():
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_symlink() or place.is_file():
        place.unlink()
    if member.issym() or member.islnk():
        _extract_link(member, root, place, digest)
    elif source := tar.extractfile(member):
        with place.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        place.chmod(0o755 if member.mode & 0o111 else 0o644)
    else:
        raise Unusable(f"layer {digest} holds {member.name}, which is neither file, folder nor link")


def _extract_link(member: tarfile.TarInfo, root: Path, place: Path, digest: str) -> None:
    """A symbolic link is relative to its place, a hard link to the layer's top; neither may lead out."""
    start = place.parent if member.issym() else root
    goal = Path(os.path.normpath(start / member.linkname))
    if member.linkname.startswith("/") or not goal.is_relative_to(root):
        raise Unusable(f"layer {digest} holds {member.name}, a link that leaves the image")
    if member.issym():
        place.symlink_to(member.linkname)
    elif goal.is_file() and not goal.is_symlink():
        shutil.copy2(goal, place)
    else:
        raise Unusable(f"layer {digest} holds {member.name}, a link to what is not there")


def _lay(layer: Path, root: Path) -> None:
    """Copy a layer over those below it; its whiteouts first, which speak of the lower layers only."""
    names = sorted(layer.rglob("*"))
    for path in names:
        if path.name.startswith(_WHITEOUT):
            folder = root / path.parent.relative_to(layer)
            hidden = folder.glob("*") if path.name == _OPAQUE else [folder / path.name.removeprefix(_WHITEOUT)]
            for each in list(hidden):
                _remove(each)
    for path in names:
        place = root / path.relative_to(layer)
        if path.name.startswith(_WHITEOUT):
            continue
        if path.is_dir() and not path.is_symlink():
            if place.is_symlink() or place.is_file():
                place.unlink()
            place.mkdir(parents=True, exist_ok=True)
            continue
        _remove(place)
        if path.is_symlink():
            place.symlink_to(path.readlink())
        else:
            _copy(path, place)


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as read, target.open("wb") as write:
        try:
            fcntl.ioctl(write.fileno(), _FICLONE, read.fileno())
        except OSError:
            shutil.copyfileobj(read, write, 1 << 20)
    target.chmod(source.stat().st_mode & 0o777)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
