"""The rule that sends one host's requests to a deployment's target group.

Identity: "<listener ARN>|<host>". Create: neither named nor idempotent (two rules may have one host), so one try under a
host that our names make unique; of twins with one owner the first by priority stays. A priority is taken by looking: the
first that is free from a start that the host hashes to; one that somebody takes meanwhile is tried again in the next pass.
Cost of observe: 1 DescribeRules per listener, and tags only where a host has several rules.
Source: Elastic Load Balancing v2 API, CreateRule (priorities 1 to 50,000).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.core.kind import (
    Call,
    Difference,
    Failure,
    Kind,
    Ref,
    Reply,
    Right,
    Settled,
    State,
    Steps,
    Unknown,
    Verb,
    differences,
    owner_in,
    tag_list,
)
from trimtab.resources.balancing import read_tags, retag
from trimtab.resources.shared import WHEN_OURS, WHEN_TAGGED_SO, allow, ask, grouped, insist, known, paths, unknown

PATHS, ACTION, TWINS = "Conditions.PathPatternConfig", "Actions.ForwardConfig", "twins"
_PRIORITIES = 50_000
_ARN = "arn:{partition}:elasticloadbalancing:{region}:{account}:listener-rule/app/{name}/*"
_LISTENER = "arn:{partition}:elasticloadbalancing:{region}:{account}:listener/app/{name}/*"


@dataclass(frozen=True, slots=True)
class Desired:
    listener_arn: str | Ref
    host: str  # "vision-digits-0a1b2c.trimtab.internal": the Host header that API Gateway sends
    target_group_arn: str | Ref
    tags: Mapping[str, str]
    paths: tuple[str, ...] = ("/invocations", "/ping")  # at most 3; what is not in it is never routed


@dataclass(frozen=True, slots=True)
class Observed:
    arn: str
    listener_arn: str
    host: str
    priority: str
    paths: tuple[str, ...]
    target_group_arn: str  # "" where the action is another
    twins: tuple[str, ...] = ()  # ARNs of other rules of the same host and owner
    tags: Mapping[str, str] | None = None


class ListenerRule:
    name = "elbv2.ListenerRule"
    rank = 100
    rights: Mapping[Verb, tuple[Right, ...]] = {
        "observe": allow("*", "elasticloadbalancing:DescribeRules", "elasticloadbalancing:DescribeTags"),
        "create": allow("*", "elasticloadbalancing:DescribeRules")
        + allow(_LISTENER, "elasticloadbalancing:CreateRule", when=WHEN_OURS)
        + allow(_ARN, "elasticloadbalancing:AddTags", when=WHEN_TAGGED_SO),
        "update": allow(
            _ARN,
            "elasticloadbalancing:ModifyRule",
            "elasticloadbalancing:DeleteRule",
            "elasticloadbalancing:AddTags",
            "elasticloadbalancing:RemoveTags",
            when=WHEN_OURS,
        ),
        "delete": allow(_ARN, "elasticloadbalancing:DeleteRule", when=WHEN_OURS),
    }

    def identity(self, desired: Desired) -> str:
        return f"{desired.listener_arn}|{desired.host}"

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, Observed | Unknown]]:
        groups = grouped(wanted)
        replies = yield from ask(Call("elbv2", "DescribeRules", {"ListenerArn": arn}) for arn in groups)
        seen: dict[str, Observed | Unknown] = {}
        for (arn, hosts), reply in zip(groups.items(), replies, strict=True):
            if isinstance(reply, Failure):
                if reply.meaning != "absent":  # no listener, no rules
                    seen |= {f"{arn}|{host}": unknown(reply) for host in hosts}
                continue
            for host in hosts:
                rules = [
                    rule
                    for rule in reply.get("Rules", ())
                    if not rule.get("IsDefault") and host in _values(rule, "host-header")
                ]
                if rules:
                    seen[f"{arn}|{host}"] = yield from _kept(arn, host, rules)
        return seen

    def tags(self, observed: Sequence[Observed]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        return read_tags([each.arn for each in observed])

    def state(self, desired: Desired, observed: Observed) -> State:
        return Settled()

    def diff(self, desired: Desired, observed: Observed) -> tuple[Difference, ...]:
        return differences(
            (PATHS, observed.paths, tuple(sorted(desired.paths))),
            (ACTION, observed.target_group_arn, desired.target_group_arn),
            (TWINS, observed.twins, ()),
        )

    def create(self, desired: Desired) -> Steps[None]:
        listener = {"ListenerArn": known(desired.listener_arn)}
        listed = yield Call("elbv2", "DescribeRules", listener)
        taken = {rule["Priority"] for rule in listed.get("Rules", ())}
        arguments = {
            **listener,
            "Priority": free_priority(desired.host, taken),
            **_settings(desired),
            "Tags": tag_list(desired.tags),
        }
        yield Call("elbv2", "CreateRule", arguments, repeat="once")  # "exists": the priority was taken; look again

    def update(self, desired: Desired, observed: Observed, drift: Sequence[Difference]) -> Steps[None]:
        changed = paths(drift)
        if changed & {PATHS, ACTION}:
            yield Call("elbv2", "ModifyRule", {"RuleArn": observed.arn, **_settings(desired)}, repeat="safe")
        if TWINS in changed:
            yield from insist(Call("elbv2", "DeleteRule", {"RuleArn": arn}, repeat="safe") for arn in observed.twins)
        yield from retag(observed.arn, drift)

    def delete(self, observed: Observed) -> Steps[None]:
        yield Call("elbv2", "DeleteRule", {"RuleArn": observed.arn}, repeat="safe")


def free_priority(host: str, taken: set[str]) -> int:
    """The first free priority from where the host hashes to, going round. Raises Failure when all are taken."""
    start = int.from_bytes(hashlib.sha256(host.encode()).digest()[:4], "big") % _PRIORITIES
    for step in range(_PRIORITIES):
        priority = (start + step) % _PRIORITIES + 1
        if str(priority) not in taken:
            return priority
    raise Failure("quota", "every priority of the listener is taken", operation="elbv2:CreateRule")


def _kept(listener_arn: str, host: str, rules: Sequence[Reply]) -> Steps[Observed]:
    """Of several rules the first of ours by priority, with its twins; else the first, for its tags to be judged."""
    ordered = sorted(rules, key=lambda rule: int(rule["Priority"]))
    if len(ordered) == 1:
        return _seen(listener_arn, host, ordered[0], ())
    tags = yield from read_tags([rule["RuleArn"] for rule in ordered])
    owners = [owner_in(each) if isinstance(each, Mapping) else None for each in tags]
    at = next((at for at, owner in enumerate(owners) if owner), 0)
    twins = (rule["RuleArn"] for rule, owner in zip(ordered[at + 1 :], owners[at + 1 :], strict=True) if owner == owners[at])
    return _seen(listener_arn, host, ordered[at], tuple(twins) if owners[at] else ())


def _settings(desired: Desired) -> dict[str, Any]:
    return {
        "Conditions": [
            {"Field": "host-header", "HostHeaderConfig": {"Values": [desired.host]}},
            {"Field": "path-pattern", "PathPatternConfig": {"Values": sorted(desired.paths)}},
        ],
        "Actions": [{"Type": "forward", "TargetGroupArn": known(desired.target_group_arn)}],
    }


def _values(rule: Reply, field: str) -> tuple[str, ...]:
    """The values of a condition, sorted; AWS answers them in one or both of two spellings."""
    values: set[str] = set()
    for condition in rule.get("Conditions", ()):
        if condition.get("Field") == field:
            for spelling in ("HostHeaderConfig", "PathPatternConfig"):
                values |= set(condition.get(spelling, {}).get("Values", ()))
            values |= set(condition.get("Values", ()))
    return tuple(sorted(values))


def _seen(listener_arn: str, host: str, rule: Reply, twins: tuple[str, ...]) -> Observed:
    actions = rule.get("Actions", ())
    return Observed(
        arn=rule["RuleArn"],
        listener_arn=listener_arn,
        host=host,
        priority=rule["Priority"],
        paths=_values(rule, "path-pattern"),
        target_group_arn=_target(actions[0]) if len(actions) == 1 else "",
        twins=twins,
    )


def _target(action: Mapping[str, Any]) -> str:
    if action.get("TargetGroupArn"):
        return action["TargetGroupArn"]
    groups = action.get("ForwardConfig", {}).get("TargetGroups", ())
    return groups[0]["TargetGroupArn"] if len(groups) == 1 else ""


KIND: Kind[Desired, Observed] = ListenerRule()
