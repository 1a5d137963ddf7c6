"""`train`: run the user's script under SageMaker's training contract.

It reads the three configuration files, gives the script its arguments and the SM_* variables, passes signals on, checks what
came out, and writes the failure file, whose first 1,024 characters become the job's FailureReason.
"""

import os
import sys
from pathlib import Path

from trimtab_container.child import Ended, run
from trimtab_container.contract import ContractError, arguments, read_job, usable_cpus, variables
from trimtab_container.paths import Paths

FAILURE_LIMIT = 1024
MODEL = "model.onnx"


def main() -> int:
    """Train; returns the exit code: 0 when a model was written."""
    paths = Paths.of(os.environ)
    code = Path(os.environ.get("TRIMTAB_CODE_DIR") or paths.data / "code")
    return work(paths, code, os.environ.get("TRIMTAB_ENTRY_POINT") or "train.py", wants_model=True)


def work(paths: Paths, code: Path, entry_point: str, *, wants_model: bool) -> int:
    """Run one script and see to what it leaves."""
    script = code / entry_point
    if not script.is_file() or not script.resolve().is_relative_to(code.resolve()):
        return fail(paths, f"the entry point {entry_point} is not in {code}")
    try:
        job = read_job(paths)
    except ContractError as error:
        return fail(paths, str(error))
    if len(job.hosts) > 1:
        return fail(paths, f"{len(job.hosts)} hosts: distributed training is not built yet")
    for folder in (paths.model, paths.output_data, paths.checkpoints):
        folder.mkdir(parents=True, exist_ok=True)
    cpus = usable_cpus()
    environment = {
        "OMP_NUM_THREADS": str(cpus),
        **os.environ,
        **variables(job, paths, code, cpus),
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": os.pathsep.join(part for part in (str(code), os.environ.get("PYTHONPATH", "")) if part),
    }
    print(f"trimtab: running {entry_point} {' '.join(arguments(job))}", flush=True)
    ended = run([sys.executable, str(script), *arguments(job)], code, environment)
    if ended.code:
        return fail(paths, _why(entry_point, ended), ended.code)
    problem = model_problem(paths.model) if wants_model else ""
    return fail(paths, problem) if problem else 0


def fail(paths: Paths, why: str, code: int = 1) -> int:
    """Write the failure file and say it on stderr; returns the exit code, never 0."""
    paths.output.mkdir(parents=True, exist_ok=True)
    paths.failure.write_text(why[:FAILURE_LIMIT])
    print(f"trimtab: {why}", file=sys.stderr, flush=True)
    return min(code, 255) or 1


def model_problem(folder: Path) -> str:
    """What is wrong with a model folder, in words; "" when it can be served. A load is tried where ONNX Runtime is there."""
    model = folder / MODEL
    if not any(folder.iterdir()):
        return f"the script wrote no model: {folder} is empty"
    if not model.is_file():
        there = ", ".join(sorted(each.name for each in folder.iterdir()))
        return f"the script wrote no {MODEL} into {folder}, which holds {there}"
    if not (folder / "card.json").is_file():
        return f"the script wrote no card.json beside {MODEL}"
    try:
        import onnxruntime  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        return ""
    try:
        onnxruntime.InferenceSession(model.read_bytes(), providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises classes of its own, made at run time
        return f"{MODEL} cannot be loaded: {str(error)[:400]}"
    return ""


def _why(entry_point: str, ended: Ended) -> str:
    """The end of stderr explains more than its beginning; the sentence before it must still be seen."""
    what = f"{entry_point} was stopped" if ended.stopped else f"{entry_point} ended with exit code {ended.code}"
    room = FAILURE_LIMIT - len(what) - 2
    words = ended.last_words.strip()
    return f"{what}: {words[-room:]}" if words else what
