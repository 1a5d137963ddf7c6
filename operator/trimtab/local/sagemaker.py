"""SageMaker training jobs that train: channels are downloaded, the image's own command runs, the model is uploaded.

What one machine cannot do, or is not built, is refused and never ignored.
Source: Amazon SageMaker API, CreateTrainingJob and DescribeTrainingJob; Developer Guide, "How Amazon SageMaker runs your
training image" (what a container is given), "signals algorithm success and failure" (failure file, exit code).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from trimtab.local.overlay import Arguments, Context, Reply, ServiceError, World
from trimtab.local.sagemaker_checks import check_request, invalid
from trimtab.local.sagemaker_jobs import Jobs, job_arn
from trimtab.local.sagemaker_records import Job
from trimtab.local.shelf import Shelf

_NOT_FOUND = "Requested resource not found."
_MOST_TAGS = 50
_SORTS: Mapping[str, Callable[[Job], Any]] = {
    "Name": lambda job: job.name,
    "Status": lambda job: (job.status, job.created),
    "CreationTime": lambda job: job.created,
}
_SUMMED = ("TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingEndTime", "LastModifiedTime", "TrainingJobStatus")


class SageMaker:
    service = "sagemaker"
    whole = True

    def __init__(self, world: World) -> None:
        self._world = world
        self._shelf = Shelf(world.store, "sagemaker.job", Job, lambda job: job.name)
        self._jobs = Jobs(world, self._shelf)

    def tick(self, now: datetime) -> None:
        self._jobs.tick(now)

    def recover(self) -> Sequence[str]:
        return self._jobs.recover()

    # --- jobs ---

    def create_training_job(self, arguments: Arguments, context: Context) -> Reply:
        name = arguments["TrainingJobName"]
        check_request(arguments)
        tags = _tags_in(arguments)
        if self._shelf.get(name):
            words = "Training job names must be unique within an AWS account and region, and a training job with this name"
            raise ServiceError("ResourceInUse", f"{words} already exists ({self._arn(name)})")
        request = {key: value for key, value in arguments.items() if key != "Tags"}
        job = Job(name, request, context.now, tags=tags)
        job.enter("Starting", "Starting the training job", context.now)
        self._shelf.put(job)
        self._world.wake.set()
        return {"TrainingJobArn": self._arn(name)}

    def describe_training_job(self, arguments: Arguments, context: Context) -> Reply:
        return self._shown(self._job(arguments["TrainingJobName"]))

    def stop_training_job(self, arguments: Arguments, context: Context) -> Reply:
        job = self._job(arguments["TrainingJobName"])
        if job.is_terminal:
            raise invalid(f"The request was rejected because the training job is in status {job.status}.")
        self._jobs.stop(job, context.now)
        return {}

    def delete_training_job(self, arguments: Arguments, context: Context) -> Reply:
        job = self._job(arguments["TrainingJobName"])
        if not job.is_terminal:
            words = f"Training job {job.name} cannot be deleted: it is {job.status}, and not in a terminal state"
            raise ServiceError("ResourceInUse", words)
        self._shelf.drop(job.name)
        return {}

    def list_training_jobs(self, arguments: Arguments, context: Context) -> Reply:
        found = [job for job in self._shelf if _wanted(job, arguments)]
        key = _SORTS[arguments.get("SortBy", "CreationTime")]
        found.sort(key=key, reverse=arguments.get("SortOrder", "Ascending") == "Descending")
        given, most = str(arguments.get("NextToken") or "0"), int(arguments.get("MaxResults") or 10)
        if not given.isdecimal():
            raise invalid("Invalid NextToken")
        end = int(given) + most
        token = str(end) if end < len(found) else None
        return {"TrainingJobSummaries": [self._summary(job) for job in found[int(given) : end]], "NextToken": token}

    # --- tags ---

    def add_tags(self, arguments: Arguments, context: Context) -> Reply:
        job, fresh = self._by_arn(arguments), _tags_in(arguments)
        _check_count(job.tags | fresh)
        job.tags |= fresh
        self._shelf.put(job)
        return {"Tags": _pairs(job.tags)}

    def delete_tags(self, arguments: Arguments, context: Context) -> Reply:
        job = self._by_arn(arguments)
        job.tags = {name: value for name, value in job.tags.items() if name not in arguments["TagKeys"]}
        self._shelf.put(job)
        return {}

    def list_tags(self, arguments: Arguments, context: Context) -> Reply:
        return {"Tags": _pairs(self._by_arn(arguments).tags)}

    # --- inside ---

    def _job(self, name: str) -> Job:
        job = self._shelf.get(name)
        if job is None:
            raise invalid(_NOT_FOUND)
        return job

    def _by_arn(self, arguments: Arguments) -> Job:
        arn = str(arguments["ResourceArn"])
        name = arn.rpartition("/")[2]
        if arn != self._arn(name):
            raise invalid(f"{_NOT_FOUND} ({arn})")
        return self._job(name)

    def _arn(self, name: str) -> str:
        return job_arn(self._world, name)

    def _shown(self, job: Job) -> dict[str, Any]:
        shown: dict[str, Any] = {
            **job.request,
            "TrainingJobArn": self._arn(job.name),
            "TrainingJobStatus": job.status,
            "SecondaryStatus": job.secondary,
            "SecondaryStatusTransitions": [
                {"Status": each.status, "StartTime": each.start, "StatusMessage": each.message}
                | ({"EndTime": each.end} if each.end else {})
                for each in job.steps
            ],
            "CreationTime": job.created,
            "LastModifiedTime": job.modified or job.created,
            "ModelArtifacts": {"S3ModelArtifacts": self._jobs.artifact(job) if _has_model(job) else ""},
            "FinalMetricDataList": [
                {"MetricName": name, "Value": float(value), "Timestamp": datetime.fromisoformat(at)}
                for name, (value, at) in sorted(job.metrics.items())
            ],
            "ProfilingStatus": "Disabled",
        }
        times = {"TrainingStartTime": job.started, "TrainingEndTime": job.ended if job.started else None}
        shown |= {name: at for name, at in times.items() if at}
        if job.started:
            seconds = max(int(((job.ended or self._world.clock.now()) - job.started).total_seconds()), 1)
            shown |= {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}
        return shown | ({"FailureReason": job.failure} if job.status == "Failed" else {})

    def _summary(self, job: Job) -> dict[str, Any]:
        shown = self._shown(job)
        return {name: shown[name] for name in _SUMMED if name in shown}


def _has_model(job: Job) -> bool:
    """A job that was stopped before its container ran has none; of others SageMaker names the place, empty or not."""
    return job.status == "Completed" or (job.status == "Stopped" and job.exit_code is not None)


def _wanted(job: Job, arguments: Arguments) -> bool:
    bounds = {"CreationTime": job.created, "LastModifiedTime": job.modified or job.created}
    return (
        arguments.get("NameContains", "") in job.name
        and arguments.get("StatusEquals", job.status) == job.status
        and all(_aware(arguments.get(f"{name}After", at)) <= at for name, at in bounds.items())
        and all(at <= _aware(arguments.get(f"{name}Before", at)) for name, at in bounds.items())
    )


def _aware(at: datetime) -> datetime:
    """The parser of requests answers times of UTC without a zone."""
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _tags_in(arguments: Arguments) -> dict[str, str]:
    tags: dict[str, str] = {each["Key"]: each["Value"] for each in arguments.get("Tags") or ()}
    _check_count(tags)
    return tags


def _check_count(tags: Mapping[str, str]) -> None:
    if len(tags) > _MOST_TAGS:
        raise invalid(f"A resource has at most {_MOST_TAGS} tags")


def _pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": name, "Value": value} for name, value in sorted(tags.items())]
