"""The script that evaluates a model that is there, the champion: what can be told of it without running it."""

import ast
from collections.abc import Iterator
from pathlib import Path

from trimtab_container.checks import Finding, error, warning
from trimtab_container.checks.source import Source, texts, used_by
from trimtab_container.checks.training import fixed_paths, pickles

_FIX = "put what both need into a third file, or set training.files"


def evaluation_findings(code: Path, entry_point: str, training: str) -> Iterator[Finding]:
    """Look at the evaluation script and all it imports. training: the training script, which is given other files."""
    script = code / entry_point
    sources, problems = used_by(script, code)
    yield from problems
    if problems or not sources:
        return
    for source in sources:
        yield from fixed_paths(source)
        yield from pickles(source)
        yield from _required(source)
    yield from _named(script, sources)
    yield from _missing(code, script, sources, code / training)


def _required(source: Source) -> Iterator[Finding]:
    """The script is run without arguments: argparse ends it where one must be given."""
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr != "add_argument":
            continue
        flags = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        given = {each.arg: each.value for each in node.keywords}
        required = given.get("required")
        must = isinstance(required, ast.Constant) and required.value is True
        positional = bool(flags) and not flags[0].startswith("-") and "nargs" not in given
        if must or positional:
            said = f"{flags[-1] if flags else 'an argument'} must be given, and the script is run without arguments"
            yield error(source.file, node.lineno, said, "give it a default, or read the SM_* variables")


def _named(script: Path, sources: list[Source]) -> Iterator[Finding]:
    data = "\n".join(text for source in sources for text, _ in texts(source.tree))
    if "SM_MODEL_DIR" not in data:
        said = "neither it nor what it imports names SM_MODEL_DIR: which model does it evaluate?"
        yield warning(script, 0, said, 'load the model from os.environ["SM_MODEL_DIR"]')
    if "evaluation.json" not in data:
        fix = 'write {"metrics": {"test": {"accuracy": 0.97}}} to SM_OUTPUT_DATA_DIR/evaluation.json'
        yield warning(script, 0, "nothing names evaluation.json: where do the metrics go?", fix)


def _missing(code: Path, script: Path, sources: list[Source], training: Path) -> Iterator[Finding]:
    """A job is given the training files, which leave out what only serves or evaluates; and this script."""
    for source in sources:
        path = source.file.relative_to(code)
        if path.name == "inference.py" or path.parts[0] == "serve":
            yield warning(source.file, 0, f"{script.name} imports it, and it is not among the files of the job", _FIX)
    if training.is_file() and training != script and script in {each.file for each in used_by(training, code)[0]}:
        yield warning(script, 0, f"{training.name} imports it, and it is not among the training files", _FIX)
