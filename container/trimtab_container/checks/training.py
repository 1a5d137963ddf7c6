"""Training code: what can be told of it without running it, and without false alarms."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from trimtab_container.checks import Finding, error, warning
from trimtab_container.checks.source import Source, imports, texts, used_by

_FILES = ("model.onnx", "card.json", "golden.json")
_PICKLERS = ("pickle", "joblib", "dill", "cloudpickle")
_NO_VALUE = ("store_true", "store_false", "store_const", "append_const", "count", "help", "version")


def training_findings(code: Path, entry_point: str, hyperparameters: Mapping[str, str]) -> Iterator[Finding]:
    """Look at the entry point and all it imports. hyperparameters: those that the job will give, where they are known."""
    script = code / entry_point
    if not script.is_file():
        there = ", ".join(sorted(each.name for each in code.glob("*.py"))) or "no Python file"
        yield error(script, 0, f"the entry point is not there; {code} has {there}", "name it with --entry-point")
        return
    sources, problems = used_by(script, code)
    yield from problems
    if not sources:
        return
    for source in sources:
        yield from fixed_paths(source)
        yield from pickles(source)
    yield from _written(script, sources, broken=bool(problems))
    yield from _arguments(sources, hyperparameters)
    if (code / "requirements.txt").is_file():
        yield warning(
            code / "requirements.txt", 0, "nothing installs it: a job has what its image has, and no network",
            "keep it beside the document for laptops; put packages into the training image",
        )  # fmt: skip


def fixed_paths(source: Source) -> Iterator[Finding]:
    """Paths of SageMaker that are written out where a variable names them."""
    for text, statement in texts(source.tree):
        if text.startswith("/opt/ml") and "environ" not in (dumped := ast.dump(statement)) and "getenv" not in dumped:
            line = getattr(statement, "lineno", 1)
            fix = "read SM_MODEL_DIR, SM_CHANNEL_<NAME>, SM_OUTPUT_DATA_DIR; fall back to this where they are not set"
            yield warning(source.file, line, f"{text!r} is written out: it is elsewhere on a laptop and in tests", fix)


def pickles(source: Source) -> Iterator[Finding]:
    """Imports of what reads and writes pickled models."""
    for each in imports(source.tree):
        if each.top in _PICKLERS:
            fix = "export the model to ONNX"
            yield warning(source.file, each.line, f"it imports {each.top}: a pickled model is never loaded", fix)


def _written(script: Path, sources: list[Source], *, broken: bool) -> Iterator[Finding]:
    """Where the model goes, and its three files."""
    if broken:  # what could not be read may write them
        return
    data = "\n".join(text for source in sources for text, _ in texts(source.tree))
    if "SM_MODEL_DIR" not in data and "/opt/ml/model" not in data:
        yield warning(
            script, 0, "neither it nor what it imports names SM_MODEL_DIR: where does the model go?",
            'write the model into os.environ["SM_MODEL_DIR"]',
        )  # fmt: skip
    missing = [name for name in _FILES if name not in data]
    if missing:
        fix = "write model.onnx, card.json (input, output, classes) and golden.json (inputs, outputs, tolerance)"
        yield warning(script, 0, f"nothing names {', '.join(missing)}: the server needs all three", fix)


@dataclass(frozen=True)
class _Option:
    file: Path
    call: ast.Call
    flags: tuple[str, ...]

    def value(self, name: str) -> object:
        found = next((each.value for each in self.call.keywords if each.arg == name), None)
        return found.value if isinstance(found, ast.Constant) else getattr(found, "id", None)


def _arguments(sources: list[Source], hyperparameters: Mapping[str, str]) -> Iterator[Finding]:
    """argparse against `--name value`, the one form that a script gets. Anything made in a loop is left alone."""
    calls = [
        (source.file, node)
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    named = {node.func.attr for _, node in calls if isinstance(node.func, ast.Attribute)}
    if not named & {"parse_args", "parse_known_args"}:
        return
    added = [
        (file, node) for file, node in calls if isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument"
    ]
    options = [_Option(file, node, _flags(node)) for file, node in added]
    for option in options:
        yield from _option(option)
    whole = all(option.flags for option in options) and not named & {"add_subparsers", "add_argument_group"}
    strict = "parse_known_args" not in named
    if options and whole and strict:
        known = {flag.lstrip("-") for option in options for flag in option.flags}
        for name in hyperparameters:
            if not any(each.startswith(name) for each in known):  # argparse takes a beginning too
                file, line = options[-1].file, options[-1].call.lineno
                yield error(file, line, f"there is no --{name}, and parse_args ends the script", f'add_argument("--{name}")')


def _option(option: _Option) -> Iterator[Finding]:
    if not option.flags:
        return
    file, line, name = option.file, option.call.lineno, option.flags[-1]
    optional = option.value("nargs") in ("?", "*") or any(each.arg == "nargs" for each in option.call.keywords)
    if not name.startswith("-"):
        if not optional:
            yield error(file, line, f"{name!r} is positional: a script gets `--name value` only", f'write "--{name}"')
        return
    flag = f"--{name.lstrip('-')}"
    if option.value("action") in _NO_VALUE[:-2]:
        said = f"{flag} takes no value, but a hyper-parameter is given as `{flag} true` or `{flag} false`"
        yield warning(file, line, said, 'take the value: type=lambda text: text == "true"')
    if option.value("type") == "bool":
        said = f'{flag} is true whatever it is given: bool("false") is True'
        yield warning(file, line, said, 'type=lambda text: text == "true"')


def _flags(call: ast.Call) -> tuple[str, ...]:
    """The names of an option; none when one of them is computed."""
    values = [each.value if isinstance(each, ast.Constant) else None for each in call.args]
    return tuple(str(each) for each in values) if values and all(isinstance(each, str) for each in values) else ()
