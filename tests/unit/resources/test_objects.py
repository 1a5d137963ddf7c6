"""Content, artifacts and images: complete or not, whose they are, and what a delete does first."""

import json
from dataclasses import replace
from typing import Any

import pytest

from trimtab.core.kind import UID, Broken, Failure, Ref, Settled, Transfer, Unknown
from trimtab.resources import KINDS
from trimtab.resources.artifact import Given
from trimtab.resources.artifact import Observed as Model
from unit.resources.samples import ARTIFACT_PREFIX, CONTENT_PREFIX, DIGEST, RECORD, SAMPLES, UID_VALUE
from unit.resources.support import drive, transfers_of

CONTENT, ARTIFACT, IMAGE = KINDS["s3.Content"], KINDS["trimtab.Artifact"], KINDS["ecr.Image"]


def listing(*keys: str, folders: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"Contents": [{"Key": key} for key in keys], "CommonPrefixes": [{"Prefix": each} for each in folders]}


def test_content_without_its_manifest_is_taken_up_again():
    desired = SAMPLES["s3.Content"].desired
    identity = CONTENT.identity(desired)
    _, seen = drive(CONTENT.observe([identity]), {"ListObjectsV2": listing(folders=(f"{CONTENT_PREFIX}/",))})
    state = CONTENT.state(desired, seen[identity])
    assert state == Broken("Incomplete", f"the upload to s3://bucket/{CONTENT_PREFIX}/ did not finish", again=True)


def test_content_of_one_parent_is_listed_once():
    wanted = [f"bucket|deployments/u/datasets/{n}" for n in range(50)] + [
        "bucket|deployments/u/code/1",
        "other|deployments/u/code/1",
    ]
    calls, seen = drive(CONTENT.observe(wanted), {"ListObjectsV2": listing()})
    assert [call.arguments["Prefix"] for call in calls] == [
        "deployments/u/datasets/",
        "deployments/u/code/",
        "deployments/u/code/",
    ]
    assert seen == {}


def test_a_bucket_that_is_gone_holds_nothing_and_one_that_is_denied_is_unknown():
    def reply(given: dict[str, Any]) -> Any:
        return Failure("absent", "NoSuchBucket") if given["Bucket"] == "gone" else Failure("denied", "no")

    _, seen = drive(CONTENT.observe(["gone|a/b", "shut|a/b"]), {"ListObjectsV2": reply})
    assert seen == {"shut|a/b": Unknown("no", "denied")}


def test_an_upload_says_where_and_what():
    (transfer,) = transfers_of(CONTENT.create(SAMPLES["s3.Content"].desired))
    assert transfer == Transfer(
        "upload",
        {
            "bucket": "bucket",
            "prefix": f"{CONTENT_PREFIX}/",
            "manifest_key": f"{CONTENT_PREFIX}.json",
            "source": "dataset",
            "digest": DIGEST,
        },
    )


def test_the_manifest_goes_first_so_that_a_crash_leaves_what_is_seen_as_incomplete():
    desired = SAMPLES["s3.Content"].desired
    identity = CONTENT.identity(desired)
    _, seen = drive(CONTENT.observe([identity]), SAMPLES["s3.Content"].answers)
    keys = [f"{CONTENT_PREFIX}/{n}" for n in range(1001)]
    answers = {
        "ListObjectsV2": listing(*keys),
        "ListMultipartUploads": {"Uploads": [{"Key": f"{CONTENT_PREFIX}/9", "UploadId": "u9"}]},
    }
    calls, _ = drive(CONTENT.delete(seen[identity]), answers)
    deleted = [[each["Key"] for each in c.arguments["Delete"]["Objects"]] for c in calls if c.operation == "DeleteObjects"]
    assert deleted == [[f"{CONTENT_PREFIX}.json"], keys[:1000], keys[1000:]]
    assert [c.arguments["UploadId"] for c in calls if c.operation == "AbortMultipartUpload"] == ["u9"]


def test_an_object_that_stayed_is_said_though_the_call_succeeded():
    desired = SAMPLES["s3.Content"].desired
    identity = CONTENT.identity(desired)
    _, seen = drive(CONTENT.observe([identity]), SAMPLES["s3.Content"].answers)
    reply = {"Errors": [{"Key": "k", "Code": "AccessDenied", "Message": "Access Denied"}]}
    with pytest.raises(Failure, match="k stayed: AccessDenied") as failure:
        drive(CONTENT.delete(seen[identity]), {"DeleteObjects": reply})
    assert failure.value.meaning == "denied"


@pytest.mark.parametrize(
    ("identity", "tags"),
    [
        pytest.param(f"bucket|{CONTENT_PREFIX}", {UID: UID_VALUE}, id="ours by address"),
        pytest.param("bucket|somewhere/else", {}, id="not ours"),
    ],
)
def test_an_address_names_its_owner(identity: str, tags: dict[str, str]):
    _, seen = drive(CONTENT.observe([identity]), {"ListObjectsV2": listing(f"{identity.partition('|')[2]}.json")})
    assert drive(CONTENT.tags([seen[identity]]))[1] == [tags]


# --- artifact -------------------------------------------------------------------------------------------------------


def artifact(record: Any) -> Model:
    body = record if isinstance(record, bytes) else json.dumps(record).encode()
    sample = SAMPLES["trimtab.Artifact"]
    identity = ARTIFACT.identity(sample.desired)
    _, seen = drive(ARTIFACT.observe([identity]), {**sample.answers, "GetObject": {"Body": body}})
    return seen[identity]


def test_an_artifact_says_what_the_record_says():
    seen = artifact(RECORD)
    assert (seen.digest, seen.bytes, seen.files) == ("sha256:aa", 12, 1)
    assert seen.evaluation == {"test:accuracy": 0.97}
    assert seen.problem == ""
    assert seen.uri == f"s3://bucket/{ARTIFACT_PREFIX}/"
    assert seen.record_key == f"{ARTIFACT_PREFIX}.json"


WHOLE = {"digest": "sha256:aa", "bytes": 1, "files": [], "evaluation": None, "metrics": {}}


@pytest.mark.parametrize(
    ("evaluation", "values", "problem"),
    [
        pytest.param(None, {}, "there is no evaluation.json", id="none"),
        pytest.param({}, {}, "evaluation.json holds no metrics", id="empty"),
        pytest.param([1], {}, "evaluation.json holds no metrics", id="a list"),
        pytest.param({"metrics": 3}, {}, "evaluation.json holds no metrics", id="a number for metrics"),
        pytest.param(
            {"metrics": {"a": "high", "b": 1}},
            {"test:b": 1.0},
            "evaluation.json: test:a is no number",
            id="a word for a number",
        ),
        pytest.param(
            {"metrics": {"test": {"a": 1}, "validation": {"a": 2, "b": None}}},
            {"test:a": 1.0, "validation:a": 2.0},
            "evaluation.json: validation:b is no number",
            id="metrics by channel",
        ),
        pytest.param({"metrics": {"a": True}}, {}, "evaluation.json: test:a is no number", id="yes for a number"),
        pytest.param(
            {"metrics": {"a": 1}, "dataset": {"channel": "validation"}}, {"validation:a": 1.0}, "", id="another channel"
        ),
    ],
)
def test_whatever_the_users_code_wrote_is_read_without_harm(evaluation: Any, values: dict[str, float], problem: str):
    seen = artifact({**WHOLE, "evaluation": evaluation})
    assert (seen.evaluation, seen.problem) == (values, problem)
    assert ARTIFACT.state(SAMPLES["trimtab.Artifact"].desired, seen) == Settled()


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"digest": 1}', b"null", b"\xff"])
def test_a_record_that_cannot_be_read_is_made_again(body: bytes):
    state = ARTIFACT.state(SAMPLES["trimtab.Artifact"].desired, artifact(body))
    assert isinstance(state, Broken)
    assert state.again


def test_what_cannot_be_a_model_is_broken_for_good():
    seen = artifact({"fault": {"reason": "ModelInvalid", "because": "model.tar.gz leads outside its folder"}})
    state = ARTIFACT.state(SAMPLES["trimtab.Artifact"].desired, seen)
    assert state == Broken("ModelInvalid", "model.tar.gz leads outside its folder")


def test_an_artifact_is_unpacked_from_the_attempt_that_made_it():
    desired = SAMPLES["trimtab.Artifact"].desired
    (transfer,) = transfers_of(ARTIFACT.create(desired))
    assert transfer.arguments == {
        "bucket": "bucket",
        "prefix": f"{ARTIFACT_PREFIX}/",
        "record_key": f"{ARTIFACT_PREFIX}.json",
        "model_key": "jobs/output/model.tar.gz",
        "output_key": "jobs/output/output.tar.gz",
    }
    pending = replace(desired, origin=replace(desired.origin, job_name=Ref("sagemaker.TrainingJob/training", "job_name")))
    assert "(known after" in ARTIFACT.identity(pending)
    with pytest.raises(TypeError, match="job_name"):
        transfers_of(ARTIFACT.create(pending))


def test_a_model_that_is_there_already_is_taken_under_its_digest():
    desired = replace(SAMPLES["trimtab.Artifact"].desired, origin=Given("sha256:aa"))
    (transfer,) = transfers_of(ARTIFACT.create(desired))
    prefix = f"deployments/{UID_VALUE}/artifacts/aa"
    assert ARTIFACT.identity(desired) == f"bucket|{prefix}"
    assert transfer.work == "take"
    assert transfer.arguments == {
        "bucket": "bucket",
        "prefix": f"{prefix}/",
        "record_key": f"{prefix}.json",
        "source": "model",
        "digest": "sha256:aa",
    }


# --- image ----------------------------------------------------------------------------------------------------------


def test_a_tag_that_points_elsewhere_is_a_difference_once_the_digest_is_known():
    sample = SAMPLES["ecr.Image"]
    identity = IMAGE.identity(sample.desired)
    _, seen = drive(IMAGE.observe([identity]), sample.answers)
    assert seen[identity].bytes == 12
    other = replace(seen[identity], digest="sha256:" + "0" * 64)
    assert [each.remedy for each in IMAGE.diff(sample.desired, other)] == ["replace"]
    assert IMAGE.diff(replace(sample.desired, digest=""), other) == ()


def test_one_image_that_cannot_be_read_hides_no_other():
    failures = [{"imageId": {"imageTag": "b"}, "failureCode": "KmsError", "failureReason": "the key is disabled"}]
    image = {"imageId": {"imageTag": "a", "imageDigest": DIGEST}, "imageManifest": "not json"}
    _, seen = drive(IMAGE.observe(["r/x|a", "r/x|b", "r/x|c"]), {"BatchGetImage": {"images": [image], "failures": failures}})
    assert set(seen) == {"r/x|a", "r/x|b"}
    assert seen["r/x|b"] == Unknown("ecr:BatchGetImage: the key is disabled")


def test_a_delete_takes_the_tag_since_another_key_may_have_the_same_image():
    sample = SAMPLES["ecr.Image"]
    identity = IMAGE.identity(sample.desired)
    _, seen = drive(IMAGE.observe([identity]), sample.answers)
    calls, _ = drive(IMAGE.delete(seen[identity]))
    assert calls[0].arguments["imageIds"] == [{"imageTag": "f" * 12}]
    refused = {"failures": [{"failureCode": "ImageReferencedByManifestList", "failureReason": "in an index"}]}
    with pytest.raises(Failure, match="in an index"):
        drive(IMAGE.delete(seen[identity]), {"BatchDeleteImage": refused})
