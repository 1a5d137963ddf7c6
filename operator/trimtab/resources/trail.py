"""CloudTrail's event history of one resource: who changed it. No kind: nothing is made, and nothing depends on it.

Cost: one or two calls a drift record, each time it is asked for; AWS allows two a second per account and region.
What is global (IAM) is recorded in us-east-1 alone, so its history is there only for environments of that region.
Source: AWS CloudTrail API Reference, LookupEvents; User Guide, "Viewing events with CloudTrail event history".
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from trimtab.core.kind import Call, Right, Steps
from trimtab.resources.shared import allow

RIGHTS: tuple[Right, ...] = allow("*", "cloudtrail:LookupEvents")
_PAGE = 50  # the most that one call answers, newest first: what changed last is among them
_LEAST = 6  # a shorter part of an identity ("live", "443") names many things
_TAGGING: Mapping[str, tuple[str, str]] = {
    "iam": ("TagRole", "UntagRole"),
    "elbv2": ("AddTags", "RemoveTags"),
    "sagemaker": ("AddTags", "DeleteTags"),
}
Attribute = tuple[str, str]  # (LookupAttributeKey, value)


def names_of(identity: str, observed: Any = None) -> tuple[str, ...]:
    """What a request may call a resource. observed: None where it is gone."""
    first, _, last = identity.rpartition("|")
    plain = last if len(last) >= _LEAST else first.partition("|")[0]
    own = (getattr(observed, field, None) for field in ("arn", "id", "api_id"))
    return tuple(dict.fromkeys(str(each) for each in (*own, plain) if each))


def attributes(kind: str, names: Sequence[str], *, of_tags: bool) -> tuple[Attribute, ...]:
    """What to look up. A call that only tags need not be listed under the resource, so it is found by its name."""
    if of_tags:
        words = _TAGGING.get(kind.partition(".")[0], ("TagResource", "UntagResource"))
        return tuple(("EventName", word) for word in words)
    return tuple(("ResourceName", name) for name in names[:2])


def events(asked: Sequence[Attribute], until: datetime) -> Steps[tuple[Mapping[str, Any], ...]]:
    """The newest events up to then, as CloudTrail records them. Raises Failure."""
    found: dict[str, Mapping[str, Any]] = {}
    for key, value in asked:
        arguments = {
            "LookupAttributes": [{"AttributeKey": key, "AttributeValue": value}],
            "EndTime": until,
            "MaxResults": _PAGE,
        }
        reply = yield Call("cloudtrail", "LookupEvents", arguments, pages="one")
        found |= dict(_events_in(reply))
    return tuple(found.values())


def _events_in(reply: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for each in reply.get("Events", ()):
        yield str(each["EventId"]), json.loads(each["CloudTrailEvent"])
