"""What a provider's answer means, by one table."""

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, NoCredentialsError
from botocore.parsers import ResponseParserError

from trimtab.clients.errors import failure_from, meaning_of


@pytest.mark.parametrize(
    ("service", "code", "message", "meaning"),
    [
        ("ecs", "ThrottlingException", "Rate exceeded", "throttled"),
        ("s3", "SlowDown", "", "throttled"),
        ("iam", "AccessDenied", "", "denied"),
        ("ecs", "AccessDeniedException", "", "denied"),
        ("sts", "ExpiredToken", "", "denied"),
        ("ecs", "ServerException", "", "transient"),
        ("sagemaker", "500", "", "transient"),
        ("sagemaker", "ResourceLimitExceeded", "", "quota"),
        ("s3", "PreconditionFailed", "", "conflict"),
        ("sagemaker", "ValidationException", "Requested resource not found.", "absent"),
        ("sagemaker", "ValidationException", "Could not find training job", "absent"),
        ("sagemaker", "ValidationException", "Cannot create already existing model", "exists"),
        ("sagemaker", "ValidationException", "1 validation error detected", "invalid"),
        ("sagemaker", "ResourceInUse", "Training job names must be unique", "exists"),
        ("ecs", "InvalidParameterException", "Creation of service was not idempotent.", "exists"),
        ("ecs", "ClientException", "Unable to describe task definition.", "absent"),
        ("ecs", "InvalidParameterException", "Unable to Start a service that is still Draining.", "busy"),
        ("elbv2", "TargetGroupNotFound", "", "absent"),
        ("elbv2", "PriorityInUse", "", "exists"),
        ("elbv2", "ResourceInUse", "", "busy"),
        ("iam", "NoSuchEntity", "", "absent"),
        ("apigateway", "NotFoundException", "", "absent"),
        ("apigateway", "TooManyRequestsException", "", "throttled"),
        ("s3", "NoSuchKey", "", "absent"),
        ("ecs", "NeverHeardOfIt", "", "unlisted"),
    ],
)
def test_codes_mean_what_the_service_means(service, code, message, meaning):
    assert meaning_of(service, code, message) == meaning


def test_a_failure_names_operation_and_request():
    reply = {"Error": {"Code": "NoSuchEntity", "Message": "gone"}, "ResponseMetadata": {"RequestId": "r-1"}}
    failure = failure_from("iam", "GetRole", ClientError(reply, "GetRole"))  # type: ignore[arg-type]
    assert (failure.meaning, failure.reason) == ("absent", "iam:GetRole: NoSuchEntity: gone (request r-1)")


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (ConnectTimeoutError(endpoint_url="x"), "transient"),
        (ResponseParserError(), "transient"),
        (NoCredentialsError(), "denied"),
        (OSError(), "transient"),
    ],
)
def test_what_the_network_does_passes(error, meaning):
    assert failure_from("s3", "GetObject", error).meaning == meaning


def test_a_fault_of_ours_is_not_translated():
    with pytest.raises(ZeroDivisionError):
        failure_from("s3", "GetObject", ZeroDivisionError())
