"""REST APIs made resource by resource, as boto3 sees them and as a client of theirs does."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3
from botocore.exceptions import ClientError

from clouds import RunningCloud, running_cloud
from ecs_world import eventually
from trimtab.core.kind import Call
from unit.resources.support import faults_of_reply

POOL = urllib3.PoolManager(retries=False, timeout=10)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with running_cloud(tmp_path_factory.mktemp("gateway") / "state") as made:
        yield made


class Maker:
    """One REST API, every reply of it held against the service model."""

    def __init__(self, client: Any) -> None:
        self.client = client
        made = client.create_rest_api(name="parts")
        self.id, self.root = made["id"], made["rootResourceId"]

    def __call__(self, operation: str, **arguments: Any) -> dict[str, Any]:
        method = next(name for name, api in self.client.meta.method_to_api_mapping.items() if api == operation)
        reply = getattr(self.client, method)(restApiId=self.id, **arguments)
        reply.pop("ResponseMetadata")
        assert faults_of_reply(Call("apigateway", operation, {}), reply) == []
        return reply

    def resource(self, part: str, parent: str = "") -> str:
        return self("CreateResource", parentId=parent or self.root, pathPart=part)["id"]

    def method(self, resource: str, verb: str = "POST", **given: Any) -> dict[str, str]:
        where = {"resourceId": resource, "httpMethod": verb}
        self("PutMethod", **where, authorizationType="NONE", **given)
        return where

    def paths(self) -> dict[str, list[str]]:
        return {each["path"]: sorted(each.get("resourceMethods", {})) for each in self("GetResources")["items"]}


@pytest.fixture
def api(cloud: RunningCloud) -> Maker:
    return Maker(cloud.client("apigateway"))


def refused(call: Any, *names: str, **arguments: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(*names, **arguments)
    return error.value.response["Error"]["Code"]


PREFLIGHT = "method.response.header.Access-Control-Allow-Origin"


def preflight(api: Maker, resource: str) -> dict[str, str]:
    """The OPTIONS method of an "Enable CORS" in the console: Developer Guide, "CORS for REST APIs"."""
    where = api.method(resource, "OPTIONS")
    api("PutIntegration", **where, type="MOCK", requestTemplates={"application/json": '{"statusCode": 204}'})
    api("PutMethodResponse", **where, statusCode="204", responseParameters={PREFLIGHT: True})
    api("PutIntegrationResponse", **where, statusCode="204", responseParameters={PREFLIGHT: "'*'"})
    return where


# https://docs.aws.amazon.com/apigateway/latest/api/API_CreateResource.html
def test_resources_are_a_tree_that_goes_with_its_branch(api: Maker):
    a = api.resource("a")
    b = api.resource("{id}", a)
    assert api("GetResource", resourceId=b) == {"id": b, "parentId": a, "pathPart": "{id}", "path": "/a/{id}"}
    assert refused(api, "CreateResource", parentId=api.root, pathPart="a") == "ConflictException"
    assert refused(api, "CreateResource", parentId=api.root, pathPart="a/b") == "BadRequestException"
    assert refused(api, "CreateResource", parentId="none", pathPart="c") == "NotFoundException"
    api("DeleteResource", resourceId=a)
    assert api.paths() == {"/": []}
    assert refused(api, "DeleteResource", resourceId=api.root) == "BadRequestException"


# https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateResource.html
def test_a_resource_moves_with_its_branch_and_keeps_its_ids(api: Maker):
    def change(field: str, value: str) -> None:
        api("UpdateResource", resourceId=a, patchOperations=[{"op": "replace", "path": field, "value": value}])

    a, other = api.resource("a"), api.resource("other")
    where = api.method(api.resource("b", a))
    change("/pathPart", "c")
    change("/parentId", other)
    assert api.paths() == {"/": [], "/other": [], "/other/c": [], "/other/c/b": ["POST"]}
    assert api("GetMethod", **where)["httpMethod"] == "POST"
    for field, value in (("/pathPart", "x/y"), ("/parentId", where["resourceId"]), ("/path", "/x")):
        with pytest.raises(ClientError):
            change(field, value)


# https://docs.aws.amazon.com/apigateway/latest/api/API_PutMethod.html
def test_a_method_answers_as_it_was_put(api: Maker):
    parameters = {"method.request.header.Accept": False, "method.request.querystring.top": True}
    where = api.method(
        api.resource("predict"),
        apiKeyRequired=True,
        operationName="Predict",
        requestParameters=parameters,
        requestModels={"application/json": "Empty"},
    )
    assert api("GetMethod", **where) == {
        "httpMethod": "POST",
        "authorizationType": "NONE",
        "apiKeyRequired": True,
        "operationName": "Predict",
        "requestParameters": parameters,
        "requestModels": {"application/json": "Empty"},
    }
    assert api.paths()["/predict"] == ["POST"]
    assert refused(api, "PutMethod", **where, authorizationType="NONE") == "ConflictException"
    api("UpdateMethod", **where, patchOperations=[
        {"op": "replace", "path": "/apiKeyRequired", "value": "false"},
        {"op": "remove", "path": "/requestParameters/method.request.header.Accept"},
    ])  # fmt: skip
    changed = api("GetMethod", **where)
    assert (changed["apiKeyRequired"], len(changed["requestParameters"])) == (False, 1)
    assert changed["requestModels"] == {"application/json": "Empty"}
    api("DeleteMethod", **where)
    assert refused(api, "GetMethod", **where) == "NotFoundException"


# https://docs.aws.amazon.com/apigateway/latest/api/API_PutIntegration.html
def test_an_integration_answers_as_it_was_put_with_the_defaults_of_aws(api: Maker):
    resource = api.resource("predict")
    where = api.method(resource)
    assert refused(api, "GetIntegration", **where) == "NotFoundException"
    given = {"type": "HTTP_PROXY", "integrationHttpMethod": "POST", "uri": "http://127.0.0.1:1/x"}
    api("PutIntegration", **where, **given)
    assert api("GetIntegration", **where) == {
        "type": "HTTP_PROXY",
        "httpMethod": "POST",
        "uri": "http://127.0.0.1:1/x",
        "connectionType": "INTERNET",
        "passthroughBehavior": "WHEN_NO_MATCH",
        "timeoutInMillis": 29000,
        "cacheNamespace": resource,
        "cacheKeyParameters": [],
    }
    edits = [
        {"op": "replace", "path": "/timeoutInMillis", "value": "5000"},
        {"op": "add", "path": "/requestParameters/integration.request.header.X-Stage", "value": "'live'"},
    ]
    api("UpdateIntegration", **where, patchOperations=edits)
    changed = api("GetMethod", **where)["methodIntegration"]
    assert changed["timeoutInMillis"] == 5000
    assert changed["requestParameters"] == {"integration.request.header.X-Stage": "'live'"}
    api("DeleteIntegration", **where)
    assert "methodIntegration" not in api("GetMethod", **where)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"type": "AWS_PROXY"}, id="Lambda"),
        pytest.param({"uri": ""}, id="nowhere"),
        pytest.param({"timeoutInMillis": 29001}, id="too long"),
        pytest.param({"connectionType": "VPC_LINK", "connectionId": "none"}, id="no such link"),
        pytest.param({"requestParameters": {"integration.request.header.X": "method.request.header.X"}}, id="not static"),
        pytest.param({"credentials": "arn:aws:iam::123456789012:role/x"}, id="with a role"),
    ],
)
def test_what_an_integration_cannot_do_here_is_refused(api: Maker, changes: dict[str, Any]):
    where = api.method(api.resource("predict"))
    given = {"type": "HTTP_PROXY", "integrationHttpMethod": "POST", "uri": "http://127.0.0.1:1/", **changes}
    assert refused(api, "PutIntegration", **where, **given) == "BadRequestException"
    assert "methodIntegration" not in api("GetMethod", **where)


# https://docs.aws.amazon.com/apigateway/latest/api/API_PutIntegrationResponse.html
def test_responses_of_a_method_and_of_its_integration(api: Maker):
    where = preflight(api, api.resource("predict"))
    one = {**where, "statusCode": "204"}
    assert api("GetMethodResponse", **one) == {"statusCode": "204", "responseParameters": {PREFLIGHT: True}}
    assert api("GetIntegrationResponse", **one) == {"statusCode": "204", "responseParameters": {PREFLIGHT: "'*'"}}
    assert set(api("GetIntegration", **where)["integrationResponses"]) == {"204"}
    assert refused(api, "PutMethodResponse", **one) == "ConflictException"
    assert refused(api, "PutIntegrationResponse", **where, statusCode="200") == "NotFoundException"
    edit = {"op": "replace", "path": f"/responseParameters/{PREFLIGHT}", "value": "'https://shop.example'"}
    api("UpdateIntegrationResponse", **one, patchOperations=[edit])
    assert api("GetIntegrationResponse", **one)["responseParameters"] == {PREFLIGHT: "'https://shop.example'"}
    api("DeleteIntegrationResponse", **one)
    api("DeleteMethodResponse", **one)
    assert refused(api, "GetIntegrationResponse", **one) == "NotFoundException"
    assert refused(api, "GetMethodResponse", **one) == "NotFoundException"


# https://docs.aws.amazon.com/apigateway/latest/api/API_CreateDeployment.html
def test_what_has_no_integration_cannot_be_deployed(api: Maker):
    api.method(api.resource("predict"))
    with pytest.raises(ClientError, match="No integration defined for method"):
        api("CreateDeployment", stageName="live")


def test_what_is_made_of_parts_answers_once_it_is_deployed(cloud: RunningCloud, api: Maker):
    where = preflight(api, api.resource("predict"))
    api("CreateDeployment", stageName="live")
    url = f"http://127.0.0.1:{cloud.ports[1]}/{api.id}/live/predict"
    reply = eventually(lambda: answered(url, 204))
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    edit = {"op": "replace", "path": f"/responseParameters/{PREFLIGHT}", "value": "'https://shop.example'"}
    api("UpdateIntegrationResponse", **where, statusCode="204", patchOperations=[edit])
    assert POOL.request("OPTIONS", url).headers["Access-Control-Allow-Origin"] == "*"  # not deployed yet
    api("CreateDeployment", stageName="live")
    eventually(lambda: POOL.request("OPTIONS", url).headers["Access-Control-Allow-Origin"] == "https://shop.example")


def answered(url: str, status: int) -> urllib3.BaseHTTPResponse | None:
    reply = POOL.request("OPTIONS", url)
    return reply if reply.status == status else None


# https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateUsagePlan.html
def test_limits_of_a_usage_plan_come_and_go(api: Maker):
    preflight(api, api.resource("predict"))
    api("CreateDeployment", stageName="live")
    plan = api.client.create_usage_plan(name="plan")["id"]

    def change(*edits: tuple[str, str, str]) -> dict[str, Any]:
        patches = [{"op": op, "path": path, "value": value} for op, path, value in edits]
        return api.client.update_usage_plan(usagePlanId=plan, patchOperations=patches)

    stage = f"{api.id}:live"
    limits = [("/throttle/rateLimit", "10"), ("/quota/limit", "100"), ("/quota/period", "DAY")]
    made = change(("add", "/apiStages", stage), *(("replace", path, value) for path, value in limits))
    assert (made["throttle"], made["quota"]) == ({"rateLimit": 10.0}, {"limit": 100, "period": "DAY"})
    gone = change(("remove", "/apiStages", stage), ("remove", "/throttle", ""), ("remove", "/quota", ""))
    assert (gone["apiStages"], "throttle" in gone, "quota" in gone) == ([], False, False)
    limited = {"apiId": api.id, "stage": "live", "throttle": {"/predict/OPTIONS": {"rateLimit": 1.0}}}
    with pytest.raises(ClientError, match="no throttle per method"):
        api.client.create_usage_plan(name="x", apiStages=[limited])


# https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateRestApi.html
def test_an_api_is_patched(api: Maker):
    edits = [
        {"op": "add", "path": "/binaryMediaTypes/image~1png"},
        {"op": "add", "path": "/binaryMediaTypes/*~1*"},
        {"op": "remove", "path": "/binaryMediaTypes/image~1png"},
        {"op": "replace", "path": "/minimumCompressionSize", "value": "1024"},
        {"op": "replace", "path": "/endpointConfiguration/types/EDGE", "value": "REGIONAL"},
        {"op": "replace", "path": "/policy", "value": "{}"},
    ]
    changed = api("UpdateRestApi", patchOperations=edits)
    assert (changed["binaryMediaTypes"], changed["minimumCompressionSize"]) == (["*/*"], 1024)
    assert (changed["endpointConfiguration"]["types"], changed["policy"]) == (["REGIONAL"], "{}")
    api("UpdateRestApi", patchOperations=[{"op": "replace", "path": "/minimumCompressionSize"}])
    assert "minimumCompressionSize" not in api("GetRestApi")
    unknown = [{"op": "replace", "path": "/colour", "value": "blue"}]
    assert refused(api, "UpdateRestApi", patchOperations=unknown) == "BadRequestException"


# https://docs.aws.amazon.com/apigateway/latest/api/API_PutGatewayResponse.html
def test_a_gateway_response_is_put_and_cleared(api: Maker):
    allowed = "gatewayresponse.header.Access-Control-Allow-Origin"
    kind = {"responseType": "DEFAULT_4XX"}
    assert api("GetGatewayResponse", **kind)["defaultResponse"] is True
    put = api("PutGatewayResponse", **kind, responseParameters={allowed: "'*'"})
    assert (put["defaultResponse"], put["responseParameters"]) == (False, {allowed: "'*'"})
    edit = {"op": "replace", "path": f"/responseParameters/{allowed}", "value": "'https://shop.example'"}
    api("UpdateGatewayResponse", **kind, patchOperations=[edit])
    shown = {each["responseType"]: each for each in api("GetGatewayResponses")["items"]}
    assert shown["DEFAULT_4XX"]["responseParameters"] == {allowed: "'https://shop.example'"}
    api("DeleteGatewayResponse", **kind)
    assert refused(api, "DeleteGatewayResponse", **kind) == "NotFoundException"
    assert refused(api, "PutGatewayResponse", responseType="UNAUTHORIZED", statusCode="403") == "BadRequestException"


# https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateStage.html
def test_settings_of_methods_are_shown_with_their_defaults_and_can_be_removed(api: Maker):
    preflight(api, api.resource("predict"))
    deployment = api("CreateDeployment", stageName="live")["id"]
    edits = [("throttling/rateLimit", "50"), ("caching/enabled", "false"), ("caching/ttlInSeconds", "60")]
    patches = [{"op": "replace", "path": f"/*/*/{name}", "value": value} for name, value in edits]
    settings = api("UpdateStage", stageName="live", patchOperations=patches)["methodSettings"]["*/*"]
    assert (settings["throttlingRateLimit"], settings["throttlingBurstLimit"]) == (50.0, 5000)
    assert (settings["cachingEnabled"], settings["cacheTtlInSeconds"]) == (False, 60)
    cached = {"op": "replace", "path": "/*/*/caching/enabled", "value": "true"}
    assert refused(api, "UpdateStage", stageName="live", patchOperations=[cached]) == "BadRequestException"
    api("UpdateStage", stageName="live", patchOperations=[{"op": "remove", "path": "/*/*"}])
    assert api("GetStage", stageName="live")["methodSettings"] == {}
    api("UpdateDeployment", deploymentId=deployment, patchOperations=[
        {"op": "replace", "path": "/description", "value": "first"},
    ])  # fmt: skip
    assert api("GetDeployment", deploymentId=deployment)["description"] == "first"


# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-import-api.html
def test_resources_of_a_body_keep_their_ids_and_can_be_read_one_by_one(api: Maker):
    def put(*paths: str) -> None:
        integration = {"type": "http_proxy", "httpMethod": "POST", "uri": "http://127.0.0.1:1/"}
        method = {"security": [{"api_key": []}], "x-amazon-apigateway-integration": integration}
        body = {"openapi": "3.0.1", "info": {"title": "parts"}, "paths": {path: {"post": method} for path in paths}}
        api("PutRestApi", mode="overwrite", body=json.dumps(body).encode())

    put("/v1/predict", "/v1/explain")
    before = {each["path"]: each["id"] for each in api("GetResources")["items"]}
    assert set(before) == {"/", "/v1", "/v1/predict", "/v1/explain"}
    where = {"resourceId": before["/v1/predict"], "httpMethod": "POST"}
    assert api("GetMethod", **where)["apiKeyRequired"] is True
    assert api("GetIntegration", **where)["type"] == "HTTP_PROXY"
    put("/v1/predict")
    after = {each["path"]: each["id"] for each in api("GetResources")["items"]}
    assert after == {path: before[path] for path in ("/", "/v1", "/v1/predict")}
    embedded = {each["path"]: each for each in api("GetResources", embed=["methods"])["items"]}
    assert embedded["/v1/predict"]["resourceMethods"]["POST"]["methodIntegration"]["uri"] == "http://127.0.0.1:1/"
