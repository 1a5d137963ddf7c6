"""Virtual environments that stand in for the packages of an image: one for each lock, made once, shared by all units.

A lock is the hash-locked requirements text that an image carries as a label. The environment's name hashes the lock and the
Python that it was made for; it is made beside and moved in place, under a file lock, so that two processes make it once.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

TRAINING = ("pytorch", "sklearn")  # frameworks that the local cloud trains with


class EnvironmentFailed(Exception):
    """The packages of a lock could not be installed."""


def cache_folder() -> Path:
    """Where what can be made again is kept."""
    given, base = os.environ.get("TRIMTAB_CACHE"), os.environ.get("XDG_CACHE_HOME")
    return Path(given) if given else (Path(base) if base else Path.home() / ".cache") / "trimtab"


def environment_path(lock: str, cache: Path) -> Path:
    """Where the environment of a lock is, or will be."""
    python = f"{sys.implementation.cache_tag}-{sys.platform}"
    return cache / "environments" / hashlib.sha256(f"{python}\0{lock}".encode()).hexdigest()[:24]


def environment_for(lock: str, cache: Path) -> Path:
    """The environment of a lock, made when it is not there. Raises EnvironmentFailed."""
    path = environment_path(lock, cache)
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.with_suffix(".lock")):
        if not path.exists():
            _make(lock, path)
    return path


def training_lock(framework: str) -> str:
    """The lock of a framework's bundled training image."""
    return files("trimtab.local").joinpath(f"locks/{framework}-training.txt").read_text()


def serving_lock() -> str:
    """The lock of serving images."""
    return files("trimtab_container").joinpath("locks/serving.txt").read_text()


def _make(lock: str, path: Path) -> None:
    fresh = path.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    requirements = path.with_suffix(".txt")
    requirements.write_text(lock)
    uv = [sys.executable, "-m", "uv"]
    # Relocatable: it is moved in place once it is whole.
    _run([*uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, str(fresh)])
    if lock.strip():
        # Compiled now: units cannot always write beside what they import, and each start would compile it all again.
        _run(
            [
                *uv,
                "pip",
                "install",
                "--quiet",
                "--compile-bytecode",
                "--python",
                str(fresh / "bin" / "python"),
                "--require-hashes",
                "-r",
                str(requirements),
            ]
        )
    fresh.rename(path)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EnvironmentFailed(f"uv {command[3]} failed: {done.stderr.strip()[-800:]}")


@contextmanager
def _locked(path: Path) -> Generator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)


def main() -> None:
    """Make the environments of the bundled images, and say so."""
    cache = cache_folder()
    for name, lock in (("serving", serving_lock()), *((each, training_lock(each)) for each in TRAINING)):
        path = environment_path(lock, cache)
        if not path.exists():
            print(f"making the {name} environment in {path} (once; that of pytorch takes some minutes)", flush=True)
        environment_for(lock, cache)


if __name__ == "__main__":
    main()
