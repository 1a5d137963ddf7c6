"""AWS's wire protocols for the overlays: which operation a request is, its arguments, and how answers are written.

Parsing and serialising are moto's (moto.core.parse, moto.core.serialize), driven by botocore's models; finding the
operation, validation against the model's constraints, and errors are ours.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import escape

import botocore.session
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.datastructures import Headers, MultiDict

from trimtab.local.constraints import ENUM, problems
from trimtab.local.overlay import ServiceError

_READS = re.compile(r"(Get|List|Describe|Head|Lookup|Search|BatchGet|BatchCheck|Filter|Query|Scan|Select|Test|Simulate)\w*")
_VARIABLE = re.compile(r"\{([\w-]+)(\+?)\}")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. headers: names in lower case; uri: as it was sent, with its query."""

    method: str
    uri: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.uri.partition("?")[0]

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(self.uri.partition("?")[2], keep_blank_values=True)


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Operation:
    """What a request asks for."""

    service: str  # botocore's name
    name: str  # "" when the model has none that fits
    variables: Mapping[str, str]  # from the path, for REST services
    form: bool = False  # asked by the query protocol of a service that speaks JSON as well

    @property
    def is_read(self) -> bool:
        return bool(_READS.fullmatch(self.name))


_SERVICES = (
    "ecs",
    "sagemaker",
    "ecr",
    "elbv2",
    "apigateway",
    "logs",
    "sts",
    "iam",
    "s3",
    "ec2",
    "resourcegroupstaggingapi",
    "cloudwatch",
)


@cache
def service_of(signing_name: str) -> str:
    """botocore's name for the name that a credential scope holds; two services may share one."""
    session = botocore.session.get_session()
    for service in _SERVICES:
        model = session.get_service_model(service)
        if model.metadata.get("signingName", model.metadata["endpointPrefix"]) == signing_name:
            return service
    return signing_name


def operation_of(request: Request, signing_name: str) -> Operation:
    """Find the operation of a request."""
    service = service_of(signing_name)
    if service == "apigateway" and request.path.startswith("/v2/"):
        service = "apigatewayv2"
    try:
        model = _model(service)
    except Exception:  # botocore's UnknownServiceError and its kin
        return Operation(service, "", {})
    if target := request.headers.get("x-amz-target"):
        return Operation(service, target.rpartition(".")[2], {})
    if "query" in _protocols(model) or model.protocol == "ec2":
        fields = dict(request.query) | dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        return Operation(service, str(fields.get("Action", "")), {}, form=True)
    found = _rest_operation(service, request)
    return replace(found, name=_of_object(request, found.name)) if service == "s3" else found


_OF_UPLOADS = {"PutObject": "UploadPart", "DeleteObject": "AbortMultipartUpload", "GetObject": "ListParts"}
_OF_COPIES = {"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"}
_SAME_PATH = {  # the model gives these one method and path: a header or a parameter tells them apart
    "CopyObject": "PutObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
    "AbortMultipartUpload": "DeleteObject",
    "ListParts": "GetObject",
    "ListDirectoryBuckets": "ListBuckets",
    "PutBucketNotification": "PutBucketNotificationConfiguration",  # deprecated
    "GetBucketNotification": "GetBucketNotificationConfiguration",
}


def _of_object(request: Request, name: str) -> str:
    """Which of the operations of S3 that share a path is meant."""
    name = _SAME_PATH.get(name, name)
    if any(field == "uploadId" for field, _ in request.query):
        name = _OF_UPLOADS.get(name, name)
    return _OF_COPIES.get(name, name) if "x-amz-copy-source" in request.headers else name


def _rest_operation(service: str, request: Request) -> Operation:
    names = {name for name, _ in request.query}
    for method, pattern, names_in, wanted, operation in _routes(service):
        match = pattern.fullmatch(request.path) if method == request.method else None
        if match and wanted <= names:
            return Operation(
                service, operation, {name: unquote(value) for name, value in zip(names_in, match.groups(), strict=True)}
            )
    return Operation(service, "", {})


Route = tuple[str, re.Pattern[str], tuple[str, ...], frozenset[str], str]


@cache
def _routes(service: str) -> list[Route]:
    """(method, path, names of its variables, query names, operation), the most particular first."""
    model = _model(service)
    ranked: list[tuple[tuple[int, int, int], Route]] = []
    for name in model.operation_names:
        http: dict[str, str] = model.operation_model(name).http
        path, _, query = http["requestUri"].partition("?")
        expression, place, names = "", 0, list[str]()
        for match in _VARIABLE.finditer(path):
            expression += re.escape(path[place : match.start()]) + ("(.+)" if match[2] else "([^/]+)")
            place = match.end()
            names.append(match[1])
        expression += re.escape(path[place:])
        fixed = frozenset(part.partition("=")[0] for part in query.split("&") if part)
        route: Route = (http["method"], re.compile(f"{expression}/?"), tuple(names), fixed, str(name))
        ranked.append(((len(names), -len(path), -len(fixed)), route))
    return [route for _, route in sorted(ranked, key=_rank)]


def _rank(ranked: tuple[tuple[int, int, int], Route]) -> tuple[int, int, int]:
    return ranked[0]


def arguments_of(request: Request, operation: Operation) -> dict[str, Any]:
    """Parse and validate a request's arguments. Raises ServiceError."""
    model = _model(operation.service).operation_model(operation.name)
    spoken = _spoken(model.service_model, form=operation.form)
    parser: Any = PROTOCOL_PARSERS[spoken](model)
    values: MultiDict[str, str] = MultiDict(request.query)
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        values.update(MultiDict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)))
    try:
        if spoken == "json" and request.body:
            json.loads(request.body)  # moto's parser takes what is no JSON for no arguments
        parsed: dict[str, Any] = parser.parse(
            {
                "method": request.method,
                "values": values,
                "headers": Headers(list(request.headers.items())),
                "body": request.body,
                "url_path": request.path,
                "url_params": dict(operation.variables),
            }
        )
    except Exception as error:  # whatever a malformed body makes the parser raise is the client's fault
        raise ServiceError("SerializationException", f"the request cannot be parsed: {error}") from error
    given: dict[str, Any] = {name: _aware(value) for name, value in parsed.items() if value is not None}
    found = list(problems(given, model.input_shape)) if model.input_shape else []
    if operation.service in _OPEN:
        found = [each for each in found if ENUM not in each]
    if found:
        raise ServiceError(_VALIDATION.get(operation.service, "ValidationException"), "; ".join(found[:5]))
    return given


def _aware(value: Any) -> Any:
    """A value whose times say that they are UTC: moto's parser leaves that out."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value
    if isinstance(value, dict):
        members = cast(dict[str, Any], value)
        return {name: _aware(child) for name, child in members.items()}
    return [_aware(child) for child in cast(list[Any], value)] if isinstance(value, list) else value


def is_known(operation: Operation) -> bool:
    """Whether a model has the operation."""
    try:
        return operation.name in _model(operation.service).operation_names
    except Exception:  # botocore's UnknownServiceError and its kin
        return False


def input_shape(operation: Operation) -> Any:
    """botocore's shape of an operation's arguments; None for one without."""
    return _model(operation.service).operation_model(operation.name).input_shape


_OPEN = ("sqs",)  # whose enums name less than it takes (AttributeNames of ReceiveMessage): its overlay checks them
_VALIDATION = {
    "ecs": "InvalidParameterException",
    "ecr": "InvalidParameterException",
    "logs": "InvalidParameterException",
    "s3": "InvalidArgument",
    "apigateway": "BadRequestException",
    "apigatewayv2": "BadRequestException",
    "elbv2": "ValidationError",
    "cloudwatch": "ValidationError",
}


@cache
def _model(service: str) -> Any:
    """moto's view of botocore's service model; raises for a service that botocore does not know."""
    return get_service_model(service)


def _protocols(model: Any) -> list[str]:
    return [str(model.protocol), *model.metadata.get("protocols", ())]


def _spoken(model: Any, *, form: bool) -> str:
    """The protocol of a request: of several of its service's, the first that both sides know, or the query protocol."""
    known = [each for each in _protocols(model) if each in PROTOCOL_PARSERS]
    return "query" if form and "query" in known else known[0]


def answer(operation: Operation, result: Mapping[str, Any], request_id: str) -> Response:
    """Write an overlay's reply in the service's protocol."""
    model = _model(operation.service).operation_model(operation.name)
    serializer: Any = get_serializer_class(operation.service, _spoken(model.service_model, form=operation.form))(model)
    written: dict[str, Any] = serializer.serialize(dict(result))
    body = written["body"]
    return _response(
        int(written["status_code"]), dict(written["headers"]), body.encode() if isinstance(body, str) else body, request_id
    )


def refusal(operation: Operation | None, error: ServiceError, request_id: str) -> Response:
    """Write an error in the protocol of the service asked, so that an SDK raises ClientError with its code."""
    protocol = "rest-json"
    if operation:
        try:
            protocol = _spoken(_model(operation.service), form=operation.form)
        except Exception:  # a service that botocore does not know
            protocol = "json"
    if protocol in ("query", "ec2", "rest-xml"):
        return _response(
            error.status, {"Content-Type": "text/xml"}, _xml_error(protocol, operation, error, request_id), request_id
        )
    body = {"__type": error.code, "message": error.message, "Message": error.message, **error.fields}
    headers = {
        "Content-Type": "application/x-amz-json-1.1" if protocol == "json" else "application/json",
        "x-amzn-ErrorType": error.code,
    }
    if error.query_code:  # AWS query protocol, compatibility of JSON services: the fault is the client's
        headers["x-amzn-query-error"] = f"{error.query_code};Sender"
    return _response(error.status, headers, json.dumps(body, default=str).encode(), request_id)


def _xml_error(protocol: str, operation: Operation | None, error: ServiceError, request_id: str) -> bytes:
    side = "Sender" if error.status < 500 else "Receiver"
    inner = f"<Code>{escape(error.query_code or error.code)}</Code><Message>{escape(error.message)}</Message>"
    if operation and operation.service == "s3":
        text = f"<Error>{inner}<RequestId>{request_id}</RequestId></Error>"
    elif protocol == "ec2":
        text = f"<Response><Errors><Error>{inner}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
    else:
        text = f"<ErrorResponse><Error><Type>{side}</Type>{inner}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()


def _response(status: int, headers: Mapping[str, str], body: bytes, request_id: str) -> Response:
    if status in (204, 304):  # neither has a body; one that is sent all the same breaks the connection
        return Response(status, (("x-amzn-RequestId", request_id),), b"")
    kept = {name: value for name, value in headers.items() if name.lower() != "content-length"}
    return Response(status, (*kept.items(), ("x-amzn-RequestId", request_id), ("Content-Length", str(len(body)))), body)
