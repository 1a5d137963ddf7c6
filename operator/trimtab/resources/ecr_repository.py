"""The ECR repository that holds a deployment's serving images.

Identity: the repository's name. Create: named (a second one is refused). Cost of observe: 1 call per 1,000 repositories in
the account. No bulk read gives tags: `tags` reads them singly.
Source: Amazon ECR API, DescribeRepositories and ListTagsForResource.
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
    tag_list,
    tag_map,
)
from trimtab.resources.shared import WHEN_OURS, WHEN_TAGGED_SO, allow, ask, paths, tag_changes, unknown

MUTABILITY, SCAN = "imageTagMutability", "imageScanningConfiguration.scanOnPush"
_ARN = "arn:{partition}:ecr:{region}:{account}:repository/{name}"


@dataclass(frozen=True, slots=True)
class Desired:
    name: str  # "vision/digits", 2 to 256 characters, lower case
    tags: Mapping[str, str]
    mutability: str = "IMMUTABLE"
    scan: bool = True


@dataclass(frozen=True, slots=True)
class Observed:
    name: str
    arn: str
    uri: str  # what `docker push` takes, without a tag
    mutability: str
    scan: bool
    tags: Mapping[str, str] | None = field(default=None)


class EcrRepository:
    name = "ecr.Repository"
    rank = 60
    rights: Mapping[Verb, tuple[Right, ...]] = {
        "observe": allow("*", "ecr:DescribeRepositories") + allow(_ARN, "ecr:ListTagsForResource"),
        "create": allow(_ARN, "ecr:CreateRepository", "ecr:TagResource", when=WHEN_TAGGED_SO),
        "update": allow(
            _ARN,
            "ecr:PutImageTagMutability",
            "ecr:PutImageScanningConfiguration",
            "ecr:TagResource",
            "ecr:UntagResource",
            when=WHEN_OURS,
        ),
        "delete": allow(_ARN, "ecr:DeleteRepository", when=WHEN_OURS),
    }

    def identity(self, desired: Desired) -> str:
        return desired.name

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, Observed | Unknown]]:
        # Given names, DescribeRepositories fails whole when one of them is missing: list all, then pick.
        try:
            listed = yield Call("ecr", "DescribeRepositories", {"maxResults": 1000})
        except Failure as failure:
            return {name: unknown(failure) for name in wanted}
        names = set(wanted)
        return {
            item["repositoryName"]: _seen(item) for item in listed.get("repositories", ()) if item["repositoryName"] in names
        }

    def tags(self, observed: Sequence[Observed]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        replies = yield from ask(Call("ecr", "ListTagsForResource", {"resourceArn": each.arn}) for each in observed)
        return [unknown(reply) if isinstance(reply, Failure) else tag_map(reply.get("tags", ())) for reply in replies]

    def state(self, desired: Desired, observed: Observed) -> State:
        return Settled()

    def diff(self, desired: Desired, observed: Observed) -> tuple[Difference, ...]:
        return differences((MUTABILITY, observed.mutability, desired.mutability), (SCAN, observed.scan, desired.scan))

    def create(self, desired: Desired) -> Steps[None]:
        arguments = {
            "repositoryName": desired.name,
            "imageTagMutability": desired.mutability,
            "imageScanningConfiguration": {"scanOnPush": desired.scan},
            "tags": tag_list(desired.tags),  # in the same call: no crash leaves it untagged
        }
        yield Call("ecr", "CreateRepository", arguments, repeat="safe")

    def update(self, desired: Desired, observed: Observed, drift: Sequence[Difference]) -> Steps[None]:
        changed = paths(drift)
        name = {"repositoryName": desired.name}
        if MUTABILITY in changed:
            yield Call("ecr", "PutImageTagMutability", name | {"imageTagMutability": desired.mutability}, repeat="safe")
        if SCAN in changed:
            scan = {"imageScanningConfiguration": {"scanOnPush": desired.scan}}
            yield Call("ecr", "PutImageScanningConfiguration", name | scan, repeat="safe")
        added, removed = tag_changes(drift)
        if added:
            yield Call("ecr", "TagResource", {"resourceArn": observed.arn, "tags": tag_list(added)}, repeat="safe")
        if removed:
            yield Call("ecr", "UntagResource", {"resourceArn": observed.arn, "tagKeys": removed}, repeat="safe")

    def delete(self, observed: Observed) -> Steps[None]:
        yield Call("ecr", "DeleteRepository", {"repositoryName": observed.name, "force": True}, repeat="safe")


def _seen(item: Reply) -> Observed:
    return Observed(
        name=item["repositoryName"],
        arn=item["repositoryArn"],
        uri=item["repositoryUri"],
        mutability=item.get("imageTagMutability", "MUTABLE"),
        scan=item.get("imageScanningConfiguration", {}).get("scanOnPush", False),
    )


KIND: Kind[Desired, Observed] = EcrRepository()
