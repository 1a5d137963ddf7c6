"""What holds replies against the service models finds each kind of fault, in each protocol, and none in a good reply."""

import json
from typing import Any

import pytest
from botocore.session import get_session

from shaped import faults, unknown

SESSION = get_session()
GOOD_ROLE = (
    "<Role><Path>/</Path><RoleName>r</RoleName><RoleId>AROA0123456789012345</RoleId><Arn>arn:aws:iam::1:role/r0123456789</Arn>"
    "<CreateDate>2026-11-27T00:00:00Z</CreateDate></Role>"
)


def found(service: str, operation: str, body: str, protocol: str, status: int = 200, **headers: str) -> list[str]:
    model = SESSION.get_service_model(service).operation_model(operation)
    return list(faults(model, protocol, status, headers, body.encode()))


def iam(role: str) -> list[str]:
    body = f"<GetRoleResponse><GetRoleResult>{role}</GetRoleResult><ResponseMetadata/></GetRoleResponse>"
    return found("iam", "GetRole", body, "query")


@pytest.mark.parametrize(
    ("service", "clusters", "wrong"),
    [
        ("ecs", {"clusters": [{"clusterName": "c", "runningTasksCount": 1}]}, []),
        ("ecs", {"clusters": [{"clusterName": "c", "colour": "red"}]}, ["DescribeClusters.clusters[0].colour is unknown"]),
        ("ecs", {"Clusters": []}, ["DescribeClusters.Clusters is unknown"]),
        ("ecs", {"clusters": {}}, ["DescribeClusters.clusters is no list: {}"]),
        ("ecs", {"clusters": [{"clusterName": 1}]}, ["DescribeClusters.clusters[0].clusterName is no string: 1"]),
        ("ecs", {"clusters": [{"clusterName": None}]}, ["DescribeClusters.clusters[0].clusterName is no string: None"]),
        ("ecs", {"clusters": [{"runningTasksCount": True}]},
         ["DescribeClusters.clusters[0].runningTasksCount is no integer: True"]),
        ("ecs", {"clusters": [{"settings": [{"name": "x"}]}]},
         ["DescribeClusters.clusters[0].settings[0].name is none of the enum: 'x'"]),
    ],
)  # fmt: skip
def test_a_reply_in_json(service: str, clusters: Any, wrong: list[str]):
    assert found(service, "DescribeClusters", json.dumps(clusters), "json") == wrong


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, ["CreateTrainingJob.TrainingJobArn is missing"]),
        ({"TrainingJobArn": "a"}, []),
    ],
)
def test_what_is_required_in_json(body: Any, wrong: list[str]):
    assert found("sagemaker", "CreateTrainingJob", json.dumps(body), "json") == wrong


def test_a_time_in_json_is_a_number():
    body = {"services": [{"createdAt": "2026-11-27T00:00:00Z"}]}
    wrong = ["DescribeServices.services[0].createdAt is no timestamp: '2026-11-27T00:00:00Z'"]
    assert found("ecs", "DescribeServices", json.dumps(body), "json") == wrong


@pytest.mark.parametrize(
    ("role", "wrong"),
    [
        (GOOD_ROLE, []),
        (GOOD_ROLE.replace("<Path>/</Path>", ""), ["GetRole.Role.Path is missing"]),
        (GOOD_ROLE.replace("<Path>", "<Colour>red</Colour><Path>"), ["GetRole.Role.Colour is unknown"]),
        (GOOD_ROLE.replace("2026-11-27T00:00:00Z", "today"), ["GetRole.Role.CreateDate is no timestamp: 'today'"]),
        (GOOD_ROLE.replace("</Role>", "<Tags><item/></Tags></Role>"), ["GetRole.Role.Tags.item is no member"]),
        (GOOD_ROLE.replace("<RoleName>r", "<RoleName><x/>"), ["GetRole.Role.RoleName is no string: it has members"]),
        ("", ["GetRole.Role is missing"]),
    ],
)
def test_a_reply_of_the_query_protocol(role: str, wrong: list[str]):
    assert iam(role) == wrong


def test_a_reply_of_the_query_protocol_without_its_result():
    assert found("iam", "GetRole", "<GetRoleResponse/>", "query") == ["GetRole: there is no GetRoleResult"]


def test_a_reply_of_s3_has_flattened_lists():
    body = "<ListBucketResult><KeyCount>1</KeyCount><Contents><Key>a</Key><Size>{}</Size></Contents></ListBucketResult>"
    assert found("s3", "ListObjectsV2", body.format(1), "rest-xml") == []
    assert found("s3", "ListObjectsV2", body.format("big"), "rest-xml") == ["ListObjectsV2.Contents.Size is no long: 'big'"]


def test_a_member_that_a_serialiser_would_drop():
    shape = SESSION.get_service_model("ecs").operation_model("ListClusters").output_shape
    assert list(unknown({"clusterArns": ["a"]}, shape, "r")) == []
    assert list(unknown({"clusterArns": ["a"], "next": "x"}, shape, "r")) == ["r.next is unknown"]
