"""S3's event notifications, through boto3: to a queue, and to EventBridge.

The pages: Amazon S3 User Guide, "Amazon S3 Event Notifications", "Supported event types for SQS, SNS, and Lambda".
"""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from heard import Ear
from job_cloud import JobCloud, job_cloud

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobCloud]:
    folder = tmp_path_factory.mktemp("notifications")
    with job_cloud(folder / "state", folder / "cache") as cloud:
        yield cloud


class Bucket:
    """A bucket that notifies a queue of its own."""

    def __init__(self, cloud: JobCloud) -> None:
        self.cloud, self.s3, self.sqs = cloud, cloud.client("s3"), cloud.client("sqs")
        self.name = f"told-{next(NUMBERS)}"
        self.s3.create_bucket(Bucket=self.name)
        self.url = self.sqs.create_queue(QueueName=self.name)["QueueUrl"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        self.queue = found["Attributes"]["QueueArn"]

    def notify(self, *events: str, **rules: str) -> None:
        configuration: dict[str, Any] = {"QueueArn": self.queue, "Events": list(events)}
        if rules:
            listed = [{"Name": name, "Value": value} for name, value in rules.items()]
            configuration["Filter"] = {"Key": {"FilterRules": listed}}
        self.configure(QueueConfigurations=[configuration])
        (first,) = self.taken()
        assert (first["Event"], first["Bucket"]) == ("s3:TestEvent", self.name)

    def configure(self, **configuration: Any) -> None:
        self.s3.put_bucket_notification_configuration(Bucket=self.name, NotificationConfiguration=configuration)

    def taken(self) -> list[Any]:
        found: list[Any] = []
        while messages := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for each in messages:
                found.append(json.loads(each["Body"]))
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=each["ReceiptHandle"])
        return found

    def records(self) -> list[Any]:
        return [record for each in self.taken() for record in each["Records"]]

    def names(self) -> list[str]:
        return [each["eventName"] for each in self.records()]


@pytest.fixture
def bucket(cloud: JobCloud) -> Bucket:
    return Bucket(cloud)


def test_a_put_is_told_with_size_etag_and_who_did_it(bucket: Bucket) -> None:
    bucket.notify("s3:ObjectCreated:*")
    etag = bucket.s3.put_object(Bucket=bucket.name, Key="dir/a b.csv", Body=b"12345")["ETag"].strip('"')
    (record,) = bucket.records()
    assert record["eventName"] == "ObjectCreated:Put"
    thing = record["s3"]["object"]
    assert {name: thing[name] for name in ("key", "size", "eTag")} == {"key": "dir/a+b.csv", "size": 5, "eTag": etag}
    assert record["userIdentity"]["principalId"].startswith("AWS:AIDA")


def test_copies_and_uploads_in_parts_are_told_apart(bucket: Bucket) -> None:
    s3, where = bucket.s3, {"Bucket": bucket.name}
    s3.put_object(**where, Key="source", Body=b"x" * 10)
    bucket.notify("s3:ObjectCreated:*")
    s3.copy_object(**where, Key="copy", CopySource={**where, "Key": "source"})
    upload = s3.create_multipart_upload(**where, Key="parts")["UploadId"]
    tag = s3.upload_part(**where, Key="parts", UploadId=upload, PartNumber=1, Body=b"y" * 7)["ETag"]
    s3.complete_multipart_upload(
        **where, Key="parts", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]}
    )
    told = [(each["eventName"], each["s3"]["object"]["key"], each["s3"]["object"]["size"]) for each in bucket.records()]
    assert told == [("ObjectCreated:Copy", "copy", 10), ("ObjectCreated:CompleteMultipartUpload", "parts", 7)]


def test_deletions_are_told_singly(bucket: Bucket) -> None:
    bucket.notify("s3:ObjectRemoved:*")
    for key in "abc":
        bucket.s3.put_object(Bucket=bucket.name, Key=key, Body=b"")
    bucket.s3.delete_object(Bucket=bucket.name, Key="a")
    quiet = {"Objects": [{"Key": "b"}, {"Key": "c"}], "Quiet": True}
    bucket.s3.delete_objects(Bucket=bucket.name, Delete=quiet)
    told = [(each["eventName"], each["s3"]["object"]["key"]) for each in bucket.records()]
    assert told == [("ObjectRemoved:Delete", key) for key in "abc"]


def test_a_delete_marker_is_told_as_such(bucket: Bucket) -> None:
    s3, where = bucket.s3, {"Bucket": bucket.name}
    s3.put_bucket_versioning(**where, VersioningConfiguration={"Status": "Enabled"})
    bucket.notify("s3:ObjectCreated:*", "s3:ObjectRemoved:*")
    version = s3.put_object(**where, Key="a", Body=b"1")["VersionId"]
    marker = s3.delete_object(**where, Key="a")["VersionId"]
    s3.delete_objects(**where, Delete={"Objects": [{"Key": "a"}]})
    s3.delete_object(**where, Key="a", VersionId=version)
    records = bucket.records()
    names = ["ObjectCreated:Put", "ObjectRemoved:DeleteMarkerCreated", "ObjectRemoved:DeleteMarkerCreated"]
    assert [each["eventName"] for each in records] == [*names, "ObjectRemoved:Delete"]
    versions = [each["s3"]["object"].get("versionId") for each in records]
    assert versions[:2] == [version, marker]
    assert versions[3] == version


def test_sequencers_ascend(bucket: Bucket) -> None:
    bucket.notify("s3:ObjectCreated:*")
    for number in range(5):
        bucket.s3.put_object(Bucket=bucket.name, Key="same", Body=str(number).encode())
    sequencers = [each["s3"]["object"]["sequencer"] for each in bucket.records()]
    assert sequencers == sorted(set(sequencers))


def test_only_the_keys_asked_for_are_told(bucket: Bucket) -> None:
    bucket.notify("s3:ObjectCreated:*", prefix="set/", suffix=".csv")
    for key in ("set/a.csv", "set/a.json", "other/a.csv"):
        bucket.s3.put_object(Bucket=bucket.name, Key=key, Body=b"")
    assert [each["s3"]["object"]["key"] for each in bucket.records()] == ["set/a.csv"]


def test_what_failed_is_not_told(bucket: Bucket) -> None:
    bucket.notify("s3:ObjectCreated:*")
    bucket.s3.put_object(Bucket=bucket.name, Key="a", Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError):
        bucket.s3.put_object(Bucket=bucket.name, Key="a", Body=b"2", IfNoneMatch="*")
    assert len(bucket.records()) == 1


def test_tags_are_told(bucket: Bucket) -> None:
    bucket.s3.put_object(Bucket=bucket.name, Key="a", Body=b"")
    bucket.notify("s3:ObjectTagging:*")
    bucket.s3.put_object_tagging(Bucket=bucket.name, Key="a", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    bucket.s3.delete_object_tagging(Bucket=bucket.name, Key="a")
    assert bucket.names() == ["ObjectTagging:Put", "ObjectTagging:Delete"]


def test_eventbridge_hears_of_a_bucket_that_has_it_on(cloud: JobCloud, bucket: Bucket) -> None:
    ear = Ear(cloud.client, {"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket.name]}}})
    bucket.s3.put_object(Bucket=bucket.name, Key="before", Body=b"")
    bucket.configure(EventBridgeConfiguration={})
    bucket.s3.put_object(Bucket=bucket.name, Key="dir/a b", Body=b"123")
    bucket.s3.delete_object(Bucket=bucket.name, Key="dir/a b")
    created, deleted = ear.take()
    assert (created["detail-type"], created["resources"]) == ("Object Created", [f"arn:aws:s3:::{bucket.name}"])
    assert (created["detail"]["object"]["key"], created["detail"]["object"]["size"]) == ("dir/a b", 3)
    assert created["detail"]["reason"] == "PutObject"
    assert (deleted["detail-type"], deleted["detail"]["deletion-type"]) == ("Object Deleted", "Permanently Deleted")


def test_a_configuration_is_answered_replaced_and_taken_away(bucket: Bucket) -> None:
    bucket.notify("s3:ObjectCreated:Put", prefix="a/")
    shown = bucket.s3.get_bucket_notification_configuration(Bucket=bucket.name)
    (queue,) = shown["QueueConfigurations"]
    assert (queue["QueueArn"], queue["Events"]) == (bucket.queue, ["s3:ObjectCreated:Put"])
    assert queue["Id"]
    assert queue["Filter"]["Key"]["FilterRules"] == [{"Name": "prefix", "Value": "a/"}]
    bucket.configure(EventBridgeConfiguration={})
    shown = bucket.s3.get_bucket_notification_configuration(Bucket=bucket.name)
    assert "QueueConfigurations" not in shown
    assert shown["EventBridgeConfiguration"] == {}
    bucket.configure()
    shown = bucket.s3.get_bucket_notification_configuration(Bucket=bucket.name)
    assert not {"QueueConfigurations", "EventBridgeConfiguration"} & set(shown)


def test_a_bucket_made_anew_notifies_nobody(bucket: Bucket) -> None:
    bucket.notify("s3:ObjectCreated:*")
    bucket.s3.delete_bucket(Bucket=bucket.name)
    bucket.s3.create_bucket(Bucket=bucket.name)
    bucket.s3.put_object(Bucket=bucket.name, Key="a", Body=b"")
    assert bucket.taken() == []


@pytest.mark.parametrize(
    ("configuration", "code"),
    [
        (
            {
                "QueueConfigurations": [
                    {"QueueArn": "arn:aws:sqs:us-east-1:123456789012:none", "Events": ["s3:ObjectCreated:*"]}
                ]
            },
            "InvalidArgument",
        ),
        ({"QueueConfigurations": [{"QueueArn": "QUEUE", "Events": ["s3:Nothing"]}]}, "InvalidArgument"),
        (
            {
                "QueueConfigurations": [
                    {"QueueArn": "QUEUE", "Events": ["s3:ObjectCreated:*"]},
                    {"QueueArn": "QUEUE", "Events": ["s3:ObjectCreated:Put"]},
                ]
            },
            "InvalidArgument",
        ),
        (
            {"TopicConfigurations": [{"TopicArn": "arn:aws:sns:us-east-1:1:x", "Events": ["s3:ObjectCreated:*"]}]},
            "InvalidArgument",
        ),
    ],
)
def test_what_is_refused(bucket: Bucket, configuration: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as refused:
        bucket.configure(**json.loads(json.dumps(configuration).replace("QUEUE", bucket.queue)))
    assert refused.value.response["Error"]["Code"] == code
    assert bucket.taken() == []


def test_a_missing_bucket_has_no_configuration(cloud: JobCloud) -> None:
    with pytest.raises(ClientError) as refused:
        cloud.client("s3").get_bucket_notification_configuration(Bucket="nowhere")
    assert refused.value.response["Error"]["Code"] == "NoSuchBucket"
