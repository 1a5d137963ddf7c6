"""AWS calls of a pass that finds nothing to do, at 1, 10 and 50 deployments: counted by the gateway's own journal.

Real rollouts bring the deployments up (training is a script that copies a model made beforehand); then each document is
applied once more, as `trimtab apply` would, and the journal tells what that cost.
"""

import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.outside import journal, last_number, pointed_at
from clouds import RunningCloud, running_cloud
from quick_rollout import apply, quick_training, write_project

COUNTS = (1, 10, 50)
TOGETHER = 4  # rollouts at once: most of each is waiting


def measure() -> dict[str, Any]:
    """By number of deployments: calls, calls a deployment, writes, and calls by operation."""
    with tempfile.TemporaryDirectory() as folder, running_cloud(Path(folder) / "state") as cloud, pointed_at(cloud):
        quick_training(cloud)
        documents: list[Path] = []
        result: dict[str, Any] = {}
        for count in COUNTS:
            with ThreadPoolExecutor(TOGETHER) as threads:
                more = range(len(documents), count)
                documents += threads.map(lambda number: _rolled_out(Path(folder), number), more)
            result[f"at_{count}"] = _second_passes(cloud, documents)
        return result


def _rolled_out(folder: Path, number: int) -> Path:
    document = write_project(folder / f"project-{number}", f"bench {number}")
    end = apply(document, timeout_s=600.0)
    if end.how != "converged":
        raise RuntimeError(f"deployment {number} is {end.how}")
    return document


def _second_passes(cloud: RunningCloud, documents: list[Path]) -> dict[str, Any]:
    since = last_number(cloud)
    started = time.process_time()
    for document in documents:
        end = apply(document)
        if end.how != "converged" or end.passes != 1:
            raise RuntimeError(f"{document} took {end.passes} passes and is {end.how}")
    spent = time.process_time() - started
    made = journal(cloud, since)
    return {
        "calls": len(made),
        "calls_a_deployment": round(len(made) / len(documents), 1),
        "writes": sum(each["write"] for each in made),
        "cpu_s_a_deployment": round(spent / len(documents), 3),
        "by_operation": dict(Counter(f"{each['service']}:{each['operation']}" for each in made).most_common()),
    }
