"""API Gateway: twins, bodies that were never put, deployments that were never used, and keys that are never read."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from trimtab.core.kind import UID, Broken, Difference, Moving, Ref, Settled
from trimtab.resources import KINDS
from trimtab.resources.rest_api import BODY, body_of
from unit.resources.samples import API, API_DIGEST, API_KEY, AT, LISTENER_ARN, SAMPLES, STAGE, TAGS, USAGE_PLAN, VPC_LINK
from unit.resources.support import drive

API_KIND, STAGE_KIND = KINDS["apigateway.RestApi"], KINDS["apigateway.Stage"]
LATER = AT + timedelta(minutes=1)
TWINS = {
    "apigateway.RestApi": ("GetRestApis", "items", "id", "createdDate", API, "DeleteRestApi"),
    "apigateway.ApiKey": ("GetApiKeys", "items", "id", "createdDate", API_KEY, "DeleteApiKey"),
    "apigateway.UsagePlan": ("GetUsagePlans", "items", "id", "", USAGE_PLAN, "DeleteUsagePlan"),
    "apigatewayv2.VpcLink": ("GetVpcLinks", "Items", "VpcLinkId", "CreatedDate", VPC_LINK, "DeleteVpcLink"),
}


def twins_of(name: str, **later: Any) -> dict[str, Any]:
    """Replies where a second one of ours, made later, has the same name, beside one of another owner and one of nobody."""
    operation, items, id, created, item, _ = TWINS[name]
    tags = "Tags" if "Tags" in item else "tags"
    twin = {**item, id: "zz-twin", **({created: LATER} if created else {}), **later}
    foreign = {**twin, id: "zz-foreign", tags: {**TAGS, UID: "somebody-else"}}
    return {**SAMPLES[name].answers, operation: {items: [foreign, twin, {**item, id: "00-nobody", tags: {}}, item]}}


@pytest.mark.parametrize("name", list(TWINS))
def test_the_oldest_of_twins_stays_and_only_our_own_twins_go(name: str):
    kind, sample = KINDS[name], SAMPLES[name]
    identity = kind.identity(sample.desired)
    _, seen = drive(kind.observe([identity]), twins_of(name))
    observed = seen[identity]
    assert observed.id == TWINS[name][4][TWINS[name][2]]
    drift = kind.diff(sample.desired, observed)
    assert [each.path for each in drift] == ["twins"]
    calls, _ = drive(kind.update(sample.desired, observed, drift))
    deleted = [call for call in calls if call.operation == TWINS[name][5]]
    assert [list(call.arguments.values()) for call in deleted] == [["zz-twin"]]


@pytest.mark.parametrize("name", list(TWINS))
def test_a_delete_takes_twins_along(name: str):
    kind, sample = KINDS[name], SAMPLES[name]
    identity = kind.identity(sample.desired)
    _, seen = drive(kind.observe([identity]), twins_of(name))
    calls, _ = drive(kind.delete(seen[identity]))
    deleted = [next(iter(call.arguments.values())) for call in calls if call.operation == TWINS[name][5]]
    assert deleted == [TWINS[name][4][TWINS[name][2]], "zz-twin"]


@pytest.mark.parametrize("name", list(TWINS))
def test_a_same_name_without_our_tag_is_no_clash_where_names_may_repeat(name: str):
    operation, items, _, _, item, _ = TWINS[name]
    tags = "Tags" if "Tags" in item else "tags"
    kind, sample = KINDS[name], SAMPLES[name]
    answers = {**sample.answers, operation: {items: [{**item, tags: {}}]}}
    assert drive(kind.observe([kind.identity(sample.desired)]), answers)[1] == {}


@pytest.mark.parametrize("name", list(TWINS))
def test_a_create_that_could_make_a_twin_is_never_repeated(name: str):
    calls, _ = drive(KINDS[name].create(SAMPLES[name].desired), SAMPLES[name].created)
    assert calls[0].repeat == "once"


# --- REST API -------------------------------------------------------------------------------------------------------


def seen_api(**fields: Any) -> Any:
    desired = SAMPLES["apigateway.RestApi"].desired
    identity = API_KIND.identity(desired)
    return drive(API_KIND.observe([identity]), {"GetRestApis": {"items": [{**API, **fields}]}})[1][identity]


def test_placeholders_are_filled_and_path_parameters_are_not():
    body = body_of(SAMPLES["apigateway.RestApi"].desired)
    integration = body["paths"]["/{proxy+}"]["post"]["x-amazon-apigateway-integration"]
    assert integration == {"connectionId": "link01", "integrationTarget": LISTENER_ARN, "type": "http_proxy"}


@pytest.mark.parametrize("description", ["", "made by somebody", "body sha256:" + "0" * 64])
def test_an_api_without_the_declared_body_is_filled(description: str):
    desired = SAMPLES["apigateway.RestApi"].desired
    observed = seen_api(description=description)
    drift = API_KIND.diff(desired, observed)
    assert [each.path for each in drift] == [BODY]
    calls, _ = drive(API_KIND.update(desired, observed, drift), SAMPLES["apigateway.RestApi"].created)
    assert [call.operation for call in calls] == ["PutRestApi"]
    sent = json.loads(calls[0].arguments["body"])
    assert sent["info"] == {"title": desired.name, "version": "1", "description": f"body {API_DIGEST}"}


def test_a_put_that_leaves_the_description_out_is_followed_by_one_that_sets_it():
    desired = SAMPLES["apigateway.RestApi"].desired
    calls, _ = drive(API_KIND.create(desired), {"CreateRestApi": {"id": "new"}, "PutRestApi": {"id": "new"}})
    assert [call.operation for call in calls] == ["CreateRestApi", "PutRestApi", "UpdateRestApi"]
    assert calls[2].arguments["patchOperations"] == [
        {"op": "replace", "path": "/description", "value": f"body {API_DIGEST}"}
    ]


def test_another_listener_is_another_body():
    moved = replace(SAMPLES["apigateway.RestApi"].desired, listener_arn=f"{LISTENER_ARN}2")
    assert [each.path for each in API_KIND.diff(moved, seen_api())] == [BODY]


def test_an_api_whose_own_url_was_shut_by_hand_is_opened():
    desired = SAMPLES["apigateway.RestApi"].desired
    observed = seen_api(disableExecuteApiEndpoint=True, endpointConfiguration={"types": ["EDGE"]})
    calls, _ = drive(API_KIND.update(desired, observed, API_KIND.diff(desired, observed)))
    assert [each["path"] for each in calls[0].arguments["patchOperations"]] == [
        "/endpointConfiguration/types/EDGE",
        "/disableExecuteApiEndpoint",
    ]


# --- stage ----------------------------------------------------------------------------------------------------------


def test_a_deployment_that_a_crash_left_unused_is_taken():
    sample = SAMPLES["apigateway.Stage"]
    calls, _ = drive(STAGE_KIND.create(sample.desired), sample.answers)
    assert [call.operation for call in calls] == ["GetDeployments", "CreateStage", "UpdateStage"]
    assert calls[1].arguments["deploymentId"] == "dep001"


def test_another_body_is_deployed_and_taken_in_one_patch_with_the_throttle():
    sample = SAMPLES["apigateway.Stage"]
    other = replace(sample.desired, body_digest="sha256:" + "1" * 64, rate=12.5)
    identity = STAGE_KIND.identity(other)
    observed = drive(STAGE_KIND.observe([identity]), sample.answers)[1][identity]
    calls, _ = drive(
        STAGE_KIND.update(other, observed, STAGE_KIND.diff(other, observed)), {**sample.answers, **sample.created}
    )
    assert [call.operation for call in calls] == ["GetDeployments", "CreateDeployment", "UpdateStage"]
    assert calls[1].repeat == "once"
    assert calls[2].arguments["patchOperations"] == [
        {"op": "replace", "path": "/deploymentId", "value": "dep002"},
        {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "12.5"},
        {"op": "replace", "path": "/*/*/throttling/burstLimit", "value": "100"},
    ]


def test_a_stage_that_was_pointed_at_an_old_deployment_by_hand_is_a_difference():
    sample = SAMPLES["apigateway.Stage"]
    identity = STAGE_KIND.identity(sample.desired)
    answers = {**sample.answers, "GetStages": {"item": [{**STAGE, "deploymentId": "dep000"}]}}
    observed = drive(STAGE_KIND.observe([identity]), answers)[1][identity]
    assert STAGE_KIND.diff(sample.desired, observed) == (Difference("deploymentId", "", API_DIGEST),)


def test_a_stage_whose_throttle_a_crash_left_out_is_throttled():
    sample = SAMPLES["apigateway.Stage"]
    identity = STAGE_KIND.identity(sample.desired)
    bare = {name: value for name, value in STAGE.items() if name != "methodSettings"}
    observed = drive(STAGE_KIND.observe([identity]), {**sample.answers, "GetStages": {"item": [bare]}})[1][identity]
    assert len(STAGE_KIND.diff(sample.desired, observed)) == 2


# --- key, usage plan, VPC link --------------------------------------------------------------------------------------


def test_what_could_hold_a_keys_value_is_secret_and_values_are_not_asked_for():
    kind, sample = KINDS["apigateway.ApiKey"], SAMPLES["apigateway.ApiKey"]
    calls = drive(kind.observe([kind.identity(sample.desired)]), sample.answers)[0] + drive(kind.create(sample.desired))[0]
    assert all(call.secret for call in calls)
    assert calls[0].arguments["includeValues"] is False
    plan, planned = KINDS["apigateway.UsagePlan"], SAMPLES["apigateway.UsagePlan"]
    calls = drive(plan.observe([plan.identity(planned.desired)]), planned.answers)[0]
    assert [call.secret for call in calls if call.operation == "GetUsagePlanKeys"] == [True]


def seen_plan(keys: list[str], **fields: Any) -> Any:
    kind, sample = KINDS["apigateway.UsagePlan"], SAMPLES["apigateway.UsagePlan"]
    identity = kind.identity(sample.desired)
    answers = {
        "GetUsagePlans": {"items": [{**USAGE_PLAN, **fields}]},
        "GetUsagePlanKeys": {"items": [{"id": key} for key in keys]},
    }
    return drive(kind.observe([identity]), answers)[1][identity]


@pytest.mark.parametrize(
    ("observed", "calls"),
    [
        pytest.param(seen_plan(["key001", "by-hand"]), [], id="a key that somebody tied by hand stays"),
        pytest.param(seen_plan([]), ["CreateUsagePlanKey"], id="a crash before the key was tied"),
        pytest.param(seen_plan(["key001"], apiStages=[]), ["UpdateUsagePlan"], id="a stage was taken off"),
        pytest.param(seen_plan(["key001"], throttle={}), ["UpdateUsagePlan"], id="the throttle was taken off"),
    ],
)
def test_a_usage_plan_is_repaired(observed: Any, calls: list[str]):
    kind, sample = KINDS["apigateway.UsagePlan"], SAMPLES["apigateway.UsagePlan"]
    made, _ = drive(kind.update(sample.desired, observed, kind.diff(sample.desired, observed)))
    assert [call.operation for call in made] == calls


def test_a_usage_plan_lets_go_of_its_stages_before_it_is_deleted():
    calls, _ = drive(KINDS["apigateway.UsagePlan"].delete(seen_plan(["key001"])))
    assert [call.operation for call in calls] == ["UpdateUsagePlan", "DeleteUsagePlan"]
    assert calls[0].arguments["patchOperations"] == [{"op": "remove", "path": "/apiStages", "value": "api0000001:live"}]


def test_stages_of_a_usage_plan_that_are_not_known_yet_are_no_difference():
    kind, sample = KINDS["apigateway.UsagePlan"], SAMPLES["apigateway.UsagePlan"]
    stage = replace(sample.desired.stages[0], api_id=Ref("apigateway.RestApi/api", "id"))
    pending = replace(sample.desired, stages=(stage,), key_ids=(Ref("apigateway.ApiKey/key", "id"),))
    assert kind.diff(pending, seen_plan(["key001"])) == ()


def seen_link(*items: dict[str, Any]) -> Any:
    kind, sample = KINDS["apigatewayv2.VpcLink"], SAMPLES["apigatewayv2.VpcLink"]
    identity = kind.identity(sample.desired)
    return drive(kind.observe([identity]), {"GetVpcLinks": {"Items": list(items)}})[1][identity]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("AVAILABLE", Settled()),
        ("INACTIVE", Settled()),
        ("PENDING", Moving("VPC link trimtab-local is PENDING")),
        ("DELETING", Moving("VPC link trimtab-local is DELETING")),
        ("FAILED", Broken("VpcLinkFailed", "VPC link trimtab-local failed: no address left")),
    ],
)
def test_how_a_vpc_link_stands(status: str, state: object):
    observed = seen_link({**VPC_LINK, "VpcLinkStatus": status, "VpcLinkStatusMessage": "no address left"})
    assert KINDS["apigatewayv2.VpcLink"].state(SAMPLES["apigatewayv2.VpcLink"].desired, observed) == state


def test_a_vpc_link_that_is_leaving_stands_behind_one_that_is_not():
    leaving = {**VPC_LINK, "VpcLinkId": "old", "VpcLinkStatus": "DELETING"}
    observed = seen_link(leaving, {**VPC_LINK, "CreatedDate": LATER})
    assert (observed.id, observed.twins) == ("link01", ())
    assert drive(KINDS["apigatewayv2.VpcLink"].delete(seen_link(leaving)))[0] == []


def test_other_subnets_replace_a_vpc_link():
    kind, sample = KINDS["apigatewayv2.VpcLink"], SAMPLES["apigatewayv2.VpcLink"]
    moved = replace(sample.desired, subnets=("subnet-9",))
    assert [each.remedy for each in kind.diff(moved, seen_link(VPC_LINK))] == ["replace"]


def test_every_page_of_vpc_links_is_read():
    kind, sample = KINDS["apigatewayv2.VpcLink"], SAMPLES["apigatewayv2.VpcLink"]
    pages = {None: {"Items": [], "NextToken": "2"}, "2": {"Items": [VPC_LINK]}}
    answers = {"GetVpcLinks": lambda given: pages[given.get("NextToken")]}
    _, seen = drive(kind.observe([kind.identity(sample.desired)]), answers)
    assert len(seen) == 1
