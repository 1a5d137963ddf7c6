"""What a provider's error means to us: one table, by service, code and message.

Sources: the error sections of each service's API reference; research notes on codes that AWS does not model (SageMaker's
plain ValidationException for what is missing or already there).
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
    SSOError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError

from trimtab.clients.denials import Asked, is_refusal, sentence
from trimtab.core.kind import Failure, Meaning

_THROTTLED = {
    "Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException", "RequestLimitExceeded",
    "SlowDown", "RequestThrottled", "RequestThrottledException", "PriorRequestNotComplete",
}  # fmt: skip
_DENIED = {
    "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "UnrecognizedClientException", "InvalidClientTokenId",
    "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException", "AuthFailure", "InvalidAccessKeyId", "403",
    "NotAuthorized", "MissingAuthenticationToken", "IncompleteSignature", "InvalidToken", "InvalidSignatureException",
    "RequestTimeTooSkewed", "RequestExpired",
}  # fmt: skip
_TRANSIENT = {
    "InternalError", "InternalFailure", "InternalServerError", "ServerException", "ServiceException", "ServiceUnavailable",
    "ServiceUnavailableException", "InternalServerException", "InternalServiceException", "500", "502", "503", "504",
    "RequestTimeout", "RequestTimeoutException", "OperationAbortedException", "UpdateInProgressException",
}  # fmt: skip
_QUOTA = {"LimitExceededException", "LimitExceeded", "ResourceLimitExceeded", "ServiceQuotaExceededException",
          "InsufficientStorage", "TooManyLoadBalancers", "TooManyTargetGroups", "TooManyRules",
          "TooManyListeners"}  # fmt: skip
# S3's words for a bucket of another region; a HEAD has no body, and so the status alone. botocore goes there by itself
# where the answer names the region: what comes as far as here could not be followed.
_ELSEWHERE = {"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException",
              "301", "307"}  # fmt: skip
_CONFLICT = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}

# (service or "*", code pattern, message pattern, meaning): the first that matches wins.
_TABLE: tuple[tuple[str, str, str, Meaning], ...] = (
    ("sagemaker", r"ValidationException", r"(?i)could not find|not found|does not exist", "absent"),
    ("sagemaker", r"ValidationException", r"(?i)cannot create already existing", "exists"),
    # A role that was just made is refused like this for some seconds.
    ("sagemaker", r"ValidationException", r"(?i)could not assume role|unable to assume", "denied"),
    ("sagemaker", r"ResourceNotFound", r"", "absent"),
    ("sagemaker", r"ResourceInUse", r"(?i)already exist|job name|must be unique", "exists"),
    ("sagemaker", r"ResourceInUse", r"", "busy"),
    ("ecs", r"ClientException", r"(?i)unable to describe task definition|task definition does not exist", "absent"),
    ("ecs", r"(ClusterNotFound|ServiceNotFound|TaskSetNotFound)Exception", r"", "absent"),
    ("ecs", r"ServiceNotActiveException", r"", "absent"),
    ("ecs", r"InvalidParameterException", r"(?i)not idempotent|already exists", "exists"),
    ("ecs", r"InvalidParameterException", r"(?i)unable to assume the (service linked )?role|verify that the role", "denied"),
    ("ecs", r"InvalidParameterException", r"(?i)draining", "busy"),
    ("ecs", r"ClusterContains\w+Exception", r"", "busy"),
    ("elbv2", r"(LoadBalancer|TargetGroup|Listener|Rule)NotFound", r"", "absent"),
    ("elbv2", r"Duplicate\w+Name|DuplicateListener|PriorityInUse", r"", "exists"),
    ("elbv2", r"ResourceInUse|OperationNotPermitted", r"", "busy"),
    ("iam", r"NoSuchEntity", r"", "absent"),
    ("iam", r"EntityAlreadyExists", r"", "exists"),
    ("iam", r"DeleteConflict|ConcurrentModification", r"", "busy"),
    ("ecr", r"(Repository|Image)NotFoundException", r"", "absent"),
    ("ecr", r"(Repository|Image)AlreadyExistsException|ImageTagAlreadyExistsException", r"", "exists"),
    ("ecr", r"RepositoryNotEmptyException", r"", "busy"),
    ("logs", r"ResourceNotFoundException", r"", "absent"),
    ("logs", r"ResourceAlreadyExistsException", r"", "exists"),
    ("s3", r"NoSuchKey|NoSuchBucket|NoSuchUpload|404|NotFound", r"", "absent"),
    ("s3", r"BucketAlreadyOwnedByYou|BucketAlreadyExists", r"", "exists"),
    ("apigateway", r"NotFoundException", r"", "absent"),
    ("apigateway", r"ConflictException", r"(?i)already exists|already subscribed", "exists"),
    ("apigateway", r"ConflictException", r"", "busy"),
    ("apigateway", r"BadRequestException", r"(?i)active stages|stages? .*associated|move stages|remove", "busy"),
    ("apigatewayv2", r"NotFoundException", r"", "absent"),
    ("apigatewayv2", r"ConflictException|BadRequestException", r"(?i)in use|integrations?|delet", "busy"),
    ("*", r".*(NotFound|NoSuch)\w*", r"", "absent"),
    ("*", r".*AlreadyExists\w*", r"", "exists"),
    ("*", r"(Validation|Invalid|Malformed|Unsupported|NotImplemented|UnknownOperation)\w*", r"", "invalid"),
    ("*", r"BadRequestException|ClientException|LayersNotFoundException|EntityTooLarge", r"", "invalid"),
)  # fmt: skip


def meaning_of(service: str, code: str, message: str) -> Meaning:
    """Classify an error answer of a service."""
    for meaning, codes in _PLAIN:
        if code in codes:
            return meaning
    for where, code_pattern, message_pattern, meaning in _TABLE:
        if where in ("*", service) and re.fullmatch(code_pattern, code) and re.search(message_pattern, message):
            return meaning
    return "unlisted"


_PLAIN: tuple[tuple[Meaning, set[str]], ...] = (
    ("throttled", _THROTTLED),
    ("denied", _DENIED),
    ("transient", _TRANSIENT),
    ("quota", _QUOTA),
    ("conflict", _CONFLICT),
    ("invalid", _ELSEWHERE),
)

_NETWORK = (
    EndpointConnectionError,
    ConnectTimeoutError,
    ReadTimeoutError,
    ConnectionClosedError,
    HTTPClientError,
    ResponseParserError,
)


NO_CREDENTIALS = "NoCredentials"  # our code for a call that could not even be signed


def code_of(error: Exception) -> str:
    """The code of a service's answer; "" for what is none."""
    answer = cast(dict[str, dict[str, Any]], error.response) if isinstance(error, ClientError) else {}
    return str(answer.get("Error", {}).get("Code", ""))


def failure_from(
    service: str,
    operation: str,
    error: Exception,
    *,
    asked: Asked | None = None,
    caller: Callable[[], str] = str,
    region: str = "",
) -> Failure:
    """Translate what botocore raised. The reason names the operation, and the request id where there is one.

    asked, caller: what a refusal is told by, where the service's own words leave it out; see `denials.sentence`. region:
    the one that was asked.
    """
    name = f"{service}:{operation}"
    if isinstance(error, ClientError):
        answer = cast(dict[str, dict[str, Any]], error.response)
        body = answer.get("Error", {})
        code, message = str(body.get("Code", "")), str(body.get("Message", ""))
        request_id = str(answer.get("ResponseMetadata", {}).get("RequestId", ""))
        tail = f" (request {request_id})" if request_id else ""
        if is_refusal(code):
            told = sentence(asked or Asked(service, operation, {}), code, message, caller)
            return Failure("denied", f"{name}: {code}: {told}{tail}", code=code, operation=name)
        if service == "s3" and code in _ELSEWHERE:
            told = _elsewhere(answer, asked, region)
            return Failure("invalid", f"{name}: {code}: {told}{tail}", code=code, operation=name)
        return Failure(meaning_of(service, code, message), f"{name}: {code}: {message}{tail}", code=code, operation=name)
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        told = "no AWS credentials were found: configure them (aws configure, AWS_PROFILE)"
        return Failure("denied", f"{name}: {told}", code=NO_CREDENTIALS, operation=name)
    if isinstance(error, (CredentialRetrievalError, TokenRetrievalError, SSOError, ProfileNotFound)):
        told = f"there are no credentials to call with: {error}: renew them (aws sso login), or correct AWS_PROFILE"
        return Failure("denied", f"{name}: {told}", code=NO_CREDENTIALS, operation=name)
    if isinstance(error, ParamValidationError):
        return Failure("unlisted", f"{name}: {error}", code="ParamValidation", operation=name)
    if isinstance(error, (*_NETWORK, OSError)):
        return Failure("transient", f"{name}: {error}", code=type(error).__name__, operation=name)
    if isinstance(error, BotoCoreError):
        return Failure("unlisted", f"{name}: {error}", code=type(error).__name__, operation=name)
    raise error


def _elsewhere(answer: Mapping[str, Any], asked: Asked | None, region: str) -> str:
    """A bucket of another region, naming both."""
    body, headers = answer.get("Error", {}), answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    expected = re.search(r"expecting '([\w-]+)'", str(body.get("Message", "")))
    there = headers.get("x-amz-bucket-region") or body.get("Region") or (expected[1] if expected else "another region")
    bucket = asked.arguments.get("Bucket") if asked else body.get("Bucket")
    return (
        f"the bucket {bucket or ''} is in {there}, and was asked for in {region or 'another'}: "
        f"name a bucket of {region or 'that region'}, or an environment of {there}"
    )
