"""A Dockerfile as far as it can be read as layers: nothing is run, so what would have to be is refused, at its place.

One definition for `check` and for the operator that builds the image. Standard library only.
Source: Dockerfile reference (docs.docker.com/reference/dockerfile); OCI image specification, image configuration.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

FILE = "Dockerfile"
BASE_ARGUMENT = "TRIMTAB_BASE"  # a build argument that trimtab gives: the serving base that the environment names


@dataclass(frozen=True)
class Mistake:
    """What is wrong, where (lines and columns count from 1), and what to do."""

    file: str  # path below the folder
    line: int
    column: int
    text: str
    fix: str


class Refused(Exception):
    """A part of a Dockerfile that is not built. place: (line, column)."""

    def __init__(self, place: tuple[int, int], text: str, fix: str) -> None:
        super().__init__(text)
        self.place, self.text, self.fix = place, text, fix


@dataclass(frozen=True)
class Copy:
    """The files of one COPY: a layer of the image."""

    place: tuple[int, int]
    files: Mapping[str, str]  # path in the image, without a leading slash -> path in the folder
    folder: str  # what lies at or below it belongs to `owner`; the folders above are root's
    mode: int | None = None  # of every file; None: 0644
    owner: tuple[int, int] = (0, 0)  # uid, gid


@dataclass(frozen=True)
class Requirement:
    """One package at one version, as a line of requirements."""

    name: str  # as indexes compare it: "typing-extensions"
    text: str  # "uvicorn==0.54.0 --hash=sha256:..."
    is_hashed: bool
    file: str
    line: int


@dataclass(frozen=True)
class Recipe:
    """What a Dockerfile makes of its base."""

    base: str  # as FROM names it, variables filled in
    copies: tuple[Copy, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])  # ENV alone, without the base's
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    ports: tuple[str, ...] = ()  # "8080/tcp"
    user: str = ""
    folder: str = ""  # WORKDIR, absolute
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Reading:
    """A recipe, or why there is none: every mistake, not the first alone."""

    recipe: Recipe | None
    mistakes: tuple[Mistake, ...] = ()
