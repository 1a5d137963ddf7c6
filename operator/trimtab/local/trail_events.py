"""What CloudTrail records of a request: the event itself, and the resources that it is about. Pure.

Response elements are never recorded: an answer may hold what is secret. So is a parameter that its model marks as such.
Source: AWS CloudTrail User Guide, "CloudTrail record contents for management events", "Logging data events".
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from trimtab.local.principals import Principal
from trimtab.local.protocol import Operation
from trimtab.local.signals import stamp

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
_MOST_LETTERS = 100_000  # of request parameters; AWS cuts a record that exceeds 256 KB
_SOURCES = {  # where the name of the event source is not that of the service
    "elbv2": "elasticloadbalancing",
    "apigatewayv2": "apigateway",
    "cloudwatch": "monitoring",
    "application-autoscaling": "autoscaling",
    "resourcegroupstaggingapi": "tagging",
}
_NAMES = {  # of S3, where an event is not named as the API is
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "PutBucketLifecycleConfiguration": "PutBucketLifecycle",
    "GetBucketLifecycleConfiguration": "GetBucketLifecycle",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "DeletePublicAccessBlock": "DeleteBucketPublicAccessBlock",
}
_DATA: Mapping[str, frozenset[str]] = {  # operations that are data events: no history has them
    "sqs": frozenset(
        f"{name}{batch}"
        for name in ("SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility")
        for batch in ("", "Batch")
    ),
    "s3": frozenset({"DeleteObjects", "ListObjects", "ListObjectsV2", "ListObjectVersions", "HeadBucket"}),
    "logs": frozenset({"PutLogEvents", "GetLogEvents", "FilterLogEvents"}),
    "events": frozenset({"PutEvents"}),
    "cloudwatch": frozenset({"PutMetricData", "GetMetricData", "GetMetricStatistics"}),
}
_SECRET = {("apigateway", "CreateApiKey"): "value"}  # a parameter that its model does not mark
_TYPES: Mapping[str, Mapping[str, str]] = {  # by service, and by the parameter that names the resource
    "ecs": {
        "cluster": "AWS::ECS::Cluster",
        "clusterName": "AWS::ECS::Cluster",
        "service": "AWS::ECS::Service",
        "serviceName": "AWS::ECS::Service",
        "taskDefinition": "AWS::ECS::TaskDefinition",
        "family": "AWS::ECS::TaskDefinition",
        "task": "AWS::ECS::Task",
    },
    "sagemaker": {
        "TrainingJobName": "AWS::SageMaker::TrainingJob",
        "ProcessingJobName": "AWS::SageMaker::ProcessingJob",
    },
    "ecr": {"repositoryName": "AWS::ECR::Repository"},
    "elbv2": {
        "LoadBalancerArn": "AWS::ElasticLoadBalancingV2::LoadBalancer",
        "TargetGroupArn": "AWS::ElasticLoadBalancingV2::TargetGroup",
        "ListenerArn": "AWS::ElasticLoadBalancingV2::Listener",
        "RuleArn": "AWS::ElasticLoadBalancingV2::ListenerRule",
    },
    "apigateway": {
        "restApiId": "AWS::ApiGateway::RestApi",
        "usagePlanId": "AWS::ApiGateway::UsagePlan",
        "apiKey": "AWS::ApiGateway::ApiKey",
    },
    "apigatewayv2": {"VpcLinkId": "AWS::ApiGatewayV2::VpcLink", "ApiId": "AWS::ApiGatewayV2::Api"},
    "logs": {"logGroupName": "AWS::Logs::LogGroup"},
    "iam": {"RoleName": "AWS::IAM::Role", "UserName": "AWS::IAM::User", "PolicyArn": "AWS::IAM::Policy"},
    "sts": {"RoleArn": "AWS::IAM::Role"},
    "s3": {"Bucket": "AWS::S3::Bucket"},
    "sqs": {"QueueUrl": "AWS::SQS::Queue", "QueueName": "AWS::SQS::Queue"},
    "events": {"Rule": "AWS::Events::Rule"},
    "cloudwatch": {"AlarmName": "AWS::CloudWatch::Alarm"},
    "application-autoscaling": {"ResourceId": "AWS::ApplicationAutoScaling::ScalableTarget"},
}


@dataclass(frozen=True, slots=True)
class Made:
    """A request that was answered."""

    operation: Operation
    arguments: Mapping[str, Any]  # in the model's spelling
    principal: Principal
    account: str
    region: str
    request_id: str
    agent: str
    at: datetime
    code: str  # of a refusal, else ""
    message: str


def is_recorded(operation: Operation) -> bool:
    """Whether a request is a management event: what carries data is none."""
    if operation.service == "sagemaker-runtime":
        return False
    is_object = operation.service == "s3" and "Key" in operation.variables
    return not is_object and operation.name not in _DATA.get(operation.service, ())


def source_of(service: str) -> str:
    """The event source of botocore's name of a service: "ecs.amazonaws.com"."""
    return f"{_SOURCES.get(service, service)}.amazonaws.com"


def name_of(operation: Operation) -> str:
    """The event name of an operation."""
    return _NAMES.get(operation.name, operation.name) if operation.service == "s3" else operation.name


def record(made: Made, id: str, shape: Any) -> dict[str, Any]:
    """The event. shape: the operation's input, as botocore models it, or None."""
    refused = {"errorCode": made.code, "errorMessage": made.message} if made.code else {}
    named = [{"ARN" if each[1].startswith("arn:") else "name": each[1], "type": each[0]} for each in resources(made)]
    return {
        "eventVersion": "1.11",
        "userIdentity": made.principal.identity(made.account),
        "eventTime": stamp(made.at),
        "eventSource": source_of(made.operation.service),
        "eventName": name_of(made.operation),
        "awsRegion": made.region,
        "sourceIPAddress": "127.0.0.1",
        "userAgent": made.agent,
        **refused,
        "requestParameters": parameters(made, shape),
        "responseElements": None,
        "requestID": made.request_id,
        "eventID": id,
        "readOnly": made.operation.is_read,
        **({"resources": named} if named else {}),
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": made.account,
        "eventCategory": "Management",
    }


def resources(made: Made) -> list[tuple[str, str]]:
    """(type, name or ARN) of each resource that the request names."""
    types = _TYPES.get(made.operation.service, {})
    found = [(types[name], str(value)) for name, value in made.arguments.items() if name in types and isinstance(value, str)]
    if made.operation.service == "events" and "Rule" in made.operation.name and "Name" in made.arguments:
        found.append((types["Rule"], str(made.arguments["Name"])))
    return list(dict.fromkeys(found))


def parameters(made: Made, shape: Any) -> dict[str, Any] | None:
    """The request's parameters as CloudTrail spells them; None for none."""
    if made.operation.service == "s3":
        bucket = made.arguments.get("Bucket")
        return {"bucketName": bucket} if bucket else None
    secret = _SECRET.get((made.operation.service, made.operation.name))
    shown = _shown(made.arguments, shape)
    if secret and secret in shown:
        shown[secret] = HIDDEN
    return shown if shown and len(json.dumps(shown)) <= _MOST_LETTERS else None


def _shown(value: Any, shape: Any) -> Any:
    if shape is not None and shape.metadata.get("sensitive"):
        return HIDDEN
    if isinstance(value, Mapping):
        members = cast(Mapping[str, Any], value)
        if shape is not None and shape.type_name == "map":
            return {name: _shown(each, shape.value) for name, each in members.items()}
        return dict(_members(members, shape))
    if isinstance(value, list):
        inner = shape.member if shape is not None and shape.type_name == "list" else None
        return [_shown(each, inner) for each in cast(list[Any], value)]
    if isinstance(value, datetime):
        return stamp(value)
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def _members(members: Mapping[str, Any], shape: Any) -> Iterator[tuple[str, Any]]:
    """Members of a structure; environments may hold what nobody wants in a trail."""
    shapes: Mapping[str, Any] = getattr(shape, "members", None) or {}
    for name, value in members.items():
        spelled = name[:1].lower() + name[1:]
        yield spelled, HIDDEN if spelled == "environment" else _shown(value, shapes.get(name))
