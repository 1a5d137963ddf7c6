"""Image layers as bytes: the same files give the same bytes on every machine, Python and zlib.

A layer is a tar with fixed owners, times and modes, sorted, in a gzip whose deflate blocks are stored, not compressed:
compressors differ between versions, stored blocks do not. Source: OCI image layer specification; RFC 1951 and 1952.
"""

import hashlib
import io
import struct
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MEDIA_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
_BLOCK = 65_535
_FOLDERS = {"tmp": 0o1777, "var/tmp": 0o1777, "root": 0o700}  # a layer that names a folder sets its mode


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer, ready to push."""

    data: bytes
    digest: str  # "sha256:..." of the bytes that are pushed
    diff_id: str  # "sha256:..." of the tar inside

    @property
    def descriptor(self) -> dict[str, object]:
        return {"mediaType": MEDIA_TYPE, "digest": self.digest, "size": len(self.data)}


def layer(
    files: Mapping[str, Path | bytes],
    executable: frozenset[str] = frozenset(),
    *,
    mode: int | None = None,
    owner: tuple[int, int] = (0, 0),
    owned: str = "",
    folders: Sequence[str] = (),
) -> Layer:
    """Make a layer.

    files: by path in the image, without a leading slash. executable: those of them that get mode 0755, the rest 0644.
    mode: of every file instead. owner: uid and gid of the files, and of the folders at or below `owned`. folders: empty ones.
    """
    tar = _tar(files, executable, mode=mode, owner=owner, owned=owned, folders=folders)
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


def _tar(
    files: Mapping[str, Path | bytes],
    executable: frozenset[str],
    *,
    mode: int | None,
    owner: tuple[int, int],
    owned: str,
    folders: Sequence[str],
) -> bytes:
    buffer = io.BytesIO()
    whole = {*folders, *(str(parent) for path in (*files, *folders) for parent in Path(path).parents)} - {"."}
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for folder in sorted(whole):
            ours = bool(owned) and f"{folder}/".startswith(f"{owned}/")
            entry = _entry(f"{folder}/", tarfile.DIRTYPE, _FOLDERS.get(folder, 0o755), 0, owner if ours else (0, 0))
            archive.addfile(entry)
        for path in sorted(files):
            source = files[path]
            data = source if isinstance(source, bytes) else source.read_bytes()
            bits = mode if mode is not None else 0o755 if path in executable else 0o644
            archive.addfile(_entry(path, tarfile.REGTYPE, bits, len(data), owner), io.BytesIO(data))
    return buffer.getvalue()


def _entry(name: str, type_: bytes, mode: int, size: int, owner: tuple[int, int]) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.size = type_, mode, size
    entry.uid, entry.gid = owner
    entry.uname, entry.gname = ("" if number else "root" for number in owner)
    entry.mtime = 0
    return entry
