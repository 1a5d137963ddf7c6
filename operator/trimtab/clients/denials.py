"""Who may not do what to what, and what to do about it: a refusal as a person needs it.

AWS says it in several forms, and some services say nothing. What its message leaves out is filled in: the caller from STS,
the action and the resource from the call.
Sources: IAM User Guide, "Troubleshoot access denied error messages" and "Troubleshoot Signature Version 4 requests";
Service Authorization Reference (names of actions); Amazon S3 User Guide, "Required permissions for S3 API operations".
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_EXPIRED = "the credentials have expired: renew them (aws sso login, or AWS_PROFILE)"
_UNKNOWN_KEY = "the access key is not known there: correct AWS_PROFILE or the access key"
_MISMATCH = "the secret key does not go with the access key: correct AWS_PROFILE or the secret key"
_CLOCK = "this machine's clock is off by minutes, which no signature survives: set it (chronyc makestep, or timedatectl)"
# Codes that say that we are nobody, rather than that we may not.
_CREDENTIALS = {
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "InvalidToken": "the session token is none: renew the credentials (aws sso login, or AWS_PROFILE)",
    "InvalidClientTokenId": _UNKNOWN_KEY,
    "UnrecognizedClientException": _UNKNOWN_KEY,
    "InvalidAccessKeyId": _UNKNOWN_KEY,
    "SignatureDoesNotMatch": _MISMATCH,
    "InvalidSignatureException": _MISMATCH,
    "RequestTimeTooSkewed": _CLOCK,
    "RequestExpired": _CLOCK,
    "AuthFailure": "the credentials are refused: correct AWS_PROFILE or the access key",
    "MissingAuthenticationToken": "the request carried no credentials: configure them (aws configure, AWS_PROFILE)",
    "IncompleteSignature": "the signature was not whole: configure the credentials anew (aws configure)",
}
_OF_CLOCK = re.compile(r"(?i)signature (expired|not yet current)|too old, or of the future")
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
    return is_of_credentials(code) or code in _REFUSED


def is_of_credentials(code: str) -> bool:
    """Whether a person must renew or correct credentials (or the clock), and no grant helps."""
    return code in _CREDENTIALS


def sentence(asked: Asked, code: str, message: str, caller: Callable[[], str]) -> str:
    """ "<principal> may not <action> on <resource>: why; what to do".

    caller: the ARN of who asks, or what else tells whose credentials these are, or ""; only called when the message does
    not name them.
    """
    if code in _CREDENTIALS:
        why = _CLOCK if _OF_CLOCK.search(message) else _CREDENTIALS[code]
        return f"{caller() or 'this caller'} cannot {action_of(asked)}: {why}"
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
