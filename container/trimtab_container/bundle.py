"""The launcher: this package as one file that `python3 launcher.pyz` runs, the same bytes wherever it is made.

Fixed times, sorted names, stored and not compressed. Source: PEP 441.
"""

import zipfile
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from trimtab_container.digests import file_sha256

_TIME = (1980, 1, 1, 0, 0, 0)
_MAIN = b"from trimtab_container.__main__ import main\n\nmain()\n"
_KEPT = (".py", ".txt")


def build(target: Path) -> str:
    """Write the launcher; returns "sha256:..." of the file."""
    package = files("trimtab_container")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, "__main__.py", _MAIN)
        for name, source in sorted(_walk(package, "trimtab_container")):
            _add(archive, name, source.read_bytes())
    return f"sha256:{file_sha256(target)[1]}"


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, Traversable]]:
    found: list[tuple[str, Traversable]] = []
    for child in folder.iterdir():
        name = f"{prefix}/{child.name}"
        if child.is_dir():
            found += _walk(child, name) if child.name != "__pycache__" else []
        elif child.name.endswith(_KEPT):
            found.append((name, child))
    return found


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, _TIME)
    entry.external_attr = 0o644 << 16
    entry.create_system = 3  # Unix, whatever makes it
    archive.writestr(entry, data)
