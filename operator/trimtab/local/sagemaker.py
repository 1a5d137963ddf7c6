"""SageMaker training jobs that train: channels are downloaded, the image's own command runs, the model is uploaded.

Source: Amazon SageMaker API, CreateTrainingJob and DescribeTrainingJob; Developer Guide, "How Amazon SageMaker runs your
training image" (what a container is given), "signals algorithm success and failure" (failure file, exit code).
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from trimtab.local.overlay import Arguments, Context, Reply, ServiceError, World
from trimtab.local.sagemaker_jobs import Jobs
from trimtab.local.sagemaker_records import Job
from trimtab.local.shelf import Shelf

_NOT_FOUND = "Requested resource not found."


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

    def create_training_job(self, arguments: Arguments, context: Context) -> Reply:
        name = arguments["TrainingJobName"]
        if self._shelf.get(name):
            raise ServiceError(
                "ResourceInUse",
                f"Training job names must be unique within an AWS account and region, but a training job already exists with the name {name}",
            )
        for each in arguments.get("AlgorithmSpecification", {}).get("MetricDefinitions") or ():
            _check_regex(each["Regex"])
        if not arguments.get("AlgorithmSpecification", {}).get("TrainingImage"):
            raise ServiceError(
                "ValidationException", "The local cloud trains with AlgorithmSpecification.TrainingImage only"
            )
        request = {key: value for key, value in arguments.items() if key != "Tags"}
        job = Job(name, request, context.now, tags={each["Key"]: each["Value"] for each in arguments.get("Tags") or ()})
        job.enter("Starting", "Preparing the instances for training", context.now)
        self._shelf.put(job)
        return {"TrainingJobArn": self._arn(name)}

    def describe_training_job(self, arguments: Arguments, context: Context) -> Reply:
        return self._shown(self._job(arguments["TrainingJobName"]))

    def stop_training_job(self, arguments: Arguments, context: Context) -> Reply:
        job = self._job(arguments["TrainingJobName"])
        if job.is_terminal:
            raise ServiceError(
                "ValidationException", f"The request was rejected because the training job is in status {job.status}."
            )
        self._jobs.stop(job, context.now)
        return {}

    def delete_training_job(self, arguments: Arguments, context: Context) -> Reply:
        job = self._job(arguments["TrainingJobName"])
        if not job.is_terminal:
            raise ServiceError("ResourceInUse", f"Training job {job.name} is in use: it is {job.status}")
        self._jobs.forget(job)
        self._shelf.drop(job.name)
        return {}

    def list_training_jobs(self, arguments: Arguments, context: Context) -> Reply:
        found = [job for job in self._shelf if _wanted(job, arguments)]
        keys = {"Name": lambda job: job.name, "Status": lambda job: job.status}
        found.sort(
            key=keys.get(arguments.get("SortBy", ""), lambda job: job.created),
            reverse=arguments.get("SortOrder") != "Ascending",
        )
        place, limit = int(arguments.get("NextToken") or 0), int(arguments.get("MaxResults") or 10)
        token = str(place + limit) if place + limit < len(found) else None
        return {"TrainingJobSummaries": [self._summary(job) for job in found[place : place + limit]], "NextToken": token}

    # --- tags ---

    def add_tags(self, arguments: Arguments, context: Context) -> Reply:
        job = self._by_arn(arguments["ResourceArn"])
        job.tags |= {each["Key"]: each["Value"] for each in arguments["Tags"]}
        self._shelf.put(job)
        return {"Tags": _pairs(job.tags)}

    def delete_tags(self, arguments: Arguments, context: Context) -> Reply:
        job = self._by_arn(arguments["ResourceArn"])
        job.tags = {name: value for name, value in job.tags.items() if name not in arguments["TagKeys"]}
        self._shelf.put(job)
        return {}

    def list_tags(self, arguments: Arguments, context: Context) -> Reply:
        return {"Tags": _pairs(self._by_arn(arguments["ResourceArn"]).tags)}

    # --- inside ---

    def _job(self, name: str) -> Job:
        job = self._shelf.get(name)
        if job is None:
            raise ServiceError("ValidationException", _NOT_FOUND)
        return job

    def _by_arn(self, arn: str) -> Job:
        return self._job(arn.partition(":training-job/")[2])

    def _arn(self, name: str) -> str:
        return f"arn:aws:sagemaker:{self._world.region}:{self._world.account}:training-job/{name}"

    def _shown(self, job: Job) -> dict[str, Any]:
        steps = [
            {"Status": each.status, "StartTime": each.start, "StatusMessage": each.message}
            | ({"EndTime": each.end} if each.end else {})
            for each in job.steps
        ]
        shown: dict[str, Any] = {
            **job.request,
            "TrainingJobArn": self._arn(job.name),
            "TrainingJobStatus": job.status,
            "SecondaryStatus": job.secondary,
            "SecondaryStatusTransitions": steps,
            "CreationTime": job.created,
            "LastModifiedTime": job.modified or job.created,
            "ModelArtifacts": {"S3ModelArtifacts": self._jobs.artifact(job)}
            if job.status in ("Completed", "Stopped")
            else {"S3ModelArtifacts": ""},
            "FinalMetricDataList": [
                {"MetricName": name, "Value": value, "Timestamp": datetime.fromisoformat(at)}
                for name, (value, at) in sorted(job.metrics.items())
            ],
            "ProfilingStatus": "Disabled",
        }
        times = {"TrainingStartTime": job.started, "TrainingEndTime": job.ended}
        shown |= {name: at for name, at in times.items() if at}
        if job.started:
            seconds = int(((job.ended or self._world.clock.now()) - job.started).total_seconds())
            shown |= {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}
        return shown | ({"FailureReason": job.failure[:1024]} if job.failure else {})

    def _summary(self, job: Job) -> dict[str, Any]:
        shown = self._shown(job)
        names = (
            "TrainingJobArn",
            "CreationTime",
            "TrainingEndTime",
            "LastModifiedTime",
            "TrainingJobStatus",
            "SecondaryStatus",
        )
        return {"TrainingJobName": job.name, **{name: shown[name] for name in names if name in shown}}


def _wanted(job: Job, arguments: Mapping[str, Any]) -> bool:
    return (
        arguments.get("NameContains", "") in job.name
        and arguments.get("StatusEquals", job.status) == job.status
        and job.created > arguments.get("CreationTimeAfter", datetime.min.replace(tzinfo=job.created.tzinfo))
    )


def _check_regex(text: str) -> None:
    try:
        re.compile(text)
    except re.error as error:
        raise ServiceError("ValidationException", f"The regular expression {text} is not valid: {error}") from error


def _pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": name, "Value": value} for name, value in sorted(tags.items())]
