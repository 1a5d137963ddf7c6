"""What AWS says on EventBridge, taken from a queue: whose deployment may have moved. A hint, never a fact.

An event is not believed, only looked into: its deployments get a pass sooner than the next sweep. So what it is about is
found by the names in it, whatever its form, and one that is lost, doubled or late does no harm.
Source: Amazon EventBridge User Guide, events from AWS services; Amazon SQS API, ReceiveMessage.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from trimtab.core.kind import Call
from trimtab.engine.driver import Caller
from trimtab.engine.ledger import Ledger
from trimtab.plan.snapshot import Found, Snapshot

_PARTS = re.compile(r"[|/:]")
_LEAST = 6  # shorter parts are no names of ours: "live", "aws", "8080"
_POLL_S = 20  # the longest that SQS takes
_MOST = 10  # messages that SQS gives at a time
_TRAIL = "AWS API Call via CloudTrail"


def names_of(ledger: Ledger) -> frozenset[str]:
    """What an event about one of its own resources would call it."""
    own = (each.identity for each in ledger.resources if not each.shared)
    return frozenset(part for identity in own for part in _parts(identity))


def ids_in(snapshot: Snapshot) -> frozenset[str]:
    """What AWS calls resources by and no ledger does: ids, and the last parts of ARNs.

    Events about an API's key, a usage plan or a rule of a shared load balancer hold nothing else of their own.
    """
    found = [each.observed for each in snapshot.seen.values() if isinstance(each, Found)]
    ids = [getattr(each, "id", "") for each in found] + [getattr(each, "arn", "").rpartition("/")[2] for each in found]
    return frozenset(part for id in ids for part in _parts(id))


def index_of(names: Mapping[str, frozenset[str]]) -> dict[str, str]:
    """The deployment that a name belongs to. names: by deployment. What several have, as a bucket, tells nothing."""
    found: dict[str, str] = {}
    shared: set[str] = set()
    for key, own in names.items():
        shared |= own & found.keys()
        found |= dict.fromkeys(own, key)
    return {name: key for name, key in found.items() if name not in shared}


def concerned(event: Mapping[str, Any], index: Mapping[str, str], ourselves: str) -> frozenset[str]:
    """Deployments that an event may be about. ourselves: our ARN; what we did ourselves is no news."""
    detail = event.get("detail")
    if event.get("detail-type") == _TRAIL and isinstance(detail, Mapping):
        identity: Any = cast(Mapping[str, Any], detail).get("userIdentity")
        if ourselves and isinstance(identity, Mapping) and cast(Mapping[str, Any], identity).get("arn") == ourselves:
            return frozenset()
    return frozenset(index[part] for part in _words((event.get("resources"), detail)) if part in index)


@dataclass(slots=True)
class Ear:
    """One queue that EventBridge delivers to."""

    caller: Caller
    queue: str  # URL
    ourselves: Callable[[], str]  # our ARN; "" while it is not known

    def hear(self, seconds: int = _POLL_S) -> tuple[Mapping[str, Any], ...]:
        """Wait at most that long for events, and take them from the queue. Raises Failure."""
        receive = {"QueueUrl": self.queue, "MaxNumberOfMessages": _MOST, "WaitTimeSeconds": seconds}
        messages: Sequence[Mapping[str, str]] = self.caller.make(Call("sqs", "ReceiveMessage", receive)).get("Messages", ())
        if messages:
            entries = [{"Id": str(at), "ReceiptHandle": each["ReceiptHandle"]} for at, each in enumerate(messages)]
            delete = {"QueueUrl": self.queue, "Entries": entries}
            self.caller.make(Call("sqs", "DeleteMessageBatch", delete, repeat="safe"))
        return tuple(event for each in messages if (event := _event(each["Body"])) is not None)


def _event(body: str) -> Mapping[str, Any] | None:
    """What a message holds; None for one that is no event: anybody may have sent it."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return cast(Mapping[str, Any], value) if isinstance(value, dict) else None


def _words(value: Any) -> Iterator[str]:
    """Parts of all text in it, at any depth."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield from _parts(each)
        elif isinstance(each, Mapping):
            waiting += cast(Mapping[str, Any], each).values()
        elif isinstance(each, (list, tuple)):
            waiting += cast(Sequence[Any], each)


def _parts(text: str) -> Iterator[str]:
    return (part for part in _PARTS.split(text) if len(part) >= _LEAST)
