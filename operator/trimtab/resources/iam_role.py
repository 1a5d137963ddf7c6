"""An IAM role that an environment with `roles: managed` has us make: training, execution or task.

Identity: the role's name (unique in the account whatever its path). Create: named, then the inline policy; a crash between
the two is seen as drift. Cost of observe: 1 call per 1,000 roles of the account, with trust, inline policies, boundary and
tags all in it; role by role it would be 2 calls each. Trust and policy are compared as parsed JSON, since IAM answers them
with other spaces and orders than it was given.
Source: IAM API, GetAccountAuthorizationDetails (Filter Role).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from trimtab.core.canonical import canonical_json
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
    tag_list,
    tag_map,
)
from trimtab.resources.shared import (
    WHEN_OURS,
    WHEN_TAGGED_SO,
    allow,
    insist,
    paths,
    same_json,
    tag_changes,
    tags_as_read,
    unknown,
    without_empty,
)

TRUST, POLICY, BOUNDARY, PATH = "AssumeRolePolicyDocument", "PolicyDocument", "PermissionsBoundary", "Path"
POLICY_NAME = "trimtab"
_ARN = "arn:{partition}:iam::{account}:role/trimtab/{environment}/{name}"


@dataclass(frozen=True, slots=True)
class Desired:
    name: str  # at most 64 characters
    path: str  # "/trimtab/local/"
    trust_service: str  # "ecs-tasks.amazonaws.com", "sagemaker.amazonaws.com"
    policy: str  # the inline policy document, as canonical JSON text; "" for a role that may do nothing
    tags: Mapping[str, str]
    permissions_boundary: str | None = None  # ARN of a managed policy
    description: str = ""
    source_account: str = ""  # twelve digits: only on behalf of this account may the service assume it


@dataclass(frozen=True, slots=True)
class Observed:
    name: str
    arn: str
    path: str
    trust: str  # canonical JSON
    policy: str | None  # canonical JSON of our inline policy; None: it is not there
    permissions_boundary: str | None
    tags: Mapping[str, str] | None
    inline: tuple[str, ...] = ()  # names of all inline policies: a delete must remove them first
    attached: tuple[str, ...] = field(default=())  # ARNs of attached policies: likewise


class IamRole:
    name = "iam.Role"
    rank = 10
    rights: Mapping[Verb, tuple[Right, ...]] = {
        "observe": allow("*", "iam:GetAccountAuthorizationDetails"),
        "create": allow(_ARN, "iam:CreateRole", "iam:TagRole", when=WHEN_TAGGED_SO)
        + allow(_ARN, "iam:PutRolePolicy", when=WHEN_OURS),
        "update": allow(
            _ARN,
            "iam:UpdateAssumeRolePolicy",
            "iam:PutRolePolicy",
            "iam:DeleteRolePolicy",
            "iam:PutRolePermissionsBoundary",
            "iam:DeleteRolePermissionsBoundary",
            "iam:TagRole",
            "iam:UntagRole",
            when=WHEN_OURS,
        ),
        "delete": allow(_ARN, "iam:DeleteRolePolicy", "iam:DetachRolePolicy", "iam:DeleteRole", when=WHEN_OURS),
    }

    def identity(self, desired: Desired) -> str:
        return desired.name

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, Observed | Unknown]]:
        try:
            listed = yield Call("iam", "GetAccountAuthorizationDetails", {"Filter": ["Role"], "MaxItems": 1000})
        except Failure as failure:
            return {name: unknown(failure) for name in wanted}
        names = set(wanted)
        return {item["RoleName"]: _seen(item) for item in listed.get("RoleDetailList", ()) if item["RoleName"] in names}

    def tags(self, observed: Sequence[Observed]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        return tags_as_read(observed)

    def state(self, desired: Desired, observed: Observed) -> State:
        return Settled()

    def diff(self, desired: Desired, observed: Observed) -> tuple[Difference, ...]:
        moved = (Difference(PATH, observed.path, desired.path, remedy="refuse"),) if observed.path != desired.path else ()
        return moved + differences(
            (TRUST, observed.trust, trust_for(desired)),
            (POLICY, observed.policy or "", same_json(desired.policy)),
            (BOUNDARY, observed.permissions_boundary, desired.permissions_boundary),
        )

    def create(self, desired: Desired) -> Steps[None]:
        arguments = {
            "RoleName": desired.name,
            "Path": desired.path,
            "AssumeRolePolicyDocument": trust_for(desired),
            "Description": desired.description,
            "PermissionsBoundary": desired.permissions_boundary,
            "Tags": tag_list(desired.tags),
        }
        yield Call("iam", "CreateRole", without_empty(arguments), repeat="safe")
        if desired.policy:
            yield _put_policy(desired)

    def update(self, desired: Desired, observed: Observed, drift: Sequence[Difference]) -> Steps[None]:
        changed = paths(drift)
        role = {"RoleName": desired.name}
        if TRUST in changed:
            trust = {"PolicyDocument": trust_for(desired)}
            yield Call("iam", "UpdateAssumeRolePolicy", role | trust, repeat="safe")
        if POLICY in changed and desired.policy:
            yield _put_policy(desired)
        elif POLICY in changed:
            yield Call("iam", "DeleteRolePolicy", role | {"PolicyName": POLICY_NAME}, repeat="safe")
        if BOUNDARY in changed and desired.permissions_boundary:
            boundary = {"PermissionsBoundary": desired.permissions_boundary}
            yield Call("iam", "PutRolePermissionsBoundary", role | boundary, repeat="safe")
        elif BOUNDARY in changed:
            yield Call("iam", "DeleteRolePermissionsBoundary", role, repeat="safe")
        added, removed = tag_changes(drift)
        if added:
            yield Call("iam", "TagRole", role | {"Tags": tag_list(added)}, repeat="safe")
        if removed:
            yield Call("iam", "UntagRole", role | {"TagKeys": removed}, repeat="safe")

    def delete(self, observed: Observed) -> Steps[None]:
        role = {"RoleName": observed.name}
        inline = [Call("iam", "DeleteRolePolicy", role | {"PolicyName": each}, repeat="safe") for each in observed.inline]
        attached = [Call("iam", "DetachRolePolicy", role | {"PolicyArn": each}, repeat="safe") for each in observed.attached]
        yield from insist([*inline, *attached])
        yield Call("iam", "DeleteRole", role, repeat="safe")


def trust_for(desired: Desired) -> str:
    """The trust policy of a role that one AWS service may assume, as canonical JSON."""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": desired.trust_service},
        "Action": "sts:AssumeRole",
    }
    if desired.source_account:  # else another account's service could be made to use it (confused deputy)
        statement["Condition"] = {"StringEquals": {"aws:SourceAccount": desired.source_account}}
    return canonical_json({"Version": "2012-10-17", "Statement": [statement]})


def _put_policy(desired: Desired) -> Call:
    arguments = {"RoleName": desired.name, "PolicyName": POLICY_NAME, "PolicyDocument": desired.policy}
    return Call("iam", "PutRolePolicy", arguments, repeat="safe")


def _seen(item: Reply) -> Observed:
    inline = {each["PolicyName"]: each["PolicyDocument"] for each in item.get("RolePolicyList", ())}
    return Observed(
        name=item["RoleName"],
        arn=item["Arn"],
        path=item["Path"],
        trust=_document(item.get("AssumeRolePolicyDocument", {})),
        policy=_document(inline[POLICY_NAME]) if POLICY_NAME in inline else None,
        permissions_boundary=item.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
        tags=tag_map(item.get("Tags", ())),
        inline=tuple(sorted(inline)),
        attached=tuple(sorted(each["PolicyArn"] for each in item.get("AttachedManagedPolicies", ()))),
    )


def _document(value: Any) -> str:
    """Canonical JSON of a policy document: boto3 gives it parsed, the wire has it percent-encoded."""
    if not isinstance(value, str):
        return canonical_json(value)
    text = value if value.lstrip().startswith("{") else unquote(value)
    return canonical_json(json.loads(text))


KIND: Kind[Desired, Observed] = IamRole()
