"""`--train`: the real entry point, for some seconds, on a sample of the data, in a scratch folder."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import trimtab_container
from trimtab_container.checks import Finding, error, warning
from trimtab_container.checks.artifact import WRITE, model_findings
from trimtab_container.evaluate import evaluation_problem
from trimtab_container.paths import Paths

_MOST = 2 * 1024**3  # bytes of data that are copied: what the script writes there must not be the user's
_GRACE_S = 10
_LINE = re.compile(r'File "([^"]+)", line (\d+)')
_SHOWN = 12


def trial_findings(
    code: Path, entry_point: str, data: Path, hyperparameters: Mapping[str, str], seconds: float, seen: list[str]
) -> Iterator[Finding]:
    """Train, and look at what came out. seconds: then it is stopped as SageMaker stops a job, by SIGTERM."""
    size = sum(each.stat().st_size for each in data.rglob("*") if each.is_file()) if data.is_dir() else 0
    if not size or size > _MOST:
        said = f"it has {size} bytes; at most {_MOST} are copied for a trial" if size else "there is no data in it"
        yield error(data, 0, said, "name a folder with a small sample, laid out as the dataset")
        return
    with tempfile.TemporaryDirectory(prefix="trimtab-check-") as name:
        paths = Paths(Path(name).resolve())
        copy = _prepare(paths, code, data, hyperparameters)
        started = time.monotonic()
        ended, output, stopped = _run(paths, copy, entry_point, seconds)
        told = f"{entry_point} {'was stopped' if stopped else 'ended'} after {time.monotonic() - started:.1f} s"
        seen.append(f"{told}, exit code {ended}")
        if ended and stopped:
            said = f"it did not end {_GRACE_S} s after SIGTERM, or not with 0, when it was stopped after {seconds:g} s"
            yield warning(code / entry_point, 0, said, "give it --seconds and a smaller sample, or end on SIGTERM")
            return
        if ended:
            yield _failed(code, paths, entry_point, ended, output)
            return
        yield from model_findings(paths.model, code, seen)
        yield from _metrics(paths.output_data / "evaluation.json", code / entry_point, seen)


def _prepare(paths: Paths, code: Path, data: Path, hyperparameters: Mapping[str, str]) -> Path:
    """/opt/ml as a job finds it: the channels are the folders at the top, or `training` for files there."""
    copy = paths.data / "code"
    shutil.copytree(code, copy, ignore=shutil.ignore_patterns("__pycache__"))
    channels = [each for each in data.iterdir() if each.is_dir()]
    if any(each.is_file() for each in data.iterdir()):
        shutil.copytree(data, paths.data / "training")
    else:
        for each in channels:
            shutil.copytree(each, paths.data / each.name)
    paths.config.mkdir(parents=True)
    (paths.config / "hyperparameters.json").write_text(json.dumps(dict(hyperparameters)))
    return copy


def _run(paths: Paths, copy: Path, entry_point: str, seconds: float) -> tuple[int, str, bool]:
    """(exit code, output, whether it was stopped)."""
    environment = {
        **os.environ,
        "SAGEMAKER_BASE_DIR": str(paths.base),
        "TRIMTAB_CODE_DIR": str(copy),
        "TRIMTAB_ENTRY_POINT": entry_point,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(Path(trimtab_container.__file__).parent.parent),  # a folder, or the launcher's one file
    }
    command = [sys.executable, "-m", "trimtab_container", "train"]
    log = paths.base / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT, cwd=paths.base)
        stopped = False
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            stopped = True
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                _kill(process)
    return process.returncode, log.read_text(errors="replace"), stopped


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """The launcher, and the script's own session below it."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    below = children.read_text().split() if children.exists() else []
    process.kill()
    process.wait()
    for pid in below:
        try:
            os.killpg(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            continue


def _failed(code: Path, paths: Paths, entry_point: str, ended: int, output: str) -> Finding:
    """At the last line of the user's own code that the traceback names; or what the launcher found missing."""
    copy = paths.data / "code"
    said = paths.failure.read_text() if paths.failure.is_file() else ""
    if said and not said.startswith(f"{entry_point} "):
        where = said.replace(str(paths.model), "SM_MODEL_DIR").replace(str(copy), str(code))
        return error(code / entry_point, 0, where, WRITE)
    places = [(Path(file), int(line)) for file, line in _LINE.findall(output) if Path(file).is_relative_to(copy)]
    file, line = places[-1] if places else (copy / entry_point, 0)
    lines = [each.strip() for each in output.replace(str(copy), str(code)).splitlines() if not each.startswith("trimtab: ")]
    words = [each for each in lines if each][-_SHOWN:] or ["it said nothing"]
    told = f"training ended with exit code {ended}: {words[-1]}"
    return error(code / file.relative_to(copy), line, told, f"its last words: {' | '.join(words)}")


def _metrics(file: Path, script: Path, seen: list[str]) -> Iterator[Finding]:
    problem = evaluation_problem(file)
    fix = (
        'write {"metrics": {"test": {"accuracy": 0.97}}} to SM_OUTPUT_DATA_DIR/evaluation.json, or declare training.metrics'
    )
    if problem:
        yield warning(script, 0, f"no metric for a gate: {problem}", fix)
        return
    metrics: dict[str, Any] = json.loads(file.read_bytes())["metrics"]
    for channel, values in metrics.items():
        pairs = values.items() if isinstance(values, dict) else [("", values)]  # pyright: ignore
        seen.extend(f"metric {channel}{':' * bool(name)}{name} = {value:.6g}" for name, value in pairs)  # pyright: ignore
