"""What CloudTrail records of a request.

The pages: AWS CloudTrail User Guide, "CloudTrail record contents for management events", "CloudTrail userIdentity element",
"Logging data events".
"""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from trimtab.local.principals import Issuer, Principal
from trimtab.local.protocol import Operation, input_shape
from trimtab.local.trail_events import HIDDEN, Made, is_recorded, record, resources, source_of

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ANA = Principal("arn:aws:iam::123456789012:user/ana", "AIDAANA", "ana", "AKIAANA")
UPDATE = Made(
    operation=Operation("ecs", "UpdateService", {}),
    arguments={"cluster": "main", "service": "web", "desiredCount": 3},
    principal=ANA,
    account="123456789012",
    region="us-east-1",
    request_id="r-1",
    agent="aws-cli",
    at=AT,
    code="",
    message="",
)


def made(service: str, operation: str, **arguments) -> Made:
    return replace(UPDATE, operation=Operation(service, operation, {}), arguments=arguments)


def test_a_record_has_the_documented_contents():
    assert record(UPDATE, "e-1", input_shape(UPDATE.operation)) == {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDAANA",
            "arn": "arn:aws:iam::123456789012:user/ana",
            "accountId": "123456789012",
            "accessKeyId": "AKIAANA",
            "userName": "ana",
        },
        "eventTime": "2026-01-02T03:04:05Z",
        "eventSource": "ecs.amazonaws.com",
        "eventName": "UpdateService",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "127.0.0.1",
        "userAgent": "aws-cli",
        "requestParameters": {"cluster": "main", "service": "web", "desiredCount": 3},
        "responseElements": None,
        "requestID": "r-1",
        "eventID": "e-1",
        "readOnly": False,
        "resources": [
            {"name": "main", "type": "AWS::ECS::Cluster"},
            {"name": "web", "type": "AWS::ECS::Service"},
        ],
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": "123456789012",
        "eventCategory": "Management",
    }


def test_a_session_names_its_role():
    role = Issuer("arn:aws:iam::123456789012:role/operator", "AROAX", "operator")
    session = Principal("arn:aws:sts::123456789012:assumed-role/operator/loop", "AROAX:loop", "loop", "ASIAX", role, AT)
    identity = session.identity("123456789012")
    assert (identity["type"], identity["principalId"]) == ("AssumedRole", "AROAX:loop")
    assert identity["sessionContext"] == {
        "sessionIssuer": {
            "type": "Role",
            "principalId": "AROAX",
            "arn": role.arn,
            "accountId": "123456789012",
            "userName": "operator",
        },
        "attributes": {"creationDate": "2026-01-02T03:04:05Z", "mfaAuthenticated": "false"},
    }


def test_a_refusal_says_why():
    event = record(replace(UPDATE, code="ServiceNotFoundException", message="Service not found."), "e", None)
    assert (event["errorCode"], event["errorMessage"]) == ("ServiceNotFoundException", "Service not found.")


@pytest.mark.parametrize(
    ("service", "name", "variables", "expected"),
    [
        ("ecs", "UpdateService", {}, True),
        ("ecs", "DescribeServices", {}, True),
        ("s3", "PutObject", {"Bucket": "b", "Key": "k"}, False),
        ("s3", "DeleteObjects", {"Bucket": "b"}, False),
        ("s3", "CreateBucket", {"Bucket": "b"}, True),
        ("s3", "PutBucketPolicy", {"Bucket": "b"}, True),
        ("sqs", "ReceiveMessage", {}, False),
        ("sqs", "SendMessageBatch", {}, False),
        ("sqs", "CreateQueue", {}, True),
        ("logs", "PutLogEvents", {}, False),
        ("events", "PutEvents", {}, False),
        ("events", "PutRule", {}, True),
        ("sagemaker-runtime", "InvokeEndpoint", {}, False),
    ],
)
def test_only_management_events_are_recorded(service, name, variables, expected):
    assert is_recorded(Operation(service, name, variables)) is expected


@pytest.mark.parametrize(
    ("service", "source"),
    [
        ("ecs", "ecs"),
        ("elbv2", "elasticloadbalancing"),
        ("apigatewayv2", "apigateway"),
        ("cloudwatch", "monitoring"),
        ("resourcegroupstaggingapi", "tagging"),
    ],
)
def test_sources_are_aws_s(service, source):
    assert source_of(service) == f"{source}.amazonaws.com"


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (made("sagemaker", "CreateTrainingJob", TrainingJobName="j"), [("AWS::SageMaker::TrainingJob", "j")]),
        (made("ecr", "PutImageTagMutability", repositoryName="r"), [("AWS::ECR::Repository", "r")]),
        (made("iam", "DeleteRole", RoleName="x"), [("AWS::IAM::Role", "x")]),
        (made("events", "PutRule", Name="x"), [("AWS::Events::Rule", "x")]),
        (made("s3", "DeleteBucket", Bucket="b"), [("AWS::S3::Bucket", "b")]),
        (made("ecs", "DescribeServices", services=["a", "b"]), []),
        (made("ec2", "DescribeVpcs"), []),
    ],
)
def test_resources_are_what_the_request_names(request_, expected):
    assert resources(request_) == expected


def test_parameters_are_spelled_as_cloudtrail_does_and_names_of_a_map_stay():
    given = made("sagemaker", "CreateTrainingJob", TrainingJobName="j", HyperParameters={"Epochs": "3"})
    event = record(given, "e", input_shape(given.operation))
    assert event["requestParameters"] == {"trainingJobName": "j", "hyperParameters": {"Epochs": "3"}}


def test_what_is_secret_is_hidden():
    for given in (
        made("secretsmanager", "CreateSecret", Name="n", SecretString="hush"),
        made("iam", "CreateLoginProfile", UserName="ana", Password="hush"),
        made("apigateway", "CreateApiKey", name="k", value="hush"),
        made("ecs", "RegisterTaskDefinition", containerDefinitions=[{"environment": [{"name": "K", "value": "hush"}]}]),
        made("sagemaker", "CreateTrainingJob", Environment={"K": "hush"}),
    ):
        text = json.dumps(record(given, "e", input_shape(given.operation)))
        assert "hush" not in text
        assert HIDDEN in text


def test_parameters_that_are_too_long_are_left_out():
    given = made("iam", "PutRolePolicy", RoleName="r", PolicyDocument="x" * 200_000)
    event = record(given, "e", input_shape(given.operation))
    assert event["requestParameters"] is None
    assert event["resources"] == [{"name": "r", "type": "AWS::IAM::Role"}]


def test_s3_events_have_cloudtrail_s_names():
    """Amazon S3 User Guide, "Amazon S3 CloudTrail events"."""
    given = made("s3", "PutBucketNotificationConfiguration", Bucket="b")
    event = record(given, "e", None)
    assert (event["eventName"], event["requestParameters"]) == ("PutBucketNotification", {"bucketName": "b"})
