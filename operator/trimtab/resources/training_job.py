"""A SageMaker training job, with its attempts.

Identity: the base name, without an attempt; attempts are `<base>-a1`, `<base>-a2`, ... A job's name stays taken after it
failed, so another try is another name, found by describing a1, a2, ... until one is absent: never from a list, never from
memory. Create: named. Cost of observe: 1 call per attempt and 1 more, for each job; the jobs of one round go in one batch.
`create` looks at the attempts itself and makes the next one, or nothing where one is running or done: a repeat is harmless.
Delete stops what runs, and removes attempts from the last to the first, each with the outputs it wrote, so that a crash
leaves a row that starts at a1 and is found again.
Source: SageMaker API, CreateTrainingJob, DescribeTrainingJob.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trimtab.core.kind import (
    Broken,
    Call,
    Difference,
    Failure,
    Kind,
    Moving,
    Progress,
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

_ARN = "arn:{partition}:sagemaker:{region}:{account}:training-job/{name}-a*"


@dataclass(frozen=True, slots=True)
class Channel:
    """One input: everything under an S3 prefix, as files in a folder of this name."""

    name: str
    uri: str | Ref  # "s3://bucket/prefix/"


@dataclass(frozen=True, slots=True)
class Desired:
    """What decides the result, and what only shapes the next attempt (instance, role, network, limits, tags).

    run: fingerprint of the latter: a job that failed is tried again when it differs from that of the last attempt.
    attempt: the lowest attempt to stand on, 1 but for a person's retry or a lost artifact, which raise it (from the ledger)
    to one more than `Observed.attempt`. max_attempts: how often a fault of the platform is tried again in one run.
    """

    name: str  # base name, at most 58 characters: "vision-digits-0a1b2c3d4e5f"
    image: str  # "<registry>/<repository>:<tag>" or "...@sha256:..."
    role_arn: str | Ref
    channels: tuple[Channel, ...]
    output_uri: str  # "s3://bucket/prefix": the platform writes <output_uri>/<job>/output/
    instance_type: str
    tags: Mapping[str, str]
    entrypoint: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    hyperparameters: Mapping[str, str] = field(default_factory=dict[str, str])
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    metrics: Mapping[str, str] = field(default_factory=dict[str, str])  # name -> regular expression with one group
    instance_count: int = 1
    fallback: tuple[str, ...] = ()  # instance types to take, one after another, when there was no capacity
    volume_gb: int = 30
    max_runtime_s: int = 86_400
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    kms_key: str = ""
    network_isolation: bool = False
    run: str = ""
    attempt: int = 1
    max_attempts: int = 3
    version: str = field(default="", repr=False, compare=False)  # for a tag: a commit id; no part of what is declared


@dataclass(frozen=True, slots=True)
class Attempt:
    """One job as it stands."""

    number: int
    job_name: str
    arn: str
    status: str  # InProgress, Completed, Failed, Stopping, Stopped
    secondary: str  # Starting, Downloading, Training, Uploading, MaxRuntimeExceeded ...
    message: str  # of the last transition
    failure_reason: str
    run: str
    instance_type: str
    output_uri: str
    artifact_uri: str  # "s3://.../model.tar.gz"; "" until there is one
    metrics: Mapping[str, float]
    started: str = ""  # RFC 3339, "" until then
    ended: str = ""
    billable_s: int = 0


@dataclass(frozen=True, slots=True)
class Observed:
    """The attempts, first to last; the rest repeats the last one, for those who refer to it."""

    name: str
    attempts: tuple[Attempt, ...]
    tags: Mapping[str, str] | None = None

    @property
    def last(self) -> Attempt:
        return self.attempts[-1]

    @property
    def attempt(self) -> int:
        return self.last.number

    @property
    def job_name(self) -> str:
        return self.last.job_name

    @property
    def arn(self) -> str:
        return self.last.arn

    @property
    def status(self) -> str:
        return self.last.status

    @property
    def metrics(self) -> Mapping[str, float]:
        return self.last.metrics

    @property
    def artifact_uri(self) -> str:
        return self.last.artifact_uri

    @property
    def output_uri(self) -> str:
        """Where the script's own output lies, by the platform's rule."""
        return f"{self.last.output_uri.rstrip('/')}/{self.last.job_name}/output/output.tar.gz"


class TrainingJob:
    name = "sagemaker.TrainingJob"
    rank = 60
    rights: Mapping[Verb, tuple[Right, ...]] = {
        "observe": allow(_ARN, "sagemaker:DescribeTrainingJob", "sagemaker:ListTags"),
        "create": allow(_ARN, "sagemaker:DescribeTrainingJob")
        + allow(_ARN, "sagemaker:CreateTrainingJob", "sagemaker:AddTags", when=WHEN_TAGGED_SO)
        + allow("{training_role}", "iam:PassRole", when={"iam:PassedToService": "sagemaker.amazonaws.com"}),
        "update": allow(_ARN, "sagemaker:AddTags", "sagemaker:DeleteTags", when=WHEN_OURS),
        "delete": allow(_ARN, "sagemaker:StopTrainingJob", "sagemaker:DeleteTrainingJob", when=WHEN_OURS)
        + PREFIX_DELETE_RIGHTS,
    }

    def identity(self, desired: Desired) -> str:
        return desired.name

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, Observed | Unknown]]:
        found = yield from rows(wanted, _describe, _seen)
        return {
            name: row if isinstance(row, Unknown) else Observed(name, row)
            for name, row in found.items()
            if isinstance(row, Unknown) or row
        }

    def tags(self, observed: Sequence[Observed]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        replies = yield from ask(Call("sagemaker", "ListTags", {"ResourceArn": each.arn}) for each in observed)
        return [unknown(reply) if isinstance(reply, Failure) else tag_map(reply.get("Tags", ())) for reply in replies]

    def state(self, desired: Desired, observed: Observed) -> State:
        last = observed.last
        if is_active(last):
            return Moving(_note(last) or last.status, look_again_s=5.0, progress=_progress(desired, last))
        if observed.attempt < desired.attempt:
            return Broken("Retrying", f"attempt {desired.attempt} is asked for, {last.job_name} was the last", again=True)
        if last.status == "Completed":
            return Settled()
        because = f"{last.job_name} {_ending(last)}"
        return Broken(_reason(last), because, again=another_may_help(observed.attempts, desired.run, desired.max_attempts))

    def diff(self, desired: Desired, observed: Observed) -> tuple[Difference, ...]:
        return ()  # named by its key: what decides the result cannot differ, and the rest shapes the next attempt only

    def create(self, desired: Desired) -> Steps[None]:
        row = yield from row_of(desired.name, _describe, _seen)
        if stands(row, desired.attempt):
            return
        yield Call("sagemaker", "CreateTrainingJob", _request(desired, row), repeat="safe")

    def update(self, desired: Desired, observed: Observed, drift: Sequence[Difference]) -> Steps[None]:
        added, removed = tag_changes(drift)
        if added:
            yield Call("sagemaker", "AddTags", {"ResourceArn": observed.arn, "Tags": tag_list(added)}, repeat="safe")
        if removed:
            yield Call("sagemaker", "DeleteTags", {"ResourceArn": observed.arn, "TagKeys": removed}, repeat="safe")

    def delete(self, observed: Observed) -> Steps[None]:
        for attempt in reversed(observed.attempts):
            job = {"TrainingJobName": attempt.job_name}
            if attempt.status == "InProgress":
                yield Call("sagemaker", "StopTrainingJob", job, repeat="safe")
            if is_active(attempt):
                return  # a later pass finds it stopped, and goes on
            yield from delete_outputs(f"{attempt.output_uri.rstrip('/')}/{attempt.job_name}" if attempt.output_uri else "")
            yield Call("sagemaker", "DeleteTrainingJob", job, repeat="safe")


# --- reading --------------------------------------------------------------------------------------------------------


def _describe(job: str) -> Call:
    return Call("sagemaker", "DescribeTrainingJob", {"TrainingJobName": job})


def _seen(reply: Reply, number: int) -> Attempt:
    transitions: list[dict[str, Any]] = reply.get("SecondaryStatusTransitions") or [{}]
    environment: dict[str, str] = reply.get("Environment") or {}
    return Attempt(
        number=number,
        job_name=reply["TrainingJobName"],
        arn=reply["TrainingJobArn"],
        status=reply["TrainingJobStatus"],
        secondary=reply.get("SecondaryStatus", ""),
        message=transitions[-1].get("StatusMessage", ""),
        failure_reason=reply.get("FailureReason", ""),
        run=environment.get(RUN_VARIABLE, ""),
        instance_type=reply.get("ResourceConfig", {}).get("InstanceType", ""),
        output_uri=reply.get("OutputDataConfig", {}).get("S3OutputPath", ""),
        artifact_uri=reply.get("ModelArtifacts", {}).get("S3ModelArtifacts", ""),
        metrics={each["MetricName"]: float(each["Value"]) for each in reply.get("FinalMetricDataList", ())},
        started=time_of(reply.get("TrainingStartTime")),
        ended=time_of(reply.get("TrainingEndTime")),
        billable_s=reply.get("BillableTimeInSeconds", 0),
    )


# --- judging --------------------------------------------------------------------------------------------------------


def _progress(desired: Desired, last: Attempt) -> Progress:
    """Epochs where the script prints a metric named `epoch` and is given `epochs`; else only what the platform says."""
    epoch, epochs = last.metrics.get("epoch"), desired.hyperparameters.get("epochs", "")
    if epoch is not None and epoch == epoch and epochs.isdecimal():
        return Progress(int(epoch), int(epochs), "epochs", _note(last))
    return Progress(0, 0, "epochs", _note(last))


def _note(last: Attempt) -> str:
    values = ", ".join(f"{name} {value:.4g}" for name, value in sorted(last.metrics.items()))
    step = f"{last.secondary}: {last.message}" if last.message and last.message != last.secondary else last.secondary
    return f"{step} ({values})" if values else step


def _ending(last: Attempt) -> str:
    if last.failure_reason:
        return f"failed: {last.failure_reason}"
    if last.secondary == "MaxRuntimeExceeded":
        return "was stopped, since it ran past its time limit"
    return f"ended {last.status}" + (f": {last.message}" if last.message else "")


def _reason(last: Attempt) -> str:
    if platform_fault(last) == "CapacityError":
        return "NoCapacity"
    if last.secondary in ("MaxRuntimeExceeded", "MaxWaitTimeExceeded"):
        return "TrainingTimedOut"
    return "TrainingStopped" if last.status == "Stopped" else "TrainingFailed"


# --- writing --------------------------------------------------------------------------------------------------------


def _request(desired: Desired, row: tuple[Attempt, ...]) -> dict[str, Any]:
    vpc = {"SecurityGroupIds": list(desired.security_groups), "Subnets": list(desired.subnets)} if desired.subnets else None
    run = {RUN_VARIABLE: desired.run} if desired.run else {}
    algorithm = {
        "TrainingImage": desired.image,
        "TrainingInputMode": "File",
        "ContainerEntrypoint": list(desired.entrypoint),
        "ContainerArguments": list(desired.arguments),
        "MetricDefinitions": [{"Name": name, "Regex": regex} for name, regex in sorted(desired.metrics.items())],
    }
    resources = {
        "InstanceType": _instance_type(desired, row),
        "InstanceCount": desired.instance_count,
        "VolumeSizeInGB": desired.volume_gb,
        "VolumeKmsKeyId": desired.kms_key,
    }
    return without_empty(
        {
            "TrainingJobName": job_name(desired.name, len(row) + 1),
            "AlgorithmSpecification": without_empty(algorithm),
            "RoleArn": known(desired.role_arn),
            "InputDataConfig": [_channel(each) for each in desired.channels],
            "OutputDataConfig": without_empty({"S3OutputPath": desired.output_uri, "KmsKeyId": desired.kms_key}),
            "ResourceConfig": without_empty(resources),
            "StoppingCondition": {"MaxRuntimeInSeconds": desired.max_runtime_s},
            "HyperParameters": dict(desired.hyperparameters),
            "Environment": dict(desired.environment) | run,
            "VpcConfig": vpc,
            "EnableNetworkIsolation": desired.network_isolation,
            "Tags": tag_list(tags_made(desired.tags, desired.version)),
        }
    )


def _instance_type(desired: Desired, row: tuple[Attempt, ...]) -> str:
    """The declared type, or the next of the fall-backs for each attempt of this run that found no capacity."""
    types = (desired.instance_type, *desired.fallback)
    short = sum(1 for each in row if platform_fault(each) == "CapacityError" and each.run == desired.run)
    return types[min(short, len(types) - 1)]


def _channel(channel: Channel) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": known(channel.uri), "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": channel.name, "DataSource": {"S3DataSource": source}}


KIND: Kind[Desired, Observed] = TrainingJob()
