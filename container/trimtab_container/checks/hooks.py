"""`inference.py`: its functions held against the contract, by its text alone."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

from trimtab_container.checks import Finding, error, warning
from trimtab_container.checks.source import Source, imports, is_local, used_by
from trimtab_container.hooks import CONTRACT, FILE, NOT_TAKEN, Parameters, takes_context

_CONTRACT = "docs/tasks/own-code.md has the contract"
_LOADERS = ("pickle.load", "pickle.loads", "joblib.load", "dill.load", "cloudpickle.load")


def hook_findings(code: Path) -> Iterator[Finding]:
    """Look at inference.py and all it imports; nothing where there is none."""
    file = code / FILE
    if not file.is_file():
        return
    sources, problems = used_by(file, code)
    yield from problems
    for source in sources:
        yield from _pickles(source)
        yield from _left_out(source, code)
        if source.file == file:
            yield from _functions(source)
    yield from _golden(code / "serve" / "golden.json")


def _functions(source: Source) -> Iterator[Finding]:
    names = _names(source.tree)
    for name, instead in NOT_TAKEN.items():
        if name in names:
            yield error(source.file, names[name].lineno, f"{name} is not supported", instead)
    found = [name for name in CONTRACT if name in names]
    if not found and not names.keys() & {"*", *NOT_TAKEN}:
        yield error(source.file, 1, f"it defines none of {', '.join(CONTRACT)}", "define one, or remove the file")
    for name in found:
        node = names[name]
        if isinstance(node, ast.AsyncFunctionDef):
            yield error(source.file, node.lineno, f"{name} is async, which is not supported", f"write `def {name}`")
        elif isinstance(node, ast.FunctionDef) and not node.decorator_list:
            try:
                takes_context(name, _parameters(node.args))
            except ValueError as problem:
                yield error(source.file, node.lineno, str(problem), _CONTRACT)


def _names(tree: ast.Module) -> dict[str, ast.stmt]:
    """What the module's top binds."""
    found: dict[str, ast.stmt] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(each.asname or each.name): node for each in node.names}
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found[node.name] = node
        elif isinstance(node, ast.Assign):
            found |= {each.id: node for each in node.targets if isinstance(each, ast.Name)}
    return found


def _parameters(given: ast.arguments) -> Parameters:
    positional = [*given.posonlyargs, *given.args]
    needed = [each.arg for each, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if default is None]
    return Parameters(
        tuple(each.arg for each in positional),
        len(positional) - len(given.defaults),
        given.vararg is not None,
        tuple(needed),
    )


def _left_out(source: Source, code: Path) -> Iterator[Finding]:
    """Files of the code that it imports, but that do not go into the image by default."""
    for each in imports(source.tree):
        if is_local(each, code) and not each.level and each.top not in ("serve", FILE.removesuffix(".py")):
            fix = f"move it to serve/ and import serve.{each.top}, or name it in serving.files"
            yield warning(source.file, each.line, f"{each.top} is not among the serving files (inference.py, serve/)", fix)


def _pickles(source: Source) -> Iterator[Finding]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            safe = any(each.arg == "weights_only" and getattr(each.value, "value", None) is True for each in node.keywords)
            if called in _LOADERS or (called == "torch.load" and not safe):
                fix = "export to ONNX, or load safetensors"
                yield warning(source.file, node.lineno, f"{called} runs whatever code its file holds", fix)


def _golden(file: Path) -> Iterator[Finding]:
    if not file.is_file():
        return
    shape = 'write {"request": {"contentType": ..., "body": ...}, "response": {"body": ...}}'
    try:
        value = json.loads(file.read_bytes())
    except ValueError as problem:
        yield error(file, getattr(problem, "lineno", 0), f"it is no JSON: {problem}", shape)
        return
    if not all(isinstance(value, dict) and "body" in (value.get(part) or {}) for part in ("request", "response")):  # pyright: ignore
        yield error(file, 0, "request.body or response.body is missing", shape)
