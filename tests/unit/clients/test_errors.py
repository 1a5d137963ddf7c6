"""What a provider's answer means, by one table."""

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    NoCredentialsError,
    ProfileNotFound,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.parsers import ResponseParserError

from trimtab.clients.denials import Asked
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


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        pytest.param({"Code": "PermanentRedirect", "Bucket": "models"}, {"x-amz-bucket-region": "eu-west-1"}, id="redirect"),
        pytest.param({"Code": "301", "Message": "Moved Permanently"}, {"x-amz-bucket-region": "eu-west-1"}, id="head"),
        pytest.param({"Code": "AuthorizationHeaderMalformed", "Region": "eu-west-1"}, {}, id="in the body"),
        pytest.param(
            {"Code": "AuthorizationHeaderMalformed", "Message": "the region 'us-east-1' is wrong; expecting 'eu-west-1'"},
            {},
            id="in the words",
        ),
    ],
)
def test_a_bucket_of_another_region_names_both(error, headers):
    answer = {"Error": error, "ResponseMetadata": {"RequestId": "r-1", "HTTPHeaders": headers}}
    asked = Asked("s3", "GetObject", {"Bucket": "models", "Key": "a"})
    raised = ClientError(answer, "GetObject")  # type: ignore[arg-type]
    failure = failure_from("s3", "GetObject", raised, asked=asked, region="us-east-1")
    assert failure.meaning == "invalid"  # a person mends it: it is looked at again, and is no fault of ours
    assert "the bucket models is in eu-west-1, and was asked for in us-east-1" in failure.reason
    assert "name a bucket of us-east-1, or an environment of eu-west-1" in failure.reason


@pytest.mark.parametrize(
    "error",
    [
        ProfileNotFound(profile="gone"),
        CredentialRetrievalError(provider="assume-role", error_msg="denied"),
        UnauthorizedSSOTokenError(),
        TokenRetrievalError(provider="sso", error_msg="expired"),
    ],
)
def test_credentials_that_cannot_even_be_had_are_a_refusal_that_says_how_to_mend_it(error):
    failure = failure_from("ecs", "ListClusters", error)
    assert (failure.meaning, failure.code) == ("denied", "NoCredentials")
    assert "renew them (aws sso login), or correct AWS_PROFILE" in failure.reason
