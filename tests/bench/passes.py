"""AWS calls of a pass that finds nothing to do, at 1, 10 and 50 deployments: counted by the gateway's own journal.

Real rollouts bring the deployments up (training is a script that copies a model made beforehand); then each document is
applied once more, as `trimtab apply` would, and the journal tells what that cost.
"""

import json
import os
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from clouds import RunningCloud, running_cloud
from quick_rollout import apply, delete, quick_training, write_project

COUNTS = (1, 10, 50)


def measure() -> dict[str, Any]:
    """By number of deployments: calls, calls a deployment, writes, and calls by operation."""
    with tempfile.TemporaryDirectory() as folder, running_cloud(Path(folder) / "state") as cloud, _state(cloud):
        quick_training(cloud)
        documents: list[Path] = []
        result: dict[str, Any] = {}
        for count in COUNTS:
            while len(documents) < count:
                documents.append(_rolled_out(Path(folder), len(documents)))
            result[f"at_{count}"] = _second_passes(cloud, documents)
        for document in documents:
            delete(document)
        return result


def _rolled_out(folder: Path, number: int) -> Path:
    document = write_project(folder / f"project-{number}", f"bench {number}")
    end = apply(document)
    if end.how != "converged":
        raise RuntimeError(f"deployment {number} is {end.how}")
    return document


def _second_passes(cloud: RunningCloud, documents: list[Path]) -> dict[str, Any]:
    before = _journal(cloud)[-1]["number"]
    started = time.process_time()
    for document in documents:
        end = apply(document)
        if end.how != "converged" or end.passes != 1:
            raise RuntimeError(f"{document} took {end.passes} passes and is {end.how}")
    spent = time.process_time() - started
    made = [each for each in _journal(cloud) if each["number"] > before]
    return {
        "calls": len(made),
        "calls_a_deployment": round(len(made) / len(documents), 1),
        "writes": sum(each["write"] for each in made),
        "cpu_s_a_deployment": round(spent / len(documents), 3),
        "by_operation": dict(Counter(f"{each['service']}:{each['operation']}" for each in made).most_common()),
    }


def _journal(cloud: RunningCloud) -> list[dict[str, Any]]:
    request = AWSRequest("GET", f"{cloud.info.endpoint}/_trimtab/journal")
    SigV4Auth(Credentials(cloud.info.access_key_id, cloud.info.secret_access_key), "sts", cloud.info.region).add_auth(
        request
    )
    asked = urllib.request.Request(request.url or "", headers=dict(request.headers.items()))
    with urllib.request.urlopen(asked, timeout=30) as answer:
        entries: list[dict[str, Any]] = json.load(answer)["entries"]
    return entries


@contextmanager
def _state(cloud: RunningCloud) -> Iterator[None]:
    """Point the command line at this cloud."""
    before = os.environ.get("TRIMTAB_LOCAL_STATE")
    os.environ["TRIMTAB_LOCAL_STATE"] = str(cloud.folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["TRIMTAB_LOCAL_STATE"]
        else:
            os.environ["TRIMTAB_LOCAL_STATE"] = before
