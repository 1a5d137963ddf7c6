"""GetResources lists what the local cloud's services keep under tags, and nothing that is deleted.

Source: Resource Groups Tagging API Reference, GetResources.
"""

import pytest
from botocore.exceptions import ClientError

from clouds import running_cloud

TAGS = {"team": "vision", "stage": "test"}
PAIRS = [{"Key": name, "Value": value} for name, value in TAGS.items()]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    """With three tagged repositories, a log group, a cluster, an API and a usage plan."""
    with running_cloud(tmp_path_factory.mktemp("tagging") / "state") as made:
        for name in ("aa", "b/c", "dd"):
            made.client("ecr").create_repository(repositoryName=name, tags=PAIRS)
        made.client("logs").create_log_group(logGroupName="/a/b", tags=TAGS)
        lower = [{"key": "team", "value": "text"}]
        made.client("ecs").create_cluster(clusterName="batch", tags=lower)
        gateway = made.client("apigateway")
        gateway.create_rest_api(name="api", tags=TAGS)
        gateway.create_usage_plan(name="plan", tags=TAGS)
        yield made


@pytest.fixture
def tagging(cloud):
    return cloud.client("resourcegroupstaggingapi")


def arns(found) -> list[str]:
    return [each["ResourceARN"] for each in found["ResourceTagMappingList"]]


def tails(found) -> list[str]:
    return [arn.split(":", 5)[5] for arn in arns(found)]


def test_a_tag_filter_finds_every_service_that_has_it(tagging):
    found = tails(tagging.get_resources(TagFilters=[{"Key": "team", "Values": ["vision"]}]))
    assert {"repository/aa", "repository/b/c", "repository/dd", "log-group:/a/b"} <= set(found)
    assert any(each.startswith("/restapis/") for each in found)
    assert any(each.startswith("/usageplans/") for each in found)
    assert "cluster/batch" not in found


def test_values_are_alternatives_and_filters_must_all_hold(tagging):
    both = [{"Key": "team", "Values": ["vision", "text"]}]
    assert "cluster/batch" in tails(tagging.get_resources(TagFilters=both))
    assert "cluster/batch" not in tails(tagging.get_resources(TagFilters=[*both, {"Key": "stage"}]))
    assert "repository/aa" in tails(tagging.get_resources(TagFilters=[*both, {"Key": "stage"}]))


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        (["ecr:repository"], ["repository/aa", "repository/b/c", "repository/dd"]),
        (["ecs"], ["cluster/batch"]),
        (["logs:log-group", "ecs:cluster"], ["cluster/batch", "log-group:/a/b"]),
        (["ecs:service"], []),
    ],
)
def test_types_are_filtered(tagging, types, expected):
    assert tails(tagging.get_resources(ResourceTypeFilters=types, TagFilters=[{"Key": "team"}])) == expected


def test_pages_are_joined_to_the_whole(tagging):
    whole = arns(tagging.get_resources(TagFilters=[{"Key": "team"}]))
    pages = list(tagging.get_paginator("get_resources").paginate(TagFilters=[{"Key": "team"}], ResourcesPerPage=2))
    assert [arn for page in pages for arn in arns(page)] == whole
    assert len(pages) == (len(whole) + 1) // 2


def test_all_tags_are_answered(tagging):
    (found,) = tagging.get_resources(TagFilters=[{"Key": "team"}], ResourceTypeFilters=["logs"])["ResourceTagMappingList"]
    assert {each["Key"]: each["Value"] for each in found["Tags"]} == TAGS


def test_what_is_deleted_is_gone(cloud, tagging):
    ecr = cloud.client("ecr")
    ecr.create_repository(repositoryName="short-lived", tags=PAIRS)
    assert "repository/short-lived" in tails(tagging.get_resources())
    ecr.delete_repository(repositoryName="short-lived")
    assert "repository/short-lived" not in tails(tagging.get_resources())


@pytest.mark.parametrize(
    "arguments",
    [
        {"ResourceARNList": ["arn:aws:ecr:us-east-1:1:repository/aa"], "TagFilters": [{"Key": "team"}]},
        {"PaginationToken": "nonsense"},
        {"ResourcesPerPage": 101},
    ],
)
def test_what_aws_refuses_is_refused(tagging, arguments):
    with pytest.raises(ClientError) as refused:
        tagging.get_resources(**arguments)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
