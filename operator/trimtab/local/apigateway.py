"""API Gateway REST APIs: records here, requests in apigateway_execution.py. As AWS, a create is never idempotent.

Source: Amazon API Gateway API (V1); "Working with API Gateway extensions to OpenAPI".
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from trimtab.local.apigateway_execution import Execution
from trimtab.local.apigateway_ids import key_value, short_id
from trimtab.local.apigateway_methods import INTEGRATION, truth, unescaped
from trimtab.local.apigateway_records import Api, Deployment, Key, Stage, UsagePlan
from trimtab.local.apigateway_resources import Resources, grown, methods_of, page
from trimtab.local.apigateway_responses import GatewayResponses
from trimtab.local.overlay import Arguments, Context, Reply, ServiceError, World
from trimtab.local.shelf import Shelf

_SETTINGS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "throttling/rateLimit": ("throttlingRateLimit", float),
    "throttling/burstLimit": ("throttlingBurstLimit", int),
    "metrics/enabled": ("metricsEnabled", truth),
    "logging/loglevel": ("loggingLevel", str),
    "logging/dataTrace": ("dataTraceEnabled", truth),
    "caching/enabled": ("cachingEnabled", truth),
    "caching/ttlInSeconds": ("cacheTtlInSeconds", int),
    "caching/dataEncrypted": ("cacheDataEncrypted", truth),
    "caching/requireAuthorizationForCacheControl": ("requireAuthorizationForCacheControl", truth),
    "caching/unauthorizedCacheControlHeaderStrategy": ("unauthorizedCacheControlHeaderStrategy", str),
}
_LIMITS: Mapping[str, Callable[[str], Any]] = {  # of a usage plan
    "/throttle/rateLimit": float,
    "/throttle/burstLimit": int,
    "/quota/limit": int,
    "/quota/offset": int,
    "/quota/period": str,
}
_SETTINGS_DEFAULTS: Mapping[str, Any] = {  # of a method that has any
    "metricsEnabled": False,
    "dataTraceEnabled": False,
    "throttlingBurstLimit": 5000,
    "throttlingRateLimit": 10_000.0,
    "cachingEnabled": False,
    "cacheTtlInSeconds": 300,
    "cacheDataEncrypted": False,
    "requireAuthorizationForCacheControl": True,
    "unauthorizedCacheControlHeaderStrategy": "SUCCEED_WITH_RESPONSE_HEADER",
}


class ApiGateway(Resources, GatewayResponses):
    """The whole of the service that a deployment needs."""

    service = "apigateway"
    whole = True

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._keys = Shelf(world.store, "apigateway.key", Key, lambda key: key.id)
        self._plans = Shelf(world.store, "apigateway.plan", UsagePlan, lambda plan: plan.id)
        self._execution = Execution(world)
        self._shown_changes = -1

    def recover(self) -> Sequence[str]:
        for api in self.apis:  # those of before resources were kept
            if not api.resources:
                api.resources = grown({}, api.body.get("paths", {}), api.id)
                self.apis.put(api)
        self._execution.listen()
        return ()

    def tick(self, now: datetime) -> None:
        """Hand a new picture of what is deployed to the execution, when anything changed."""
        changes = self.apis.changes + self._keys.changes + self._plans.changes
        if changes != self._shown_changes:
            self._shown_changes = changes
            self._execution.listen()
            self._execution.show(list(self.apis), list(self._keys), list(self._plans))

    def user_of_link(self, link: str) -> str:
        """Id of an API that goes through a VPC link, or ""."""
        marked = json.dumps(link)
        return next((api.id for api in self.apis if marked in json.dumps(api.body)), "")

    # --- APIs ---

    def create_rest_api(self, arguments: Arguments, context: Context) -> Reply:
        api = Api(
            short_id(),
            arguments["name"],
            context.now,
            description=arguments.get("description", ""),
            binary=list(arguments.get("binaryMediaTypes") or ()),
            endpoint=dict(arguments.get("endpointConfiguration") or {"types": ["EDGE"]}),
            key_source=arguments.get("apiKeySource", "HEADER"),
            disabled=bool(arguments.get("disableExecuteApiEndpoint")),
            policy=arguments.get("policy", ""),
            minimum_compression=arguments.get("minimumCompressionSize"),
            tags=dict(arguments.get("tags") or {}),
        )
        api.resources = grown({}, (), api.id)
        self.apis.put(api)
        return _api(api)

    def put_rest_api(self, arguments: Arguments, context: Context) -> Reply:
        api = self.api(arguments["restApiId"])
        body = _openapi(arguments["body"])
        if arguments.get("mode", "merge") == "merge":
            body = {**api.body, **body, "paths": {**api.body.get("paths", {}), **body.get("paths", {})}}
        self.check_body(body)
        merged = list(api.resources) if arguments.get("mode", "merge") == "merge" else []
        api.body, api.resources = body, grown(api.resources, [*body.get("paths", {}), *merged], api.id)
        api.description = str(body.get("info", {}).get("description", api.description))
        api.version = str(body.get("info", {}).get("version", api.version))
        api.binary = list(body.get("x-amazon-apigateway-binary-media-types", api.binary))
        api.key_source = str(body.get("x-amazon-apigateway-api-key-source", api.key_source))
        self.apis.put(api)
        return _api(api)

    def import_rest_api(self, arguments: Arguments, context: Context) -> Reply:
        body = _openapi(arguments["body"])
        api = Api(short_id(), str(body.get("info", {}).get("title", "API")), context.now)
        self.apis.put(api)
        return self.put_rest_api({"restApiId": api.id, "mode": "overwrite", "body": arguments["body"]}, context)

    def get_rest_api(self, arguments: Arguments, context: Context) -> Reply:
        return _api(self.api(arguments["restApiId"]))

    def get_rest_apis(self, arguments: Arguments, context: Context) -> Reply:
        return page([_api(api) for api in self.apis], arguments)

    def update_rest_api(self, arguments: Arguments, context: Context) -> Reply:
        api = self.api(arguments["restApiId"])
        for each in arguments.get("patchOperations") or ():
            removed = each["op"] == "remove"
            _change_of(api, each["path"], None if removed else str(each.get("value", "")))
        self.apis.put(api)
        return _api(api)

    def delete_rest_api(self, arguments: Arguments, context: Context) -> Reply:
        api = self.api(arguments["restApiId"])
        if any(stage.partition(":")[0] == api.id for plan in self._plans for stage in plan.stages):
            raise ServiceError(
                "ConflictException", "Active stages in usage plan must be disassociated before removing the API", 409
            )
        self.apis.drop(api.id)
        return {}

    # --- deployments and stages ---

    def create_deployment(self, arguments: Arguments, context: Context) -> Reply:
        api = self.api(arguments["restApiId"])
        methods = methods_of(api.body)
        if not methods:
            raise ServiceError("BadRequestException", "The REST API doesn't contain any methods")
        if not all(INTEGRATION in each for each in methods):
            raise ServiceError("BadRequestException", "No integration defined for method")
        deployment = Deployment(short_id(6), context.now, arguments.get("description", ""), json.loads(json.dumps(api.body)))
        api.deployments[deployment.id] = deployment
        if name := arguments.get("stageName"):
            stage = api.stages.setdefault(name, Stage(name, deployment.id, context.now, context.now))
            stage.deployment_id, stage.updated = deployment.id, context.now
        self.apis.put(api)
        return _deployment(deployment)

    def get_deployment(self, arguments: Arguments, context: Context) -> Reply:
        return _deployment(self._deployment(self.api(arguments["restApiId"]), arguments["deploymentId"]))

    def get_deployments(self, arguments: Arguments, context: Context) -> Reply:
        return page([_deployment(each) for each in self.api(arguments["restApiId"]).deployments.values()], arguments)

    def update_deployment(self, arguments: Arguments, context: Context) -> Reply:
        api = self.api(arguments["restApiId"])
        deployment = self._deployment(api, arguments["deploymentId"])
        for path, value in _patches(arguments):
            if path != "/description":
                raise ServiceError("BadRequestException", f"Invalid patch path {path}")
            deployment.description = value
        self.apis.put(api)
        return _deployment(deployment)

    def delete_deployment(self, arguments: Arguments, context: Context) -> Reply:
        api = self.api(arguments["restApiId"])
        deployment = self._deployment(api, arguments["deploymentId"])
        if any(stage.deployment_id == deployment.id for stage in api.stages.values()):
            raise ServiceError(
                "BadRequestException", "Active stages pointing to this deployment must be moved or deleted", 400
            )
        del api.deployments[deployment.id]
        self.apis.put(api)
        return {}

    def create_stage(self, arguments: Arguments, context: Context) -> Reply:
        api, name = self.api(arguments["restApiId"]), arguments["stageName"]
        if name in api.stages:
            raise ServiceError("ConflictException", "Stage already exists", 409)
        deployment = self._deployment(api, arguments["deploymentId"])
        stage = Stage(
            name,
            deployment.id,
            context.now,
            context.now,
            description=arguments.get("description", ""),
            variables=dict(arguments.get("variables") or {}),
            tags=dict(arguments.get("tags") or {}),
        )
        api.stages[name] = stage
        self.apis.put(api)
        return _stage(stage)

    def get_stage(self, arguments: Arguments, context: Context) -> Reply:
        return _stage(self._stage(arguments)[1])

    def get_stages(self, arguments: Arguments, context: Context) -> Reply:
        wanted = arguments.get("deploymentId")
        stages = self.api(arguments["restApiId"]).stages.values()
        return {"item": [_stage(each) for each in stages if wanted in (None, each.deployment_id)]}

    def update_stage(self, arguments: Arguments, context: Context) -> Reply:
        api, stage = self._stage(arguments)
        for each in arguments.get("patchOperations") or ():
            path, value = each["path"], str(each.get("value", ""))
            if each["op"] == "remove":
                _remove_of(stage, path)
            elif path == "/deploymentId":
                stage.deployment_id = self._deployment(api, value).id
            elif path == "/description":
                stage.description = value
            else:
                _set_of(stage, path, value)
        stage.updated = context.now
        self.apis.put(api)
        return _stage(stage)

    def delete_stage(self, arguments: Arguments, context: Context) -> Reply:
        api, stage = self._stage(arguments)
        if any(f"{api.id}:{stage.name}" in plan.stages for plan in self._plans):
            raise ServiceError("ConflictException", "Stage is associated with a usage plan", 409)
        del api.stages[stage.name]
        self.apis.put(api)
        return {}

    # --- keys ---

    def create_api_key(self, arguments: Arguments, context: Context) -> Reply:
        value = arguments.get("value") or key_value()
        key = Key(
            short_id(),
            arguments.get("name", ""),
            value,
            context.now,
            context.now,
            description=arguments.get("description", ""),
            enabled=bool(arguments.get("enabled", False)),
            tags=dict(arguments.get("tags") or {}),
        )
        self._keys.put(key)
        return _key(key, shown=True)

    def get_api_key(self, arguments: Arguments, context: Context) -> Reply:
        return _key(self._key(arguments["apiKey"]), shown=bool(arguments.get("includeValue")))

    def get_api_keys(self, arguments: Arguments, context: Context) -> Reply:
        prefix = arguments.get("nameQuery", "")
        found = [_key(key, shown=bool(arguments.get("includeValues"))) for key in self._keys if key.name.startswith(prefix)]
        return page(found, arguments)

    def update_api_key(self, arguments: Arguments, context: Context) -> Reply:
        key = self._key(arguments["apiKey"])
        for path, value in _patches(arguments):
            if path == "/enabled":
                key.enabled = value == "true"
            elif path in ("/name", "/description"):
                setattr(key, path[1:], value)
            else:
                raise ServiceError("BadRequestException", f"Invalid patch path {path}")
        key.updated = context.now
        self._keys.put(key)
        return _key(key, shown=False)

    def delete_api_key(self, arguments: Arguments, context: Context) -> Reply:
        key = self._key(arguments["apiKey"])
        for plan in self._plans:
            if key.id in plan.keys:
                plan.keys.remove(key.id)
                self._plans.put(plan)
        self._keys.drop(key.id)
        return {}

    # --- usage plans ---

    def create_usage_plan(self, arguments: Arguments, context: Context) -> Reply:
        if any(each.get("throttle") for each in arguments.get("apiStages") or ()):
            raise ServiceError("BadRequestException", "The local cloud has no throttle per method in usage plans")
        plan = UsagePlan(
            short_id(6),
            arguments["name"],
            context.now,
            description=arguments.get("description", ""),
            stages=[self._known_stage(f"{each['apiId']}:{each['stage']}") for each in arguments.get("apiStages") or ()],
            throttle=dict(arguments.get("throttle") or {}),
            quota=dict(arguments.get("quota") or {}),
            tags=dict(arguments.get("tags") or {}),
        )
        self._plans.put(plan)
        return _plan(plan)

    def get_usage_plan(self, arguments: Arguments, context: Context) -> Reply:
        return _plan(self._plan(arguments["usagePlanId"]))

    def get_usage_plans(self, arguments: Arguments, context: Context) -> Reply:
        key = arguments.get("keyId")
        return page([_plan(plan) for plan in self._plans if key is None or key in plan.keys], arguments)

    def update_usage_plan(self, arguments: Arguments, context: Context) -> Reply:
        plan = self._plan(arguments["usagePlanId"])
        for each in arguments.get("patchOperations") or ():
            path, value, op = each["path"], each.get("value", ""), each["op"]
            if path == "/apiStages" and op == "add":
                plan.stages = [*(stage for stage in plan.stages if stage != value), self._known_stage(value)]
            elif path == "/apiStages" and op == "remove":
                plan.stages = [stage for stage in plan.stages if stage != value]
            elif path in _LIMITS and op != "remove":
                part, name = path[1:].split("/")
                getattr(plan, part)[name] = _LIMITS[path](value)
            elif path in ("/throttle", "/quota") and op == "remove":
                getattr(plan, path[1:]).clear()
            elif path in ("/name", "/description"):
                setattr(plan, path[1:], value)
            else:
                raise ServiceError("BadRequestException", f"Invalid patch path {path}")
        self._plans.put(plan)
        return _plan(plan)

    def delete_usage_plan(self, arguments: Arguments, context: Context) -> Reply:
        plan = self._plan(arguments["usagePlanId"])
        if plan.stages:
            raise ServiceError(
                "BadRequestException",
                f"Cannot delete Usage Plan {plan.id} because it has associated API stages: remove them first",
            )
        self._plans.drop(plan.id)
        return {}

    def create_usage_plan_key(self, arguments: Arguments, context: Context) -> Reply:
        plan, key = self._plan(arguments["usagePlanId"]), self._key(arguments["keyId"])
        if key.id in plan.keys:
            raise ServiceError("ConflictException", "Usage plan key already exists", 409)
        plan.keys.append(key.id)
        self._plans.put(plan)
        return _plan_key(key)

    def get_usage_plan_key(self, arguments: Arguments, context: Context) -> Reply:
        plan = self._plan(arguments["usagePlanId"])
        if arguments["keyId"] not in plan.keys:
            raise _missing("Usage Plan Key", arguments["keyId"])
        return _plan_key(self._key(arguments["keyId"]))

    def get_usage_plan_keys(self, arguments: Arguments, context: Context) -> Reply:
        return page([_plan_key(self._key(id)) for id in self._plan(arguments["usagePlanId"]).keys], arguments)

    def delete_usage_plan_key(self, arguments: Arguments, context: Context) -> Reply:
        plan = self._plan(arguments["usagePlanId"])
        if arguments["keyId"] not in plan.keys:
            raise _missing("Usage Plan Key", arguments["keyId"])
        plan.keys.remove(arguments["keyId"])
        self._plans.put(plan)
        return {}

    # --- tags ---

    def tag_resource(self, arguments: Arguments, context: Context) -> Reply:
        tags, put = self._tagged(arguments["resourceArn"])
        tags.update(arguments["tags"])
        put()
        return {}

    def untag_resource(self, arguments: Arguments, context: Context) -> Reply:
        tags, put = self._tagged(arguments["resourceArn"])
        for name in arguments["tagKeys"]:
            tags.pop(name, None)
        put()
        return {}

    def get_tags(self, arguments: Arguments, context: Context) -> Reply:
        return {"tags": dict(self._tagged(arguments["resourceArn"])[0])}

    def tagged(self) -> Iterator[tuple[str, dict[str, str]]]:
        """(ARN, tags) of APIs, their stages, keys and usage plans."""
        base = f"arn:aws:apigateway:{self.world.region}::"
        for api in self.apis:
            yield f"{base}/restapis/{api.id}", api.tags
            yield from ((f"{base}/restapis/{api.id}/stages/{name}", stage.tags) for name, stage in api.stages.items())
        yield from ((f"{base}/apikeys/{key.id}", key.tags) for key in self._keys)
        yield from ((f"{base}/usageplans/{plan.id}", plan.tags) for plan in self._plans)

    def _tagged(self, arn: str) -> tuple[dict[str, str], Any]:
        """(tags, what puts their holder back) for "arn:aws:apigateway:<region>::/restapis/<id>" and the like."""
        parts = arn.partition("::/")[2].split("/")
        if parts[0] == "restapis" and len(parts) == 4:
            api, stage = self._stage({"restApiId": parts[1], "stageName": parts[3]})
            return stage.tags, lambda: self.apis.put(api)
        if parts[0] == "restapis" and len(parts) == 2:
            api = self.api(parts[1])
            return api.tags, lambda: self.apis.put(api)
        if parts[0] == "apikeys" and len(parts) == 2:
            key = self._key(parts[1])
            return key.tags, lambda: self._keys.put(key)
        if parts[0] == "usageplans" and len(parts) == 2:
            plan = self._plan(parts[1])
            return plan.tags, lambda: self._plans.put(plan)
        raise ServiceError("BadRequestException", f"Invalid ARN {arn}")

    # --- inside ---

    def _deployment(self, api: Api, id: str) -> Deployment:
        if id not in api.deployments:
            raise ServiceError("NotFoundException", "Invalid Deployment identifier specified", 404)
        return api.deployments[id]

    def _stage(self, arguments: Arguments) -> tuple[Api, Stage]:
        api = self.api(arguments["restApiId"])
        if arguments["stageName"] not in api.stages:
            raise ServiceError("NotFoundException", "Invalid stage identifier specified", 404)
        return api, api.stages[arguments["stageName"]]

    def _known_stage(self, text: str) -> str:
        api, _, stage = text.partition(":")
        self._stage({"restApiId": api, "stageName": stage})
        return text

    def _key(self, id: str) -> Key:
        key = self._keys.get(id)
        if key is None:
            raise _missing("API Key", id)
        return key

    def _plan(self, id: str) -> UsagePlan:
        plan = self._plans.get(id)
        if plan is None:
            raise _missing("Usage Plan", id)
        return plan


_BINARY, _TYPES = "/binaryMediaTypes/", "/endpointConfiguration/types/"


def _change_of(api: Api, path: str, value: str | None) -> None:
    """Change one setting of an API; None: it is removed. Raises ServiceError."""
    if path in ("/name", "/description", "/policy"):
        setattr(api, path[1:], value or "")
    elif path == "/disableExecuteApiEndpoint":
        api.disabled = value == "true"
    elif path.startswith(_TYPES) and value:
        api.endpoint = {**api.endpoint, "types": [value]}
    elif path == "/apiKeySource" and value:
        api.key_source = value
    elif path == "/minimumCompressionSize":
        api.minimum_compression = int(value) if value else None
    elif path.startswith(_BINARY):
        old = unescaped(path.removeprefix(_BINARY))
        new = [] if value is None else [value or old]
        api.binary = [*(each for each in api.binary if each not in (old, *new)), *new]
    else:
        raise ServiceError("BadRequestException", f"Invalid patch path {path}")


def _set_of(stage: Stage, path: str, value: str) -> None:
    """Set a variable, or a setting of a method: "/*/*/throttling/rateLimit". Raises ServiceError."""
    parts = path.lstrip("/").split("/")
    setting = _SETTINGS.get("/".join(parts[-2:]))
    if parts[0] == "variables" and len(parts) == 2:
        stage.variables[parts[1]] = value
    elif setting == _SETTINGS["caching/enabled"] and value == "true":
        raise ServiceError("BadRequestException", "The local cloud has no cache of stages")
    elif setting and len(parts) >= 4:
        stage.settings.setdefault(_method_key(parts[:-2]), {})[setting[0]] = setting[1](value)
    else:
        raise ServiceError("BadRequestException", f"Invalid patch path {path}")


def _remove_of(stage: Stage, path: str) -> None:
    """Remove a variable, or all settings of a method: "/*/*". Raises ServiceError."""
    parts = path.lstrip("/").split("/")
    if parts[0] == "variables" and len(parts) == 2:
        stage.variables.pop(parts[1], None)
    elif stage.settings.pop(_method_key(parts), None) is None:
        raise ServiceError("BadRequestException", f"Invalid patch path {path}")


def _method_key(parts: Sequence[str]) -> str:
    return "/".join(parts).replace("~1", "/")


def _missing(what: str, id: str) -> ServiceError:
    return ServiceError("NotFoundException", f"Invalid {what} identifier specified {id}", 404)


def _patches(arguments: Arguments) -> list[tuple[str, str]]:
    """(path, value) of each replace or add."""
    return [
        (each["path"], str(each.get("value", "")))
        for each in arguments.get("patchOperations") or ()
        if each["op"] in ("replace", "add")
    ]


def _openapi(body: Any) -> dict[str, Any]:
    text = body if isinstance(body, (bytes, str)) else body.read()
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ServiceError("BadRequestException", f"Invalid OpenAPI input: {error}") from error
    if not isinstance(value, dict) or not isinstance(value.get("paths", {}), dict):
        raise ServiceError("BadRequestException", "Invalid OpenAPI input: paths must be an object")
    return value  # pyright: ignore[reportUnknownVariableType]


def _api(api: Api) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": api.id,
        "name": api.name,
        "createdDate": api.created,
        "apiKeySource": api.key_source,
        "endpointConfiguration": dict(api.endpoint),
        "disableExecuteApiEndpoint": api.disabled,
        "rootResourceId": api.resources["/"],
        "tags": dict(api.tags),
    }
    optional: dict[str, Any] = {
        "description": api.description,
        "version": api.version,
        "binaryMediaTypes": list(api.binary),
        "policy": api.policy,
    }
    size = {} if api.minimum_compression is None else {"minimumCompressionSize": api.minimum_compression}
    return shown | {name: value for name, value in optional.items() if value} | size


def _deployment(deployment: Deployment) -> dict[str, Any]:
    return {"id": deployment.id, "createdDate": deployment.created, "description": deployment.description}


def _stage(stage: Stage) -> dict[str, Any]:
    return {
        "stageName": stage.name,
        "deploymentId": stage.deployment_id,
        "description": stage.description,
        "cacheClusterEnabled": False,
        "cacheClusterStatus": "NOT_AVAILABLE",
        "methodSettings": {name: {**_SETTINGS_DEFAULTS, **value} for name, value in stage.settings.items()},
        "variables": dict(stage.variables),
        "tracingEnabled": False,
        "createdDate": stage.created,
        "lastUpdatedDate": stage.updated,
        "tags": dict(stage.tags),
    }


def _key(key: Key, *, shown: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": key.id,
        "name": key.name,
        "description": key.description,
        "enabled": key.enabled,
        "createdDate": key.created,
        "lastUpdatedDate": key.updated,
        "stageKeys": [],
        "tags": dict(key.tags),
    }
    return fields | ({"value": key.value} if shown else {})


def _plan(plan: UsagePlan) -> dict[str, Any]:
    stages = [dict(zip(("apiId", "stage"), each.split(":"), strict=True)) for each in plan.stages]
    shown: dict[str, Any] = {"id": plan.id, "name": plan.name, "apiStages": stages, "tags": dict(plan.tags)}
    optional = {"description": plan.description, "throttle": dict(plan.throttle), "quota": dict(plan.quota)}
    return shown | {name: value for name, value in optional.items() if value}


def _plan_key(key: Key) -> dict[str, Any]:
    return {"id": key.id, "type": "API_KEY", "name": key.name, "value": key.value}
