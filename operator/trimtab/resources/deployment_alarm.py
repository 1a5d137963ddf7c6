"""A CloudWatch alarm of somebody's that a roll-out is watched by: looked at, never made, changed or deleted.

Identity: its name, or its ARN. One that is not there is found to be missing, so that nothing is made in its place.
Cost of observe: 1 call per 100 alarms. Metric alarms alone, as ECS takes them.
Source: Amazon CloudWatch API, DescribeAlarms.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trimtab.core.kind import Broken, Call, Difference, Failure, Kind, Reply, Right, Settled, State, Steps, Unknown, Verb
from trimtab.resources.shared import allow, ask, chunks, unknown

_BATCH = 100


@dataclass(frozen=True, slots=True)
class Desired:
    alarm: str  # name, or ARN


@dataclass(frozen=True, slots=True)
class Observed:
    name: str
    state: str  # OK, ALARM, INSUFFICIENT_DATA; "" for one that is missing
    reason: str = ""
    since: datetime | None = None  # when it went into that state


class DeploymentAlarm:
    name = "cloudwatch.DeploymentAlarm"
    rank = 0  # never deleted
    rights: Mapping[Verb, tuple[Right, ...]] = {"observe": allow("*", "cloudwatch:DescribeAlarms")}

    def identity(self, desired: Desired) -> str:
        return desired.alarm

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, Observed | Unknown]]:
        parts = chunks(dict.fromkeys(wanted), _BATCH)
        replies = yield from ask(
            Call("cloudwatch", "DescribeAlarms", {"AlarmNames": [name_in(each) for each in part], "MaxRecords": _BATCH})
            for part in parts
        )
        seen: dict[str, Observed | Unknown] = {}
        for part, reply in zip(parts, replies, strict=True):
            seen |= {each: unknown(reply) for each in part} if isinstance(reply, Failure) else dict(_found(part, reply))
        return seen

    def tags(self, observed: Sequence[Observed]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        yield from ()
        return [{} for _ in observed]  # they are its owner's, whoever that is

    def state(self, desired: Desired, observed: Observed) -> State:
        if observed.state:
            return Settled()
        where = "in this account and region"
        return Broken(
            "AlarmMissing", f"there is no metric alarm {desired.alarm} {where}; make it, or take it out of the document"
        )

    def diff(self, desired: Desired, observed: Observed) -> tuple[Difference, ...]:
        return ()

    def create(self, desired: Desired) -> Steps[None]:
        yield from ()

    def update(self, desired: Desired, observed: Observed, drift: Sequence[Difference]) -> Steps[None]:
        yield from ()

    def delete(self, observed: Observed) -> Steps[None]:
        yield from ()


def name_in(alarm: str) -> str:
    """ "arn:aws:cloudwatch:us-east-1:123456789012:alarm:errors" -> "errors"; a name is itself."""
    return alarm.split(":", 6)[6] if alarm.startswith("arn:") else alarm


def _found(wanted: Sequence[str], reply: Reply) -> Iterator[tuple[str, Observed]]:
    """(identity, what is seen of it); an ARN of another account or region is not that of a namesake here."""
    there = {each["AlarmName"]: each for each in reply.get("MetricAlarms", ())}
    for each in wanted:
        item: Mapping[str, Any] = there.get(name_in(each), {})
        if not item or (each.startswith("arn:") and item["AlarmArn"] != each):
            yield each, Observed(name_in(each), "")
            continue
        since = item.get("StateTransitionedTimestamp") or item.get("StateUpdatedTimestamp")
        yield each, Observed(item["AlarmName"], item["StateValue"], item.get("StateReason", ""), since)


KIND: Kind[Desired, Observed] = DeploymentAlarm()
