"""A Git repository and ref as a source: the commit that the ref stands for now, status on a branch of its own.

Nothing is fetched while the ref stands for the same commit. A document and the folders that it names are written out under
what Git calls them (object ids), so a commit that changes neither leaves them, and their mark, as they are.
"""

import hashlib
import json
import shutil
import stat
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp
from typing import Any

from dulwich.object_store import BaseObjectStore
from dulwich.objects import Blob, Commit, ObjectID, Tree
from dulwich.repo import Repo

from trimtab.core.errors import Conflict, Transient, UserError
from trimtab.engine.declared import Listing
from trimtab.model.load import Document
from trimtab.model.yaml_loader import MAX_BYTES
from trimtab.sources.files import is_document, listing_of, local_sources, too_large
from trimtab.sources.git_remote import Remote, shown
from trimtab.sources.git_signed import signer_of
from trimtab.sources.git_tree import blobs, entry, write

_WHO = b"trimtab <operator@trimtab.invalid>"
_TRIES = 5  # others push to the branch of the status, too
_STATUS = ".trimtab"


@dataclass(slots=True)
class GitSource:
    """path: a folder of the repository, "" for all of it. store: a folder for the copy and what is written out of it.

    status: the branch that status is pushed to; "" for none. allowed: a file of allowed signers; None takes any commit.
    now: seconds since the epoch, for the commits that tell of status. pause: wait for a stop.
    """

    remote: Remote
    store: Path
    ref: str = "main"
    path: str = ""
    status: str = ""
    allowed: Path | None = None
    interval_s: float = 5.0  # one request for the refs; a commit that nothing is to be trained for serves within 10 s
    now: Callable[[], float] = time.time
    pause: Callable[[threading.Event, float], object] = threading.Event.wait
    _at: ObjectID | None = None
    _listing: Listing | None = None
    _written: tuple[frozenset[Path], ...] = ()  # folders of the last listings: a pass may still read them
    _pushing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        return f"git:{shown(self.remote.url)}@{self.ref}:{self.path}"

    def read(self) -> Listing:
        """Raises Transient or Denied where the repository cannot be read, UserError where the ref or a signature is none."""
        at = self.remote.commit_of(self.ref)
        if at is None:
            raise UserError(
                f"{shown(self.remote.url)} has no branch or tag {self.ref}",
                code="TT6009", fix="correct the ref; nothing is deleted meanwhile",
            )  # fmt: skip
        if at != self._at or self._listing is None:
            commit = self.remote.fetched(at)
            if self.allowed:
                signer_of(commit, self.allowed)
            self._listing = self._listed(commit)
            self._at = at
        return self._listing

    def wait(self, stop: threading.Event, seconds: float) -> None:
        self.pause(stop, seconds)

    def report(self, key: str, status: Mapping[str, Any] | None) -> None:
        """`.trimtab/<namespace>/<name>.json` on the status branch: a commit each. Raises Transient after many tries."""
        if not self.status:
            return None
        text = None if status is None else json.dumps(status, indent=1).encode() + b"\n"
        because = ""
        with self._pushing:
            for _ in range(_TRIES):
                try:
                    return self._push(f"{_STATUS}/{key}.json", text)
                except Conflict as error:
                    because = str(error)
        raise Transient(because)

    def _listed(self, commit: Commit) -> Listing:
        store = self.remote.objects().object_store
        top = self._top(store, commit)
        self._check_emptiness(store, top, commit)
        texts: dict[str, bytes] = {}
        ids: dict[str, ObjectID] = {}
        huge: list[tuple[str, int]] = []
        for path, id in blobs(store, top):
            if is_document(path):
                blob: Any = store[id]
                ids[path] = id
                if len(blob.data) > MAX_BYTES:
                    huge.append((path, len(blob.data)))
                else:
                    texts[path] = blob.data
        written: set[Path] = set()

        def place(document: Document) -> tuple[Path, str]:
            folder, mark = self._place(store, top, document, ids[document.file])
            written.add(folder)
            return folder, mark

        version = commit.id.decode()
        listing = listing_of(texts, place, version, version)
        self._keep(frozenset(written))
        return Listing(listing.declared, (*listing.refused, *(too_large(*each) for each in huge)), version)

    def _top(self, store: BaseObjectStore, commit: Commit) -> ObjectID:
        found = entry(store, commit.tree, PurePosixPath(self.path))
        if found is None or not stat.S_ISDIR(found[0]):
            raise UserError(
                f"commit {commit.id.decode()[:12]} of {shown(self.remote.url)} has no folder {self.path}",
                code="TT6009", fix="correct the path; nothing is deleted meanwhile",
            )  # fmt: skip
        return found[1]

    def _check_emptiness(self, store: BaseObjectStore, top: ObjectID, commit: Commit) -> None:
        """Who removes the last file by a commit on what was read means it; a push from elsewhere may be a slip.

        Raises UserError: the brake alone would let the only document of a source go.
        """
        is_empty = next(iter(blobs(store, top)), None) is None
        if is_empty and (self._at is None or self._at not in commit.parents):
            raise UserError(
                f"commit {commit.id.decode()[:12]} of {shown(self.remote.url)} has no files, and does not follow on what "
                "was read last",
                code="TT6009",
                fix="push what was there again; if all is to go, add any file, or `trimtab delete` each. Nothing is deleted "
                "meanwhile",
            )  # fmt: skip

    def _place(self, store: BaseObjectStore, top: ObjectID, document: Document, id: ObjectID) -> tuple[Path, str]:
        """The folder that a document's paths stand below, written out; and the mark of both. Raises UserError."""
        folder = PurePosixPath(document.file).parent
        sources = sorted(set(_inside(local_sources(document))))
        found = {each: entry(store, top, folder / each) for each in sources}
        digest = hashlib.sha256(f"{document.file}\n".encode() + id)
        for source, each in found.items():
            digest.update(f"{source}\0{each}\n".encode())
        mark = digest.hexdigest()
        target = self.store / "documents" / mark
        if not target.is_dir():
            self._write(store, {source: each for source, each in found.items() if each}, target)
        return target, mark

    def _write(self, store: BaseObjectStore, found: Mapping[str, tuple[int, ObjectID]], target: Path) -> None:
        """Whole or not at all."""
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(mkdtemp(prefix=".", dir=target.parent))
        whole = fresh / "whole"
        try:
            if "." not in found:
                whole.mkdir()
            for source, (mode, id) in found.items():
                if any(PurePosixPath(source).is_relative_to(other) for other in found if other != source):
                    continue  # it is within another
                (whole / source).parent.mkdir(parents=True, exist_ok=True)
                write(store, mode, id, whole / source, source)
            whole.rename(target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _keep(self, now: frozenset[Path]) -> None:
        """Remove what neither this listing nor the last one stands on."""
        self._written = (*self._written[-1:], now)
        kept = frozenset[Path]().union(*self._written)
        for each in (self.store / "documents").glob("*"):
            if each not in kept:
                shutil.rmtree(each, ignore_errors=True)

    # --- status ---

    def _push(self, path: str, text: bytes | None) -> None:
        """One commit with that file, or without it. Raises Conflict where the branch moved meanwhile."""
        before = self.remote.commit_of(f"refs/heads/{self.status}")
        last = self.remote.fetched(before) if before else None
        store = self.remote.objects().object_store
        known = entry(store, last.tree, PurePosixPath(path)) if last else None
        blob = Blob.from_string(text) if text is not None else None
        if (known[1] if known else None) == (blob.id if blob else None):
            return
        self.remote.pushed(self.status, before, lambda to: self._commit(to, last, path, blob))

    def _commit(self, to: Repo, last: Commit | None, path: str, blob: Blob | None) -> ObjectID:
        made = Commit()
        made.tree = _with(to.object_store, last.tree if last else None, PurePosixPath(path).parts, blob) or _empty(to)
        made.parents = [last.id] if last else []
        made.author = made.committer = _WHO
        made.author_time = made.commit_time = int(self.now())
        made.author_timezone = made.commit_timezone = 0
        made.message = f"{'Tell' if blob else 'Forget'} {path.removeprefix(_STATUS + '/').removesuffix('.json')}\n".encode()
        to.object_store.add_object(made)
        return made.id


def _with(store: BaseObjectStore, id: ObjectID | None, parts: tuple[str, ...], blob: Blob | None) -> ObjectID | None:
    """The tree with that file at that path, or without any; None where nothing is left of it."""
    known: Any = store[id] if id else Tree()
    tree = Tree()
    for name, mode, each in known.iteritems():
        tree.add(name, mode, each)
    name = parts[0].encode()
    if len(parts) == 1:
        if blob:
            store.add_object(blob)
        below, mode = blob.id if blob else None, stat.S_IFREG | 0o644
    else:
        child = tree[name][1] if name in tree else None
        below, mode = _with(store, child, parts[1:], blob), stat.S_IFDIR
    if name in tree:
        del tree[name]
    if below:
        tree.add(name, mode, below)
    if not len(tree):
        return None
    store.add_object(tree)
    return tree.id


def _empty(to: Repo) -> ObjectID:
    tree = Tree()
    to.object_store.add_object(tree)
    return tree.id


def _inside(sources: Iterable[str]) -> Iterable[str]:
    """Those that stay in the document's folder, in plain form. Others are refused where the document is resolved."""
    for source in sources:
        path = PurePosixPath(source)
        if not path.is_absolute() and ".." not in path.parts:
            yield path.as_posix()
