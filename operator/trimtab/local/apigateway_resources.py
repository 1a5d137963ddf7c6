"""Resources, methods and integrations of a REST API, one by one: edits of its OpenAPI document (apigateway_methods.py).

Source: Amazon API Gateway API, CreateResource, PutMethod, PutIntegration, PutMethodResponse, PutIntegrationResponse.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

from trimtab.local.apigateway_execution import own_headers_of, routes_of
from trimtab.local.apigateway_ids import short_id
from trimtab.local.apigateway_methods import (
    INTEGRATION,
    INTEGRATION_PATCHES,
    METHOD_PATCHES,
    REPLY_PATCHES,
    RESPONSE_PATCHES,
    TIMEOUT_MS,
    VERBS,
    Document,
    Parsers,
    integration_shown,
    integration_written,
    method_shown,
    method_written,
    patched,
    reply_shown,
    reply_written,
    response_shown,
    response_written,
    verb_of,
)
from trimtab.local.apigateway_records import Api
from trimtab.local.overlay import Arguments, Context, Reply, ServiceError, World
from trimtab.local.shelf import Shelf

_PART = re.compile(r"[A-Za-z0-9._:-]+|\{[A-Za-z0-9._:-]+\+?\}")
_TYPES = ("HTTP_PROXY", "MOCK")
_TIMEOUTS_MS = (50, TIMEOUT_MS)
_MODELS = ("Empty", "Error")  # those that every API has


class Base:
    """State of REST APIs and what their operations share; the operations are mixed in."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.apis = Shelf(world.store, "apigateway.api", Api, lambda api: api.id)

    def api(self, id: str) -> Api:
        api = self.apis.get(id)
        if api is None:
            raise ServiceError("NotFoundException", f"Invalid API identifier specified {self.world.account}:{id}", 404)
        return api

    def check_body(self, body: Mapping[str, Any]) -> None:
        """Raises ServiceError for a document that cannot be served."""
        try:
            own_headers_of(body)
            links = {route.link for route in routes_of(body) if route.link}
        except ValueError as error:
            raise bad(str(error)) from error
        for link in links:
            if not self.world.overlay("apigatewayv2").is_available(link):
                raise bad(f"VpcLink {link} is not available")


class Resources(Base):
    def create_resource(self, arguments: Arguments, context: Context) -> Reply:
        api, part = self.api(arguments["restApiId"]), arguments["pathPart"]
        parent = _path(api, arguments["parentId"])
        _check_part(part)
        path = f"{parent.rstrip('/')}/{part}"
        if path in api.resources:
            raise conflict(f"Another resource with the same parent already has this name: {part}")
        if parent.endswith("+}"):
            raise bad(f"Cannot create a child of a resource with a greedy path variable: {parent}")
        api.resources[path] = short_id(6)
        self.apis.put(api)
        return _resource(api, path)

    def get_resource(self, arguments: Arguments, context: Context) -> Reply:
        api = self.api(arguments["restApiId"])
        return _resource(api, _path(api, arguments["resourceId"]), "methods" in (arguments.get("embed") or ()))

    def get_resources(self, arguments: Arguments, context: Context) -> Reply:
        api, embedded = self.api(arguments["restApiId"]), "methods" in (arguments.get("embed") or ())
        return page([_resource(api, path, embedded) for path in sorted(api.resources)], arguments)

    def update_resource(self, arguments: Arguments, context: Context) -> Reply:
        api, id = self.api(arguments["restApiId"]), arguments["resourceId"]
        for each in arguments.get("patchOperations") or ():
            _move(api, _path(api, id), _target(api, _path(api, id), each["path"], str(each.get("value", ""))))
        self.apis.put(api)
        return _resource(api, _path(api, id))

    def delete_resource(self, arguments: Arguments, context: Context) -> Reply:
        api = self.api(arguments["restApiId"])
        path = _path(api, arguments["resourceId"])
        if path == "/":
            raise bad("Root resource cannot be deleted")
        for each in [other for other in api.resources if other == path or other.startswith(f"{path}/")]:
            del api.resources[each]
            _paths(api).pop(each, None)
        self.apis.put(api)
        return {}

    # --- methods ---

    def put_method(self, arguments: Arguments, context: Context) -> Reply:
        api, path, verb = self._place(arguments)
        if verb in _paths(api).get(path, {}):
            raise conflict("Method already exists for this resource")
        if verb not in VERBS:
            raise bad(f"Invalid HTTP method specified: {arguments['httpMethod']}")
        if arguments.get("requestValidatorId"):
            raise bad("The local cloud has no request validators")
        _check_method(arguments)
        _paths(api).setdefault(path, {})[verb] = method_written(arguments, {})
        self.apis.put(api)
        return _method(api, path, verb)

    def get_method(self, arguments: Arguments, context: Context) -> Reply:
        api, path, verb, _ = self._operation(arguments)
        return _method(api, path, verb)

    def update_method(self, arguments: Arguments, context: Context) -> Reply:
        api, path, verb, operation = self._operation(arguments)
        new = patched_or_refused(_method(api, path, verb), arguments, METHOD_PATCHES)
        _check_method(new)
        _paths(api)[path][verb] = method_written(new, operation)
        self.apis.put(api)
        return _method(api, path, verb)

    def delete_method(self, arguments: Arguments, context: Context) -> Reply:
        api, path, verb, _ = self._operation(arguments)
        del _paths(api)[path][verb]
        self.apis.put(api)
        return {}

    def put_method_response(self, arguments: Arguments, context: Context) -> Reply:
        api, _, _, operation = self._operation(arguments)
        if arguments["statusCode"] in operation.get("responses", {}):
            raise conflict("Response already exists for this resource")
        return self._keep_response(api, operation, arguments)

    def get_method_response(self, arguments: Arguments, context: Context) -> Reply:
        operation = self._operation(arguments)[3]
        return response_shown(arguments["statusCode"], _response(operation, arguments))

    def update_method_response(self, arguments: Arguments, context: Context) -> Reply:
        api, _, _, operation = self._operation(arguments)
        shown = response_shown(arguments["statusCode"], _response(operation, arguments))
        return self._keep_response(api, operation, patched_or_refused(shown, arguments, RESPONSE_PATCHES))

    def delete_method_response(self, arguments: Arguments, context: Context) -> Reply:
        api, _, _, operation = self._operation(arguments)
        _response(operation, arguments)
        del operation["responses"][arguments["statusCode"]]
        self.apis.put(api)
        return {}

    def _keep_response(self, api: Api, operation: Document, given: Mapping[str, Any]) -> Reply:
        _check_models(given.get("responseModels", {}))
        code = given["statusCode"]
        written = operation.setdefault("responses", {})[code] = response_written(given)
        self.apis.put(api)
        return response_shown(code, written)

    # --- integrations ---

    def put_integration(self, arguments: Arguments, context: Context) -> Reply:
        api, path, verb, operation = self._operation(arguments)
        given = dict(arguments) | {"httpMethod": arguments.get("integrationHttpMethod")}
        return self._keep_integration(api, path, verb, given, operation.get(INTEGRATION, {}))

    def get_integration(self, arguments: Arguments, context: Context) -> Reply:
        api, path, _, operation = self._operation(arguments)
        return integration_shown(_integration(operation), api.resources[path])

    def update_integration(self, arguments: Arguments, context: Context) -> Reply:
        api, path, verb, operation = self._operation(arguments)
        before = _integration(operation)
        new = patched_or_refused(integration_shown(before, api.resources[path]), arguments, INTEGRATION_PATCHES)
        return self._keep_integration(api, path, verb, new, before)

    def delete_integration(self, arguments: Arguments, context: Context) -> Reply:
        api, _, _, operation = self._operation(arguments)
        _integration(operation)
        del operation[INTEGRATION]
        self.apis.put(api)
        return {}

    def _keep_integration(
        self, api: Api, path: str, verb: str, given: Mapping[str, Any], before: Mapping[str, Any]
    ) -> Document:
        _check_integration(given)
        operation = _paths(api)[path][verb]
        new = integration_written(given, before)
        self.check_body({"paths": {path: {verb: operation | {INTEGRATION: new}}}})
        operation[INTEGRATION] = new
        self.apis.put(api)
        return integration_shown(new, api.resources[path])

    def put_integration_response(self, arguments: Arguments, context: Context) -> Reply:
        api, _, _, operation = self._operation(arguments)
        integration = _integration(operation)
        _response(operation, arguments)
        return self._keep_reply(api, integration, arguments)

    def get_integration_response(self, arguments: Arguments, context: Context) -> Reply:
        return reply_shown(*_reply(_integration(self._operation(arguments)[3]), arguments))

    def update_integration_response(self, arguments: Arguments, context: Context) -> Reply:
        api, _, _, operation = self._operation(arguments)
        integration = _integration(operation)
        shown = reply_shown(*_reply(integration, arguments))
        return self._keep_reply(api, integration, patched_or_refused(shown, arguments, REPLY_PATCHES))

    def delete_integration_response(self, arguments: Arguments, context: Context) -> Reply:
        api, _, _, operation = self._operation(arguments)
        integration = _integration(operation)
        del integration["responses"][_reply(integration, arguments)[0]]
        self.apis.put(api)
        return {}

    def _keep_reply(self, api: Api, integration: Document, given: Mapping[str, Any]) -> Reply:
        """One status code has one response: an earlier one of it is replaced."""
        pattern, reply = reply_written(given)
        others: Mapping[str, Any] = integration.get("responses", {})
        integration["responses"] = {
            **{key: each for key, each in others.items() if str(each.get("statusCode", "200")) != given["statusCode"]},
            pattern: reply,
        }
        self.apis.put(api)
        return reply_shown(pattern, reply)

    # --- inside ---

    def _place(self, arguments: Arguments) -> tuple[Api, str, str]:
        api = self.api(arguments["restApiId"])
        return api, _path(api, arguments["resourceId"]), verb_of(arguments["httpMethod"])

    def _operation(self, arguments: Arguments) -> tuple[Api, str, str, Document]:
        """(API, path, verb, what its document says of them). Raises ServiceError where there is no such method."""
        api, path, verb = self._place(arguments)
        methods: Mapping[str, Document] = _paths(api).get(path, {})
        if verb not in methods:
            raise missing("Method")
        return api, path, verb, methods[verb]


def grown(resources: Mapping[str, str], paths: Collection[str], api_id: str) -> dict[str, str]:
    """Ids by path of the resources that these paths make, those above them too; what has an id keeps it."""
    wanted = {"/", *paths, *(above for path in paths for above in _above(path))}
    return {path: resources.get(path) or (f"{api_id[:6]}root" if path == "/" else short_id(6)) for path in sorted(wanted)}


def methods_of(body: Mapping[str, Any]) -> list[Document]:
    """Every method of a document."""
    paths: Mapping[str, Document] = body.get("paths", {})
    return [each for methods in paths.values() for verb, each in methods.items() if verb in VERBS]


def page(items: list[dict[str, Any]], arguments: Arguments) -> Reply:
    """API Gateway calls the token `position`."""
    place, limit = int(arguments.get("position") or 0), int(arguments.get("limit") or 25)
    more = {"position": str(place + limit)} if place + limit < len(items) else {}
    return {"items": items[place : place + limit], **more}


def patched_or_refused(shown: Mapping[str, Any], arguments: Arguments, parsers: Parsers) -> Document:
    try:
        return patched(shown, arguments.get("patchOperations"), parsers)
    except ValueError as error:
        raise bad(str(error)) from error


def bad(words: str) -> ServiceError:
    return ServiceError("BadRequestException", words)


def conflict(words: str) -> ServiceError:
    return ServiceError("ConflictException", words, 409)


def missing(what: str) -> ServiceError:
    return ServiceError("NotFoundException", f"Invalid {what} identifier specified", 404)


def _above(path: str) -> list[str]:
    """ "/a/b/c" -> ["/a", "/a/b"]."""
    parts = path.strip("/").split("/")
    return ["/" + "/".join(parts[:count]) for count in range(1, len(parts))]


def _paths(api: Api) -> dict[str, dict[str, Document]]:
    return api.body.setdefault("paths", {})


def _path(api: Api, id: str) -> str:
    """The path of a resource. Raises ServiceError."""
    found = next((path for path, each in api.resources.items() if each == id), None)
    if found is None:
        raise missing("Resource")
    return found


def _check_part(part: str) -> None:
    if not _PART.fullmatch(part):
        raise bad(
            "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the "
            "beginning and the end"
        )


def _target(api: Api, path: str, field: str, value: str) -> str:
    """Where a resource is after a change of its part or its parent. Raises ServiceError."""
    above, _, part = path.rpartition("/")
    if field == "/pathPart" and path != "/":
        part = value
    elif field == "/parentId" and path != "/":
        above = _path(api, value).rstrip("/")
    else:
        raise bad(f"Invalid patch path {field}")
    _check_part(part)
    target = f"{above}/{part}"
    if target != path and target in api.resources:
        raise conflict(f"Another resource with the same parent already has this name: {part}")
    if target.startswith(f"{path}/"):
        raise bad("A resource cannot be a child of its own")
    return target


def _move(api: Api, path: str, target: str) -> None:
    """Give a resource, with all below it, another path."""

    def moved(each: str) -> str:
        return target + each.removeprefix(path) if each == path or each.startswith(f"{path}/") else each

    api.resources = {moved(each): id for each, id in api.resources.items()}
    api.body["paths"] = {moved(each): methods for each, methods in _paths(api).items()}


def _resource(api: Api, path: str, embedded: bool = False) -> Document:
    shown: Document = {"id": api.resources[path], "path": path}
    if path != "/":
        above, _, shown["pathPart"] = path.rpartition("/")
        shown["parentId"] = api.resources[above or "/"]
    methods = {
        each["httpMethod"]: each if embedded else {}
        for each in (_method(api, path, verb) for verb in _paths(api).get(path, {}) if verb in VERBS)
    }
    return shown | ({"resourceMethods": methods} if methods else {})


def _method(api: Api, path: str, verb: str) -> Document:
    return method_shown(verb, _paths(api)[path][verb], bool(api.body.get("security")), api.resources[path])


def _response(operation: Mapping[str, Any], arguments: Arguments) -> Document:
    responses: Mapping[str, Document] = operation.get("responses", {})
    if arguments["statusCode"] not in responses:
        raise ServiceError("NotFoundException", "Invalid Response status code specified", 404)
    return responses[arguments["statusCode"]]


def _integration(operation: Mapping[str, Any]) -> Document:
    if INTEGRATION not in operation:
        raise missing("Integration")
    return operation[INTEGRATION]


def _reply(integration: Mapping[str, Any], arguments: Arguments) -> tuple[str, Document]:
    """(selection pattern or "default", response) of an integration response."""
    replies: Mapping[str, Document] = integration.get("responses", {})
    for pattern, each in replies.items():
        if str(each.get("statusCode", "200")) == arguments["statusCode"]:
            return pattern, each
    raise ServiceError("NotFoundException", "Invalid Response status code specified", 404)


def _check_method(given: Mapping[str, Any]) -> None:
    if given.get("authorizationType", "NONE") != "NONE":
        raise bad(f"The local cloud has no authorization type {given['authorizationType']}")
    _check_models(given.get("requestModels", {}))


def _check_models(models: Mapping[str, str]) -> None:
    for name in models.values():
        if name not in _MODELS:
            raise ServiceError("NotFoundException", f"Invalid Model identifier specified: {name}", 404)


def _check_integration(given: Mapping[str, Any]) -> None:
    if given["type"] not in _TYPES:
        raise bad(f"The local cloud has no integration type {given['type']}, but {' and '.join(_TYPES)}")
    if given["type"] == "HTTP_PROXY" and not given.get("uri"):
        raise bad("Invalid HTTP endpoint specified for URI")
    if given["type"] == "HTTP_PROXY" and not given.get("httpMethod"):
        raise bad("Enumeration value for HttpMethod must be non-empty")
    low, high = _TIMEOUTS_MS
    if not low <= given.get("timeoutInMillis", high) <= high:
        raise bad(f"Timeout should be between {low} ms and {high} ms")
    for name in ("credentials", "cacheKeyParameters", "tlsConfig"):
        if given.get(name):
            raise bad(f"The local cloud has no {name} of integrations")
