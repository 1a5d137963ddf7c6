"""Trees of a commit: the documents in one, and folders written out of it.

What is written is taken from anybody who may push, so nothing in it may reach outside its folder: names are checked, and
everything is made anew, never through what is there.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from dulwich.object_store import BaseObjectStore
from dulwich.objects import S_ISGITLINK, Blob, ObjectID, Tree

from trimtab.core.errors import UserError

_LFS = b"version https://git-lfs.github.com/spec/"
_LFS_MOST = 1024  # bytes of a pointer
_DEPTH = 64


def entry(store: BaseObjectStore, top: ObjectID, path: PurePosixPath) -> tuple[int, ObjectID] | None:
    """(mode, id) of what is at a path below a tree; None where nothing is."""
    mode, id = stat.S_IFDIR, top
    for part in path.parts:
        tree = store[id]
        if not isinstance(tree, Tree) or part.encode() not in tree:
            return None
        mode, id = tree[part.encode()]
    return mode, id


def blobs(store: BaseObjectStore, top: ObjectID, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, ObjectID]]:
    """(path, id) of every file below a tree; links and submodules are none. Hidden folders are left out."""
    tree = store[top]
    assert isinstance(tree, Tree)
    if depth > _DEPTH:
        return
    for name, mode, id in tree.iteritems():
        text = name.decode(errors="replace")
        if stat.S_ISDIR(mode) and not text.startswith("."):
            yield from blobs(store, id, f"{prefix}{text}/", depth + 1)
        elif stat.S_ISREG(mode):
            yield f"{prefix}{text}", id


def write(store: BaseObjectStore, mode: int, id: ObjectID, target: Path, shown: str) -> None:
    """Write a file or a whole tree to a path where nothing is yet. Raises UserError for what cannot be a source."""
    if S_ISGITLINK(mode):
        raise _no(f"{shown} is a submodule, which is not fetched", "commit the files themselves")
    found: Any = store[id]
    if isinstance(found, Tree):
        target.mkdir()
        for name, below, each in found.iteritems():
            write(store, below, each, target / _checked(name, shown), f"{shown}/{name.decode(errors='replace')}")
        return
    assert isinstance(found, Blob)
    data: bytes = found.data
    if stat.S_ISLNK(mode):
        target.symlink_to(os.fsdecode(data))  # one that leaves the folder is refused by whoever reads the folder
        return
    if len(data) <= _LFS_MOST and data.startswith(_LFS):
        raise _no(f"{shown} is a pointer of Git LFS, not the file", "keep large files in S3, or commit the file itself")
    with target.open("xb") as file:
        file.write(data)


def _checked(name: bytes, shown: str) -> str:
    text = name.decode(errors="surrogateescape")
    if text in ("", ".", "..") or "/" in text or "\0" in text:
        raise _no(f"{shown} has an entry of the name {text!r}", "make the commit with git itself")
    return text


def _no(message: str, fix: str) -> UserError:
    return UserError(message, code="TT2003", fix=fix)
