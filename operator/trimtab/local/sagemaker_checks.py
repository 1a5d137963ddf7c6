"""What the create calls of jobs refuse, beyond what the service model says of shapes: as AWS, or as one machine must."""

import re
from collections.abc import Mapping
from typing import Any

from trimtab.local.overlay import Arguments, ServiceError

_MOST_RUNTIME_S = 28 * 86_400
_NOT_BUILT = ("CheckpointConfig", "DebugHookConfig", "RetryStrategy", "ServerlessJobConfig", "ModelPackageConfig")


def check_request(arguments: Arguments) -> None:
    """Refuse a request that SageMaker would refuse, or that would be made true only in part. Raises ServiceError."""
    _check_algorithm(arguments.get("AlgorithmSpecification") or {})
    for name in _NOT_BUILT:
        if arguments.get(name):
            raise invalid(f"{name} is not built in the local cloud: leave it out")
    _check_resources(arguments)
    _check_time(arguments)
    names: set[str] = set()
    for channel in arguments.get("InputDataConfig") or ():
        if channel["ChannelName"] in names:
            raise invalid(f"Duplicate channel name: {channel['ChannelName']}")
        names.add(channel["ChannelName"])
        _check_channel(channel)


def check_processing(arguments: Arguments) -> None:
    """The same of CreateProcessingJob."""
    if not arguments.get("RoleArn"):
        raise invalid("RoleArn is required")
    if arguments.get("ExperimentConfig"):
        raise invalid("ExperimentConfig is not built in the local cloud: leave it out")
    cluster = arguments["ProcessingResources"]["ClusterConfig"]
    if cluster.get("InstancePreferences"):
        raise invalid(
            "ClusterConfig.InstancePreferences is not built in the local cloud: give InstanceType and InstanceCount"
        )
    _check_count(cluster, "processing")
    inputs: list[Mapping[str, Any]] = list(arguments.get("ProcessingInputs") or ())
    config: Mapping[str, Any] = arguments.get("ProcessingOutputConfig") or {}
    outputs: list[Mapping[str, Any]] = list(config.get("Outputs") or ())
    for each in inputs:
        _check_processing_input(each)
    for each in outputs:
        _check_processing_output(each)
    _check_unique([each["InputName"] for each in inputs], "ProcessingInputs must have unique names")
    _check_unique([each["OutputName"] for each in outputs], "ProcessingOutputs must have unique names")
    # The service itself answers this with a ValidationException that has no words.
    _check_unique([_folder(each["S3Input"]) for each in inputs], "ProcessingInputs must have LocalPaths of their own")


def invalid(words: str) -> ServiceError:
    return ServiceError("ValidationException", words)


def _check_algorithm(specification: Mapping[str, Any]) -> None:
    if not specification.get("TrainingImage"):
        raise invalid("The local cloud trains with AlgorithmSpecification.TrainingImage only")
    if specification.get("TrainingInputMode") == "Pipe":
        raise invalid("TrainingInputMode Pipe is not built in the local cloud: use File or FastFile")
    for each in specification.get("MetricDefinitions") or ():
        try:
            re.compile(each["Regex"])
        except re.error as error:
            raise invalid(f"The regular expression {each['Regex']} is not valid: {error}") from error


def _check_resources(arguments: Arguments) -> None:
    resources: Mapping[str, Any] = arguments.get("ResourceConfig") or {}
    if resources.get("InstanceGroups"):
        raise invalid("ResourceConfig.InstanceGroups is not built in the local cloud: give InstanceType and InstanceCount")
    _check_count(resources, "training")


def _check_count(resources: Mapping[str, Any], noun: str) -> None:
    count, kind = resources.get("InstanceCount", 1), resources.get("InstanceType", "")
    if count > 1:
        limit = f"The account-level service limit '{kind} for {noun} job usage' is 1 Instances, with current utilization"
        tail = f"of 0 Instances and a request delta of {count} Instances. The local cloud is one machine."
        raise ServiceError("ResourceLimitExceeded", f"{limit} {tail}")


def _check_time(arguments: Arguments) -> None:
    condition: Mapping[str, int] = arguments.get("StoppingCondition") or {}
    runtime = condition.get("MaxRuntimeInSeconds", 86_400)
    if runtime > _MOST_RUNTIME_S:
        raise invalid(f"MaxRuntimeInSeconds must be at most {_MOST_RUNTIME_S}")
    wait = condition.get("MaxWaitTimeInSeconds")
    if arguments.get("EnableManagedSpotTraining") and (wait is None or wait < runtime):
        raise invalid("Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds")
    if wait is not None and not arguments.get("EnableManagedSpotTraining"):
        raise invalid("MaxWaitTimeInSeconds is only supported when EnableManagedSpotTraining is true")


def _check_channel(channel: Mapping[str, Any]) -> None:
    name, source = channel["ChannelName"], channel["DataSource"].get("S3DataSource")
    if source is None:
        raise invalid(f"channel {name}: the local cloud takes data from S3DataSource only")
    if source["S3DataType"] != "S3Prefix":
        raise invalid(f"channel {name}: S3DataType {source['S3DataType']} is not built in the local cloud: use S3Prefix")
    if channel.get("InputMode") == "Pipe":
        raise invalid(f"channel {name}: InputMode Pipe is not built in the local cloud: use File or FastFile")
    if channel.get("CompressionType", "None") != "None":
        raise invalid(f"channel {name}: CompressionType {channel['CompressionType']} is not built in the local cloud")


def _check_processing_input(given: Mapping[str, Any]) -> None:
    name, source = given["InputName"], given.get("S3Input")
    if source is None:
        raise invalid(f"input {name}: the local cloud takes data from S3Input only")
    if source["S3DataType"] != "S3Prefix":
        raise invalid(f"input {name}: S3DataType {source['S3DataType']} is not built in the local cloud: use S3Prefix")
    if source.get("S3InputMode", "File") != "File":
        raise invalid(f"input {name}: S3InputMode {source['S3InputMode']} is not built in the local cloud: use File")
    if source.get("S3CompressionType", "None") != "None":
        raise invalid(f"input {name}: S3CompressionType {source['S3CompressionType']} is for S3InputMode Pipe alone")
    _check_local_path(f"input {name}", source)


def _check_processing_output(given: Mapping[str, Any]) -> None:
    name, target = given["OutputName"], given.get("S3Output")
    if target is None:
        raise invalid(f"output {name}: the local cloud writes to S3Output only")
    if target["S3UploadMode"] != "EndOfJob":
        raise invalid(f"output {name}: S3UploadMode {target['S3UploadMode']} is not built in the local cloud: use EndOfJob")
    _check_local_path(f"output {name}", target)


def _check_local_path(what: str, given: Mapping[str, Any]) -> None:
    path = str(given.get("LocalPath") or "")
    if not path.startswith("/opt/ml/processing/") or ".." in path.split("/"):
        raise invalid(f"{what}: LocalPath {path or '(none)'} must begin with /opt/ml/processing/ and not lead out of it")


def _folder(given: Mapping[str, Any]) -> str:
    return str(given["LocalPath"]).rstrip("/")


def _check_unique(values: list[str], words: str) -> None:
    twice = sorted({each for each in values if values.count(each) > 1})
    if twice:
        raise invalid(f"{words}: {', '.join(twice)}")
