"""What carries our tags in the account and belongs to no living deployment, and why it is left. Reads only.

Tags are read in bulk: GetResources of the Resource Groups Tagging API (100 a call), which lists no roles of IAM; those come
from one listing of the account's roles, and what is in the data bucket from one listing of the uids below `deployments/`.
GetResources may go on listing what was deleted lately. Needs tag:GetResources, iam:GetAccountAuthorizationDetails,
ecs:DescribeTaskDefinition and s3:ListBucket.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from trimtab.core.kind import DEPLOYMENT, ENVIRONMENT, UID, Call, Failure, Reply, owner_in, tag_map
from trimtab.engine.driver import Driver
from trimtab.engine.ledger import Ledger, Shared
from trimtab.resources.shared import ask

Fate: TypeAlias = Literal["retained", "deleting", "leftover", "other"]

# (service, type) as ARNs spell them -> our kind
_KINDS: Mapping[tuple[str, str], str] = {
    ("apigateway", "apikeys"): "apigateway.ApiKey",
    ("apigateway", "restapis"): "apigateway.RestApi",
    ("apigateway", "usageplans"): "apigateway.UsagePlan",
    ("apigateway", "vpclinks"): "apigatewayv2.VpcLink",
    ("application-autoscaling", "scalable-target"): "autoscaling.ScalableTarget",
    ("cloudwatch", "alarm"): "cloudwatch.Alarm",
    ("ecr", "repository"): "ecr.Repository",
    ("ecs", "cluster"): "ecs.Cluster",
    ("ecs", "service"): "ecs.Service",
    ("ecs", "task-definition"): "ecs.TaskDefinition",
    ("elasticloadbalancing", "listener"): "elbv2.Listener",
    ("elasticloadbalancing", "listener-rule"): "elbv2.ListenerRule",
    ("elasticloadbalancing", "loadbalancer"): "elbv2.LoadBalancer",
    ("elasticloadbalancing", "targetgroup"): "elbv2.TargetGroup",
    ("iam", "role"): "iam.Role",
    ("logs", "log-group"): "logs.LogGroup",
    ("s3", "deployments"): "s3.Content",
    ("sagemaker", "processing-job"): "sagemaker.ProcessingJob",
    ("sagemaker", "training-job"): "sagemaker.TrainingJob",
}
_TASK = ("ecs", "task")  # its service's: it has the tags of that, and goes with it


@dataclass(frozen=True, slots=True)
class Tagged:
    """One thing of the account that carries our environment's tag."""

    arn: str  # of objects: "arn:aws:s3:::<bucket>/deployments/<uid>/"
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Orphan:
    """What belongs to no living deployment."""

    kind: str
    name: str
    arn: str
    uid: str
    deployment: str  # "<namespace>/<name>"; "" for what deployments share, and for objects of no known uid
    fate: Fate
    since: str  # RFC 3339, "" where nobody knows
    because: str


def tagged_with(environment: str, bucket: str, driver: Driver) -> tuple[Tagged, ...]:
    """All that carries the environment's tag. bucket: where data is kept. Raises Failure when a listing cannot be read."""
    filters = {"TagFilters": [{"Key": ENVIRONMENT, "Values": [environment]}], "ResourcesPerPage": 100}
    listed = driver.make(Call("resourcegroupstaggingapi", "GetResources", filters))["ResourceTagMappingList"]
    roles = driver.make(Call("iam", "GetAccountAuthorizationDetails", {"Filter": ["Role"], "MaxItems": 1000}))
    folders = driver.make(Call("s3", "ListObjectsV2", {"Bucket": bucket, "Prefix": "deployments/", "Delimiter": "/"}))
    found = [Tagged(each["ResourceARN"], tag_map(each["Tags"])) for each in listed]
    found += [
        Tagged(each["Arn"], tag_map(each.get("Tags", ())))
        for each in roles.get("RoleDetailList", ())
        if each["Path"] == f"/trimtab/{environment}/"
    ]
    found += [_folder(bucket, each["Prefix"]) for each in folders.get("CommonPrefixes", ())]
    return tuple(each for each in found if _split(each.arn)[:2] != _TASK)


def orphans(tagged: Iterable[Tagged], ledgers: Sequence[Ledger], shared: Shared | None) -> tuple[Orphan, ...]:
    """Those that no living deployment owns, by deployment, kind and name. Pure.

    ledgers: all of the environment's state bucket. shared: what its deployments share, None where there is none.
    """
    by_uid = {each.uid: each for each in ledgers}
    by_name = {_name(each): each for each in ledgers}
    found = [_orphan(each, by_uid, by_name, shared) for each in tagged]
    return tuple(sorted((each for each in found if each), key=lambda each: (each.deployment, each.kind, each.name)))


def without_dying(found: Sequence[Orphan], driver: Driver) -> tuple[Orphan, ...]:
    """Without task definitions that ECS is deleting: it keeps them, tags and all, for up to an hour. One read for each."""
    definitions = [each.arn for each in found if each.kind == "ecs.TaskDefinition"]
    replies = driver.run(ask(Call("ecs", "DescribeTaskDefinition", {"taskDefinition": arn}) for arn in definitions))
    dying = {arn for arn, reply in zip(definitions, replies, strict=True) if _is_dying(reply)}
    return tuple(each for each in found if each.arn not in dying)


def _is_dying(reply: Reply | Failure) -> bool:
    if isinstance(reply, Failure):
        return reply.meaning == "absent"
    return reply["taskDefinition"]["status"] == "DELETE_IN_PROGRESS"


def _orphan(
    each: Tagged, by_uid: Mapping[str, Ledger], by_name: Mapping[str, Ledger], shared: Shared | None
) -> Orphan | None:
    uid, deployment = owner_in(each.tags) or "", each.tags.get(DEPLOYMENT, "")
    ledger = by_uid.get(uid)
    if ledger is not None:
        judged = _of_ledger(ledger)
    elif shared is not None and shared.uid == uid:
        judged = None if shared.users else ("leftover", "", "it was shared, and no deployment uses it")
    else:
        judged = _of_nobody(uid, deployment, by_name)
    if judged is None:
        return None
    fate, since, because = judged
    of = _name(ledger) if ledger else deployment
    return Orphan(_kind_of(each.arn), _split(each.arn)[2], each.arn, uid, of, fate, since, because)


def _of_ledger(ledger: Ledger) -> tuple[Fate, str, str] | None:
    if ledger.deleting:
        told = "; ".join(dict.fromkeys(each.because for each in ledger.troubles))
        return "deleting", "", told or "its deployment is being deleted: `trimtab delete` goes on with it"
    if ledger.retained:
        return "retained", ledger.retained, "its deployment was deleted under policy.deletion: retain"
    return None


def _of_nobody(uid: str, deployment: str, by_name: Mapping[str, Ledger]) -> tuple[Fate, str, str]:
    if not uid:
        return "other", "", "it carries the environment's tag and no uid of ours: somebody else tagged it"
    if deployment in by_name:
        now = by_name[deployment].uid
        return "other", "", f"{deployment} is uid {now}: this is of another installation, or of an earlier one of that name"
    return "leftover", "", "no ledger in the state bucket knows its uid: its deployment is gone"


def _folder(bucket: str, prefix: str) -> Tagged:
    """Objects carry no tags: their address names the uid."""
    return Tagged(f"arn:aws:s3:::{bucket}/{prefix}", {UID: prefix.strip("/").rpartition("/")[2]})


def _name(ledger: Ledger) -> str:
    return f"{ledger.namespace}/{ledger.name}"


# --- ARNs -----------------------------------------------------------------------------------------------------------


_TYPED = re.compile(r"/?([^/:]+)[/:]?(.*)")


def _split(arn: str) -> tuple[str, str, str]:
    """(service, type, name): "arn:aws:ecr:r:a:repository/vision/digits" -> ("ecr", "repository", "vision/digits")."""
    service, rest = arn.split(":", 5)[2], arn.split(":", 5)[5]
    if service == "s3":
        rest = rest.partition("/")[2]  # the bucket comes first
    typed = _TYPED.fullmatch(rest)
    return (service, typed[1], typed[2].rstrip("/")) if typed else (service, rest, "")


def _kind_of(arn: str) -> str:
    service, type_, name = _split(arn)
    if type_ == "restapis" and "/stages/" in name:
        return "apigateway.Stage"
    return _KINDS.get((service, type_), f"{service}:{type_}")
