"""A model's folder with a Dockerfile: can it be built, and does what it brings look like a server of the contract?"""

import ast
import json
import posixpath
from collections.abc import Iterator
from pathlib import Path

from trimtab_container.checks import Finding, error, warning
from trimtab_container.dockerfile import FILE, Recipe
from trimtab_container.dockerfile.read import read_dockerfile

_PASSED_OVER = {".git", ".trimtab", "__pycache__"}  # these are not part of the model
_TEXT = 1 << 20  # bytes: a larger file is no code
_SERVE = 'write ENTRYPOINT ["python3", "/opt/program/server.py"]: the image is run with the argument serve'


def server_findings(folder: Path, seen: list[str]) -> Iterator[Finding]:
    """Look at a folder that brings its own server. seen: what is right is told there."""
    inside = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    paths = sorted(path.as_posix() for path in inside if not _PASSED_OVER & set(path.parts))
    text = (folder / FILE).read_text(errors="replace")
    reading = read_dockerfile(text, paths, lambda path: (folder / path).read_bytes())
    for each in reading.mistakes:
        yield error(folder / each.file, each.line, each.text, each.fix)
    yield from _golden(folder / "golden.json")
    if reading.recipe is None:
        return
    brought = {target: folder / source for copy in reading.recipe.copies for target, source in copy.files.items()}
    packages = ", ".join(each.text.partition(" ")[0] for each in reading.recipe.requirements) or "none"
    seen.append(f"base {reading.recipe.base}; {len(brought)} files; packages {packages}")
    yield from _image(folder / FILE, reading.recipe, brought)
    yield from _contract(folder / FILE, brought)


def _image(file: Path, recipe: Recipe, brought: dict[str, Path]) -> Iterator[Finding]:
    if recipe.entrypoint is None:
        yield warning(file, 0, "there is no ENTRYPOINT: only the base could bring one", _SERVE)
    for word in recipe.entrypoint or ():
        target = posixpath.normpath(posixpath.join("/", recipe.folder, word)).lstrip("/")
        if target in brought and target.endswith(".py"):
            yield from _parsed(brought[target])
        elif target not in brought and (word.startswith("/") or word.endswith(".py")):
            yield warning(file, 0, f"no COPY brings {word}: is it in the base?", "COPY it, or correct the path")
    if recipe.ports and "8080/tcp" not in recipe.ports:
        yield warning(file, 0, "EXPOSE names another port: requests come to 8080", "listen on 8080, and write EXPOSE 8080")
    outside = next((target for target in brought if not target.startswith("opt/")), "")
    if outside:
        text = f"/{outside} is outside /opt: the local cloud runs images without a container engine, and cannot give it"
        yield warning(file, 0, text, "copy below /opt/program/")


def _parsed(file: Path) -> Iterator[Finding]:
    try:
        ast.parse(file.read_bytes())
    except SyntaxError as problem:
        yield error(file, problem.lineno or 0, f"SyntaxError: {problem.msg}", "correct the line")


def _contract(file: Path, brought: dict[str, Path]) -> Iterator[Finding]:
    """What the files name; a server that is in the base, or is a program, says nothing here."""
    small = [path for path in brought.values() if path.suffix in (".py", ".sh", "") and path.stat().st_size <= _TEXT]
    texts = "".join(path.read_text(errors="ignore") for path in small)
    if not any(path.suffix == ".py" for path in small):
        return
    for name in ("/ping", "/invocations"):
        if name not in texts:
            yield warning(file, 0, f"nothing it copies names {name}", f"answer {name} on port 8080")
    if "TRIMTAB_BIND_ADDRESS" not in texts:
        text = "nothing reads TRIMTAB_BIND_ADDRESS: on the local cloud a second replica would find port 8080 taken"
        yield warning(file, 0, text, "bind to it where it is set, to 0.0.0.0 elsewhere")


def _golden(file: Path) -> Iterator[Finding]:
    fix = 'write {"inputs": [[...]], "outputs": [[...]]}: what is sent as {"instances": ...}, and the "predictions" wanted'
    if not file.is_file():
        yield warning(file, 0, "it is not there: after a rollout nothing proves the answers", fix)
        return
    try:
        value = json.loads(file.read_bytes())
    except ValueError as problem:
        yield error(file, getattr(problem, "lineno", 0), f"it is no JSON: {problem}", fix)
        return
    if not isinstance(value, dict) or not {"inputs", "outputs"} <= value.keys():
        yield error(file, 0, "inputs or outputs are missing", fix)
