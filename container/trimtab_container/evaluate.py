"""`evaluate`: run the code's evaluation script, and check the evaluation.json that it must write."""

import json
import math
import os
from pathlib import Path
from typing import Any

from trimtab_container.paths import Paths
from trimtab_container.train import fail, work


def main() -> int:
    """Evaluate; returns the exit code."""
    paths = Paths.of(os.environ)
    code = Path(os.environ.get("TRIMTAB_CODE_DIR") or paths.data / "code")
    status = work(paths, code, os.environ.get("TRIMTAB_ENTRY_POINT") or "evaluate.py", wants_model=False)
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
