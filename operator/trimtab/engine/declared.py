"""What sources declare: complete sets of documents, each with what its paths are relative to.

A source is read whole or not at all: one that is unreachable says so, and nothing is concluded from what it does not show.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from trimtab.core.errors import UserError
from trimtab.model.deployment import ModelDeployment
from trimtab.model.load import Document


@dataclass(frozen=True, slots=True)
class Declared:
    """One ModelDeployment as a source has it."""

    document: Document
    folder: Path | str  # what its relative paths stand below: a folder, or "s3://bucket/prefix"
    mark: str  # changes whenever the document, or a file that it stands on, may have changed
    version: str = ""  # what a person calls it: a commit id; "" where the source has no such thing

    @property
    def deployment(self) -> ModelDeployment:
        assert isinstance(self.document.value, ModelDeployment)
        return self.document.value

    @property
    def key(self) -> str:
        metadata = self.deployment.metadata
        return f"{metadata.namespace}/{metadata.name}"

    @property
    def environment(self) -> str:
        return self.deployment.spec.environment_ref.name

    @property
    def file(self) -> str:
        return self.document.file


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that could not be taken, and why. What stood in it before stays in force."""

    file: str
    mistakes: tuple[UserError, ...]
    keys: frozenset[str] = frozenset()  # of the documents in it, as far as their names can be read


@dataclass(frozen=True, slots=True)
class Listing:
    """All that a source has at one time."""

    declared: Mapping[str, Declared] = field(default_factory=dict[str, Declared])  # by "<namespace>/<name>"
    refused: tuple[Refused, ...] = ()
    version: str = ""  # of the whole: a commit id; "" where the source has no such thing


class Source(Protocol):
    """Where documents come from."""

    @property
    def name(self) -> str:
        """What finds it, and what ledgers remember: "folder:/srv/models", "s3://bucket/prefix", "git:URL@ref:path"."""
        ...

    @property
    def interval_s(self) -> float:
        """How often it is looked at where nothing says that it changed."""
        ...

    def read(self) -> Listing | None:
        """All of it; None while it is being written and not whole yet.

        Raises Transient, Denied or UserError where it cannot be read: nothing is concluded from that.
        """
        ...

    def wait(self, stop: threading.Event, seconds: float) -> None:
        """Return when it may have changed, after that long at the latest, or at once when `stop` is set."""
        ...

    def report(self, key: str, status: Mapping[str, Any] | None) -> None:
        """Write the status of a document back; None takes away what was written. Raises Transient, Denied, UserError."""
        ...
