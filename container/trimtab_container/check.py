"""`check`: say in seconds, before any deployment, what is wrong with a code or model folder."""

import argparse
import ast
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from trimtab_container.contract import ContractError, read_job
from trimtab_container.digests import DigestError, folder_digest
from trimtab_container.paths import Paths
from trimtab_container.train import model_problem


def main(arguments: list[str]) -> int:
    """Check; returns 1 when something is wrong."""
    parser = argparse.ArgumentParser(prog="trimtab-container check", description=__doc__)
    parser.add_argument("--code", type=Path, help="folder of the code")
    parser.add_argument("--model", type=Path, help="folder of the model")
    parser.add_argument("--entry-point", default="train.py", help="script inside the code folder")
    given = parser.parse_args(arguments)
    problems = list(_problems(given.code, given.model, given.entry_point))
    for problem in problems:
        print(f"wrong: {problem}", file=sys.stderr)
    print(f"{len(problems)} problems" if problems else "nothing is wrong")
    return 1 if problems else 0


def _problems(code: Path | None, model: Path | None, entry_point: str) -> Iterator[str]:
    if code is None and model is None:
        yield from _container()
    if code is not None:
        yield from _code(code, entry_point)
    if model is not None:
        yield from _model(model)


def _container() -> Iterator[str]:
    """What this container was given."""
    paths = Paths.of(os.environ)
    try:
        job = read_job(paths)
    except ContractError as error:
        yield str(error)
        return
    print(f"hosts {', '.join(job.hosts)}; channels {', '.join(job.channels) or 'none'}")
    print(f"hyper-parameters {json.dumps(dict(job.hyperparameters))}")
    if paths.model.is_dir() and any(paths.model.iterdir()):
        yield from _model(paths.model)


def _code(code: Path, entry_point: str) -> Iterator[str]:
    script = code / entry_point
    if not script.is_file():
        there = ", ".join(sorted(each.name for each in code.glob("*.py"))) if code.is_dir() else "it does not exist"
        yield f"{entry_point} is not in {code} ({there or 'no Python files'})"
        return
    try:
        tree = ast.parse(script.read_bytes(), str(script))
    except SyntaxError as error:
        yield f"{script}:{error.lineno}: {error.msg}"
        return
    text = "".join(path.read_text(errors="replace") for path in sorted(code.rglob("*.py")))
    if "SM_MODEL_DIR" not in text and "/opt/ml/model" not in text:
        yield f"no file of {code} names SM_MODEL_DIR or /opt/ml/model: where will {entry_point} write the model?"
    for name in ("pickle", "joblib", "dill"):
        if any(_imports(node, name) for node in ast.walk(tree)):
            yield f"{entry_point} imports {name}: a pickled model is never loaded; export ONNX"
    print(f"{script}: reads as Python")


def _imports(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name.partition(".")[0] == name for alias in node.names)
    return isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == name


def _model(model: Path) -> Iterator[str]:
    if not model.is_dir():
        yield f"{model} is not a folder"
        return
    problem = model_problem(model)
    if problem:
        yield problem
        return
    try:
        print(f"{model}: {folder_digest(model)}")
    except DigestError as error:
        yield str(error)
        return
    try:
        from trimtab_container.model import ModelError, load
    except ImportError:
        print("numpy or ONNX Runtime is not here: the model was not run")
        return
    try:
        loaded = load(model)
    except ModelError as error:
        yield str(error)
        return
    print(f"the golden request passes; one inference takes {loaded.seconds * 1000:.2f} ms")
