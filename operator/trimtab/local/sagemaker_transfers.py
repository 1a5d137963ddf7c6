"""What the platform does before and after a container: /opt/ml is laid out and filled, then packed and uploaded.

Runs on threads: takes values, changes no record, and can be repeated; what an interrupted download has left is used.
Source: Amazon SageMaker Developer Guide, "How Amazon SageMaker provides training information" and "processes training
output".
"""

import json
import os
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from trimtab.local.overlay import Buckets

HOST = "algo-1"
MOUNTED = ("input", "model", "output", "checkpoints")
_LONGEST_LINE = 4096  # characters of a line that metrics are looked for in
_MOST_BYTES = 1 << 20


class TransferFailed(Exception):
    """Data that cannot be had, or a result that cannot be kept; in SageMaker's words."""


@dataclass(frozen=True, slots=True)
class Read:
    """Metrics of a part of a log."""

    place: int  # bytes that were read so far
    metrics: Mapping[str, str]  # the last value of each, as it was printed


def download(buckets: Buckets, request: Mapping[str, Any], folder: Path, cancelled: Callable[[], bool]) -> None:
    """Lay out /opt/ml as the platform does. Raises TransferFailed, OSError."""
    config = folder / "input" / "config"
    for each in (config, folder / "input" / "data", folder / "model", folder / "output" / "data", folder / "checkpoints"):
        each.mkdir(parents=True, exist_ok=True)
    _write(config / "hyperparameters.json", request.get("HyperParameters") or {})
    _write(config / "resourceconfig.json", _resources(request))
    channels: list[Mapping[str, Any]] = list(request.get("InputDataConfig") or ())
    _write(config / "inputdataconfig.json", {each["ChannelName"]: _described(each) for each in channels})
    for each in channels:
        uri, target = each["DataSource"]["S3DataSource"]["S3Uri"], folder / "input" / "data" / each["ChannelName"]
        fetch(buckets, uri, target, str(request.get("RoleArn", "")), cancelled)


def upload(buckets: Buckets, target: str, folder: Path, *, with_model: bool) -> None:
    """Pack what the container left and put it below `target` ("s3://bucket/prefix/job/output"). Raises TransferFailed."""
    bucket, _, prefix = target.removeprefix("s3://").partition("/")
    wanted = [("output.tar.gz", folder / "output" / "data")]
    wanted += [("model.tar.gz", folder / "model")] if with_model else []
    for name, source in wanted:
        if not any(source.rglob("*")):
            continue
        archive = folder / name
        try:
            _pack(source, archive)
            buckets.put(bucket, f"{prefix}/{name}".lstrip("/"), archive)
        except KeyError:
            raise TransferFailed(f"Artifact upload failed: the bucket {bucket} of S3OutputPath does not exist") from None
        except OSError as error:
            raise TransferFailed(f"Artifact upload failed: {error}") from error
        finally:
            archive.unlink(missing_ok=True)


def failure_file(folder: Path, most: int) -> str:
    """The beginning of what the container wrote as its failure; "" when it wrote nothing."""
    try:
        with (folder / "output" / "failure").open(errors="replace") as file:
            return file.read(most).strip()
    except OSError:
        return ""


def read_metrics(log: Path, place: int, definitions: Mapping[str, str], *, last: bool = False) -> Read:
    """Look for metrics in the whole lines that came since `place`; with `last`, also in one without an end."""
    compiled = {name: re.compile(expression) for name, expression in definitions.items()}
    found: dict[str, str] = {}
    try:
        with log.open("rb") as file:
            file.seek(place)
            while chunk := file.read(_MOST_BYTES):
                whole = chunk if last and len(chunk) < _MOST_BYTES else chunk[: chunk.rfind(b"\n") + 1]
                whole = whole or (chunk if len(chunk) == _MOST_BYTES else b"")
                if not whole:
                    break
                for line in whole.decode(errors="replace").splitlines():
                    found |= _metrics_in(line[:_LONGEST_LINE], compiled)
                place += len(whole)
                file.seek(place)
    except FileNotFoundError:
        pass
    return Read(place, found)


def fetch(buckets: Buckets, uri: str, target: Path, role: str, cancelled: Callable[[], bool]) -> None:
    """Download everything under an S3 URI, a single object too, into a folder. Raises TransferFailed.

    role: whom an input that is not there is said to be denied to. cancelled: asked before each object.
    """
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    objects = [(key, size) for key, size in buckets.keys(bucket, prefix) if not key.endswith("/")]
    if not objects:
        raise TransferFailed(
            f'Data download failed:No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that '
            f"the bucket exists in the selected region, that objects exist under that S3 prefix, and that the role "
            f'"{role}" has "s3:ListBucket" permissions on bucket "{bucket}".'
        )
    for key, size in objects:
        if cancelled():
            return
        name = PurePosixPath(relative(key, prefix))
        if name.is_absolute() or ".." in name.parts:
            raise TransferFailed(f"Data download failed:The key {key} would lie outside the input's folder")
        place = target / name
        if place.is_file() and place.stat().st_size == size:
            continue  # an earlier try has brought it
        part = place.with_name(f"{place.name}.part")
        try:
            buckets.fetch(bucket, key, part)
            part.rename(place)
        except KeyError:
            raise TransferFailed(f"Data download failed:{key} was deleted from {bucket} meanwhile") from None
        except OSError as error:
            raise TransferFailed(f"Data download failed:{key}: {error.strerror or error}") from error
    target.mkdir(parents=True, exist_ok=True)


def relative(key: str, prefix: str) -> str:
    """Where an object lies in its channel's folder: its key after the prefix, which need not end at a slash."""
    rest = key.removeprefix(prefix)
    if not prefix or prefix.endswith("/"):
        return rest
    return rest[1:] if rest.startswith("/") else prefix.rpartition("/")[2] + rest


# --- inside ---------------------------------------------------------------------------------------------------------


def _resources(request: Mapping[str, Any]) -> dict[str, Any]:
    kind = request["ResourceConfig"].get("InstanceType", "")
    group = {"instance_group_name": "homogeneousCluster", "instance_type": kind, "hosts": [HOST]}
    return {
        "current_host": HOST,
        "current_instance_type": kind,
        "current_group_name": "homogeneousCluster",
        "hosts": [HOST],
        "instance_groups": [group],
        "network_interface_name": "lo",
    }


def _described(channel: Mapping[str, Any]) -> dict[str, str]:
    """A channel of inputdataconfig.json; FastFile, too, says of itself that it is File."""
    kind = {"ContentType": str(channel["ContentType"])} if channel.get("ContentType") else {}
    return {
        "TrainingInputMode": "File",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": str(channel.get("RecordWrapperType", "None")),
    } | kind


def _pack(source: Path, archive: Path) -> None:
    """Files and folders; of links those that stay inside, as the files they stand for."""
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for path, name in _entries(source):
            tar.add(path.resolve() if path.is_symlink() else path, name, recursive=False)


def _entries(source: Path) -> Iterator[tuple[Path, str]]:
    top = source.resolve()
    for folder, folders, files in os.walk(source):
        for name in sorted([*folders, *files]):
            path = Path(folder) / name
            if path.is_symlink() and not (path.is_file() and path.resolve().is_relative_to(top)):
                continue
            if path.is_file() or path.is_dir():
                yield path, path.relative_to(source).as_posix()


def _metrics_in(line: str, definitions: Mapping[str, re.Pattern[str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, expression in definitions.items():
        for match in expression.finditer(line):
            try:
                float(match[1])
            except (ValueError, IndexError, TypeError):  # no number, or a group that is not there or did not take part
                continue
            found[name] = match[1]
    return found


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value))
