"""Digest a folder in one streaming pass: the first half of `resolve`.

Only names, sizes and bytes count. A cache by size, times and inode spares the second reading of what has not changed; a
second look at every file's stat tells whether anything changed while it was hashed.
"""

import hashlib
import json
import os
import stat
import threading
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from trimtab.core.errors import Position, UserError
from trimtab.core.kind import Progress
from trimtab.engine.transfers import Report
from trimtab_container.digests import Entry, tree_digest

_CHUNK = 1 << 20
_SETTLED_S = 2.0  # a file touched less than this ago may change again within one tick of its clock: it is not cached
_SAVE_S = 10.0  # what is lost at most, but for the file under way, where the process is killed


@dataclass(frozen=True, slots=True)
class Origin:
    """An object that holds a file's bytes, as it was when it was looked at."""

    bucket: str
    key: str
    etag: str


@dataclass(frozen=True, slots=True)
class Content:
    """A folder or an S3 prefix, or the part of it that a stage uses, by content."""

    root: Path  # means nothing for what lies in S3
    entries: tuple[Entry, ...]  # sorted by path
    digest: str  # "sha256:..." of the tree
    origins: Mapping[str, Origin] = field(default_factory=dict[str, Origin])  # by path; empty for a folder
    record: Mapping[str, Any] = field(default_factory=dict[str, Any])  # what is told of a model beside its files
    spelled: Mapping[str, Path] = field(default_factory=dict[str, Path])  # files by path, where the disk's name is not NFC

    @property
    def size_bytes(self) -> int:
        return sum(entry.size for entry in self.entries)

    def file(self, entry: Entry) -> Path:
        """Where the bytes of an entry of a folder lie."""
        return self.spelled.get(entry.path, self.root / entry.path)

    def part(self, keep: Callable[[str], bool], below: str = "") -> "Content":
        """Those files whose path (from the root) is kept; with `below`, the paths start under that folder."""
        prefix = f"{below}/" if below else ""
        entries = tuple(
            Entry(entry.path.removeprefix(prefix), entry.size, entry.sha256)
            for entry in self.entries
            if entry.path.startswith(prefix) and keep(entry.path)
        )
        origins = {each.path: self.origins[prefix + each.path] for each in entries if self.origins}
        spelled = {each.path: self.spelled[prefix + each.path] for each in entries if prefix + each.path in self.spelled}
        root = self.root / below if below else self.root
        return Content(root, entries, tree_digest(entries), origins, spelled=spelled)


@dataclass(slots=True)
class DigestCache:
    """SHA-256 by device, inode, size and times. A hint that is safe to lose; `path` None keeps nothing.

    Safe to use from several threads. It is written while it grows, so that whoever is killed goes on where it was.
    """

    path: Path | None
    _known: dict[str, str] = field(default_factory=dict[str, str])
    _changed: bool = False
    _saved: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def load(self) -> None:
        self._known = self._on_disk()

    def get(self, status: os.stat_result) -> str | None:
        return self._known.get(_mark(status))

    def put(self, status: os.stat_result, sha256: str, now_s: float) -> None:
        if now_s - max(status.st_mtime, status.st_ctime) > _SETTLED_S:
            self.put_object(_mark(status), sha256)

    def get_object(self, mark: str) -> str | None:
        """mark: what names these very bytes, as an object's address with its ETag and size does."""
        return self._known.get(mark)

    def put_object(self, mark: str, sha256: str) -> None:
        with self._lock:
            self._known[mark] = sha256
            self._changed = True
            if time.monotonic() - self._saved > _SAVE_S:
                self._write()

    def save(self) -> None:
        """Write it beside and move it in place, so that a reader never sees half of it. Where nothing can be written (a
        full disk, a home that is read-only) the files are hashed again next time."""
        with self._lock:
            self._write()

    def _write(self) -> None:
        if self.path and self._changed:
            self._known = {**self._on_disk(), **self._known}  # others of us write there, too
            with suppress(OSError):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                fresh = self.path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
                fresh.write_text(json.dumps(self._known))
                fresh.replace(self.path)
            self._changed, self._saved = False, time.monotonic()

    def _on_disk(self) -> dict[str, str]:
        known: Any = None
        if self.path:
            with suppress(OSError, ValueError):
                known = json.loads(self.path.read_text())
        return cast("dict[str, str]", known) if isinstance(known, dict) else {}


@dataclass(slots=True)
class Count:
    """Bytes of a tree as they are read, for whoever wants to know; that one may raise to end it. For several threads."""

    report: Report | None
    what: str
    total: int = 0  # 0: not known yet
    _done: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, size_bytes: int) -> None:
        with self._lock:
            self._done += size_bytes
        if self.report:
            self.report(Progress(self._done, self.total, "bytes", self.what))

    def over(self, files: Iterable[tuple[str, os.stat_result]]) -> Iterator[tuple[str, os.stat_result]]:
        """The same, told of one by one: a list of many takes its time."""
        for each in files:
            self.add(0)
            yield each


def _mark(status: os.stat_result) -> str:
    return f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"


def read_folder(
    root: Path,
    inside: Path,
    position: Position,
    *,
    cache: DigestCache | None = None,
    count: Count | None = None,
) -> Content:
    """Digest every file under `root`. Raises what `count` does.

    inside: the document's folder; a link that leaves it is an error. position: where the document names the folder.
    Raises UserError for a missing or empty folder, an unreadable or special file, two names that are one after NFC, and
    a file that changed while it was read (DatasetChanged).
    """
    check_folder(root, inside, position)
    count = count or Count(None, "")
    before = dict(count.over(_files(root, inside, position)))
    count.total = sum(status.st_size for status in before.values())
    if not before:
        raise UserError(
            f"{root} holds no files", position=position, code="TT2002", fix="put the files there, or name another folder"
        )
    entries = [_entry(root / path, path, status, position, cache, count) for path, status in before.items()]
    _same_names(before, position)
    after = {path: _mark(status) for path, status in count.over(_files(root, inside, position))}
    if after != {path: _mark(status) for path, status in before.items()}:
        changed = sorted(path for path in before.keys() | after.keys() if after.get(path) != _mark_of(before, path))
        raise _changed(changed[0], position)
    ordered = tuple(sorted(entries, key=lambda entry: entry.path))
    spelled = {
        unicodedata.normalize("NFC", path): root / path for path in before if not unicodedata.is_normalized("NFC", path)
    }
    return Content(root, ordered, tree_digest(ordered), spelled=spelled)


def file_names(root: Path, inside: Path, position: Position) -> list[str]:
    """The files under `root`, as `read_folder` takes them, without reading one. Raises UserError."""
    return [path for path, _ in _files(root, inside, position)]


def check_folder(root: Path, inside: Path, position: Position) -> None:
    """Refuse a source that is not a folder, or that leaves the document's folder once links are followed."""
    try:
        there = root.exists()
    except OSError as error:  # a name that is too long, a folder above that may not be entered
        raise UserError(
            f"{root} cannot be read: {error.strerror}", position=position, code="TT2001", fix="correct the path"
        ) from error
    if not there:
        raise UserError(
            f"{root} does not exist", position=position, code="TT2001", fix="create the folder, or correct the path"
        )
    if not root.is_dir():
        raise UserError(
            f"{root} is not a folder", position=position, code="TT2001", fix="name the folder that holds the files"
        )
    if not root.resolve().is_relative_to(inside.resolve()):
        raise UserError(
            f"{root} is outside the document's folder {inside}",
            position=position,
            code="TT2003",
            fix="move the folder beside the document",
        )


def _files(root: Path, inside: Path, position: Position) -> Iterator[tuple[str, os.stat_result]]:
    """Relative POSIX path and stat of every file, sorted; `.trimtab` (status kept by a source) is left out."""
    limit = inside.resolve()

    def refuse(error: OSError) -> None:
        raise UserError(
            f"{error.filename} cannot be read: {error.strerror}", position=position, code="TT2004", fix="make it readable"
        ) from error

    for folder, folders, names in os.walk(root, followlinks=False, onerror=refuse):
        folders[:] = sorted(name for name in folders if name not in (".trimtab", ".git", "__pycache__"))
        for name in sorted((*names, *(each for each in folders if (Path(folder) / each).is_symlink()))):
            path = Path(folder) / name
            if path.is_symlink() and not path.resolve().is_relative_to(limit):
                raise UserError(
                    f"{path} is a link that leaves {inside}", position=position, code="TT2003", fix="copy the file in"
                )
            if path.is_symlink() and path.is_dir():
                raise UserError(f"{path} is a link to a folder", position=position, code="TT2003", fix="copy the folder in")
            try:
                status = path.stat()
            except OSError as error:
                raise UserError(
                    f"{path} cannot be read: {error.strerror}",
                    position=position,
                    code="TT2004",
                    fix="remove it or repair it",
                ) from error
            if not stat.S_ISREG(status.st_mode):
                raise UserError(f"{path} is not a regular file", position=position, code="TT2004", fix="remove it")
            if not _is_text(name):
                raise UserError(
                    f"the name {os.fsencode(path)!r} is not UTF-8", position=position, code="TT2004", fix="rename it"
                )
            yield path.relative_to(root).as_posix(), status


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _entry(
    path: Path,
    name: str,
    status: os.stat_result,
    position: Position,
    cache: DigestCache | None,
    count: Count,
) -> Entry:
    sha256 = cache.get(status) if cache else None
    if sha256 is None:
        sha256 = _hash(path, name, status, position, count)
        if cache:
            cache.put(status, sha256, time.time())
    else:
        count.add(status.st_size)
    return Entry(unicodedata.normalize("NFC", name), status.st_size, sha256)


def _hash(path: Path, name: str, status: os.stat_result, position: Position, count: Count) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                count.add(len(chunk))
            if _mark(os.fstat(file.fileno())) != _mark(status):
                raise _changed(name, position)
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror}",
            position=position,
            code="TT2004",
            fix=f"make it readable: chmod u+r {path}",
        ) from error
    return digest.hexdigest()


def _changed(name: str, position: Position) -> UserError:
    return UserError(
        f"{name} changed while it was read",
        position=position,
        code="TT2005",
        reason="DatasetChanged",
        fix="run it again once nothing writes there",
    )


def _mark_of(files: Mapping[str, os.stat_result], path: str) -> str | None:
    return _mark(files[path]) if path in files else None


def _same_names(files: Mapping[str, os.stat_result], position: Position) -> None:
    seen: dict[str, str] = {}
    for path in files:
        normal = unicodedata.normalize("NFC", path)
        if normal in seen:
            raise UserError(
                f"{path!r} and {seen[normal]!r} are one name in Unicode's NFC",
                position=position,
                code="TT2006",
                fix="rename one",
            )
        seen[normal] = path
