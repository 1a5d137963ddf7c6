"""Packages of an image: wheels of its platform, installed into a folder, and locks that say which.

Source: uv, `uv pip install --target`, `uv pip compile`; PyPA, entry points specification.
"""

import re
import subprocess
import sys
from collections.abc import Sequence
from configparser import ConfigParser
from importlib.util import find_spec
from pathlib import Path

from trimtab.core.errors import UserError
from trimtab.core.kind import Progress
from trimtab.engine.transfers import Report
from trimtab_container.dockerfile import Requirement

PYTHON = "3.11"  # of our own bases
# uv's names, by an image's architecture: wheels for glibc 2.28 run on every base that is not out of support.
_PLATFORMS = {"amd64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}
# What an installer leaves beside the packages: paths and times of this machine, which no import needs.
_TRACES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
_SCRIPT = """#!/usr/bin/env python3
import sys

from {module} import {first}

sys.exit({function}())
"""


def installed(lock: str, architecture: str, folder: Path, report: Report, python: str = PYTHON) -> dict[str, Path]:
    """Install the lock's wheels of the target platform into a folder. Raises UserError when one has no wheel.

    python: version of the image's, "3.11". Scripts are left out: they begin with the path of this machine's Python.
    """
    target = _target(architecture, python)
    report(Progress(0, 0, "bytes", "installing the requirements"))
    folder.mkdir()
    file = folder.with_suffix(".txt")
    file.write_text(lock)
    _uv("install", "--target", str(folder), "--require-hashes", *target, "-r", str(file))
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path for name, path in files.items() if not _is_trace(name)}


def scripts(packages: Sequence[Path]) -> dict[str, bytes]:
    """The programs that packages bring, by name, for whatever Python is first in PATH.

    packages: files of what was installed, entry_points.txt among them.
    """
    found: dict[str, bytes] = {}
    for path in sorted(path for path in packages if path.name == "entry_points.txt"):
        parser = ConfigParser(delimiters=("=",), interpolation=None)
        parser.optionxform = str  # type: ignore[assignment, method-assign] # names keep their case
        parser.read_string(path.read_text())
        for name, value in parser.items("console_scripts") if parser.has_section("console_scripts") else ():
            module, _, function = value.partition("[")[0].strip().partition(":")
            text = _SCRIPT.format(module=module.strip(), first=function.strip().partition(".")[0], function=function.strip())
            found[name] = text.encode()
    return found


def locked(
    requirements: Sequence[Requirement], architecture: str, folder: Path, report: Report, python: str = PYTHON
) -> str:
    """A lock with hashes of those packages. Raises UserError when they need others that are not among them.

    folder: for temporary files. With hashes already, nothing is asked of an index.
    """
    lines = sorted({each.text for each in requirements})
    if all(each.is_hashed for each in requirements):
        return "".join(f"{line}\n" for line in lines)
    report(Progress(0, 0, "bytes", "looking up the requirements"))
    folder.mkdir(exist_ok=True)
    given, lock = folder / "given.txt", folder / "lock.txt"
    given.write_text("\n".join(lines))
    plain = ("--generate-hashes", "--no-emit-index-url", "--no-annotate", "--no-header", "-o", str(lock))
    _uv("compile", *plain, *_target(architecture, python), str(given))
    text = lock.read_text()
    names = {each.name for each in requirements}
    found = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", text, re.MULTILINE)
    lacking = [f"{name}=={version}" for name, version in found if name.lower() not in names]
    if lacking:
        raise UserError(
            f"the Dockerfile's packages need others that it does not pin: {', '.join(lacking)}",
            code="TT4003", reason="ImageFailed", fix=f"add them to what it installs: {' '.join(lacking)}",
        )  # fmt: skip
    return text


def _target(architecture: str, python: str) -> list[str]:
    platform = _PLATFORMS.get(architecture)
    if platform is None:
        raise UserError(
            f"the base image is for {architecture}", code="TT4003", reason="ImageFailed",
            fix=f"choose a base for {' or '.join(_PLATFORMS)}",
        )  # fmt: skip
    return ["--only-binary", ":all:", "--python-platform", platform, "--python-version", python]


def _uv(verb: str, *words: str) -> None:
    """Run `uv pip`. Raises UserError."""
    if find_spec("uv") is None:
        raise UserError(
            "wheels for the image are installed with uv, which is not here", code="TT4002", reason="ImageFailed",
            fix="pip install 'trimtab[build]'",
        )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "uv", "pip", verb, "--quiet", *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UserError(
            f"the requirements cannot be installed: {done.stderr.strip()[-600:]}", code="TT4003", reason="ImageFailed",
            fix="every package needs a wheel for the image's platform",
        )  # fmt: skip


def _is_trace(name: str) -> bool:
    path = Path(name)
    in_metadata = path.parent.name.endswith(".dist-info")
    return path.parts[0] in ("bin", ".lock") or "__pycache__" in path.parts or (in_metadata and path.name in _TRACES)
