"""`evaluate`: measure a model that is there, by the code's evaluation script, in a processing job.

The script is run as a training script is, without arguments: SM_MODEL_DIR holds the model, SM_CHANNEL_<NAME> the data, and
it writes evaluation.json into SM_OUTPUT_DATA_DIR. What went wrong becomes the job's ExitMessage.
Source: Amazon SageMaker Developer Guide, "How Amazon SageMaker Processing Runs Your Processing Container Image".
"""

import json
import math
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from trimtab_container.paths import EvaluationPaths
from trimtab_container.train import fail, work

ENTRY_POINT = "evaluate.py"


def main() -> int:
    """Evaluate; returns the exit code."""
    paths = EvaluationPaths.of(os.environ)
    with tempfile.TemporaryDirectory(prefix="trimtab-code-") as name:
        code = Path(name)  # both as one folder, as on a laptop: what the platform brought stays as it is
        for part in (paths.code, paths.script):
            if part.is_dir():
                shutil.copytree(part, code, dirs_exist_ok=True)
        status = work(paths, code, os.environ.get("TRIMTAB_ENTRY_POINT") or ENTRY_POINT, wants_model=False)
    problem = "" if status else evaluation_problem(paths.output_data / "evaluation.json")
    return fail(paths, problem) if problem else status


def evaluation_problem(path: Path) -> str:
    """What is wrong with an evaluation.json, in words; "" when it is right."""
    if not path.is_file():
        return f"the script wrote no {path.name} into {path.parent}"
    try:
        value: Any = json.loads(path.read_bytes())
    except ValueError as error:
        return f"{path.name} is no JSON: {error}"
    metrics = value.get("metrics") if isinstance(value, dict) else None  # pyright: ignore
    if not isinstance(metrics, dict):
        return f'{path.name} must be {{"metrics": {{name: number}}}}'
    bad = [name for name, number in metrics.items() if not _is_number(number)]  # pyright: ignore
    return f"{path.name}: {bad[0]} is not a finite number" if bad else ""


def _is_number(value: Any) -> bool:
    if isinstance(value, dict):  # metrics by channel
        return all(_is_number(each) for each in value.values())  # pyright: ignore
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
