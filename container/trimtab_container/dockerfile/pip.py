"""`RUN pip install`: the one command that needs no running, since wheels of exact versions are put into a layer.

Source: pip's requirements file format; PEP 440, PEP 503 (names), PEP 508.
"""

import re
from collections.abc import Callable, Sequence

from trimtab_container.dockerfile import Refused, Requirement
from trimtab_container.dockerfile.lines import Text

_EXACT = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)(?P<extras>\[[\w\s.,-]+\])?\s*==\s*(?P<version>[A-Za-z0-9][\w.!+-]*)"
    r"(?P<marker>\s*;[^#]*?)?(?P<hashes>(?:\s+--hash=sha256:[0-9a-f]{64})*)"
)
# Of pip's options those that change nothing about which files come out.
_ALLOWED = ("--no-cache-dir", "--no-compile", "--require-hashes", "--no-deps", "--quiet", "-q", "--no-input", "--upgrade")
_ALLOWED_VALUES = ("--disable-pip-version-check", "--root-user-action=ignore", "--only-binary=:all:")
_PIN = "write name==version, with --hash=sha256:... where the image must come out the same everywhere"
_SHELL = re.compile(r"[;&|<>()`]")


def pip_arguments(words: Sequence[Text]) -> Sequence[Text] | None:
    """What follows `pip install`; None when the command is another one."""
    texts = [word.text for word in words]
    for start in (["pip"], ["pip3"], ["python", "-m", "pip"], ["python3", "-m", "pip"]):
        if texts[: len(start) + 1] == [*start, "install"]:
            return words[len(start) + 1 :]
    return None


def shell_operator(text: Text) -> int | None:
    """Where a shell would see more than words: the first operator outside quotes."""
    quote = ""
    for at, char in enumerate(text.text):
        if char in "'\"" and quote in ("", char):
            quote = "" if quote else char
        elif (not quote and _SHELL.match(char)) or (quote != "'" and text.text.startswith(("$(", "`"), at)):
            return at
    return None


def requirements(
    words: Sequence[Text], find: Callable[[str], str | None], read: Callable[[str], bytes]
) -> tuple[list[Requirement], list[tuple[str, Refused]]]:
    """(what is installed, mistakes with the file they are in; "" for the Dockerfile).

    words: after `pip install`, variables filled in. find: the path in the folder of a file of the image. Raises Refused.
    """
    found, mistakes, at = list[Requirement](), list[tuple[str, Refused]](), 0
    while at < len(words):
        word, at = words[at], at + 1
        option, equals, value = word.text.partition("=")
        if option in ("-r", "--requirement") or word.text.startswith("-r"):
            name = Text.at(value if equals else word.text[2:], word.place) if equals or option != "-r" else None
            name = name if option != "--requirement" or equals else None
            if name is None:
                if at == len(words):
                    raise Refused(word.place, f"{word.text} names no file", "write -r FILE")
                name, at = words[at], at + 1
            path = find(name.text)
            if path is None:
                raise Refused(
                    name.place, f"no COPY before this line brings {name.text}", "COPY it first; paths start at WORKDIR"
                )
            inner, wrong = _in_file(path, read(path).decode(errors="replace"))
            found += inner
            mistakes += [(path, each) for each in wrong]
        elif word.text in (*_ALLOWED, *_ALLOWED_VALUES):
            continue
        elif word.text == "--only-binary" and [each.text for each in words[at : at + 1]] == [":all:"]:
            at += 1
        elif word.text.startswith("-"):
            raise Refused(word.place, f"pip's option {word.text} is not read", "leave it out")
        else:
            found.append(_requirement(word.text, "", word.place))
    if not found and not mistakes:
        raise Refused(words[0].place if words else (1, 1), "nothing is installed", "name a package, or -r FILE")
    return found, mistakes


def _in_file(path: str, text: str) -> tuple[list[Requirement], list[Refused]]:
    """The lines of a requirements file."""
    found, mistakes, whole, first = list[Requirement](), list[Refused](), "", 0
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        first = first if whole else number
        bare = re.sub(r"(^|\s)#.*$", "", line).rstrip()
        whole = f"{whole} {bare.removesuffix(chr(92)).strip()}".strip()
        if bare.endswith("\\") or not whole:
            continue
        try:
            if whole.startswith("-"):
                raise Refused((first, 1), f"{whole.split()[0]} in a requirements file is not read", "leave it out")
            found.append(_requirement(whole, path, (first, 1)))
        except Refused as refused:
            mistakes.append(refused)
        whole = ""
    return found, mistakes


def _requirement(text: str, file: str, place: tuple[int, int]) -> Requirement:
    match = _EXACT.fullmatch(text)
    if match is None:
        raise Refused(place, f"{text.split(' --hash')[0]} is not pinned to one version", _PIN)
    hashes = sorted(match["hashes"].split())
    marker = f" ; {match['marker'].strip(' ;')}" if match["marker"] else ""
    line = " ".join((f"{match['name']}{match['extras'] or ''}=={match['version']}{marker}", *hashes))
    return Requirement(re.sub(r"[-_.]+", "-", match["name"]).lower(), line, bool(hashes), file, place[0])


def unequal(found: Sequence[Requirement]) -> Requirement | None:
    """One that has no hash while others have: pip refuses that, and so do we."""
    hashed = any(each.is_hashed for each in found)
    return next((each for each in found if hashed and not each.is_hashed), None)
