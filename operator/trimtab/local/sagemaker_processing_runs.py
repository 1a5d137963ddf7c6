"""How processing jobs run: inputs are downloaded to their paths, the container runs, outputs are uploaded as they lie.

The whole of /opt/ml/processing is the job's own; outputs count only where the container ended with 0, as with S3UploadMode
EndOfJob. Source: Amazon SageMaker Developer Guide, "Build Your Own Processing Container": how it runs, configures input and
output, provides configuration, and saves metadata (the exit message).
"""

import json
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from trimtab.local.overlay import Buckets, Unit
from trimtab.local.sagemaker_jobs import Jobs, Work
from trimtab.local.sagemaker_records import ProcessingJob
from trimtab.local.sagemaker_transfers import HOST, TransferFailed, fetch

PROCESSING = "/opt/ml/processing/"  # what every LocalPath begins with
_MOST_MESSAGE = 1024  # bytes of an ExitMessage
_MOUNTED = ("processing", "config", "output")


class ProcessingRuns(Jobs[ProcessingJob]):
    noun = "processing"
    log_group = "/aws/sagemaker/ProcessingJobs"
    place = "processing-jobs"

    def image(self, job: ProcessingJob) -> str:
        return str(job.request["AppSpecification"]["ImageUri"])

    def bringing(self, job: ProcessingJob, cancelled: Callable[[], bool]) -> Work:
        described = {**job.request, "ProcessingJobArn": self.arn(job.name)}
        return _bring, (self.world.buckets, described, self.folder(job), cancelled)

    def keeping(self, job: ProcessingJob) -> Work:
        with_outputs = job.exit_code == 0 and not job.stopping
        outputs = _outputs(job.request) if with_outputs else []
        return _keep, (self.world.buckets, outputs, self.folder(job))

    def kept(self, job: ProcessingJob, answer: tuple[str, TransferFailed | None], now: datetime) -> Exception | None:
        job.exit_message, fault = answer
        return fault

    def shown(self, job: ProcessingJob) -> dict[str, Any]:
        """As DescribeProcessingJob answers it."""
        outcome = {
            "ExitMessage": job.exit_message,
            "FailureReason": job.failure if job.status == "Failed" else "",
            "ProcessingStartTime": job.started,
            "ProcessingEndTime": job.ended,
        }
        return {
            **job.request,
            "ProcessingJobArn": self.arn(job.name),
            "ProcessingJobStatus": job.status,
            "CreationTime": job.created,
            "LastModifiedTime": job.modified or job.created,
            **{name: value for name, value in outcome.items() if value},
        }

    def unit(self, job: ProcessingJob) -> Unit:
        specification, folder, region = job.request["AppSpecification"], self.folder(job), self.world.region
        platform = {
            "PROCESSING_JOB_NAME": job.name,
            "PROCESSING_JOB_ARN": self.arn(job.name),
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
        }
        return Unit(
            id=self.unit_id(job),
            image=specification["ImageUri"],
            command=tuple(specification.get("ContainerArguments") or ()),
            environment=platform | (job.request.get("Environment") or {}),
            log=self.log(job),
            entrypoint=tuple(specification.get("ContainerEntrypoint") or ()),
            mounts={f"/opt/ml/{name}": folder / name for name in _MOUNTED},
        )


def _bring(buckets: Buckets, request: Mapping[str, Any], folder: Path, cancelled: Callable[[], bool]) -> None:
    """Lay out /opt/ml as the platform does. Raises TransferFailed, OSError."""
    for name in _MOUNTED:
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "config" / "processingjobconfig.json").write_text(json.dumps(request))
    cluster = request["ProcessingResources"]["ClusterConfig"]
    hosts = {"current_host": HOST, "hosts": [HOST], "current_instance_type": cluster.get("InstanceType", "")}
    (folder / "config" / "resourceconfig.json").write_text(json.dumps(hosts))
    for each in _outputs(request):
        _place(folder, each["LocalPath"]).mkdir(parents=True, exist_ok=True)
    for each in request.get("ProcessingInputs") or ():
        source = each["S3Input"]
        fetch(buckets, source["S3Uri"], _place(folder, source["LocalPath"]), str(request.get("RoleArn", "")), cancelled)


def _keep(buckets: Buckets, outputs: list[Mapping[str, Any]], folder: Path) -> tuple[str, TransferFailed | None]:
    """The message counts even when an output cannot be kept."""
    message, fault = _message(folder / "output" / "message")
    try:
        for each in outputs:
            _upload(buckets, _place(folder, each["LocalPath"]), str(each["S3Uri"]))
    except TransferFailed as error:
        return message, fault or error
    return message, fault


def _upload(buckets: Buckets, source: Path, target: str) -> None:
    """Every file of a folder below an S3 URI, as it is; links are not followed. Raises TransferFailed."""
    bucket, _, prefix = target.removeprefix("s3://").partition("/")
    for top, _, names in os.walk(source):
        for name in sorted(names):
            path = Path(top) / name
            if path.is_symlink() or not path.is_file():
                continue
            key = f"{prefix.rstrip('/')}/{path.relative_to(source).as_posix()}".lstrip("/")
            try:
                buckets.put(bucket, key, path)
            except KeyError:
                words = f"Failed to upload output: the bucket {bucket} of {target} does not exist"
                raise TransferFailed(words) from None
            except OSError as error:
                raise TransferFailed(f"Failed to upload output {name} to {target}: {error}") from error


def _message(path: Path) -> tuple[str, TransferFailed | None]:
    """What the container left to be said, and what is wrong with it."""
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_MESSAGE)
    except OSError:
        return "", None
    try:
        return text.decode(), None
    except UnicodeDecodeError as error:
        if len(text) == _MOST_MESSAGE and error.end == len(text):  # a character that the limit has cut
            return text[: error.start].decode(), None
        return "", TransferFailed("The exit message in /opt/ml/output/message is not UTF-8 encoded")


def _outputs(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    config: Mapping[str, Any] = request.get("ProcessingOutputConfig") or {}
    return [each["S3Output"] for each in config.get("Outputs") or ()]


def _place(folder: Path, local: str) -> Path:
    """Where a path of the container lies here; it was found to be below PROCESSING."""
    return folder / "processing" / local.removeprefix(PROCESSING)
