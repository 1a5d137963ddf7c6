"""Which configuration hears what, and the shapes of what it hears.

The pages: Amazon S3 User Guide, "Event message structure", "EventBridge event message structure", "Configuring event
notifications using object key name filtering".
"""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from trimtab.local.s3_events import MARKED, REMOVED, Happened, event, hears, message, overlaps

AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
PUT = Happened(
    event="ObjectCreated:Put",
    operation="PutObject",
    bucket="data",
    key="set/a b+c.csv",
    at=AT,
    account="123456789012",
    region="us-east-1",
    principal="AIDAX",
    request_id="R1",
    sequencer="00FF",
    size=5,
    etag="e1",
)


def configuration(*events, prefix="", suffix=""):
    rules = [{"Name": "prefix", "Value": prefix}, {"Name": "Suffix", "Value": suffix}]
    return {"Id": "c", "Events": list(events), "Filter": {"Key": {"FilterRules": rules}}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (configuration("s3:ObjectCreated:*"), True),
        (configuration("s3:ObjectCreated:Put"), True),
        (configuration("s3:ObjectCreated:Copy", "s3:ObjectCreated:Put"), True),
        (configuration("s3:ObjectCreated:Copy"), False),
        (configuration("s3:ObjectRemoved:*"), False),
        (configuration("s3:ObjectCreated:*", prefix="set/"), True),
        (configuration("s3:ObjectCreated:*", prefix="other/"), False),
        (configuration("s3:ObjectCreated:*", suffix=".csv"), True),
        (configuration("s3:ObjectCreated:*", suffix=".json"), False),
        (configuration("s3:ObjectCreated:*", prefix="set/", suffix=".json"), False),
        ({"Id": "c", "Events": ["s3:ObjectCreated:*"]}, True),
    ],
)
def test_a_configuration_hears_its_events_of_its_keys(given, expected):
    assert hears(given, PUT) is expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (configuration("s3:ObjectCreated:*"), configuration("s3:ObjectCreated:Put"), True),
        (configuration("s3:ObjectCreated:Put"), configuration("s3:ObjectCreated:*"), True),
        (configuration("s3:ObjectCreated:Put"), configuration("s3:ObjectCreated:Copy"), False),
        (configuration("s3:ObjectCreated:*", prefix="a/"), configuration("s3:ObjectCreated:*", prefix="b/"), False),
        (configuration("s3:ObjectCreated:*", prefix="a/"), configuration("s3:ObjectCreated:*", prefix="a/b"), True),
        (configuration("s3:ObjectCreated:*", suffix=".a"), configuration("s3:ObjectCreated:*", suffix=".b"), False),
        (configuration("s3:ObjectCreated:*", suffix="x.a"), configuration("s3:ObjectCreated:*", suffix=".a"), True),
        (
            configuration("s3:ObjectCreated:*", prefix="a/", suffix=".a"),
            configuration("s3:ObjectCreated:*", prefix="a/", suffix=".b"),
            False,
        ),
    ],
)
def test_two_configurations_that_would_hear_the_same_overlap(one, other, expected):
    assert overlaps([one, other]) is expected


def test_a_message_has_the_documented_structure():
    (record,) = message(PUT, "c")["Records"]
    assert record == {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2026-01-02T03:04:05.678Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AWS:AIDAX"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": "R1", "x-amz-id-2": "R1"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "c",
            "bucket": {
                "name": "data",
                "ownerIdentity": {"principalId": "123456789012"},
                "arn": "arn:aws:s3:::data",
            },
            "object": {"key": "set/a+b%2Bc.csv", "size": 5, "eTag": "e1", "sequencer": "00FF"},
        },
    }


def test_an_event_of_eventbridge_has_the_documented_structure():
    assert event(PUT) == (
        "Object Created",
        ["arn:aws:s3:::data"],
        {
            "version": "0",
            "bucket": {"name": "data"},
            "object": {"key": "set/a b+c.csv", "size": 5, "etag": "e1", "sequencer": "00FF"},
            "request-id": "R1",
            "requester": "123456789012",
            "source-ip-address": "127.0.0.1",
            "reason": "PutObject",
        },
    )


@pytest.mark.parametrize(
    ("name", "operation", "kind", "deletion"),
    [
        (REMOVED, "DeleteObject", "Object Deleted", "Permanently Deleted"),
        (REMOVED, "DeleteObjects", "Object Deleted", "Permanently Deleted"),
        (MARKED, "DeleteObject", "Object Deleted", "Delete Marker Created"),
    ],
)
def test_a_deletion_says_of_what_kind_it_was(name, operation, kind, deletion):
    gone = replace(PUT, event=name, operation=operation, size=None, etag="", version="v1")
    said, _, detail = event(gone)
    assert (said, detail["deletion-type"], detail["reason"]) == (kind, deletion, "DeleteObject")
    assert detail["object"] == {"key": PUT.key, "version-id": "v1", "sequencer": "00FF"}


def test_tags_are_told_in_the_later_version_of_the_message():
    tagged = replace(PUT, event="ObjectTagging:Put", operation="PutObjectTagging", size=None)
    assert message(tagged, "c")["Records"][0]["eventVersion"] == "2.3"
    assert event(tagged)[0] == "Object Tags Added"
