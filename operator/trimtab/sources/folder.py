"""A folder of documents as a source: files as they are saved, status below `.trimtab/`.

Safe against how files are really written: one that changed a moment ago may be half of it, and one that is gone may be on
its way back under the same name (editors, `git checkout`, atomic renames). What was read before stands until that is over.
"""

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from trimtab.core.errors import Transient
from trimtab.engine.declared import Listing
from trimtab.model.load import Document
from trimtab.model.yaml_loader import MAX_BYTES
from trimtab.sources.files import is_document, listing_of, local_sources, too_large

STATUS = ".trimtab"
SETTLED_S = 1.0  # a file that was written less than this ago may not be whole
GONE_S = 10.0  # a file that is missing for less than this may be on its way back


@dataclass(frozen=True, slots=True)
class _File:
    """A document's file as it was read last."""

    mark: str
    text: bytes
    size: int
    gone_since: float | None = None


@dataclass(slots=True)
class FolderSource:
    """root: where the documents are, at any depth.

    now: seconds since the epoch, as files have them; it may jump. monotonic: seconds that never go back. pause: wait for a
    stop.
    """

    root: Path
    interval_s: float = 2.0
    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    pause: Callable[[threading.Event, float], object] = threading.Event.wait
    _files: dict[str, _File] = field(default_factory=dict[str, _File])
    _root: tuple[int, int] | None = None  # device and inode of the folder when there was something in it

    @property
    def name(self) -> str:
        return f"folder:{self.root}"

    def read(self) -> Listing:
        """Raises Transient where the folder is not there or cannot be listed: nothing is concluded from that."""
        found = self._found()
        self._check_emptiness(found)
        now, missed = self.now(), self.monotonic()
        for path, status in found.items():
            self._look(path, status, now)
        for path in self._files.keys() - found.keys():
            self._miss(path, missed)
        texts = {path: each.text for path, each in self._files.items() if each.size <= MAX_BYTES}
        gone = {path for path, each in self._files.items() if each.gone_since is not None}
        listing = listing_of(texts, self._place, gone=gone)
        huge = tuple(too_large(path, each.size) for path, each in self._files.items() if each.size > MAX_BYTES)
        return Listing(listing.declared, (*listing.refused, *huge)) if huge else listing

    def wait(self, stop: threading.Event, seconds: float) -> None:
        self.pause(stop, seconds)

    def report(self, key: str, status: Mapping[str, Any] | None) -> None:
        """`.trimtab/<namespace>/<name>.json`, whole or not at all."""
        file = self.root / STATUS / f"{key}.json"
        if status is None:
            file.unlink(missing_ok=True)
            return
        if not self.root.is_dir():  # made anew it would be an empty source, and all of its documents gone
            raise Transient(f"the folder {self.root} is not there")
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(status, indent=1) + "\n")
        fresh.replace(file)

    def _check_emptiness(self, found: Mapping[str, os.stat_result]) -> None:
        """Raise Transient where another folder, an empty one, is there by now: so looks a mount that is gone."""
        try:
            status = self.root.stat()
        except OSError as error:
            _raise(error)
        root = (status.st_dev, status.st_ino)
        if found:
            self._root = root
        elif self._root not in (None, root):
            raise Transient(f"{self.root} is another folder than before, and an empty one: is something not mounted?")

    def _found(self) -> dict[str, os.stat_result]:
        """Stat of every document's file, by its path. Links that leave the folder are not followed."""
        found: dict[str, os.stat_result] = {}
        for folder, below, names in os.walk(self.root, onerror=_raise):
            below[:] = sorted(each for each in below if not each.startswith("."))
            for name in names:
                path = Path(folder) / name
                relative = path.relative_to(self.root).as_posix()
                if is_document(relative) and (status := self._stat(path)):
                    found[relative] = status
        return found

    def _stat(self, path: Path) -> os.stat_result | None:
        try:
            return path.stat() if path.resolve().is_relative_to(self.root.resolve()) else None
        except OSError:
            return None  # gone since it was listed

    def _look(self, path: str, status: os.stat_result, now: float) -> None:
        """Read the file where it is another, and has come to rest."""
        known = self._files.get(path)
        if known and known.mark == _mark(status):
            self._files[path] = _File(known.mark, known.text, known.size)
            return
        if abs(now - status.st_mtime) < SETTLED_S:
            return
        try:
            text = b"" if status.st_size > MAX_BYTES else (self.root / path).read_bytes()
            after = (self.root / path).stat()
        except OSError as error:
            raise Transient(f"{self.root / path} cannot be read: {error.strerror}") from error
        if _mark(after) == _mark(status):
            self._files[path] = _File(_mark(status), text, status.st_size)

    def _miss(self, path: str, now: float) -> None:
        known = self._files[path]
        since = known.gone_since if known.gone_since is not None else now
        if now - since >= GONE_S:
            del self._files[path]
        else:
            self._files[path] = _File(known.mark, known.text, known.size, since)

    def _place(self, document: Document) -> tuple[Path, str]:
        """The folder that the document is in, and a mark of it and of all files that it names."""
        folder = (self.root / document.file).parent
        digest = hashlib.sha256(self._files[document.file].text)
        for source in sorted(local_sources(document)):
            for line in _tree(folder / source):
                digest.update(line.encode(errors="surrogateescape"))
        return folder, digest.hexdigest()


def _tree(top: Path) -> Iterator[str]:
    """A line for each file below a folder: enough to tell that something there was written."""
    for folder, below, names in os.walk(top):
        below[:] = sorted(each for each in below if each not in (STATUS, ".git", "__pycache__"))
        for name in sorted(names):
            path = os.path.join(folder, name)  # noqa: PTH118 - of many files: a Path each is half of the time
            try:
                yield f"{path}:{_mark(os.stat(path))}\n"  # noqa: PTH116
            except OSError:
                yield f"{path}:gone\n"


def _mark(status: os.stat_result) -> str:
    return f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"


def _raise(error: OSError) -> NoReturn:
    raise Transient(f"{error.filename} cannot be listed: {error.strerror}") from error
