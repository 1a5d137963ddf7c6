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

from trimtab.core.kind import Call, Caller
from trimtab.engine.ledger import Ledger
from trimtab.graph.node import Graph
from trimtab.plan.snapshot import Found, Snapshot
from trimtab.resources import deployment_alarm

_PARTS = re.compile(r"[|/:]")
_LEAST = 8  # a shorter last part of an identity is the same for many: "live", "8080", "trimtab"
_RESOURCE = 5  # colons before what an ARN calls the resource by
_ALARM = "alarm:"  # an alarm's name may be any word: it counts only where an event says that it is an alarm's
_ALARM_FIELDS = frozenset({"alarmName", "alarmNames"})
_POLL_S = 20  # the longest that SQS takes
_MOST = 10  # messages that SQS gives at a time
_TRAIL = "AWS API Call via CloudTrail"


def names_of(ledger: Ledger) -> frozenset[str]:
    """What an event about one of its own resources would call it, whole: a name may be a path of short words."""
    return frozenset({ledger.uid, *(_name_in(each.identity) for each in ledger.resources if not each.shared)})


def names_in(graph: Graph, snapshot: Snapshot) -> frozenset[str]:
    """What AWS calls resources by and no ledger does: ids and ARNs; and the alarms that are only watched.

    Events about an API's key, a usage plan or a rule of a shared load balancer hold nothing else of their own.
    """
    found = [each.observed for each in snapshot.seen.values() if isinstance(each, Found)]
    ids = {str(getattr(each, field, "")) for each in found for field in ("id", "arn")} - {""}
    watched = (node.desired for node in graph if node.kind == deployment_alarm.KIND.name)
    return frozenset({*ids, *(_ALARM + deployment_alarm.name_in(each.alarm) for each in watched)})


def index_of(names: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """The deployments that a name belongs to. names: by deployment."""
    found: dict[str, set[str]] = {}
    for key, own in names.items():
        for name in own:
            found.setdefault(name, set()).add(key)
    return {name: frozenset(keys) for name, keys in found.items()}


def concerned(event: Mapping[str, Any], index: Mapping[str, frozenset[str]], ourselves: str) -> frozenset[str]:
    """Deployments that an event may be about. ourselves: our ARN; what we did ourselves is no news.

    An alarm is about all that it is watched by. What several share otherwise, as a cluster, is in the events of each of
    them, so it tells nothing there; a call that names nothing else has changed that itself, and one of them puts it right.
    """
    detail, is_call = event.get("detail"), event.get("detail-type") == _TRAIL
    if is_call and isinstance(detail, Mapping):
        identity: Any = cast(Mapping[str, Any], detail).get("userIdentity")
        if ourselves and isinstance(identity, Mapping) and cast(Mapping[str, Any], identity).get("arn") == ourselves:
            return frozenset()
    found = {name: index[name] for name in _names({"resources": event.get("resources"), "detail": detail}) if name in index}
    own = (keys for name, keys in found.items() if len(keys) == 1 or name.startswith(_ALARM))
    if woken := frozenset[str]().union(*own):
        return woken
    return frozenset({min(frozenset[str]().union(*found.values()))}) if is_call and found else frozenset()


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


def _names(value: Any) -> Iterator[str]:
    """What any text in it, at any depth, may name."""
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        field, each = waiting.pop()
        if isinstance(each, str):
            yield from _called(each)
            if field in _ALARM_FIELDS:
                yield _ALARM + each
        elif isinstance(each, Mapping):
            waiting += cast(Mapping[str, Any], each).items()
        elif isinstance(each, (list, tuple)):
            waiting += ((field, item) for item in cast(Sequence[Any], each))


def _called(text: str) -> Iterator[str]:
    """The text itself and its parts; of an ARN the parts of its resource, whose first may follow a type."""
    yield text
    yield from _PARTS.split(text)
    if text.startswith("arn:"):
        resource = text.split(":")[_RESOURCE:]
        yield from resource  # "log-group:/trimtab/local/vision/digits:*"
        yield from (each.partition("/")[2] for each in resource[:1])  # "repository/trimtab/local/vision/digits"


def _name_in(identity: str) -> str:
    """What the resource itself is called, without what it belongs to: a cluster, a bucket."""
    first, _, last = identity.rpartition("|")
    return last if len(last) >= _LEAST or not first else first
