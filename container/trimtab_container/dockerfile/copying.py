"""Which file COPY puts where.

A folder is copied by its content. Whether a destination without a slash at its end is a file or a folder hangs on the base
image, which is not unpacked: where its name alone does not tell, it is refused.
"""

import posixpath
import re
from collections.abc import Collection, Mapping, Sequence

from trimtab_container.dockerfile import Refused
from trimtab_container.dockerfile.lines import Place
from trimtab_container.dockerfile.patterns import pattern

# Folders that a base has: a file of that name would be put in their place.
_EVERYWHERE = "bin boot dev etc home lib lib64 media mnt opt proc root run sbin srv sys tmp usr var"
_BELOW = "usr/bin usr/lib usr/local usr/local/bin usr/local/lib usr/local/share usr/share usr/sbin var/lib var/log var/tmp"
KNOWN_FOLDERS = frozenset(("", *_EVERYWHERE.split(), *_BELOW.split()))
# In most bases these are links to folders below /usr or /run; a folder of that name in a layer would take their place.
_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "var/run", "var/lock")
_WILD = re.compile(r"[*?\[\\]")


def absolute(path: str, folder: str) -> str:
    """A path of the image, normal, without a leading slash. folder: WORKDIR, in that form too."""
    return posixpath.normpath(posixpath.join("/", folder, path)).lstrip("/")


def copied(
    sources: Sequence[tuple[Place, str]],
    target: tuple[Place, str],
    *,
    paths: Sequence[str],
    folder: str,
    folders: Collection[str],
) -> tuple[dict[str, str], str]:
    """(path in the folder by path in the image, the highest folder of the image that this COPY makes its own).

    sources, target: words with their places. paths: files that can be copied. folder: WORKDIR. folders: known to be folders.
    Raises Refused.
    """
    place, word = target
    there = absolute(word, folder)
    found = [each for source in sources for each in _matches(source, paths)]
    asks_folder = word.endswith("/") or posixpath.basename(word) in (".", "..")
    if len(found) > 1 and not asks_folder:
        raise Refused(place, f"several files are copied to {word}", f"end it with a slash: {word}/")
    files: dict[str, str] = {}
    for name, is_folder in found:
        if is_folder:
            below = f"{name}/" if name else ""
            files |= {_join(there, path.removeprefix(below)): path for path in paths if path.startswith(below)}
        elif asks_folder or there in folders:
            files[_join(there, posixpath.basename(name))] = name
        elif posixpath.basename(there) == posixpath.basename(name) or "." in posixpath.basename(there):
            files[there] = name
        else:
            raise Refused(
                place,
                f"whether {word} is a file or a folder hangs on the base image",
                f"end it with a slash for a folder, {word}/; for a file, keep its name or give it a suffix",
            )
    if link := next((each for path in files for each in _LINKS if path.startswith(f"{each}/")), ""):
        raise Refused(place, f"/{link} is a link in most bases, which a copy would replace", "name the folder it leads to")
    made_folder = asks_folder or there in folders or any(is_folder for _, is_folder in found)
    return files, there if made_folder and there not in KNOWN_FOLDERS else ""


def _join(folder: str, path: str) -> str:
    return f"{folder}/{path}" if folder else path


def _matches(source: tuple[Place, str], paths: Sequence[str]) -> list[tuple[str, bool]]:
    """(path, whether it is a folder) of each file or folder that a source names; "" is the whole. Raises Refused."""
    place, word = source
    name = posixpath.normpath(posixpath.join("/", word)).lstrip("/")
    inner = {parent for path in paths for parent in _parents(path)}
    if _WILD.search(name):
        try:
            rule = pattern(name.replace("**", "*"))
        except re.error as error:
            raise Refused(place, f"{word} is no pattern: {error}", "close the bracket") from error
        found = [(each, False) for each in paths if rule.fullmatch(each)]
        found += [(each, True) for each in sorted(inner) if rule.fullmatch(each)]
    elif name in inner or (not name and paths):
        found = [(name, True)]
    else:
        found = [(name, False)] if name in paths else []
    if not found:
        raise Refused(
            place,
            f"{word} is not in the folder",
            "correct it; paths start at the folder, and .dockerignore may leave it out",
        )
    return found


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: number + 1]) for number in range(len(parts))]


def folders_of(files: Mapping[str, str]) -> set[str]:
    """Every folder that lies above files of the image."""
    return {parent for path in files for parent in _parents(path)}
