"""After a SIGKILL of the gateway: what was acknowledged is there, of queues, rules, notifications and the event history."""

import contextlib
import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from clouds import RunningCloud, running_cloud
from trimtab.local.commands import trail, up

pytestmark = pytest.mark.slow


def take(sqs: Any, url: str) -> list[Any]:
    found: list[Any] = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += [json.loads(each["Body"]) for each in messages]
        for each in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
    return found


class Sender(threading.Thread):
    """Sends messages, events and objects, and remembers which were acknowledged."""

    def __init__(self, cloud: RunningCloud, url: str) -> None:
        super().__init__(daemon=True)
        self.cloud, self.url = cloud, url
        self.sent: dict[str, list[int]] = {"message": [], "event": [], "object": []}

    def run(self) -> None:
        sqs, events, s3 = (self.cloud.client(each, connect_timeout=2, read_timeout=5) for each in ("sqs", "events", "s3"))
        with contextlib.suppress(BotoCoreError, ClientError):
            for number in range(10_000):
                sqs.send_message(QueueUrl=self.url, MessageBody=json.dumps({"message": number}))
                self.sent["message"].append(number)
                entry = {"Source": "mine", "DetailType": "t", "Detail": json.dumps({"event": number})}
                events.put_events(Entries=[entry])
                self.sent["event"].append(number)
                s3.put_object(Bucket="trimtab-local-data", Key=f"in/{number}", Body=b"")
                self.sent["object"].append(number)


def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    with running_cloud(tmp_path / "state") as cloud:
        sqs, events, s3 = (cloud.client(each) for each in ("sqs", "events", "s3"))
        url = sqs.create_queue(QueueName="kept")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.put_rule(Name="kept", EventPattern='{"source": ["mine"]}')
        events.put_targets(Rule="kept", Targets=[{"Id": "q", "Arn": arn}])
        heard = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
        s3.put_bucket_notification_configuration(Bucket="trimtab-local-data", NotificationConfiguration=heard)
        take(sqs, url)  # the test event
        sender = Sender(cloud, url)
        sender.start()
        while len(sender.sent["object"]) < 5:
            sender.join(timeout=0.05)
            assert sender.is_alive()
        os.kill(cloud.info.pid, signal.SIGKILL)
        sender.join(timeout=60)
        up(cloud.folder, *cloud.ports)
        trail(cloud.folder, 0)

        found = take(sqs, url)
        got = {
            "message": [each["message"] for each in found if "message" in each],
            "event": [each["detail"]["event"] for each in found if "detail" in each],
            "object": [
                int(each["Records"][0]["s3"]["object"]["key"].removeprefix("in/")) for each in found if "Records" in each
            ],
        }
        for kind, numbers in sender.sent.items():
            # What was under way may be there too; it comes once, and in its place.
            assert got[kind] in (numbers, [*numbers, len(numbers)])
        s3.put_object(Bucket="trimtab-local-data", Key="in/9", Body=b"")
        assert len(take(sqs, url)) == 1  # none is sent again by the new start, and the configuration is there
        names = [each["EventName"] for each in cloud.client("cloudtrail").lookup_events()["Events"]]
        assert names[::-1][-4:] == ["GetQueueAttributes", "PutRule", "PutTargets", "PutBucketNotification"]
