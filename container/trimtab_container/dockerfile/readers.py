"""One reader for each instruction that is built; all others are refused."""

import re
from collections.abc import Callable, Mapping, Sequence

from trimtab_container.dockerfile import Copy, Refused
from trimtab_container.dockerfile.copying import KNOWN_FOLDERS, absolute, copied, folders_of
from trimtab_container.dockerfile.lines import Instruction, Place, Text
from trimtab_container.dockerfile.pip import pip_arguments, requirements, shell_operator, unequal
from trimtab_container.dockerfile.stage import Stage
from trimtab_container.dockerfile.words import expanded, flags, json_words, plain_words, quoted_words

PACKAGES = "opt/trimtab/packages"  # where the wheels lie
RESERVED_LABEL = "trimtab.dev/"
_ELSEWHERE = "put it into the base image; a builder that runs commands (builder: docker) is not built yet"
# What BuildKit sets of itself; here it would be empty.
_PLATFORM = re.compile(r"(TARGET|BUILD)(PLATFORM|OS|ARCH|VARIANT)")
_PORT = re.compile(r"(\d{1,5})(?:/(tcp|udp))?")
_OWNER = re.compile(r"(\d{1,10})(?::(\d{1,10}))?")
_MODE = re.compile(r"0?[0-7]{3}")


def take(stage: Stage, given: Instruction) -> Sequence[tuple[str, Refused]]:
    """Read one instruction; returns mistakes in files that it names. Raises Refused."""
    if given.name not in _READERS:
        raise Refused(given.place, f"{given.name} is not built", _INSTEAD.get(given.name, _ELSEWHERE))
    if not stage.base and given.name not in ("FROM", "ARG"):
        raise Refused(given.place, f"{given.name} stands before FROM", "begin with FROM; only ARG may stand before it")
    if not given.rest.text:
        raise Refused(given.place, f"{given.name} says nothing", "complete it, or remove it")
    return _READERS[given.name](stage, given) or ()


def _from(stage: Stage, given: Instruction) -> None:
    if stage.base:
        raise Refused(
            given.place, "a second FROM: several stages are not built", "build the other stage into the base image"
        )
    options, rest = flags(given.rest)
    if options:
        raise Refused(options[0].place, f"{options[0].text} of FROM is not read", "leave it out")
    words = plain_words(rest)
    stage.base = "?"  # whatever is wrong with it, what follows is read
    if not words or not (len(words) == 1 or (len(words) == 3 and words[1].text.upper() == "AS")):
        raise Refused(given.place, "FROM names no single image", "write FROM registry/repository:tag")
    base = expanded(words[0], stage.first)
    if not base:
        raise Refused(words[0].place, f"{words[0].text} comes to nothing", "give its ARG before FROM a default")
    if base == "scratch":
        raise Refused(
            words[0].place, "an image from scratch has nothing to run", "name a base that holds what runs the server"
        )
    stage.base = base


def _arg(stage: Stage, given: Instruction) -> None:
    scope = stage.args if stage.base else stage.first
    known = stage.variables if stage.base else stage.first
    for word in quoted_words(given.rest):
        name, equals, _ = word.text.partition("=")
        if not equals and _PLATFORM.fullmatch(name) and name not in stage.given:
            raise Refused(word.place, f"{name} is set by Docker alone", "give it a default")
        if name in stage.given:
            scope[name] = stage.given[name]
        elif equals:
            scope[name] = expanded(word.part(len(name) + 1), known)
        elif name in stage.first:
            scope[name] = stage.first[name]


def _pairs(stage: Stage, given: Instruction) -> dict[str, str]:
    """`name=value name="a value"`, or the one `name value` of old."""
    variables, words = stage.variables, quoted_words(given.rest)
    name, equals, _ = words[0].text.partition("=")
    if not equals:
        if len(words) == 1:
            raise Refused(words[0].place, f"{name} is given no value", f"write {given.name} {name}=value")
        value = given.rest.text[len(name) :]
        return {name: expanded(given.rest.part(len(name) + len(value) - len(value.lstrip())), variables)}
    found: dict[str, str] = {}
    for word in words:
        name, equals, _ = word.text.partition("=")
        if not equals or not name:
            raise Refused(word.place, f"{word.text} is no name=value", "quote a value that has spaces")
        found[expanded(word.part(0, len(name)), variables)] = expanded(word.part(len(name) + 1), variables)
    return found


def _env(stage: Stage, given: Instruction) -> None:
    stage.env |= _pairs(stage, given)


def _label(stage: Stage, given: Instruction) -> None:
    labels = _pairs(stage, given)
    ours = next((name for name in labels if name.startswith(RESERVED_LABEL)), "")
    if ours:
        raise Refused(given.place, f"the label {ours} is set by trimtab itself", "choose another name")
    stage.labels |= labels


def _workdir(stage: Stage, given: Instruction) -> None:
    stage.folder = absolute(stage.filled(given.rest), stage.folder)


def _expose(stage: Stage, given: Instruction) -> None:
    for word in plain_words(given.rest):
        port = _PORT.fullmatch(stage.filled(word))
        if port is None or not 0 < int(port[1]) < 65_536:
            raise Refused(word.place, f"{word.text} is no port", "write a number, as in EXPOSE 8080")
        stage.ports.append(f"{int(port[1])}/{port[2] or 'tcp'}")


def _user(stage: Stage, given: Instruction) -> None:
    stage.user = stage.filled(given.rest)


def _exec(given: Instruction) -> tuple[Place, list[str]]:
    words = json_words(given.rest)
    if words is None:
        shown = ", ".join(f'"{word}"' for word in given.rest.text.replace('"', "").split())
        raise Refused(
            given.rest.place,
            f"{given.name} is not in the exec form: a shell in between passes no signal on",
            f"write {given.name} [{shown}]" if not given.rest.text.startswith("[") else "write a JSON list of texts",
        )
    return given.rest.place, words


def _entrypoint(stage: Stage, given: Instruction) -> None:
    stage.entrypoint = _exec(given)


def _cmd(stage: Stage, given: Instruction) -> None:
    stage.command = _exec(given)


def _copy(stage: Stage, given: Instruction) -> None:
    options, rest = flags(given.rest)
    mode, owner = None, (0, 0)
    for option in options:
        name, _, value = expanded(option, stage.variables).partition("=")
        if name == "--chmod" and _MODE.fullmatch(value):
            mode = int(value, 8)
        elif name == "--chown" and (found := _OWNER.fullmatch(value)):
            owner = (int(found[1]), int(found[2] or found[1]))
        elif name in ("--chmod", "--chown"):
            fix = (
                "write it in octal, as in --chmod=0755" if name == "--chmod" else "write numbers, as in --chown=10001:10001"
            )
            raise Refused(option.place, f"{option.text} is not read", fix)
        else:
            fix = "COPY from the folder alone; several stages are not built" if name == "--from" else "leave it out"
            raise Refused(option.place, f"{option.text} of COPY is not read", fix)
    listed = json_words(rest) if rest.text.startswith("[") else None
    words = [Text.at(word, rest.place) for word in listed] if listed else plain_words(rest)
    if len(words) < 2:
        raise Refused(given.place, "COPY needs what and where to", "write COPY FILE /opt/program/")
    filled = [(word.place, stage.filled(word)) for word in words]
    folders = KNOWN_FOLDERS | {stage.folder} | {each for copy in stage.copies for each in folders_of(copy.files)}
    files, top = copied(filled[:-1], filled[-1], paths=stage.paths, folder=stage.folder, folders=folders)
    if any(path == PACKAGES or path.startswith(f"{PACKAGES}/") for path in files):
        raise Refused(words[-1].place, f"/{PACKAGES} is where pip's packages lie", "copy to another folder")
    stage.copies.append(Copy(given.place, dict(sorted(files.items())), top, mode, owner))


def _run(stage: Stage, given: Instruction) -> Sequence[tuple[str, Refused]]:
    options, rest = flags(given.rest)
    if options:
        raise Refused(options[0].place, f"{options[0].text} of RUN is not read", "leave it out")
    listed = json_words(rest) if rest.text.startswith("[") else None
    words = [Text.at(word, rest.place) for word in listed] if listed else quoted_words(rest)
    arguments = pip_arguments(words)
    if arguments is None:
        raise Refused(given.place, "RUN runs a command, and nothing is run: only `pip install` is read", _ELSEWHERE)
    if not listed:
        if (at := shell_operator(rest)) is not None:
            raise Refused(
                rest.places[at],
                f"{rest.text[at]} is for a shell, and there is none",
                "quote it, or write a RUN for each command",
            )
        arguments = [Text.at(expanded(word, stage.variables), word.place) for word in arguments]
    brought = {target: source for copy in stage.copies for target, source in copy.files.items()}
    found, mistakes = requirements(arguments, lambda name: brought.get(absolute(name, stage.folder)), stage.read)
    stage.installed += found
    if lacking := unequal(stage.installed):
        refused = Refused(
            (lacking.line, 1), f"{lacking.name} has no --hash, while others have", "give all of them hashes, or none"
        )
        return [*mistakes, (lacking.file, refused)]
    return mistakes


_READERS: Mapping[str, Callable[[Stage, Instruction], Sequence[tuple[str, Refused]] | None]] = {
    "FROM": _from,
    "ARG": _arg,
    "ENV": _env,
    "LABEL": _label,
    "WORKDIR": _workdir,
    "EXPOSE": _expose,
    "USER": _user,
    "ENTRYPOINT": _entrypoint,
    "CMD": _cmd,
    "COPY": _copy,
    "RUN": _run,
}
_INSTEAD = {
    "ADD": "write COPY; what is fetched from elsewhere or unpacked belongs into the folder or the base image",
    "MAINTAINER": "write LABEL org.opencontainers.image.authors=...",
    "HEALTHCHECK": "leave it out: the load balancer asks GET /ping",
    "SHELL": "leave it out: there is no shell form here",
    "STOPSIGNAL": "leave it out: SIGTERM stops a server",
    "VOLUME": "leave it out: nothing is written where it serves, the root is read-only",
}
