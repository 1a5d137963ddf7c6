"""`check`: say in seconds, before any deployment, what is wrong with training code, serving code or a model.

One line a finding, `file:line: error|warning: what is wrong`, and a line with the fix. Exit code 1 when there is an error.
Code is only read, unless --train runs the training script, or a model is loaded by an inference.py (--model with --code).
"""

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from trimtab_container.checks import Finding, error
from trimtab_container.checks.artifact import model_findings
from trimtab_container.checks.evaluation import evaluation_findings
from trimtab_container.checks.hooks import hook_findings
from trimtab_container.checks.packages import serving_package_findings, training_package_findings
from trimtab_container.checks.server import server_findings
from trimtab_container.checks.training import training_findings
from trimtab_container.checks.trial import trial_findings
from trimtab_container.contract import ContractError, read_job
from trimtab_container.dockerfile import FILE as FILE_OF_IMAGE
from trimtab_container.evaluate import ENTRY_POINT as EVALUATION
from trimtab_container.hooks import FILE
from trimtab_container.paths import Paths

ENTRY_POINT = "train.py"


def main(arguments: list[str]) -> int:
    """Check; returns 1 when there is an error, 2 for wrong usage (by argparse)."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.train and not (given.code and given.data):
        parser.error("--train needs --code and --data")
    seen: list[str] = []
    findings = list(dict.fromkeys(_findings(given, seen)))
    errors = sum(each.level == "error" for each in findings)
    if given.json:
        told = [asdict(each) | {"file": str(each.file)} for each in findings]
        print(json.dumps({"findings": told, "seen": seen}, indent=2))
        return 1 if errors else 0
    for each in (*seen, *findings):
        print(each)
    print(f"{_count(errors, 'error')}, {_count(len(findings) - errors, 'warning')}" if findings else "nothing is wrong")
    return 1 if errors else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="trimtab-container check", description=__doc__, allow_abbrev=False)
    parser.add_argument("--code", type=Path, metavar="DIR", help="the code folder: training script, inference.py")
    parser.add_argument("--entry-point", metavar="FILE", help=f"training script in it; {ENTRY_POINT} when left out")
    parser.add_argument("--model", type=Path, metavar="DIR", help="the model folder: ONNX, or a Dockerfile")
    parser.add_argument("--requirements", type=Path, metavar="FILE", help="what the training image holds, as pip writes it")
    parser.add_argument(
        "--set", type=_pair, action="append", default=[], metavar="NAME=VALUE", help="a hyper-parameter that the job gives"
    )
    parser.add_argument("--train", action="store_true", help="run the training script too, in a scratch folder")
    parser.add_argument("--data", type=Path, metavar="DIR", help="a small dataset for it; each folder is a channel")
    parser.add_argument("--seconds", type=float, default=20.0, metavar="N", help="stop it after so long (20)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError("write name=value")
    return name, value


def _findings(given: argparse.Namespace, seen: list[str]) -> Iterator[Finding]:
    code: Path | None = given.code
    if code is None and given.model is None:
        yield from _container(seen)
        return
    if code is not None and not code.is_dir():
        yield error(code, 0, "it is no folder", "name the folder that code.source names")
        return
    static = list(_code(given, code)) if code else []
    yield from static
    if given.train and code and not any(each.level == "error" for each in static):
        yield from trial_findings(code, given.entry_point or ENTRY_POINT, given.data, dict(given.set), given.seconds, seen)
    if given.model is not None and (given.model / FILE_OF_IMAGE).is_file():
        yield from server_findings(given.model, seen)
        if code is not None:
            text = "the model's folder has a Dockerfile, which brings a server of its own: code would go unused"
            yield error(code, 0, text, "leave --code out, and code out of the document")
    elif given.model is not None:
        yield from model_findings(given.model, code, seen)


def _code(given: argparse.Namespace, code: Path) -> Iterator[Finding]:
    serves = (code / FILE).is_file()
    entry_point = given.entry_point or ENTRY_POINT
    # A folder that only serves needs no training script, unless one was asked for.
    if given.entry_point or given.train or not serves or (code / entry_point).is_file():
        yield from training_findings(code, entry_point, dict(given.set))
    if (code / EVALUATION).is_file():
        yield from evaluation_findings(code, EVALUATION, entry_point)
    scripts = [script for script in (entry_point, EVALUATION) if (code / script).is_file()]
    if given.requirements is not None and scripts:
        if given.requirements.is_file():
            for script in scripts:
                yield from training_package_findings(code, script, given.requirements)
        else:
            yield error(given.requirements, 0, "it is not there", "name a requirements file")
    if serves:
        yield from hook_findings(code)
        yield from serving_package_findings(code)


def _container(seen: list[str]) -> Iterator[Finding]:
    """What this container was given."""
    paths = Paths.of(os.environ)
    try:
        job = read_job(paths)
    except ContractError as problem:
        yield error(paths.config, 0, str(problem), "the platform writes these files")
        return
    seen.append(f"hosts {', '.join(job.hosts)}; channels {', '.join(job.channels) or 'none'}")
    seen.append(f"hyper-parameters {json.dumps(dict(job.hyperparameters))}")
    if paths.model.is_dir() and any(paths.model.iterdir()):
        yield from model_findings(paths.model, None, seen)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
