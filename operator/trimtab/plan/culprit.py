"""Who changed something outside: the write in CloudTrail's history that explains a drift record. Pure.

An event that tells the very value that was found is taken as soon as it is delivered. One that only may have set it is
taken once all must have been delivered, since a better one can no longer come. Nobody is named on less.
Source: AWS CloudTrail User Guide, "CloudTrail record contents for management events" and "CloudTrail userIdentity element";
"How CloudTrail works": events are delivered within about 15 minutes.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from trimtab.core.times import time_in
from trimtab.plan.drifts import Change, DriftRecord

DELIVERED = timedelta(minutes=15)  # the time of an event, and not of our look, counts: it is the earlier one
SKEW = timedelta(minutes=5)  # how far two clocks may be apart: AWS refuses signatures beyond
_OWN = timedelta(minutes=2)  # what we wrote so shortly before may be the repair itself, by another clock
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_TAGGING = re.compile(r"(Un)?[Tt]ag[A-Z]\w*|(Add|Remove|Delete)Tags\w*")
_ENDING = re.compile(r"(Delete|Deregister)[A-Z]\w*")
_WHOLE = frozenset({"UpdateService"})  # what these do not name, they leave as it is


@dataclass(frozen=True, slots=True)
class Write:
    """A request that changed something, as CloudTrail recorded it."""

    who: str  # ARN, or the name of an AWS service
    event: str
    at: datetime
    parameters: Mapping[str, Any]


def write_in(event: Mapping[str, Any]) -> Write | None:
    """The write of an event; None for what only read, was refused, or has no author."""
    identity: Mapping[str, Any] = event.get("userIdentity") or {}
    who = identity.get("arn") or identity.get("invokedBy") or ""
    if event.get("readOnly") or event.get("errorCode") or not who:
        return None
    return Write(str(who), str(event["eventName"]), time_in(str(event["eventTime"])), event.get("requestParameters") or {})


def culprit(
    record: DriftRecord,
    writes: Sequence[Write],
    names: Collection[str],
    ours: str,
    since: str = "",
    *,
    is_late: bool,
) -> Write | None:
    """The write that made the drift, or None while none is known.

    names: what a request may call the resource: its name, id or ARN. ours: our own ARN; another session of our role is us.
    since: RFC 3339, when the same node was put right before; "" where it never was. is_late: all must have been delivered.
    """
    seen = time_in(record.first)
    named = sorted((each for each in writes if _is_about(each, names)), key=lambda each: each.at)
    own = [each.at for each in named if _is_ours(each, ours) and each.at < seen - _OWN]
    floor = max((*own, time_in(since)) if since else own, default=_LONG_AGO)
    others = [each for each in named if not _is_ours(each, ours) and each.at >= floor]
    before = [each for each in others if each.at <= seen]
    after = [each for each in others if seen < each.at <= seen + SKEW]
    told = [each for each in before if _verdict(record, each)]
    if told or not is_late:
        return told[-1] if told else None
    skewed = [each for each in after if _verdict(record, each)][:1]
    able = [each for each in before if _verdict(record, each) is None][-1:]
    return next(iter(skewed + able), None)


def _is_ours(write: Write, ours: str) -> bool:
    return bool(ours) and _principal(write.who) == _principal(ours)


def _principal(arn: str) -> str:
    """Without the session of an assumed role: each start of a task has another."""
    return arn.rpartition("/")[0] if ":assumed-role/" in arn else arn


def _is_about(write: Write, names: Collection[str]) -> bool:
    words = {text for _, text in _leaves(write.parameters)}
    return any(word in names or word.rpartition("/")[2] in names for word in words)


def _verdict(record: DriftRecord, write: Write) -> bool | None:
    """True: it tells what was found. False: it cannot have done it. None: it does not say."""
    said = [_explains(each, write) for each in record.changes]
    return True if True in said else None if None in said else False


def _explains(change: Change, write: Write) -> bool | None:
    is_tagging = _TAGGING.fullmatch(write.event) is not None
    if not change.path:
        return _ENDING.fullmatch(write.event) is not None
    if change.path.partition(".")[0] == "tags":
        tag = change.path.partition(".")[2]
        return is_tagging and (not tag or tag in {word for pair in _leaves(write.parameters) for word in pair})
    if is_tagging:
        return False
    field = re.split(r"[.\[]", re.sub(r"\[\d+\]$", "", change.path))[-1].lower()
    values = [text for name, text in _leaves(write.parameters) if name.lower() == field]
    if values:
        return any(_is_same(text, change.have) for text in values)
    return False if write.event in _WHOLE else None


def _is_same(text: str, have: str) -> bool:
    """A task definition is told as "family:3" or by its ARN; a boolean as JSON or Python has it."""
    return text.lower() == have.lower() or (":" in text and have.endswith(f"/{text}"))


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """(name of the field, value as text) of every leaf, at any depth."""
    if isinstance(value, Mapping):
        for key, child in cast(Mapping[str, Any], value).items():
            yield from _leaves(child, str(key))
    elif isinstance(value, (list, tuple)):
        for child in cast(Sequence[Any], value):
            yield from _leaves(child, name)
    elif value is not None:
        yield name, str(value)
