"""The CloudWatch log group that a deployment's containers write to.

Identity: the group's name. Create: named; retention is a second call, and a crash between the two is seen as drift. Cost of
observe: 1 call per 50 groups under the longest common prefix of those wanted. Tags are read singly.
Source: CloudWatch Logs API, DescribeLogGroups, PutRetentionPolicy (which names the numbers of days it takes).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trimtab.core.kind import (
    Call,
    Difference,
    Failure,
    Kind,
    Reply,
    Right,
    Settled,
    State,
    Steps,
    Unknown,
    Verb,
    differences,
)
from trimtab.resources.shared import WHEN_OURS, WHEN_TAGGED_SO, allow, ask, common_prefix, paths, tag_changes, unknown

RETENTION = "retentionInDays"
_ARN = "arn:{partition}:logs:{region}:{account}:log-group:{name}"


@dataclass(frozen=True, slots=True)
class Desired:
    name: str  # "/trimtab/local/vision/digits"
    tags: Mapping[str, str]
    retention_days: int | None = 30  # 1, 3, 5, 7, 14, 30, 60, 90 ...; None: never expires


@dataclass(frozen=True, slots=True)
class Observed:
    name: str
    arn: str  # without the ":*" that some operations append
    retention_days: int | None
    stored_bytes: int = 0
    tags: Mapping[str, str] | None = field(default=None)


class LogGroup:
    name = "logs.LogGroup"
    rank = 20
    rights: Mapping[Verb, tuple[Right, ...]] = {
        "observe": allow("*", "logs:DescribeLogGroups") + allow(_ARN, "logs:ListTagsForResource"),
        "create": allow(_ARN, "logs:CreateLogGroup", "logs:TagResource", when=WHEN_TAGGED_SO)
        + allow(_ARN, "logs:PutRetentionPolicy", when=WHEN_OURS),
        "update": allow(
            _ARN,
            "logs:PutRetentionPolicy",
            "logs:DeleteRetentionPolicy",
            "logs:TagResource",
            "logs:UntagResource",
            when=WHEN_OURS,
        ),
        "delete": allow(_ARN, "logs:DeleteLogGroup", when=WHEN_OURS),
    }

    def identity(self, desired: Desired) -> str:
        return desired.name

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, Observed | Unknown]]:
        arguments = {"logGroupNamePrefix": common_prefix(wanted), "limit": 50}
        try:
            listed = yield Call("logs", "DescribeLogGroups", {name: value for name, value in arguments.items() if value})
        except Failure as failure:
            return {name: unknown(failure) for name in wanted}
        names = set(wanted)
        return {item["logGroupName"]: _seen(item) for item in listed.get("logGroups", ()) if item["logGroupName"] in names}

    def tags(self, observed: Sequence[Observed]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        replies = yield from ask(Call("logs", "ListTagsForResource", {"resourceArn": each.arn}) for each in observed)
        return [unknown(reply) if isinstance(reply, Failure) else dict(reply.get("tags", {})) for reply in replies]

    def state(self, desired: Desired, observed: Observed) -> State:
        return Settled()

    def diff(self, desired: Desired, observed: Observed) -> tuple[Difference, ...]:
        return differences((RETENTION, observed.retention_days, desired.retention_days))

    def create(self, desired: Desired) -> Steps[None]:
        yield Call("logs", "CreateLogGroup", {"logGroupName": desired.name, "tags": dict(desired.tags)}, repeat="safe")
        if desired.retention_days is not None:
            yield _retain(desired)

    def update(self, desired: Desired, observed: Observed, drift: Sequence[Difference]) -> Steps[None]:
        if RETENTION in paths(drift):
            yield _retain(desired)
        added, removed = tag_changes(drift)
        if added:
            yield Call("logs", "TagResource", {"resourceArn": observed.arn, "tags": added}, repeat="safe")
        if removed:
            yield Call("logs", "UntagResource", {"resourceArn": observed.arn, "tagKeys": removed}, repeat="safe")

    def delete(self, observed: Observed) -> Steps[None]:
        yield Call("logs", "DeleteLogGroup", {"logGroupName": observed.name}, repeat="safe")


def _retain(desired: Desired) -> Call:
    name = {"logGroupName": desired.name}
    if desired.retention_days is None:
        return Call("logs", "DeleteRetentionPolicy", name, repeat="safe")
    return Call("logs", "PutRetentionPolicy", name | {"retentionInDays": desired.retention_days}, repeat="safe")


def _seen(item: Reply) -> Observed:
    return Observed(
        name=item["logGroupName"],
        arn=str(item.get("logGroupArn") or item["arn"]).removesuffix(":*"),
        retention_days=item.get("retentionInDays"),
        stored_bytes=item.get("storedBytes", 0),
    )


KIND: Kind[Desired, Observed] = LogGroup()
