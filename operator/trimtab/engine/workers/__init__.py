"""The workers of transfers: what is long, and the edges it needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from trimtab.clients.aws import Aws
from trimtab.engine.contents import Content


@dataclass(frozen=True, slots=True)
class Bench:
    """What workers work with.

    contents: local trees by name ("dataset", "training", "serving", "launcher"); empty where none can be sent.
    lock: the hash-locked requirements of serving images. scratch: a folder for temporary files.
    """

    aws: Aws
    contents: Mapping[str, Content]
    lock: str
    scratch: Path


def serving_lock() -> str:
    """The hash-locked requirements of serving images, as the wheel trimtab-container carries them."""
    return files("trimtab_container").joinpath("locks/serving.txt").read_text()
