"""A SageMaker processing job, with its attempts.

Identity: the base name, without an attempt; see `attempts`. Create: named. Cost of observe: 1 call per attempt and 1 more,
for each job, and 1 GetObject for one that is done and leaves a report; the jobs of one round go in one batch.
`create` looks at the attempts itself and makes the next one, or nothing where one is running or done: a repeat is harmless.
Delete stops what runs, and removes attempts from the last to the first, each with the outputs it wrote.
Source: SageMaker API, CreateProcessingJob, DescribeProcessingJob, DeleteProcessingJob.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import inf
from typing import Any, cast

from trimtab.core.kind import (
    Broken,
    Call,
    Difference,
    Failure,
    Kind,
    Moving,
    Ref,
    Reply,
    Right,
    Settled,
    State,
    Steps,
    Unknown,
    Verb,
    tag_list,
    tag_map,
    tags_made,
)
from trimtab.resources.attempts import (
    RUN_VARIABLE,
    another_may_help,
    delete_outputs,
    is_active,
    job_name,
    platform_fault,
    row_of,
    rows,
    stands,
    time_of,
)
from trimtab.resources.objects import PREFIX_DELETE_RIGHTS
from trimtab.resources.shared import (
    WHEN_OURS,
    WHEN_TAGGED_SO,
    allow,
    ask,
    known,
    tag_changes,
    unknown,
    without_empty,
)

OUTPUT = "/opt/ml/processing/output"  # the one folder that is uploaded
REPORT_VARIABLE = "TRIMTAB_REPORT"  # the environment is in what a describe answers: it says which file to read
_ARN = "arn:{partition}:sagemaker:{region}:{account}:processing-job/{name}-a*"
_OBJECTS = "arn:{partition}:s3:::{bucket}/deployments/*"


@dataclass(frozen=True, slots=True)
class Input:
    """Everything under an S3 prefix, as files in a folder."""

    name: str
    uri: str | Ref  # "s3://bucket/prefix/"
    path: str  # "/opt/ml/processing/..."


@dataclass(frozen=True, slots=True)
class Desired:
    """What decides the result, and what only shapes the next attempt (instance, role, limits, tags).

    run: fingerprint of the latter: a job that failed is tried again when it differs from that of the last attempt.
    max_attempts: how often a fault of the platform is tried again in one run. reason: what a job that does not complete
    means to the deployment. report: a JSON file of the output, read once the job is done; "" for none.
    """

    name: str  # base name, at most 58 characters
    image: str  # "<registry>/<repository>@sha256:..."
    role_arn: str | Ref
    inputs: tuple[Input, ...]
    output_uri: str  # "s3://bucket/prefix": outputs go to <output_uri>/<job>/output/
    instance_type: str
    tags: Mapping[str, str]
    reason: str  # CamelCase, from model/reasons.py
    entrypoint: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    report: str = ""
    volume_gb: int = 30
    max_runtime_s: int = 86_400
    run: str = ""
    max_attempts: int = 3
    version: str = field(default="", repr=False, compare=False)  # for a tag: a commit id; no part of what is declared


@dataclass(frozen=True, slots=True)
class Attempt:
    """One job as it stands."""

    number: int
    job_name: str
    arn: str
    status: str  # InProgress, Completed, Failed, Stopping, Stopped
    failure_reason: str
    exit_message: str
    run: str
    output_uri: str  # "s3://.../<job>/output"
    report_key: str  # of the report in that prefix; "" for none
    overran: bool  # it was stopped, and had used up its time
    started: str = ""  # RFC 3339, "" until then
    ended: str = ""


@dataclass(frozen=True, slots=True)
class Observed:
    """The attempts, first to last, and the report of the last one, once it is done."""

    name: str
    attempts: tuple[Attempt, ...]
    tags: Mapping[str, str] | None = None
    report: Mapping[str, Any] | None = None
    problem: str = ""  # why there is no report

    @property
    def last(self) -> Attempt:
        return self.attempts[-1]

    @property
    def arn(self) -> str:
        return self.last.arn

    @property
    def is_done(self) -> bool:
        return self.last.status == "Completed"


class ProcessingJob:
    name = "sagemaker.ProcessingJob"
    rank = 60
    rights: Mapping[Verb, tuple[Right, ...]] = {
        "observe": allow(_ARN, "sagemaker:DescribeProcessingJob", "sagemaker:ListTags") + allow(_OBJECTS, "s3:GetObject"),
        "create": allow(_ARN, "sagemaker:DescribeProcessingJob")
        + allow(_ARN, "sagemaker:CreateProcessingJob", "sagemaker:AddTags", when=WHEN_TAGGED_SO)
        + allow("{training_role}", "iam:PassRole", when={"iam:PassedToService": "sagemaker.amazonaws.com"}),
        "update": allow(_ARN, "sagemaker:AddTags", "sagemaker:DeleteTags", when=WHEN_OURS),
        "delete": allow(_ARN, "sagemaker:StopProcessingJob", "sagemaker:DeleteProcessingJob", when=WHEN_OURS)
        + PREFIX_DELETE_RIGHTS,
    }

    def identity(self, desired: Desired) -> str:
        return desired.name

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, Observed | Unknown]]:
        found = yield from rows(wanted, _describe, _seen)
        seen = {name: row if isinstance(row, Unknown) else Observed(name, row) for name, row in found.items() if row}
        reporting = [each for each in seen.values() if isinstance(each, Observed) and each.is_done and each.last.report_key]
        replies = yield from ask(Call("s3", "GetObject", _object(each.last)) for each in reporting)
        read = {each.name: _with_report(each, reply) for each, reply in zip(reporting, replies, strict=True)}
        return seen | read

    def tags(self, observed: Sequence[Observed]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        replies = yield from ask(Call("sagemaker", "ListTags", {"ResourceArn": each.arn}) for each in observed)
        return [unknown(reply) if isinstance(reply, Failure) else tag_map(reply.get("Tags", ())) for reply in replies]

    def state(self, desired: Desired, observed: Observed) -> State:
        last = observed.last
        if is_active(last):
            return Moving(f"{last.job_name} is {last.status}", look_again_s=5.0)
        if observed.is_done:
            return Settled()
        reason = "NoCapacity" if platform_fault(last) == "CapacityError" else desired.reason
        again = another_may_help(observed.attempts, desired.run, desired.max_attempts)
        return Broken(reason, f"{last.job_name} {_ending(last)}", again=again)

    def diff(self, desired: Desired, observed: Observed) -> tuple[Difference, ...]:
        return ()  # named by its key: what decides the result cannot differ, and the rest shapes the next attempt only

    def create(self, desired: Desired) -> Steps[None]:
        row = yield from row_of(desired.name, _describe, _seen)
        if not stands(row):
            yield Call("sagemaker", "CreateProcessingJob", _request(desired, len(row) + 1), repeat="safe")

    def update(self, desired: Desired, observed: Observed, drift: Sequence[Difference]) -> Steps[None]:
        added, removed = tag_changes(drift)
        if added:
            yield Call("sagemaker", "AddTags", {"ResourceArn": observed.arn, "Tags": tag_list(added)}, repeat="safe")
        if removed:
            yield Call("sagemaker", "DeleteTags", {"ResourceArn": observed.arn, "TagKeys": removed}, repeat="safe")

    def delete(self, observed: Observed) -> Steps[None]:
        for attempt in reversed(observed.attempts):
            job = {"ProcessingJobName": attempt.job_name}
            if attempt.status == "InProgress":
                yield Call("sagemaker", "StopProcessingJob", job, repeat="safe")
            if is_active(attempt):
                return  # a later pass finds it stopped, and goes on
            yield from delete_outputs(attempt.output_uri.removesuffix("/output"))
            yield Call("sagemaker", "DeleteProcessingJob", job, repeat="safe")


# --- reading --------------------------------------------------------------------------------------------------------


def _describe(job: str) -> Call:
    return Call("sagemaker", "DescribeProcessingJob", {"ProcessingJobName": job})


def _seen(reply: Reply, number: int) -> Attempt:
    environment: dict[str, str] = reply.get("Environment") or {}
    outputs: list[dict[str, Any]] = reply.get("ProcessingOutputConfig", {}).get("Outputs", [])
    started, ended = reply.get("ProcessingStartTime"), reply.get("ProcessingEndTime")
    limits: dict[str, int] = reply.get("StoppingCondition") or {}
    status: str = reply["ProcessingJobStatus"]
    return Attempt(
        number=number,
        job_name=reply["ProcessingJobName"],
        arn=reply["ProcessingJobArn"],
        status=status,
        failure_reason=reply.get("FailureReason", ""),
        exit_message=reply.get("ExitMessage", ""),
        run=environment.get(RUN_VARIABLE, ""),
        output_uri=outputs[0]["S3Output"]["S3Uri"] if outputs else "",
        report_key=environment.get(REPORT_VARIABLE, ""),
        overran=reply["ProcessingJobStatus"] == "Stopped"
        and _ran_s(started, ended) >= limits.get("MaxRuntimeInSeconds", inf),
        started=time_of(started),
        ended=time_of(ended),
    )


def _ran_s(started: datetime | None, ended: datetime | None) -> float:
    return (ended - started).total_seconds() if started and ended else 0.0


def _object(attempt: Attempt) -> dict[str, str]:
    bucket, _, prefix = attempt.output_uri.removeprefix("s3://").partition("/")
    return {"Bucket": bucket, "Key": f"{prefix}/{attempt.report_key}"}


def _with_report(observed: Observed, reply: Reply | Failure) -> Observed | Unknown:
    """With its report; one that is not there, or is no JSON mapping, is a problem of the job's, and no fault of reading."""
    key = observed.last.report_key
    if isinstance(reply, Failure):
        if reply.meaning != "absent":
            return unknown(reply)
        return replace(observed, problem=f"{observed.last.job_name} left no {key}")
    try:
        report: Any = json.loads(reply["Body"])
    except ValueError:
        report = None
    if not isinstance(report, dict):
        return replace(observed, problem=f"the {key} of {observed.last.job_name} is no JSON mapping")
    return replace(observed, report=cast(dict[str, Any], report))


# --- judging and writing --------------------------------------------------------------------------------------------


def _ending(last: Attempt) -> str:
    if last.overran:
        return "was stopped, since it ran past its time limit"
    words = ": ".join(each for each in (last.failure_reason, last.exit_message) if each)
    return f"failed: {words}" if last.status == "Failed" else f"ended {last.status}" + (f": {words}" if words else "")


def _request(desired: Desired, number: int) -> dict[str, Any]:
    name = job_name(desired.name, number)
    ours = {RUN_VARIABLE: desired.run, REPORT_VARIABLE: desired.report}
    output = {"S3Uri": f"{desired.output_uri}/{name}/output", "LocalPath": OUTPUT, "S3UploadMode": "EndOfJob"}
    application = {
        "ImageUri": desired.image,
        "ContainerEntrypoint": list(desired.entrypoint),
        "ContainerArguments": list(desired.arguments),
    }
    cluster = {"InstanceType": desired.instance_type, "InstanceCount": 1, "VolumeSizeInGB": desired.volume_gb}
    return without_empty(
        {
            "ProcessingJobName": name,
            "AppSpecification": without_empty(application),
            "RoleArn": known(desired.role_arn),
            "ProcessingInputs": [_input(each) for each in desired.inputs],
            "ProcessingOutputConfig": {"Outputs": [{"OutputName": "output", "S3Output": output}]},
            "ProcessingResources": {"ClusterConfig": cluster},
            "StoppingCondition": {"MaxRuntimeInSeconds": desired.max_runtime_s},
            "Environment": dict(desired.environment) | without_empty(ours),
            "Tags": tag_list(tags_made(desired.tags, desired.version)),
        }
    )


def _input(each: Input) -> dict[str, Any]:
    source = {
        "S3Uri": known(each.uri),
        "LocalPath": each.path,
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
        "S3DataDistributionType": "FullyReplicated",
    }
    return {"InputName": each.name, "S3Input": source}


KIND: Kind[Desired, Observed] = ProcessingJob()
