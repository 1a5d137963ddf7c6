"""What S3 tells of its objects, to queues and to EventBridge, and which configuration hears what. Pure.

Source: Amazon S3 User Guide, "Event message structure", "EventBridge event message structure", "Configuring event
notifications using object key name filtering".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote_plus

from trimtab.local.signals import exact

Document = dict[str, Any]
CREATED: Mapping[str, str] = {  # operation -> event
    "PutObject": "ObjectCreated:Put",
    "CopyObject": "ObjectCreated:Copy",
    "CompleteMultipartUpload": "ObjectCreated:CompleteMultipartUpload",
}
TAGGED: Mapping[str, str] = {"PutObjectTagging": "ObjectTagging:Put", "DeleteObjectTagging": "ObjectTagging:Delete"}
REMOVED, MARKED = "ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated"
_KINDS = {"ObjectCreated": "Object Created", "ObjectRemoved": "Object Deleted"}
_TAG_KINDS = {"ObjectTagging:Put": "Object Tags Added", "ObjectTagging:Delete": "Object Tags Deleted"}


@dataclass(frozen=True, slots=True)
class Happened:
    """One thing that happened to one object."""

    event: str  # "ObjectCreated:Put"
    operation: str  # that did it
    bucket: str
    key: str
    at: datetime
    account: str
    region: str
    principal: str  # id
    request_id: str
    sequencer: str  # hexadecimal, ascending for a key
    size: int | None = None  # bytes
    etag: str = ""
    version: str = ""


def overlaps(configurations: Sequence[Mapping[str, Any]]) -> bool:
    """Whether two of a bucket's configurations would hear the same event of the same object, which S3 refuses."""
    for place, one in enumerate(configurations):
        for other in configurations[:place]:
            events = any(_same_event(a, b) or _same_event(b, a) for a in one["Events"] for b in other["Events"])
            pairs = zip(_filters(one), _filters(other), strict=True)
            prefixes, suffixes = pairs
            if events and _begin_alike(*prefixes) and _begin_alike(*(each[::-1] for each in suffixes)):
                return True
    return False


def hears(configuration: Mapping[str, Any], happened: Happened) -> bool:
    """Whether a queue's configuration asks for an event."""
    prefix, suffix = _filters(configuration)
    wanted = any(_same_event(each, f"s3:{happened.event}") for each in configuration["Events"])
    return wanted and happened.key.startswith(prefix) and happened.key.endswith(suffix)


def message(happened: Happened, configuration: str) -> Document:
    """What a queue is sent. configuration: its id."""
    thing: Document = {"key": quote_plus(happened.key, safe="/"), **_of_object(happened, "eTag", "versionId")}
    return {
        "Records": [
            {
                "eventVersion": "2.3" if happened.event in _TAG_KINDS else "2.1",
                "eventSource": "aws:s3",
                "awsRegion": happened.region,
                "eventTime": exact(happened.at),
                "eventName": happened.event,
                "userIdentity": {"principalId": f"AWS:{happened.principal}"},
                "requestParameters": {"sourceIPAddress": "127.0.0.1"},
                "responseElements": {"x-amz-request-id": happened.request_id, "x-amz-id-2": happened.request_id},
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": configuration,
                    "bucket": {
                        "name": happened.bucket,
                        "ownerIdentity": {"principalId": happened.account},
                        "arn": f"arn:aws:s3:::{happened.bucket}",
                    },
                    "object": thing,
                },
            }
        ]
    }


def event(happened: Happened) -> tuple[str, list[str], Document]:
    """(detail-type, resources, detail) of what EventBridge is sent."""
    kind = _TAG_KINDS.get(happened.event) or _KINDS[happened.event.partition(":")[0]]
    detail: Document = {
        "version": "0",
        "bucket": {"name": happened.bucket},
        "object": {"key": happened.key, **_of_object(happened, "etag", "version-id")},
        "request-id": happened.request_id,
        "requester": happened.account,
        "source-ip-address": "127.0.0.1",
    }
    if happened.event not in _TAG_KINDS:
        detail["reason"] = "DeleteObject" if happened.operation == "DeleteObjects" else happened.operation
    if happened.event in (REMOVED, MARKED):
        detail["deletion-type"] = "Delete Marker Created" if happened.event == MARKED else "Permanently Deleted"
    return kind, [f"arn:aws:s3:::{happened.bucket}"], detail


def first_message(bucket: str, at: datetime, request_id: str) -> Document:
    """What a queue is sent when it is configured."""
    ids = {"RequestId": request_id, "HostId": request_id}
    return {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": exact(at), "Bucket": bucket, **ids}


def _of_object(happened: Happened, etag: str, version: str) -> Document:
    known = {"size": happened.size, etag: happened.etag or None, version: happened.version or None}
    return {name: value for name, value in known.items() if value is not None} | {"sequencer": happened.sequencer}


def _filters(configuration: Mapping[str, Any]) -> tuple[str, str]:
    """(prefix, suffix), empty where not given."""
    rules = configuration.get("Filter", {}).get("Key", {}).get("FilterRules") or ()
    given = {str(rule["Name"]).lower(): str(rule.get("Value", "")) for rule in rules}
    return given.get("prefix", ""), given.get("suffix", "")


def _same_event(wanted: str, name: str) -> bool:
    """wanted: may end in a star."""
    return wanted == name or (wanted.endswith("*") and name.startswith(wanted[:-1]))


def _begin_alike(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
