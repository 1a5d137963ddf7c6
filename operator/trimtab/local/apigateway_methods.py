"""Methods and integrations, from the shapes of the API to OpenAPI and back: an API is kept as one OpenAPI document.

Source: Amazon API Gateway API, Method, Integration, MethodResponse and IntegrationResponse; Developer Guide, "OpenAPI
extensions for API Gateway".
"""

from collections.abc import Callable, Mapping
from typing import Any

Document = dict[str, Any]
INTEGRATION = "x-amazon-apigateway-integration"
ANY = "x-amazon-apigateway-any-method"
VERBS = ("get", "put", "post", "delete", "options", "head", "patch", ANY)
GATEWAY_RESPONSES = "x-amazon-apigateway-gateway-responses"
TIMEOUT_MS = 29_000  # the longest, and what an integration has that names none
_KEYED = "api_key"
_PLACES = {"header": "header", "querystring": "query", "path": "path"}  # of a request's parameters, in OpenAPI's words
_PLACES_BACK = {word: place for place, word in _PLACES.items()}
_REQUEST, _RESPONSE = "method.request.", "method.response.header."
_SCHEMAS = "#/components/schemas/"
_KEPT = (  # members of an integration that both sides call the same
    "uri",
    "connectionType",
    "connectionId",
    "integrationTarget",
    "timeoutInMillis",
    "requestParameters",
    "requestTemplates",
    "contentHandling",
    "cacheNamespace",
)
_KEPT_OF_RESPONSE = ("statusCode", "responseParameters", "responseTemplates", "contentHandling")


def verb_of(http_method: str) -> str:
    """The key of a path's member: "POST" -> "post"."""
    return ANY if http_method == "ANY" else http_method.lower()


def http_method_of(verb: str) -> str:
    return "ANY" if verb == ANY else verb.upper()


def method_written(given: Mapping[str, Any], before: Mapping[str, Any]) -> Document:
    """An OpenAPI operation of a method's settings. before: the operation whose responses and integration stay."""
    parameters = [
        _parameter(name.removeprefix(_REQUEST), required) for name, required in given.get("requestParameters", {}).items()
    ]
    optional: Document = {
        "operationId": given.get("operationName"),
        "parameters": parameters,
        "requestBody": {"content": _content(given.get("requestModels", {}))} if given.get("requestModels") else None,
    }
    kept = {name: before[name] for name in (INTEGRATION, "responses") if name in before}
    security: list[Document] = [{_KEYED: []}] if given.get("apiKeyRequired") else []
    return {"responses": {}, "security": security, **kept, **{name: value for name, value in optional.items() if value}}


def method_shown(verb: str, operation: Mapping[str, Any], keyed: bool, resource: str) -> Document:
    """A method as the API answers it. keyed: whether it needs a key where the operation says nothing; resource: an id."""
    security = operation.get("security")
    responses: Mapping[str, Any] = operation.get("responses", {})
    optional: Document = {
        "operationName": operation.get("operationId"),
        "requestParameters": dict(_parameter_shown(each) for each in operation.get("parameters", ()) if "in" in each),
        "requestModels": _models(operation.get("requestBody", {})),
        "methodResponses": {code: response_shown(code, each) for code, each in responses.items() if code.isdigit()},
        "methodIntegration": integration_shown(operation[INTEGRATION], resource) if INTEGRATION in operation else None,
    }
    return {
        "httpMethod": http_method_of(verb),
        "authorizationType": "NONE",
        "apiKeyRequired": keyed if security is None else bool(security),
        **{name: value for name, value in optional.items() if value},
    }


def response_written(given: Mapping[str, Any]) -> Document:
    """An OpenAPI response of a method response's settings."""
    headers = {
        name.removeprefix(_RESPONSE): {"required": required, "schema": {"type": "string"}}
        for name, required in given.get("responseParameters", {}).items()
    }
    optional = {"headers": headers, "content": _content(given.get("responseModels", {}))}
    return {"description": "", **{name: value for name, value in optional.items() if value}}


def response_shown(code: str, response: Mapping[str, Any]) -> Document:
    headers: Mapping[str, Any] = response.get("headers", {})
    optional = {
        "responseParameters": {f"{_RESPONSE}{name}": bool(each.get("required")) for name, each in headers.items()},
        "responseModels": _models(response),
    }
    return {"statusCode": code, **{name: value for name, value in optional.items() if value}}


def integration_written(given: Mapping[str, Any], before: Mapping[str, Any]) -> Document:
    """The OpenAPI extension of an integration's settings. before: the one whose responses stay."""
    written: Document = {name: given[name] for name in _KEPT if given.get(name) not in (None, "", {})}
    written |= {"type": given["type"].lower(), "passthroughBehavior": given.get("passthroughBehavior", _BY_DEFAULT).lower()}
    if method := given.get("httpMethod"):
        written["httpMethod"] = method
    return written | ({"responses": before["responses"]} if "responses" in before else {})


def integration_shown(integration: Mapping[str, Any], resource: str) -> Document:
    """An integration as the API answers it, with AWS's defaults."""
    kind = str(integration.get("type", "http_proxy")).upper()
    shown: Document = {
        "type": kind,
        "passthroughBehavior": str(integration.get("passthroughBehavior", _BY_DEFAULT)).upper(),
        "timeoutInMillis": TIMEOUT_MS,
        "cacheNamespace": resource,
        "cacheKeyParameters": [],
        **({} if kind == "MOCK" else {"connectionType": "INTERNET"}),
        **{name: integration[name] for name in ("httpMethod", *_KEPT) if name in integration},
    }
    replies: Mapping[str, Any] = integration.get("responses", {})
    found = {str(each.get("statusCode", "200")): reply_shown(pattern, each) for pattern, each in replies.items()}
    return shown | ({"integrationResponses": found} if found else {})


def reply_written(given: Mapping[str, Any]) -> tuple[str, Document]:
    """(the key, the OpenAPI text) of an integration response's settings."""
    return given.get("selectionPattern") or "default", {
        name: given[name] for name in _KEPT_OF_RESPONSE if given.get(name) not in (None, "", {})
    }


def reply_shown(pattern: str, reply: Mapping[str, Any]) -> Document:
    shown: Document = {"statusCode": "200", **{name: reply[name] for name in _KEPT_OF_RESPONSE if name in reply}}
    return shown | {"statusCode": str(shown["statusCode"])} | ({} if pattern == "default" else {"selectionPattern": pattern})


def unescaped(name: str) -> str:
    """A name as a JSON pointer writes it: "image~1png" -> "image/png"."""
    return name.replace("~1", "/").replace("~0", "~")


def truth(text: str) -> bool:
    return text == "true"


Parsers = Mapping[str, Callable[[str], Any]]
METHOD_PATCHES: Parsers = {
    "apiKeyRequired": truth,
    "authorizationType": str,
    "operationName": str,
    "requestParameters": truth,
    "requestModels": str,
}
RESPONSE_PATCHES: Parsers = {"responseParameters": truth, "responseModels": str}
INTEGRATION_PATCHES: Parsers = dict.fromkeys(("type", "httpMethod", "passthroughBehavior", *_KEPT), str) | {
    "timeoutInMillis": int
}
REPLY_PATCHES: Parsers = dict.fromkeys(("selectionPattern", *_KEPT_OF_RESPONSE[1:]), str)


def patched(shown: Mapping[str, Any], operations: Any, parsers: Parsers) -> Document:
    """Settings after patch operations on "/uri" or "/requestParameters/<name>". Raises ValueError for any other path."""
    new: Document = dict(shown)
    for each in operations or ():
        name, _, member = each["path"].lstrip("/").partition("/")
        if name not in parsers or each["op"] not in ("add", "replace", "remove"):
            raise ValueError(f"Invalid patch path {each['path']}")
        holder, key = new, name
        if member:
            holder = new[name] = dict(new.get(name, {}))
            key = unescaped(member)
        if each["op"] == "remove":
            holder.pop(key, None)
        else:
            holder[key] = parsers[name](str(each.get("value", "")))
    return new


_BY_DEFAULT = "WHEN_NO_MATCH"


def _parameter(name: str, required: bool) -> Document:
    place, _, own = name.partition(".")
    return {"name": own, "in": _PLACES.get(place, place), "required": required, "schema": {"type": "string"}}


def _parameter_shown(parameter: Mapping[str, Any]) -> tuple[str, bool]:
    place = _PLACES_BACK.get(parameter["in"], parameter["in"])
    return f"{_REQUEST}{place}.{parameter['name']}", bool(parameter.get("required"))


def _content(models: Mapping[str, str]) -> Document:
    return {kind: {"schema": {"$ref": f"{_SCHEMAS}{name}"}} for kind, name in models.items()}


def _models(holder: Mapping[str, Any]) -> Document:
    content: Mapping[str, Any] = holder.get("content", {})
    named = {kind: str(each.get("schema", {}).get("$ref", "")) for kind, each in content.items()}
    return {kind: name.removeprefix(_SCHEMAS) for kind, name in named.items() if name}
