"""S3's event notifications, to SQS and to EventBridge. All else of S3 is moto's.

moto would send them from its own memory, and again at each start, when its requests are made again. So the configuration is
kept here, and what is heard is the journal of requests that succeeded, in their order.
Source: Amazon S3 User Guide, "Amazon S3 Event Notifications"; API Reference, PutBucketNotificationConfiguration.
"""

import json
import logging
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from trimtab.local.overlay import Arguments, Context, Reply, ServiceError, World
from trimtab.local.protocol import Operation, Request, Response, arguments_of, operation_of
from trimtab.local.queues import QueueFull
from trimtab.local.s3_events import (
    CREATED,
    MARKED,
    REMOVED,
    TAGGED,
    Document,
    Happened,
    event,
    first_message,
    hears,
    message,
    overlaps,
)
from trimtab.local.shelf import Shelf
from trimtab.local.signals import Signals

log = logging.getLogger("trimtab.local")
_SENDER = "s3.amazonaws.com"


@dataclass(slots=True)
class Notified:
    """What a bucket tells, and whom."""

    bucket: str
    queues: list[Document] = field(default_factory=list[Document])  # as PutBucketNotificationConfiguration spells them
    bridge: bool = False  # EventBridge too


class Notifications:
    service = "s3"
    whole = False

    def __init__(self, world: World) -> None:
        self._world = world
        self._signals: Signals = world.signals
        self._shelf = Shelf(world.store, "s3.notification", Notified, lambda each: each.bucket)
        self._newest = 0
        world.buckets.heard = self._heard  # pyright: ignore[reportAttributeAccessIssue] - trimtab.local.neighbours has it

    def tick(self, now: datetime) -> None:
        """Nothing moves by itself."""

    def recover(self) -> Sequence[str]:
        return ()

    # --- operations ---

    def put_bucket_notification_configuration(self, arguments: Arguments, context: Context) -> Reply:
        bucket, given = arguments["Bucket"], dict(arguments["NotificationConfiguration"])
        self._check_bucket(bucket)
        for name in ("TopicConfigurations", "LambdaFunctionConfigurations"):
            if given.get(name):
                raise _invalid(f"The local cloud notifies SQS queues and EventBridge only: {name} cannot be given.")
        queues = [{"Id": secrets.token_hex(12), **each} for each in given.get("QueueConfigurations") or ()]
        for each in queues:
            self._check_queue(each["QueueArn"])
        if overlaps(queues):
            words = "Configurations overlap. Configurations on the same bucket cannot share a common event type."
            raise _invalid(words)
        notified = Notified(bucket, queues, bridge=given.get("EventBridgeConfiguration") is not None)
        self._shelf.put(notified)
        for arn in dict.fromkeys(each["QueueArn"] for each in queues):
            self._send(arn, first_message(bucket, context.now, _id()), context.now)
        return {}

    def get_bucket_notification_configuration(self, arguments: Arguments, context: Context) -> Reply:
        self._check_bucket(arguments["Bucket"])
        found = self._shelf.get(arguments["Bucket"]) or Notified(arguments["Bucket"])
        shown: Document = {"QueueConfigurations": found.queues} if found.queues else {}
        return shown | ({"EventBridgeConfiguration": {}} if found.bridge else {})

    # --- what happens ---

    def _heard(self, request: Request, response: Response) -> None:
        """A request that changed something, in the order of the journal and before it is answered."""
        bucket = request.path.split("/")[1] if request.path.startswith("/") else ""
        notified = self._shelf.get(bucket)
        if notified is None:
            return
        operation = operation_of(request, "s3")
        if operation.name == "DeleteBucket":
            self._shelf.drop(bucket)
            return
        for happened in self._happened(request, response, operation):
            self._tell(notified, happened)

    def _tell(self, notified: Notified, happened: Happened) -> None:
        for each in notified.queues:
            if hears(each, happened):
                self._send(each["QueueArn"], message(happened, each["Id"]), happened.at)
        if notified.bridge:
            self._signals.emit("aws.s3", *event(happened), happened.at)

    def _happened(self, request: Request, response: Response, operation: Operation) -> Iterator[Happened]:
        bucket, key = operation.variables.get("Bucket", ""), operation.variables.get("Key", "")
        headers = {name.lower(): value for name, value in response.headers}
        if operation.name in CREATED or operation.name in TAGGED:
            name = CREATED.get(operation.name) or TAGGED[operation.name]
            head = self._head(bucket, key)
            size = int(head.get("content-length", 0)) if operation.name in CREATED else None
            etag, version = head.get("etag", "").strip('"'), head.get("x-amz-version-id", "")
            yield self._made(request, name, operation.name, bucket, key, size=size, etag=etag, version=_none(version))
        elif operation.name == "DeleteObject":
            marked = headers.get("x-amz-delete-marker", "").lower() == "true" and "versionId" not in dict(request.query)
            version = _none(headers.get("x-amz-version-id", ""))
            yield self._made(request, MARKED if marked else REMOVED, operation.name, bucket, key, version=version)
        elif operation.name == "DeleteObjects":
            markers, failed = _outcome(response.body)
            for each in arguments_of(request, operation)["Delete"]["Objects"]:
                if each["Key"] not in failed:
                    marker = markers.get(each["Key"], "")
                    name = MARKED if marker else REMOVED
                    yield self._made(request, name, operation.name, bucket, each["Key"], version=marker)

    def _made(self, request: Request, name: str, operation: str, bucket: str, key: str, **known: Any) -> Happened:
        now = self._world.clock.now()
        self._newest = max(self._newest + 1, int(now.timestamp() * 1_000_000))
        account, region = self._world.account, self._world.region
        principal = self._principal(request)
        return Happened(
            name, operation, bucket, key, now, account, region, principal, _id(), f"{self._newest:018X}", **known
        )

    def _principal(self, request: Request) -> str:
        """Who did it: what the local cloud writes for a job is the account's."""
        given = request.headers.get("authorization", "").partition("Credential=")[2] or dict(request.query).get(
            "X-Amz-Credential", ""
        )
        found = self._world.principals.find(given.partition("/")[0])
        return found[1].id if found else self._world.account

    def _head(self, bucket: str, key: str) -> Mapping[str, str]:
        response = self._ask("HEAD", f"/{bucket}/{quote(key)}")
        return {name.lower(): value for name, value in response.headers}

    def _check_bucket(self, bucket: str) -> None:
        if self._ask("HEAD", f"/{bucket}").status != 200:
            raise ServiceError("NoSuchBucket", "The specified bucket does not exist", 404)

    def _check_queue(self, arn: str) -> None:
        place = f"arn:aws:sqs:{self._world.region}:{self._world.account}:"
        if not arn.startswith(place) or self._signals.queues.shelf.get(arn.removeprefix(place)) is None:
            raise _invalid("Unable to validate the following destination configurations")

    def _ask(self, method: str, uri: str) -> Response:
        neighbours: Any = self._world.buckets
        return neighbours.ask("s3", method, uri, reading=True)

    def _send(self, arn: str, body: Document, now: datetime) -> None:
        try:
            self._signals.queues.send(arn.rpartition(":")[2], json.dumps(body), now, _SENDER)
        except (KeyError, QueueFull) as error:
            log.warning("a notification of S3 was not delivered to %s: %r", arn, error)


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidArgument", message)


def _id() -> str:
    return secrets.token_hex(8).upper()


def _none(version: str) -> str:
    """A bucket without versions answers "null"."""
    return "" if version == "null" else version


def _outcome(body: bytes) -> tuple[dict[str, str], set[str]]:
    """Of DeleteObjects: (versions of the delete markers that it made, by key; keys that it could not delete)."""
    markers, failed = dict[str, str](), set[str]()
    for each in ElementTree.fromstring(body):  # noqa: S314 - moto's own answer
        texts = {child.tag.rpartition("}")[2]: child.text or "" for child in each}
        if each.tag.endswith("Error"):
            failed.add(texts.get("Key", ""))
        elif texts.get("DeleteMarker") == "true":
            markers[texts["Key"]] = texts.get("DeleteMarkerVersionId", "")
    return markers, failed
