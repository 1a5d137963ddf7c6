"""Unpack the model that a training job left: plain files at a prefix, and a record of what they are, written last.

The archive is hostile: only regular files that stay inside, within limits on number, size and ratio, are taken.
"""

import json
import math
import shutil
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, cast

from botocore.exceptions import BotoCoreError

from trimtab.clients.aws import Aws
from trimtab.core.kind import Call, Failure, Progress
from trimtab.engine.contents import Content
from trimtab.engine.transfers import Report
from trimtab.engine.workers import Bench
from trimtab.engine.workers.upload import send_tree
from trimtab_container.digests import folder_entries, tree_digest

MAX_FILES = 10_000
MAX_BYTES = 50 << 30
MAX_RATIO = 200  # unpacked to packed, beyond the first 100 MB
_FREE = 100 << 20
MAX_EVALUATION = 1 << 20


class Unpack:
    """The worker "unpack": arguments as trimtab.Artifact yields them."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def __call__(self, arguments: Mapping[str, Any], report: Report) -> None:
        with tempfile.TemporaryDirectory(dir=self._bench.scratch) as name:
            folder = Path(name)
            record = self._record(arguments, folder, report)
        put = {
            "Bucket": arguments["bucket"],
            "Key": arguments["record_key"],
            "Body": json.dumps(record).encode(),
            "ContentType": "application/json",
        }
        self._bench.aws.make(Call("s3", "PutObject", put, repeat="safe"))

    def _record(self, arguments: Mapping[str, Any], folder: Path, report: Report) -> dict[str, Any]:
        bucket, model = arguments["bucket"], folder / "model"
        model.mkdir()
        archive = folder / "model.tar.gz"
        try:
            fetch(self._bench.aws, bucket, arguments["model_key"], archive, report)
            unpack(archive, model)
        except Failure as failure:
            if failure.meaning != "absent":
                raise
            return _fault("the job wrote no model.tar.gz")
        except (tarfile.TarError, EOFError, OSError, ValueError) as error:
            return _fault(f"model.tar.gz cannot be unpacked: {error}")
        entries = folder_entries(model)
        if not entries:
            return _fault("model.tar.gz holds no files")
        content = Content(model, entries, tree_digest(entries))
        send_tree(self._bench.aws, bucket, arguments["prefix"], content, report)
        evaluation, problem = self._evaluation(bucket, arguments["output_key"], folder)
        return {
            "digest": content.digest,
            "bytes": content.size_bytes,
            "files": [[entry.path, entry.size, entry.sha256] for entry in entries],
            "evaluation": evaluation,
            "metrics": {},
            "problem": problem,
        }

    def _evaluation(self, bucket: str, key: str, folder: Path) -> tuple[Any, str]:
        """(evaluation.json, why there is none)."""
        archive, output = folder / "output.tar.gz", folder / "output"
        output.mkdir()
        try:
            fetch(self._bench.aws, bucket, key, archive, None)
            unpack(archive, output)
        except Failure as failure:
            if failure.meaning != "absent":
                raise
            return None, "the job wrote no output, so there is no evaluation.json"
        except (tarfile.TarError, EOFError, OSError, ValueError) as error:
            return None, f"output.tar.gz cannot be unpacked: {error}"
        file = output / "evaluation.json"
        if not file.is_file():
            return None, "the job wrote no evaluation.json into its output folder"
        if file.stat().st_size > MAX_EVALUATION:
            return None, f"evaluation.json has more than {MAX_EVALUATION} bytes"
        return read_evaluation(file.read_bytes())


def read_evaluation(data: bytes) -> tuple[Any, str]:
    """(evaluation.json, what is wrong with it)."""
    try:
        return _finite(json.loads(data)), ""
    except (ValueError, RecursionError) as error:
        return None, f"evaluation.json is no JSON: {error}"


def fetch(aws: Aws, bucket: str, key: str, target: Path, report: Report | None) -> None:
    """Stream an object to a file. Raises Failure."""
    call = Call("s3", "GetObject", {"Bucket": bucket, "Key": key})
    try:
        reply = aws.open(call)
        total, done = reply["ContentLength"], 0
        with target.open("wb") as file:
            for chunk in reply["Body"].iter_chunks(1 << 20):
                file.write(chunk)
                done += len(chunk)
                if report:
                    report(Progress(done, total, "bytes", "reading the model"))
    except BotoCoreError as error:  # it broke off
        raise aws.failure(call, error) from error


def unpack(archive: Path, target: Path) -> None:
    """Extract regular files. Raises ValueError for what leaves the folder, is no file, or is too much."""
    allowed = max(_FREE, archive.stat().st_size * MAX_RATIO)
    files = total = 0
    with tarfile.open(archive, "r:*") as tar:
        for member in tar:
            if member.isdir():
                continue
            path = PurePosixPath(member.name)
            if not member.isreg():
                raise ValueError(f"{member.name} is not a regular file")
            if path.is_absolute() or ".." in path.parts:
                raise ValueError(f"{member.name} leaves the folder")
            files, total = files + 1, total + member.size
            if files > MAX_FILES or total > min(MAX_BYTES, allowed):
                raise ValueError(f"it unpacks to more than {MAX_FILES} files or {min(MAX_BYTES, allowed)} bytes")
            place = target / path
            place.parent.mkdir(parents=True, exist_ok=True)
            source = tar.extractfile(member)
            assert source is not None
            with source, place.open("wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)


def _fault(because: str) -> dict[str, Any]:
    return {"fault": {"reason": "ModelUnusable", "because": because}}


def _finite(value: Any) -> Any:
    """JSON has no NaN; Python reads and writes one. As text it survives until the gate, which names it."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _finite(child) for key, child in cast(Mapping[Any, Any], value).items()}
    if isinstance(value, list):
        return [_finite(child) for child in cast(Sequence[Any], value)]
    return value
