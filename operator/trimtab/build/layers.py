"""Image layers as bytes: the same files give the same bytes on every machine, Python and zlib.

A layer is a tar with fixed owners, times and modes, sorted, in a gzip whose deflate blocks are stored, not compressed:
compressors differ between versions, stored blocks do not. Source: OCI image layer specification; RFC 1951 and 1952.
"""

import hashlib
import io
import struct
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MEDIA_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
_BLOCK = 65_535


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer, ready to push."""

    data: bytes
    digest: str  # "sha256:..." of the bytes that are pushed
    diff_id: str  # "sha256:..." of the tar inside

    @property
    def descriptor(self) -> dict[str, object]:
        return {"mediaType": MEDIA_TYPE, "digest": self.digest, "size": len(self.data)}


def layer(files: Mapping[str, Path | bytes], executable: frozenset[str] = frozenset()) -> Layer:
    """Make a layer.

    files: by path in the image, without a leading slash. executable: those of them that get mode 0755, the rest 0644.
    """
    tar = _tar(files, executable)
    data = stored_gzip(tar)
    return Layer(data, sha256(data), sha256(tar))


def stored_gzip(data: bytes) -> bytes:
    """A gzip member with stored blocks, no name and no time."""
    out = [b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"]
    starts = range(0, max(len(data), 1), _BLOCK)
    for start in starts:
        block = data[start : start + _BLOCK]
        last = start + _BLOCK >= len(data)
        out += [struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF), block]
    out.append(struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF))
    return b"".join(out)


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _tar(files: Mapping[str, Path | bytes], executable: frozenset[str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for folder in sorted({str(parent) for path in files for parent in Path(path).parents if str(parent) != "."}):
            archive.addfile(_entry(f"{folder}/", tarfile.DIRTYPE, 0o755, 0))
        for path in sorted(files):
            source = files[path]
            data = source if isinstance(source, bytes) else source.read_bytes()
            mode = 0o755 if path in executable else 0o644
            archive.addfile(_entry(path, tarfile.REGTYPE, mode, len(data)), io.BytesIO(data))
    return buffer.getvalue()


def _entry(name: str, type_: bytes, mode: int, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.size = type_, mode, size
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mtime = 0
    return entry
