"""Digests of files and folders: one definition for the images and for the operator. Standard library only.

A folder's digest is a hash of its sorted entries (path, size, SHA-256): names and bytes count, modes, times and empty
folders do not, so that a copy, an unpacked archive and a list of objects in S3 have the same one.
"""

import hashlib
import json
import os
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 1 << 20


class DigestError(ValueError):
    """A folder that has no digest: a link that leaves it, a device, a name that is no text, two names that are one."""


@dataclass(frozen=True, order=True)
class Entry:
    """One file: its path below the folder (POSIX, NFC), its size in bytes, its SHA-256 in hexadecimal."""

    path: str
    size: int
    sha256: str


def tree_digest(entries: Iterable[Entry]) -> str:
    """The digest of a tree, "sha256:" and 64 hexadecimal digits; the order of the entries does not matter."""
    rows = sorted([entry.path, entry.size, entry.sha256] for entry in entries)
    text = json.dumps(rows, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def file_sha256(path: Path) -> tuple[int, str]:
    """(size in bytes, SHA-256 in hexadecimal) of a file, read in one streaming pass."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def folder_entries(path: Path) -> tuple[Entry, ...]:
    """Every file below a folder, sorted by path. Raises DigestError, and OSError for what cannot be read."""
    found: dict[str, Entry] = {}
    for file in _files(path):
        name = _name(file.relative_to(path).as_posix())
        if name in found:
            raise DigestError(f"two names are one in Unicode's NFC: {name!r}")
        found[name] = Entry(name, *file_sha256(file))
    return tuple(sorted(found.values()))


def folder_digest(path: Path) -> str:
    """The digest of everything below a folder. Raises as `folder_entries`."""
    return tree_digest(folder_entries(path))


def _files(root: Path) -> Iterator[Path]:
    inside = root.resolve()
    for folder, folders, names in os.walk(root, onerror=_raise):
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in sorted((*names, *links)):
            path = Path(folder) / name
            if path.is_symlink() and not path.resolve().is_relative_to(inside):
                raise DigestError(f"{path} is a link that leaves {root}")
            if not stat.S_ISREG(path.stat().st_mode):
                raise DigestError(f"{path} is not a regular file")
            yield path


def _name(path: str) -> str:
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise DigestError(f"the name {path!r} is not valid UTF-8") from error
    return unicodedata.normalize("NFC", path)


def _raise(error: OSError) -> None:
    raise error
