"""SageMaker's models through boto3: kept, and answered as they were given."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from job_cloud import ACCOUNT, JobCloud, job_cloud

ROLE = f"arn:aws:iam::{ACCOUNT}:role/serving"
CONTAINER = {"Image": "127.0.0.1:4566/vision/digits:1", "Environment": {"GREETING": "hello"}}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobCloud]:
    folder = tmp_path_factory.mktemp("models")
    with job_cloud(folder / "state", folder / "cache") as made:
        yield made


@pytest.fixture
def sagemaker(cloud: JobCloud) -> Iterator[Any]:
    client = cloud.client("sagemaker")
    yield client
    for each in client.list_models(MaxResults=100)["Models"]:
        client.delete_model(ModelName=each["ModelName"])


def make(client: Any, name: str, **given: Any) -> str:
    return client.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=CONTAINER, **given)["ModelArn"]


# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeModel.html
def test_a_model_without_a_network_answers_none(sagemaker: Any):
    arn = make(sagemaker, "digits")
    model = sagemaker.describe_model(ModelName="digits")
    assert model["ModelArn"] == arn
    assert model["PrimaryContainer"] == {**CONTAINER, "Mode": "SingleModel"}
    assert model["EnableNetworkIsolation"] is False
    assert "VpcConfig" not in model
    assert "Containers" not in model


# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModel.html
def test_a_name_is_given_once_and_a_model_has_containers(sagemaker: Any):
    make(sagemaker, "digits")
    with pytest.raises(ClientError, match="Cannot create already existing model"):
        make(sagemaker, "digits")
    with pytest.raises(ClientError, match="either PrimaryContainer or Containers"):
        sagemaker.create_model(ModelName="none", ExecutionRoleArn=ROLE)
    sagemaker.delete_model(ModelName="digits")
    for call in (sagemaker.describe_model, sagemaker.delete_model):
        with pytest.raises(ClientError, match="Could not find model"):
            call(ModelName="digits")


# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListModels.html
def test_models_are_listed_newest_first_in_pages(sagemaker: Any):
    for name in ("a-digits", "b-digits", "words"):
        make(sagemaker, name)
    first = sagemaker.list_models(MaxResults=2)
    rest = sagemaker.list_models(MaxResults=2, NextToken=first["NextToken"])
    assert [each["ModelName"] for each in [*first["Models"], *rest["Models"]]] == ["words", "b-digits", "a-digits"]
    assert "NextToken" not in rest
    named = sagemaker.list_models(NameContains="digits", SortBy="Name", SortOrder="Ascending")["Models"]
    assert [each["ModelName"] for each in named] == ["a-digits", "b-digits"]


def test_models_are_tagged(sagemaker: Any):
    arn = make(sagemaker, "digits", Tags=[{"Key": "team", "Value": "vision"}])
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "stage", "Value": "live"}])
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "stage", "Value": "live"}]
