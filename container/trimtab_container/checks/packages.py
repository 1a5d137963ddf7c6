"""Imports against the packages that there will be: a requirements file for training, our lock for serving.

A package's name says little of what it lets one import, so what is not known for sure is a warning, or nothing.
"""

import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from importlib import metadata
from importlib.resources import files
from pathlib import Path

from trimtab_container.checks import Finding, error, warning
from trimtab_container.checks.source import Imported, Source, imports, is_local, used_by
from trimtab_container.hooks import FILE

# By what is imported: the packages that bring it, where the names differ.
_BRINGS = {
    "PIL": ("pillow",),
    "attr": ("attrs",),
    "bs4": ("beautifulsoup4",),
    "cv2": ("opencv-python", "opencv-python-headless", "opencv-contrib-python"),
    "dateutil": ("python-dateutil",),
    "dotenv": ("python-dotenv",),
    "faiss": ("faiss-cpu", "faiss-gpu"),
    "jwt": ("pyjwt",),
    "mpl_toolkits": ("matplotlib",),
    "pkg_resources": ("setuptools",),
    "skimage": ("scikit-image",),
    "sklearn": ("scikit-learn",),
    "umap": ("umap-learn",),
    "yaml": ("pyyaml",),
}
_SHARED = ("google", "nvidia", "azure", "opentelemetry")  # many packages have a part of these
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def training_package_findings(code: Path, entry_point: str, requirements: Path) -> Iterator[Finding]:
    """Imports of the training code that the requirements do not hold."""
    text = requirements.read_text()
    names, whole = _declared(text)
    if not whole:  # it refers to what cannot be seen from here
        return
    locked = "--hash=" in text
    names = names if locked else _with_what_they_need(names)
    for source in used_by(code / entry_point, code)[0]:
        for each in _outside(source, code):
            if not _held(each, names):
                sure = locked and bool(_packages_of(each.top))
                report = error if sure else warning
                yield report(source.file, each.line, f"{each.top} is not in {requirements}", _add(each))


def serving_package_findings(code: Path) -> Iterator[Finding]:
    """Imports of inference.py that the serving image does not have."""
    names, _ = _declared(files("trimtab_container").joinpath("locks/serving.txt").read_text())
    has = "numpy, onnxruntime, orjson"
    for source in used_by(code / FILE, code)[0]:
        for each in _outside(source, code):
            if each.top != "trimtab_container" and not _held(each, names):
                fix = f"do without it: the image has {has} and Python's own modules"
                yield error(source.file, each.line, f"{each.top} is not in the serving image", fix)


def _outside(source: Source, code: Path) -> Iterator[Imported]:
    for each in imports(source.tree):
        if each.top and not is_local(each, code) and each.top not in sys.stdlib_module_names:
            yield each


def _held(imported: Imported, names: frozenset[str]) -> bool:
    if imported.top in _SHARED:
        return True
    return bool(names & {_plain(imported.top), *_packages_of(imported.top)})


def _packages_of(top: str) -> frozenset[str]:
    """The packages that are known to bring an import: by the table, or as they are installed here."""
    return frozenset(map(_plain, (*_BRINGS.get(top, ()), *_installed().get(top, ()))))


def _declared(text: str) -> tuple[frozenset[str], bool]:
    """(names of packages, whether the text names all of them itself)."""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith(("#", "--hash"))]
    plain = [line for line in lines if not line.startswith("-") and "://" not in line]
    names = [match[0] for line in plain if (match := _NAME.match(line))]
    return frozenset(map(_plain, names)), len(plain) == len(lines)


def _with_what_they_need(names: frozenset[str]) -> frozenset[str]:
    """A file that is no lock names the first packages only: add what those need, where they are installed here."""
    found, waiting = set[str](), list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            needed = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        waiting += [_plain(match[0]) for line in needed if (match := _NAME.match(line))]
    return frozenset(found)


@lru_cache(maxsize=1)
def _installed() -> dict[str, list[str]]:
    return {name: list(packages) for name, packages in metadata.packages_distributions().items()}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _add(imported: Imported) -> str:
    known = sorted(_packages_of(imported.top))
    return f"add {known[0] if known else _plain(imported.top)} to it, or do without"
