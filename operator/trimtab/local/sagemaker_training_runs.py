"""How training jobs run: channels come, metrics are read from the log, model and output are packed and uploaded."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from trimtab.local.overlay import Unit
from trimtab.local.sagemaker_jobs import MOST_WORDS, Jobs, Turn, Work
from trimtab.local.sagemaker_records import TrainingJob
from trimtab.local.sagemaker_transfers import (
    MOUNTED,
    Read,
    TransferFailed,
    download,
    failure_file,
    read_metrics,
    upload,
)

_WORDS: Mapping[Turn, tuple[str, str]] = {
    "download": ("Downloading", "Downloading input data"),
    "run": ("Training", "Training image download completed. Training in progress."),
    "stop": ("Stopping", "Stopping the training job"),
    "upload": ("Uploading", "Uploading generated training model"),
}


class TrainingRuns(Jobs[TrainingJob]):
    noun = "training"
    log_group = "/aws/sagemaker/TrainingJobs"
    place = "jobs"

    def image(self, job: TrainingJob) -> str:
        return str(job.request["AlgorithmSpecification"]["TrainingImage"])

    def bringing(self, job: TrainingJob, cancelled: Callable[[], bool]) -> Work:
        return download, (self.world.buckets, job.request, self.folder(job), cancelled)

    def keeping(self, job: TrainingJob) -> Work:
        with_model = job.exit_code == 0 or job.stopping
        place = (self.world.buckets, _target(job), self.folder(job), self.log(job), job.metrics_place)
        return _scan_and_upload, (*place, _definitions(job), with_model)

    def kept(self, job: TrainingJob, answer: tuple[Read, TransferFailed | None], now: datetime) -> Exception | None:
        read, fault = answer
        self._keep(job, read, now)
        return fault

    def last_words(self, job: TrainingJob) -> str:
        return failure_file(self.folder(job), MOST_WORDS)

    def told(self, job: TrainingJob, turn: Turn, now: datetime) -> None:
        if turn != "end":
            job.enter(*_WORDS[turn], now)
            return
        overran = job.status == "Stopped" and job.overran
        words = "runtime exceeded MaxRuntimeInSeconds provided" if overran else job.status.lower()
        job.enter("MaxRuntimeExceeded" if overran else job.status, job.failure or f"Training job {words}", now)
        job.steps[-1].end = now

    def looked(self, job: TrainingJob, now: datetime, *, running: bool) -> bool:
        """Take what a scan of the log has found, and begin another when there is more. True: none is under way."""
        key = f"{job.id} metrics"
        if key in self.work:
            if not self.work[key].done():
                return False
            self._keep(job, self.work.pop(key).result(), now)
        definitions, log = _definitions(job), self.log(job)
        if running and definitions and log.is_file() and log.stat().st_size > job.metrics_place:
            # Not woken at its end: a log that grows would be scanned without a pause.
            self.work[key] = self.pool.submit(read_metrics, log, job.metrics_place, definitions)
        return True

    def artifact(self, job: TrainingJob) -> str:
        return f"{_target(job)}/model.tar.gz"

    def shown(self, job: TrainingJob) -> dict[str, Any]:
        """As DescribeTrainingJob answers it."""
        shown: dict[str, Any] = {
            **job.request,
            "TrainingJobArn": self.arn(job.name),
            "TrainingJobStatus": job.status,
            "SecondaryStatus": job.secondary,
            "SecondaryStatusTransitions": [
                {"Status": each.status, "StartTime": each.start, "StatusMessage": each.message}
                | ({"EndTime": each.end} if each.end else {})
                for each in job.steps
            ],
            "CreationTime": job.created,
            "LastModifiedTime": job.modified or job.created,
            "ModelArtifacts": {"S3ModelArtifacts": self.artifact(job) if _has_model(job) else ""},
            "FinalMetricDataList": [
                {"MetricName": name, "Value": float(value), "Timestamp": datetime.fromisoformat(at)}
                for name, (value, at) in sorted(job.metrics.items())
            ],
            "ProfilingStatus": "Disabled",
        }
        times = {"TrainingStartTime": job.started, "TrainingEndTime": job.ended if job.started else None}
        shown |= {name: at for name, at in times.items() if at}
        if job.started:
            seconds = max(int(((job.ended or self.world.clock.now()) - job.started).total_seconds()), 1)
            shown |= {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}
        return shown | ({"FailureReason": job.failure} if job.status == "Failed" else {})

    def unit(self, job: TrainingJob) -> Unit:
        specification, folder, region = job.request["AlgorithmSpecification"], self.folder(job), self.world.region
        entrypoint = tuple(specification.get("ContainerEntrypoint") or ())
        arguments = tuple(specification.get("ContainerArguments") or ())
        platform = {
            "TRAINING_JOB_NAME": job.name,
            "TRAINING_JOB_ARN": self.arn(job.name),
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
        }
        return Unit(
            id=self.unit_id(job),
            image=specification["TrainingImage"],
            command=arguments or (() if entrypoint else ("train",)),
            environment=platform | (job.request.get("Environment") or {}),
            log=self.log(job),
            entrypoint=entrypoint,
            mounts={f"/opt/ml/{name}": folder / name for name in MOUNTED},
        )

    def _keep(self, job: TrainingJob, read: Read, now: datetime) -> None:
        job.metrics_place = read.place
        job.metrics |= {name: [value, now.isoformat()] for name, value in read.metrics.items()}


def _scan_and_upload(
    buckets: Any, target: str, folder: Path, log: Path, place: int, definitions: dict[str, str], with_model: bool
) -> tuple[Read, TransferFailed | None]:
    """The last metrics count even when the result cannot be kept."""
    read = read_metrics(log, place, definitions, last=True)
    try:
        upload(buckets, target, folder, with_model=with_model)
    except TransferFailed as error:
        return read, error
    return read, None


def _definitions(job: TrainingJob) -> dict[str, str]:
    given: list[dict[str, str]] = job.request["AlgorithmSpecification"].get("MetricDefinitions") or []
    return {each["Name"]: each["Regex"] for each in given}


def _target(job: TrainingJob) -> str:
    return f"{str(job.request['OutputDataConfig']['S3OutputPath']).rstrip('/')}/{job.name}/output"


def _has_model(job: TrainingJob) -> bool:
    """A job that was stopped before its container ran has none; of others SageMaker names the place, empty or not."""
    return job.status == "Completed" or (job.status == "Stopped" and job.exit_code is not None)
