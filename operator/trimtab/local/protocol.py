"""AWS's wire protocols for the overlays: which operation a request is, its arguments, and how answers are written.

Parsing and serialising are moto's (moto.core.parse, moto.core.serialize), driven by botocore's models; finding the operation,
validation against the model's constraints, and errors are ours. tests/aws/test_gateway.py holds what is used of moto.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import escape

import botocore.session
from moto.core.model import OperationModel, ServiceModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.datastructures import Headers, MultiDict

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

    @property
    def is_read(self) -> bool:
        return bool(_READS.fullmatch(self.name))


@cache
def service_of(signing_name: str) -> str:
    """botocore's name for the name that a credential scope holds; two services may share one."""
    session = botocore.session.get_session()
    for service in ("ecs", "sagemaker", "ecr", "elbv2", "apigateway", "logs", "sts", "iam", "s3", "ec2"):
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
        model = get_service_model(service)
    except Exception:  # botocore's UnknownServiceError and its kin
        return Operation(service, "", {})
    if target := request.headers.get("x-amz-target"):
        return Operation(service, target.rpartition(".")[2], {})
    if model.protocol in ("query", "ec2"):
        fields = dict(request.query) | dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        return Operation(service, str(fields.get("Action", "")), {})
    if service == "s3":
        return Operation(service, "GetObject" if request.method in ("GET", "HEAD") else "PutObject", {})
    return _rest_operation(model, service, request)


def _rest_operation(model: ServiceModel, service: str, request: Request) -> Operation:
    names = {name for name, _ in request.query}
    for method, pattern, names_in, wanted, operation in _routes(service):
        match = pattern.fullmatch(request.path) if method == request.method else None
        if match and wanted <= names:
            return Operation(
                service, operation, {name: unquote(value) for name, value in zip(names_in, match.groups(), strict=True)}
            )
    return Operation(service, "", {})


@cache
def _routes(service: str) -> list[tuple[str, re.Pattern[str], tuple[str, ...], frozenset[str], str]]:
    """(method, path, names of its variables, query names, operation), the most particular first."""
    model = get_service_model(service)
    ranked: list[tuple[tuple[int, int, int], tuple[str, re.Pattern[str], tuple[str, ...], frozenset[str], str]]] = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        path, _, query = http["requestUri"].partition("?")
        expression, place, names = "", 0, list[str]()
        for match in _VARIABLE.finditer(path):
            expression += re.escape(path[place : match.start()]) + ("(.+)" if match[2] else "([^/]+)")
            place = match.end()
            names.append(match[1])
        expression += re.escape(path[place:])
        fixed = frozenset(part.partition("=")[0] for part in query.split("&") if part)
        route = (http["method"], re.compile(f"{expression}/?"), tuple(names), fixed, name)
        ranked.append(((len(names), -len(path), -len(fixed)), route))
    return [route for _, route in sorted(ranked, key=lambda each: each[0])]


def arguments_of(request: Request, operation: Operation) -> dict[str, Any]:
    """Parse and validate a request's arguments. Raises ServiceError."""
    model = _operation_model(operation)
    parser = PROTOCOL_PARSERS[model.service_model.protocol](model)
    values = MultiDict(request.query)
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        values.update(MultiDict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)))
    try:
        parsed = parser.parse(
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
    parsed = {name: value for name, value in parsed.items() if value is not None}
    problems = list(_problems(parsed, model.input_shape, "")) if model.input_shape else []
    if problems:
        raise ServiceError(_validation_code(model), "; ".join(problems[:5]))
    return parsed


def _problems(value: Any, shape: Any, path: str) -> Any:
    """What breaks the constraints of the model, in AWS's words."""
    if shape.type_name == "structure":
        if not isinstance(value, dict):
            return
        for name in shape.required_members:
            if value.get(name) is None:
                yield f"Value null at '{path}{name}' failed to satisfy constraint: Member must not be null"
        for name, member in shape.members.items():
            if value.get(name) is not None:
                yield from _problems(value[name], member, f"{path}{name}.")
        return
    where, limits = path.rstrip("."), shape.metadata
    size = value if isinstance(value, (int, float)) else len(value) if isinstance(value, (str, list, dict, bytes)) else None
    if size is not None and not isinstance(value, bool):
        words = "value" if isinstance(value, (int, float)) else "length"
        if size < limits.get("min", size):
            yield f"Value at '{where}' failed to satisfy constraint: Member must have {words} greater than or equal to {limits['min']}"
        if size > limits.get("max", size):
            yield f"Value at '{where}' failed to satisfy constraint: Member must have {words} less than or equal to {limits['max']}"
    if isinstance(value, str):
        pattern = _pattern(limits["pattern"]) if "pattern" in limits else None
        if pattern and not pattern.fullmatch(value):
            yield f"Value '{value}' at '{where}' failed to satisfy constraint: Member must satisfy regular expression pattern: {pattern.pattern}"
        if getattr(shape, "enum", None) and value not in shape.enum:
            yield f"Value '{value}' at '{where}' failed to satisfy constraint: Member must satisfy enum value set: [{', '.join(shape.enum)}]"
    if shape.type_name == "list":
        for index, item in enumerate(value):
            yield from _problems(item, shape.member, f"{where}.{index + 1}.member.")
    if shape.type_name == "map":
        for item in value.values():
            yield from _problems(item, shape.value, f"{where}.")


@lru_cache(maxsize=2048)
def _pattern(text: str) -> re.Pattern[str] | None:
    """Some of the models' patterns are Java's; those that Python cannot read are not checked."""
    try:
        return re.compile(text)
    except re.error:
        return None


def _validation_code(model: OperationModel) -> str:
    return {"ecs": "InvalidParameterException", "ecr": "InvalidParameterException", "logs": "InvalidParameterException",
            "apigateway": "BadRequestException", "apigatewayv2": "BadRequestException", "elbv2": "ValidationError"}.get(
        model.service_model.service_name, "ValidationException")  # fmt: skip


def _operation_model(operation: Operation) -> OperationModel:
    return get_service_model(operation.service).operation_model(operation.name)


def answer(operation: Operation, result: Mapping[str, Any], request_id: str) -> Response:
    """Write an overlay's reply in the service's protocol."""
    model = _operation_model(operation)
    serializer = get_serializer_class(operation.service, model.service_model.protocol)(model)
    written = serializer.serialize(dict(result))
    body = written["body"]
    return _response(
        int(written["status_code"]), dict(written["headers"]), body.encode() if isinstance(body, str) else body, request_id
    )


def refusal(request: Request, operation: Operation | None, error: ServiceError, request_id: str) -> Response:
    """Write an error in the protocol of the service asked, so that an SDK raises ClientError with its code."""
    protocol = "rest-json"
    if operation:
        try:
            protocol = get_service_model(operation.service).protocol
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
    return _response(error.status, headers, json.dumps(body, default=str).encode(), request_id)


def _xml_error(protocol: str, operation: Operation | None, error: ServiceError, request_id: str) -> bytes:
    side = "Sender" if error.status < 500 else "Receiver"
    inner = f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
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
