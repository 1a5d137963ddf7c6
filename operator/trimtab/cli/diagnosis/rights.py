"""Whether the caller may do all that the kinds, and what stands beside them, declare: IAM's own simulation of its policies.

A simulation knows the policies of the caller, its boundary, and what the organisation lets it see; not resource policies,
nor session policies. What is allowed here may still be denied; what is denied here will be.
Source: IAM API, SimulatePrincipalPolicy (rights differ by resource and context, so each such pair is one call).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from trimtab.cli.diagnosis import finding
from trimtab.cli.diagnosis.finding import Denial, Finding
from trimtab.clients.aws import Aws
from trimtab.core.kind import AnyKind, Call, Failure, Reply, Right
from trimtab.model.environment import Environment

_ASSUMED = re.compile(r"arn:[^:]+:sts::\d{12}:assumed-role/(?P<role>[^/]+)/.+")


@dataclass(frozen=True, slots=True)
class Question:
    """Actions on one resource, in one context."""

    resource: str
    context: tuple[tuple[str, str], ...]
    actions: tuple[str, ...]


def rights_of(kinds: Iterable[AnyKind], beside: Mapping[str, Iterable[Right]]) -> Iterator[Right]:
    """All that trimtab needs. beside: what belongs to no kind."""
    for kind in kinds:
        for rights in kind.rights.values():
            yield from rights
    for rights in beside.values():
        yield from rights


def questions(rights: Iterable[Right], environment: Environment, deployment: str = "trimtab-doctor") -> tuple[Question, ...]:
    """What to ask of a deployment of that name. Rights that name a role which is not declared are left out."""
    values = _values(environment, deployment)
    asked: dict[tuple[str, tuple[tuple[str, str], ...]], set[str]] = {}
    for right in rights:
        context = tuple(sorted((key, _filled(value, values)) for key, value in right.conditions.items()))
        resource = _filled(right.resource, values)
        if resource:
            asked.setdefault((resource, context), set()).add(right.action)
    return tuple(Question(*key, tuple(sorted(actions))) for key, actions in sorted(asked.items()))


def rights_finding(aws: Aws, arn: str, asked: tuple[Question, ...]) -> tuple[Finding, tuple[Denial, ...]]:
    """arn: of the caller."""
    if arn.endswith(":root"):
        return Finding("rights", "warn", "the account's root user may do everything", "use a role instead"), ()
    try:
        principal = _principal(aws, arn)
    except Failure as failure:
        return finding.not_checked("rights", f"the caller's role cannot be read: {failure.reason}"), ()
    denied: list[Denial] = []
    unchecked: dict[str, str] = {}
    answered = 0
    for question in asked:
        try:
            reply = aws.make(_simulation(principal, question))
        except Failure as failure:
            unchecked[question.resource] = f"policy simulation is not answered: {failure.reason}"
            if not answered:
                break  # the simulation itself is denied, or is not there: the rest is not worth asking
            continue
        answered += len(question.actions)
        denied += denials(reply)
    return finding.rights(answered, denied, unchecked), tuple(denied)


def denials(reply: Reply) -> list[Denial]:
    """What a simulation refuses."""
    results: Iterable[Mapping[str, str]] = reply.get("EvaluationResults", ())
    return [
        Denial(each["EvalActionName"], each.get("EvalResourceName", "*"), each["EvalDecision"])
        for each in results
        if each["EvalDecision"] != "allowed"
    ]


def _simulation(principal: str, question: Question) -> Call:
    context = [
        {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"} for key, value in question.context
    ]
    arguments = {
        "PolicySourceArn": principal,
        "ActionNames": list(question.actions),
        "ResourceArns": [question.resource],
        "ContextEntries": context,
    }
    return Call("iam", "SimulatePrincipalPolicy", arguments)


def _principal(aws: Aws, arn: str) -> str:
    """A session of a role has the role's policies; its ARN, with the path, is known to IAM alone."""
    assumed = _ASSUMED.fullmatch(arn)
    return str(aws.make(Call("iam", "GetRole", {"RoleName": assumed["role"]}))["Role"]["Arn"]) if assumed else arn


def _values(environment: Environment, deployment: str) -> dict[str, str]:
    spec = environment.spec
    managed = f"arn:{_partition(spec.region)}:iam::{spec.account}:role/trimtab/{environment.metadata.name}/{deployment}"
    roles = spec.roles
    named = {"training": managed, "execution": managed, "task": managed} if isinstance(roles, str) else {
        "training": roles.training, "execution": roles.execution, "task": roles.task or ""
    }  # fmt: skip
    return {
        "partition": _partition(spec.region),
        "region": spec.region,
        "account": spec.account,
        "environment": environment.metadata.name,
        "bucket": spec.buckets.data,
        "state": spec.buckets.state,
        "cluster": spec.ecs.cluster or deployment,
        "name": deployment,
        **{f"{name}_role": value for name, value in named.items()},
    }


def _partition(region: str) -> str:
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def _filled(pattern: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], pattern)
