"""What a rule sends to a queue, as a test reads it."""

import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

from job_cloud import until

NUMBERS = itertools.count(1)


class Ear:
    """A queue behind a rule of the default bus."""

    def __init__(self, client: Callable[[str], Any], pattern: Mapping[str, Any], **rule: Any) -> None:
        self.sqs, self.events, self.name = client("sqs"), client("events"), f"ear-{next(NUMBERS)}"
        self.url = self.sqs.create_queue(QueueName=self.name)["QueueUrl"]
        self.arn = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.events.put_rule(Name=self.name, EventPattern=json.dumps(pattern), **rule)
        self.events.put_targets(Rule=self.name, Targets=[{"Id": "queue", "Arn": self.arn}])

    def take(self) -> list[Any]:
        """What has come by now, in order; taken away."""
        found: list[Any] = []
        while messages := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for each in messages:
                found.append(json.loads(each["Body"]))
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=each["ReceiptHandle"])
        return found

    def until(self, enough: Callable[[list[Any]], Any]) -> list[Any]:
        """What has come once it is enough, in order."""
        found: list[Any] = []

        def look() -> bool:
            found.extend(self.take())
            return bool(enough(found))

        until(look)
        return found
