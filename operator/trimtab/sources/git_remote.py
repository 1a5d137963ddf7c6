"""One Git repository elsewhere, and the shallow copy of it that is kept here. Every call ends in bounded time.

What the outside says is the truth: a ref that was forced, deleted or made anew simply stands for another commit.
Credentials of the URL are in no name and no message.
Source: Git, gitprotocol-v2 and gitprotocol-pack.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
from dulwich.client import GitClient, HTTPUnauthorized, get_transport_and_path
from dulwich.config import ConfigDict
from dulwich.errors import GitProtocolError, NotGitRepository
from dulwich.objects import Commit, ObjectID, Tag
from dulwich.refs import Ref
from dulwich.repo import Repo

from trimtab.core.errors import Conflict, Denied, Transient, UserError

_PATIENCE_S = 30.0
_ONCE = urllib3.Retry(total=5, connect=0, read=0, status=0, other=0)  # redirects are followed; a silence is not tried again
_MOST_PACKS = 50  # each fetch leaves one; beyond that the copy is made anew
_SSH = "ssh -o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=10 -o ServerAliveCountMax=3"
_SCHEMES = ("https", "http", "ssh", "file")
_CREDENTIALS = re.compile(r"(?<=//)[^/@\s]+@")


def shown(url: str) -> str:
    """The URL without a user or password."""
    return _CREDENTIALS.sub("", url)


@dataclass(frozen=True, slots=True)
class Remote:
    """url: https, http, ssh (also user@host:path), file, or a path. copy: folder of the bare copy, ours alone."""

    url: str
    copy: Path
    patience_s: float = _PATIENCE_S

    def __post_init__(self) -> None:
        scheme = self.url.partition("://")[0] if "://" in self.url else ""
        if scheme and scheme not in _SCHEMES:
            raise UserError(
                f"{shown(self.url)} is reached by {scheme}, which is not taken",
                code="TT6009", fix=f"use one of {', '.join(_SCHEMES)}, or the path of a repository",
            )  # fmt: skip

    def commit_of(self, ref: str) -> ObjectID | None:
        """What a branch, a tag or "HEAD" stands for; None where there is no such ref. Of a tag object, the object itself."""
        with self._told() as (client, path):
            refs = client.get_refs(path).refs
        names = (ref, f"refs/heads/{ref}", f"refs/tags/{ref}")
        found = (refs.get(Ref(name.encode())) for name in names)
        return next((each for each in found if each), None)

    def fetched(self, id: ObjectID) -> Commit:
        """The commit with all of its files and without its history, brought here where it is not here yet."""
        store = self._copy()
        if id not in store.object_store:
            with self._told() as (client, path):
                client.fetch(path, store, determine_wants=_just(id), depth=1)
        found: Any = store[id]
        while isinstance(found, Tag):
            found = store[found.object[1]]
        if not isinstance(found, Commit):
            raise UserError(f"{id.decode()} of {shown(self.url)} is no commit", code="TT6009", fix="name a branch or a tag")
        return found

    def pushed(self, branch: str, before: ObjectID | None, make: Callable[[Repo], ObjectID]) -> None:
        """Move a branch from that commit to the one that is made. Raises Conflict where it stands elsewhere by now."""
        store, name = self._copy(), Ref(f"refs/heads/{branch}".encode())
        new = make(store)

        def update(refs: Mapping[Ref, ObjectID]) -> dict[Ref, ObjectID]:
            if refs.get(name) != before:
                raise Conflict(f"{branch} of {shown(self.url)} was pushed to meanwhile")
            return {name: new}

        with self._told() as (client, path):
            sent: Any = client.send_pack(path, update, store.generate_pack_data)  # pyright: ignore[reportArgumentType]
        status: Mapping[Ref, str | None] = sent.ref_status or {}
        if refused := status.get(name):
            raise Conflict(f"{branch} of {shown(self.url)} was not taken: {refused}")

    def objects(self) -> Repo:
        """The copy, for reading."""
        return self._copy()

    def _copy(self) -> Repo:
        if (self.copy / "objects").is_dir():
            if len(list((self.copy / "objects" / "pack").glob("*.pack"))) <= _MOST_PACKS:
                return Repo(str(self.copy))
            shutil.rmtree(self.copy)
        self.copy.mkdir(parents=True, exist_ok=True)
        return Repo.init_bare(str(self.copy))

    @contextlib.contextmanager
    def _told(self) -> Generator[tuple[GitClient, Any]]:
        """A client; what goes wrong with it in our own words. Raises Denied, Transient."""
        name = shown(self.url)
        config = ConfigDict()
        config.set((b"http",), b"timeout", str(self.patience_s).encode())
        try:
            client, path = get_transport_and_path(
                self.url, config=config, quiet=True, ssh_command=os.environ.get("GIT_SSH_COMMAND", _SSH)
            )
            if pool := getattr(client, "pool_manager", None):  # of HTTP
                pool.connection_pool_kw["retries"] = _ONCE
            yield client, path
        except HTTPUnauthorized as error:
            raise Denied(f"{name} refuses us: it asks for a user and a password or token") from error
        except NotGitRepository as error:
            raise Transient(f"{name} is no repository, or not one that we may see") from error
        except (GitProtocolError, urllib3.exceptions.HTTPError, OSError, EOFError) as error:
            raise Transient(f"{name} cannot be read: {shown(str(error)) or type(error).__name__}") from error


def _just(id: ObjectID) -> Callable[..., list[ObjectID]]:
    def wants(*_asked: object, **_more: object) -> list[ObjectID]:
        return [id]

    return wants
