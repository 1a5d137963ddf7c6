"""The ECR API through boto3, over the same content as the registry.

Sources: Amazon ECR API Reference, page of each operation (CreateRepository, DescribeRepositories,
PutImageTagMutability, PutImage, DescribeImages, ListImages, BatchGetImage, BatchDeleteImage,
BatchCheckLayerAvailability, GetAuthorizationToken); ECR User Guide, "Preventing image tags from being overwritten".
"""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from botocore.exceptions import ClientError

from job_cloud import ACCOUNT, REGION, JobCloud, codes, job_cloud
from made_images import MANIFEST, config_of, parts_of

NAME = "vision/digits"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[JobCloud]:
    with job_cloud(tmp_path / "state", tmp_path / "cache") as cloud:
        yield cloud


@pytest.fixture
def ecr(cloud: JobCloud) -> Any:
    client = cloud.client("ecr")
    client.create_repository(repositoryName=NAME)
    return client


def refusal(call: Any, **arguments: Any) -> str:
    """The code with which a call is refused."""
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    assert raised.value.response["Error"]["Message"]
    return raised.value.response["Error"]["Code"]


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def push_blob(cloud: JobCloud, data: bytes, name: str = NAME) -> str:
    token = cloud.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    url = f"http://127.0.0.1:{cloud.port}/v2/{name}/blobs/uploads/?digest={digest_of(data)}"
    assert urllib3.request("POST", url, body=data, headers={"Authorization": f"Basic {token}"}).status == 201
    return digest_of(data)


def put(cloud: JobCloud, layer: bytes, *tags: str, name: str = NAME) -> str:
    """Push an image under some tags, or none; its digest."""
    config = config_of()
    manifest = parts_of([layer], [push_blob(cloud, layer, name)], push_blob(cloud, config, name), config)
    for tag in tags or (None,):
        given = {"imageTag": tag} if tag else {}
        cloud.client("ecr").put_image(repositoryName=name, imageManifest=manifest.decode(), **given)
    return digest_of(manifest)


def test_a_repository_is_as_it_was_made(cloud: JobCloud, ecr: Any):
    made = ecr.create_repository(
        repositoryName="other",
        imageTagMutability="IMMUTABLE",
        imageScanningConfiguration={"scanOnPush": True},
        tags=[{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "1"}],
    )["repository"]
    assert made == ecr.describe_repositories(repositoryNames=["other"])["repositories"][0]
    assert made["repositoryArn"] == f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/other"
    assert made["repositoryUri"] == f"127.0.0.1:{cloud.port}/other"
    assert (made["imageTagMutability"], made["imageScanningConfiguration"]) == ("IMMUTABLE", {"scanOnPush": True})
    assert ecr.list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"] == [
        {"Key": "a", "Value": "1"},
        {"Key": "b", "Value": "2"},
    ]


def test_a_name_is_taken_once_and_an_unknown_one_is_not_found(ecr: Any):
    assert refusal(ecr.create_repository, repositoryName=NAME) == "RepositoryAlreadyExistsException"
    for call in (ecr.list_images, ecr.describe_images, ecr.delete_repository, ecr.get_lifecycle_policy):
        assert refusal(call, repositoryName="none") == "RepositoryNotFoundException"
    assert refusal(ecr.describe_repositories, repositoryNames=[NAME, "none"]) == "RepositoryNotFoundException"
    assert refusal(ecr.list_images, repositoryName=NAME, registryId="1" * 12) == "RepositoryNotFoundException"
    assert refusal(ecr.create_repository, repositoryName="UPPER") == "InvalidParameterException"


def test_repositories_are_paged(ecr: Any):
    for number in range(5):
        ecr.create_repository(repositoryName=f"many/{number}")
    pages = list(ecr.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 2}))
    names = [each["repositoryName"] for page in pages for each in page["repositories"]]
    assert names == sorted(names)
    assert {f"many/{number}" for number in range(5)} < set(names)
    assert [len(page["repositories"]) for page in pages[:-1]] == [2] * (len(pages) - 1)
    assert refusal(ecr.describe_repositories, nextToken="x") == "InvalidParameterException"


def test_a_repository_with_images_goes_only_by_force(cloud: JobCloud, ecr: Any):
    put(cloud, b"layer", "1")
    assert refusal(ecr.delete_repository, repositoryName=NAME) == "RepositoryNotEmptyException"
    assert ecr.delete_repository(repositoryName=NAME, force=True)["repository"]["repositoryName"] == NAME
    assert refusal(ecr.list_images, repositoryName=NAME) == "RepositoryNotFoundException"
    ecr.create_repository(repositoryName=NAME)
    assert ecr.list_images(repositoryName=NAME)["imageIds"] == []


def test_settings_are_changed_in_place(ecr: Any):
    ecr.put_image_tag_mutability(repositoryName=NAME, imageTagMutability="IMMUTABLE")
    ecr.put_image_scanning_configuration(repositoryName=NAME, imageScanningConfiguration={"scanOnPush": True})
    seen = ecr.describe_repositories(repositoryNames=[NAME])["repositories"][0]
    assert (seen["imageTagMutability"], seen["imageScanningConfiguration"]["scanOnPush"]) == ("IMMUTABLE", True)
    assert (
        refusal(ecr.put_image_tag_mutability, repositoryName=NAME, imageTagMutability="IMMUTABLE_WITH_EXCLUSION")
        == "InvalidParameterException"
    )


@pytest.mark.parametrize(
    ("put", "get", "delete", "field", "missing"),
    [
        ("put_lifecycle_policy", "get_lifecycle_policy", "delete_lifecycle_policy", "lifecyclePolicyText",
         "LifecyclePolicyNotFoundException"),
        ("set_repository_policy", "get_repository_policy", "delete_repository_policy", "policyText",
         "RepositoryPolicyNotFoundException"),
    ],
)  # fmt: skip
def test_policies_are_kept_and_removed(ecr: Any, put: str, get: str, delete: str, field: str, missing: str):
    text = json.dumps({"rules": [{"rulePriority": 1}], "Statement": []}) + " " * 100
    assert refusal(getattr(ecr, get), repositoryName=NAME) == missing
    assert refusal(getattr(ecr, put), repositoryName=NAME, **{field: "[" + " " * 100}) == "InvalidParameterException"
    getattr(ecr, put)(repositoryName=NAME, **{field: text})
    assert getattr(ecr, get)(repositoryName=NAME)[field] == text
    assert getattr(ecr, delete)(repositoryName=NAME)[field] == text
    assert refusal(getattr(ecr, delete), repositoryName=NAME) == missing


def test_tags_are_added_replaced_and_removed(ecr: Any):
    arn = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{NAME}"
    ecr.tag_resource(resourceArn=arn, tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    ecr.tag_resource(resourceArn=arn, tags=[{"Key": "a", "Value": "3"}])
    ecr.untag_resource(resourceArn=arn, tagKeys=["b", "not there"])
    assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == [{"Key": "a", "Value": "3"}]
    many = [{"Key": str(number), "Value": ""} for number in range(50)]
    assert refusal(ecr.tag_resource, resourceArn=arn, tags=many) == "TooManyTagsException"
    assert refusal(ecr.tag_resource, resourceArn=arn, tags=[{"Key": "aws:x", "Value": ""}]) == "InvalidTagParameterException"
    assert refusal(ecr.list_tags_for_resource, resourceArn="arn:aws:ecr:x:y:z") == "InvalidParameterException"


def test_an_image_has_its_manifests_digest_and_its_real_size(cloud: JobCloud, ecr: Any):
    digest = put(cloud, b"x" * 1000, "1", "latest")
    (detail,) = ecr.describe_images(repositoryName=NAME)["imageDetails"]
    assert (detail["imageDigest"], detail["imageTags"]) == (digest, ["1", "latest"])
    assert detail["imageSizeInBytes"] == 1000 + len(config_of())
    assert detail["imageManifestMediaType"] == MANIFEST
    reply = ecr.batch_get_image(
        repositoryName=NAME, imageIds=[{"imageTag": "1"}, {"imageDigest": digest}, {"imageTag": "no"}]
    )
    assert [digest_of(each["imageManifest"].encode()) for each in reply["images"]] == [digest, digest]
    assert [each["imageId"].get("imageTag") for each in reply["images"]] == ["1", None]
    assert codes(reply["failures"]) == ["ImageNotFound"]


def test_an_image_that_cannot_be_put_says_why(cloud: JobCloud, ecr: Any):
    put(cloud, b"one", "1")
    reply = ecr.batch_get_image(repositoryName=NAME, imageIds=[{"imageTag": "1"}])
    text = reply["images"][0]["imageManifest"]

    def code(manifest: str, **given: str) -> str:
        return refusal(ecr.put_image, repositoryName=NAME, imageManifest=manifest, **given)

    assert code(text, imageTag="1") == "ImageAlreadyExistsException"
    assert code(text) == "ImageAlreadyExistsException"
    assert code(text, imageTag="2", imageDigest=digest_of(b"")) == "ImageDigestDoesNotMatchException"
    assert code("{", imageTag="2") == "InvalidParameterException"
    other = json.loads(text)
    other["layers"][0]["digest"] = digest_of(b"never pushed")
    assert code(json.dumps(other), imageTag="2") == "LayersNotFoundException"
    index = json.dumps({"schemaVersion": 2, "manifests": [{"digest": digest_of(b""), "size": 1}]})
    kind = "application/vnd.oci.image.index.v1+json"
    assert code(index, imageTag="2", imageManifestMediaType=kind) == "ReferencedImagesNotFoundException"
    ecr.put_image_tag_mutability(repositoryName=NAME, imageTagMutability="IMMUTABLE")
    put(cloud, b"two", "2")
    two = ecr.batch_get_image(repositoryName=NAME, imageIds=[{"imageTag": "2"}])["images"][0]["imageManifest"]
    assert code(two, imageTag="1") == "ImageTagAlreadyExistsException"


def test_images_are_filtered_before_they_are_paged(cloud: JobCloud, ecr: Any):
    for number in range(3):
        put(cloud, b"tagged %d" % number, f"t{number}")
        put(cloud, b"untagged %d" % number)
    for status, count in [("TAGGED", 3), ("UNTAGGED", 3), ("ANY", 6)]:
        for operation, field in [("list_images", "imageIds"), ("describe_images", "imageDetails")]:
            pages = ecr.get_paginator(operation).paginate(
                repositoryName=NAME, filter={"tagStatus": status}, PaginationConfig={"PageSize": 2}
            )
            sizes = [len(page[field]) for page in pages]
            assert sizes == [2] * (count // 2) + [1] * (count % 2)


def test_describing_an_image_that_is_not_there_fails_whole(cloud: JobCloud, ecr: Any):
    put(cloud, b"one", "1")
    ids = [{"imageTag": "1"}, {"imageTag": "none"}]
    assert refusal(ecr.describe_images, repositoryName=NAME, imageIds=ids) == "ImageNotFoundException"


def test_images_are_deleted_by_tag_and_by_digest(cloud: JobCloud, ecr: Any):
    two_tags, one_tag, bare = put(cloud, b"1", "a", "b"), put(cloud, b"2", "c"), put(cloud, b"3")

    def delete(*ids: dict[str, str]) -> Any:
        return ecr.batch_delete_image(repositoryName=NAME, imageIds=list(ids))

    def there() -> set[str]:
        return {each["imageDigest"] for each in ecr.describe_images(repositoryName=NAME)["imageDetails"]}

    assert delete({"imageTag": "a"})["imageIds"] == [{"imageDigest": two_tags, "imageTag": "a"}]
    assert two_tags in there()
    delete({"imageTag": "b"})
    assert two_tags not in there()
    gone = delete({"imageDigest": bare}, {"imageDigest": one_tag})["imageIds"]
    assert gone == [{"imageDigest": bare}, {"imageDigest": one_tag, "imageTag": "c"}]
    assert there() == set()
    bad = [{"imageTag": "none"}, {"imageDigest": "sha256:x"}, {}, {"imageDigest": bare}]
    expected = ["ImageNotFound", "InvalidImageDigest", "MissingDigestAndTag", "ImageNotFound"]
    assert codes(delete(*bad)["failures"]) == expected


def test_a_tag_and_a_digest_that_do_not_belong_together_delete_nothing(cloud: JobCloud, ecr: Any):
    first, second = put(cloud, b"1", "a"), put(cloud, b"2", "b")
    reply = ecr.batch_delete_image(repositoryName=NAME, imageIds=[{"imageTag": "a", "imageDigest": second}])
    assert codes(reply["failures"]) == ["ImageTagDoesNotMatchDigest"]
    assert {each["imageDigest"] for each in ecr.describe_images(repositoryName=NAME)["imageDetails"]} == {first, second}


def test_layers_are_available_where_they_were_pushed(cloud: JobCloud, ecr: Any):
    ecr.create_repository(repositoryName="other")
    digest = push_blob(cloud, b"12345")

    def layers(name: str) -> Any:
        return ecr.batch_check_layer_availability(repositoryName=name, layerDigests=[digest, "sha256:x"])

    assert layers(NAME)["layers"] == [{"layerDigest": digest, "layerAvailability": "AVAILABLE", "layerSize": 5}]
    assert layers("other")["layers"] == [{"layerDigest": digest, "layerAvailability": "UNAVAILABLE"}]
    assert codes(layers(NAME)["failures"]) == ["InvalidLayerDigest"]


def test_everything_is_there_after_a_crash(cloud: JobCloud, ecr: Any):
    digest = put(cloud, b"kept", "1")
    ecr.put_lifecycle_policy(repositoryName=NAME, lifecyclePolicyText=json.dumps({"rules": []}) + " " * 100)
    before = ecr.describe_images(repositoryName=NAME)["imageDetails"]
    cloud.halt()
    again = JobCloud(cloud.folder, cloud.cache)
    try:
        client = again.client("ecr")
        assert client.describe_images(repositoryName=NAME)["imageDetails"] == before
        assert again.executor.image_digest(f"127.0.0.1:{again.port}/{NAME}@{digest}") == digest
        assert client.get_lifecycle_policy(repositoryName=NAME)["lifecyclePolicyText"]
    finally:
        again.close()


def test_an_operation_that_is_not_built_says_so(ecr: Any):
    assert refusal(ecr.start_image_scan, repositoryName=NAME, imageId={"imageTag": "1"}) == "UnknownOperationException"


def test_the_token_is_user_and_password(ecr: Any):
    granted = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    assert base64.b64decode(granted).startswith(b"AWS:")
