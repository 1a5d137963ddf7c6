"""Who may not do what to what, and what to do about it: a refusal as a person needs it.

AWS says it in several forms, and some services say nothing. What its message leaves out is filled in: the caller from STS,
the action and the resource from the call.
Sources: IAM User Guide, "Troubleshoot access denied error messages"; Service Authorization Reference (names of actions);
Amazon S3 User Guide, "Required permissions for Amazon S3 API operations".
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# Codes that say that we are nobody, rather than that we may not.
_CREDENTIALS = {
    "ExpiredToken": "the credentials have expired: renew them (aws sso login, or AWS_PROFILE)",
    "ExpiredTokenException": "the credentials have expired: renew them (aws sso login, or AWS_PROFILE)",
    "InvalidClientTokenId": "the access key is not known there: correct AWS_PROFILE or the access key",
    "UnrecognizedClientException": "the access key is not known there: correct AWS_PROFILE or the access key",
    "InvalidAccessKeyId": "the access key is not known there: correct AWS_PROFILE or the access key",
    "SignatureDoesNotMatch": "the secret key does not go with the access key: correct AWS_PROFILE or the secret key",
    "AuthFailure": "the credentials are refused: correct AWS_PROFILE or the access key",
    "MissingAuthenticationToken": "the request carried no credentials: configure them (aws configure, AWS_PROFILE)",
    "IncompleteSignature": "the signature was not whole: configure the credentials anew (aws configure)",
}
_REFUSED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized", "403"}
_ROLE = re.compile(r"arn:[^:]+:(?:sts::\d*:assumed-role|iam::\d*:role)/(?:[^/]+/)*?([^/]+)(?:/[^/]+)?")
_PREFIXES = {"elbv2": "elasticloadbalancing", "apigatewayv2": "apigateway", "resourcegroupstaggingapi": "tag"}
_OF_S3 = {
    "ListObjectsV2": "ListBucket",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "DeleteObjects": "DeleteObject",
    "ListParts": "ListMultipartUploadParts",
    "ListMultipartUploads": "ListBucketMultipartUploads",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A call as far as its refusal needs it."""

    service: str  # botocore's name
    operation: str
    arguments: Mapping[str, Any]
    method: str = ""  # of HTTP, and the path with {placeholders}: API Gateway's actions are methods on paths
    path: str = ""


def is_refusal(code: str) -> bool:
    """Whether the code alone may say nothing of caller, action and resource."""
    return code in _CREDENTIALS or code in _REFUSED


def sentence(asked: Asked, code: str, message: str, caller: Callable[[], str]) -> str:
    """ "<principal> may not <action> on <resource>: why; what to do".

    caller: the ARN of who asks, or "" where not even that is answered; only called when the message does not name them.
    """
    if code in _CREDENTIALS:
        return _CREDENTIALS[code]
    principal = _matched(r"User: (\S+) is not authorized", message) or caller() or "this caller"
    action = _matched(r"not authorized to perform: \"?([\w-]+:\w+)", message) or action_of(asked)
    resource = _matched(r"on (?:the )?resource: \"?([^\s\"]+)", message).rstrip(".,") or resource_of(asked)
    where = f" on {resource}" if resource not in ("", "*") else ""
    other = "" if re.search(r"(?i)^access ?denied\.?$|not authorized|^$", message) else f" ({message})"
    return f"{principal} may not {action}{where}{other}{_advice(principal, action, resource, message)}"


def _advice(principal: str, action: str, resource: str, message: str) -> str:
    if denied := re.search(r"with an explicit deny(?: in an? ([^.:]+))?", message):
        return f": {denied[1] or 'a policy'} denies it explicitly; have that changed, a grant does not help"
    role = _ROLE.fullmatch(principal)
    whom = f"role {role[1]}" if role else principal
    because = _matched(r"because (no [^.]+? allows) ", message)
    return f"{f': {because} it' if because else ''}; allow {action} on {resource or '*'} to {whom}"


def action_of(asked: Asked) -> str:
    """The action as policies name it: not always the operation's own name."""
    if asked.service in ("apigateway", "apigatewayv2") and asked.method:
        return f"apigateway:{asked.method}"
    name = _OF_S3.get(asked.operation, asked.operation) if asked.service == "s3" else asked.operation
    return f"{_PREFIXES.get(asked.service, asked.service)}:{name}"


def resource_of(asked: Asked) -> str:
    """What the call names: an ARN, a path of S3 or of API Gateway, or its first name; "*" for a call that names nothing."""
    given = asked.arguments
    if asked.service == "s3" and "Bucket" in given:
        return f"arn:aws:s3:::{given['Bucket']}" + (f"/{given['Key']}" if "Key" in given else "")
    if asked.service in ("apigateway", "apigatewayv2") and asked.path:
        return re.sub(r"\{(\w+)\+?\}", lambda match: str(_value(given, match[1])), asked.path)
    texts = {name: value for name, value in given.items() if isinstance(value, str)}
    arns = [value for value in texts.values() if value.startswith("arn:")]
    if arns:
        return arns[0]
    named = [(name, value) for name, value in texts.items() if re.search(r"(?i)(name|family|service|cluster)$", name)]
    # UpdateService names a cluster too: what the operation is about comes first.
    named.sort(key=lambda each: re.sub("name$", "", each[0].lower()) not in asked.operation.lower())
    return f"{named[0][0]} {named[0][1]}" if named else "*"


def _value(arguments: Mapping[str, Any], placeholder: str) -> object:
    """{restapi_id} of a path is restApiId among the arguments."""
    plain = placeholder.replace("_", "").lower()
    return next((value for name, value in arguments.items() if name.lower() == plain), f"{{{placeholder}}}")


def _matched(pattern: str, message: str) -> str:
    found = re.search(pattern, message)
    return found[1] if found else ""
