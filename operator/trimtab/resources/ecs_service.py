"""The ECS service that keeps a deployment's tasks running and rolls them to a new release.

Identity: "cluster|name". Create: token (36 characters; CreateService's is not filled by the SDK). Cost of observe: 1
DescribeServices per 10 services of a cluster, tags included. INACTIVE is absent; DRAINING still holds the name.

What ECS reports as COMPLETED is not taken for success: after a rollback by the circuit breaker the service is COMPLETED on
the *old* task definition. The tag ASKED says which task definition we asked for last; it is written right after the
UpdateService that asked (or in CreateService). Asked for, not live, and failed by the service's own words: rolled back,
which `diff` must not repair. Not asked for: a change to make. Live is another, and no word of a failure: somebody's hand.
Source: Amazon ECS API, CreateService, DescribeServices; service event messages.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trimtab.core.canonical import digest_of
from trimtab.core.kind import (
    Broken,
    Call,
    Difference,
    Failure,
    Kind,
    Moving,
    Progress,
    Ref,
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
    ask,
    chunks,
    grouped,
    known,
    paths,
    service_linked,
    tag_changes,
    tags_as_read,
    unknown,
    without_empty,
)

ASKED = "trimtab.dev/asked"
TASK_DEFINITION, ASKED_PATH = "taskDefinition", f"tags.{ASKED}"
_ARN = "arn:{partition}:ecs:{region}:{account}:service/{cluster}/{name}"
_GIVEN_UP = " given up"  # behind the value of ASKED: a rollback that later deployments must not make us forget
_FAILED = re.compile(r"(?i)deployment failed|rolling back")
_SAME_MOMENT_S = 5.0  # a rollback's event and its deployment are made together


@dataclass(frozen=True, slots=True)
class Desired:
    cluster: str  # name
    name: str  # at most 255 characters
    task_definition: str | Ref  # ARN with the revision: TaskDefinition.arn
    target_group_arn: str | Ref
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    tags: Mapping[str, str]
    desired_count: int = 2
    min_count: int = 0  # an autoscaler may choose any count from this one on; desired_count when 0
    max_count: int = 0  # the most that it may choose; desired_count when 0
    container: str = "model"
    port: int = 8080
    public_ip: bool = False
    grace_s: int = 60  # how long a new task's failing health checks are ignored
    minimum_healthy_percent: int = 100
    maximum_percent: int = 200
    alarms: tuple[str, ...] = ()  # names of those that roll a deployment back while it takes over
    token: str = ""  # from (uid, key, attempt); empty: from what is asked for
    attempt: int = 1  # raised by a person's retry of a release that was rolled back

    @property
    def least(self) -> int:
        """How many must run, whatever an autoscaler is about."""
        return self.min_count or self.desired_count

    @property
    def most(self) -> int:
        return self.max_count or self.desired_count


@dataclass(frozen=True, slots=True)
class Deployment:
    """One of the service's deployments: PRIMARY is the one it wants, ACTIVE ones are on their way out."""

    id: str
    status: str
    task_definition: str
    desired: int
    running: int
    pending: int
    failed: int
    rollout: str  # IN_PROGRESS, COMPLETED, FAILED
    reason: str
    created_s: float  # Unix time


@dataclass(frozen=True, slots=True)
class Event:
    at_s: float  # Unix time
    message: str


@dataclass(frozen=True, slots=True)
class Observed:
    cluster: str
    name: str
    arn: str
    status: str  # ACTIVE, DRAINING
    desired_count: int
    running: int
    pending: int
    deployments: tuple[Deployment, ...]
    events: tuple[Event, ...]  # the newest ten, newest first
    settings: Mapping[str, Any]  # what else we own, as `_settings` spells it
    tags: Mapping[str, str] | None

    @property
    def primary(self) -> Deployment | None:
        return next((each for each in self.deployments if each.status == "PRIMARY"), None)

    @property
    def task_definition(self) -> str:
        """Of the deployment that the service wants now."""
        return self.primary.task_definition if self.primary else ""

    @property
    def asked(self) -> str:
        return (self.tags or {}).get(ASKED, "")


class EcsService:
    name = "ecs.Service"
    rank = 100
    rights: Mapping[Verb, tuple[Right, ...]] = {
        "observe": allow(_ARN, "ecs:DescribeServices"),
        "create": allow(_ARN, "ecs:CreateService", "ecs:TagResource", when=WHEN_TAGGED_SO)
        + service_linked("ecs.amazonaws.com"),
        "update": allow(_ARN, "ecs:UpdateService", "ecs:TagResource", "ecs:UntagResource", when=WHEN_OURS),
        "delete": allow(_ARN, "ecs:DeleteService", when=WHEN_OURS),
    }

    def identity(self, desired: Desired) -> str:
        return f"{desired.cluster}|{desired.name}"

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, Observed | Unknown]]:
        asked = [(cluster, part) for cluster, names in grouped(wanted).items() for part in chunks(names, 10)]
        replies = yield from ask(
            Call("ecs", "DescribeServices", {"cluster": cluster, "services": list(names), "include": ["TAGS"]})
            for cluster, names in asked
        )
        seen: dict[str, Observed | Unknown] = {}
        for (cluster, names), reply in zip(asked, replies, strict=True):
            if isinstance(reply, Failure):
                if reply.meaning != "absent":  # no cluster, no services
                    seen |= {f"{cluster}|{name}": unknown(reply) for name in names}
                continue
            seen |= _services(cluster, reply)
        return seen

    def tags(self, observed: Sequence[Observed]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        return tags_as_read(observed)

    def state(self, desired: Desired, observed: Observed) -> State:
        primary = observed.primary
        if observed.status != "ACTIVE" or primary is None:
            return Moving(f"service {observed.name} is {observed.status}: its last tasks are stopping", look_again_s=2.0)
        if is_rolled_back(desired, observed):
            return Broken("RolledBack", _why(observed, desired))
        if primary.rollout == "FAILED":
            return Broken("RolloutFailed", _why(observed, desired))
        done = min(primary.running, primary.desired)
        progress = Progress(done, primary.desired, "tasks", primary.reason)
        if (
            primary.rollout == "COMPLETED"
            and primary.task_definition == desired.task_definition
            and len(observed.deployments) == 1
            and (_all_run(observed) or _is_scaling(desired, observed))
        ):
            return Settled()
        because = f"{done} of {primary.desired} tasks of the release run" + (
            f", {primary.failed} failed" if primary.failed else ""
        )
        if len(observed.deployments) > 1:
            leaving = sum(each.running for each in observed.deployments if each is not primary)
            because += f", {leaving} of the last one still run"
        return Moving(because, look_again_s=2.0, progress=progress)

    def diff(self, desired: Desired, observed: Observed) -> tuple[Difference, ...]:
        if observed.status != "ACTIVE":
            return ()  # neither an update nor a create is taken until the last task is gone
        drift = [*_count(desired, observed), *_release(desired, observed)]
        wanted = _settings(desired)
        for path, have, want in ((path, observed.settings.get(path), want) for path, want in wanted.items()):
            remedy = "replace" if path == "loadBalancers" else "update"
            drift += [Difference(path, each.have, each.want, remedy=remedy) for each in differences((path, have, want))]
        return tuple(drift)

    def create(self, desired: Desired) -> Steps[None]:
        asked = {ASKED: _asked(desired)}
        arguments: dict[str, Any] = {
            "cluster": desired.cluster,
            "serviceName": desired.name,
            "taskDefinition": known(desired.task_definition),
            "launchType": "FARGATE",
            "desiredCount": desired.desired_count,
            "loadBalancers": _load_balancers(desired),
            "deploymentController": {"type": "ECS"},
            "tags": tag_list({**desired.tags, **asked}, "key", "value"),
            **_mutable(desired),
        }
        if not desired.alarms:  # there are none to take away
            del arguments["deploymentConfiguration"]["alarms"]
        token = desired.token or digest_of(arguments)
        yield Call("ecs", "CreateService", arguments | {"clientToken": token[:36]}, repeat="safe")

    def update(self, desired: Desired, observed: Observed, drift: Sequence[Difference]) -> Steps[None]:
        changed = paths(drift)
        arn = {"resourceArn": observed.arn}
        if is_rolled_back(desired, observed) and changed - {"tags"}:
            yield _tag(arn, {ASKED: _asked(desired) + _GIVEN_UP})
        settings = {path: value for path, value in _mutable(desired).items() if path in changed}
        settings.update((each.path, each.want) for each in drift if each.path == "desiredCount")
        if TASK_DEFINITION in changed:
            settings["taskDefinition"] = known(desired.task_definition)
        if settings:
            service = {"cluster": desired.cluster, "service": desired.name}
            yield Call("ecs", "UpdateService", service | settings, repeat="safe")
        added, removed = tag_changes(drift)
        if TASK_DEFINITION in changed or ASKED_PATH in changed:
            added[ASKED] = _asked(desired)
        if added:
            yield _tag(arn, added)
        removed = [name for name in removed if name != ASKED]
        if removed:
            yield Call("ecs", "UntagResource", arn | {"tagKeys": removed}, repeat="safe")

    def delete(self, observed: Observed) -> Steps[None]:
        if observed.status == "ACTIVE":
            arguments = {"cluster": observed.cluster, "service": observed.name, "force": True}
            yield Call("ecs", "DeleteService", arguments, repeat="safe")


def is_rolled_back(desired: Desired, observed: Observed) -> bool:
    """Whether ECS gave up the declared release and went back to another.

    Proof is a FAILED deployment of the declared task definition; or, once that is gone, that we asked for it, that another
    is wanted now, and that the service spoke of a failure no earlier than that other became wanted.
    """
    primary = observed.primary
    if primary is None or isinstance(desired.task_definition, Ref) or primary.task_definition == desired.task_definition:
        return False
    if observed.asked == _asked(desired) + _GIVEN_UP:
        return True
    if observed.asked not in ("", _asked(desired)):
        return False
    failed = any(
        each.rollout == "FAILED" and each.task_definition == desired.task_definition for each in observed.deployments
    )
    if failed or not observed.asked:
        return failed
    since = primary.created_s - _SAME_MOMENT_S
    return any(_FAILED.search(event.message) and event.at_s >= since for event in observed.events)


def _all_run(observed: Observed) -> bool:
    return observed.running == observed.desired_count and observed.pending == 0


def _is_scaling(desired: Desired, observed: Observed) -> bool:
    """Whether an autoscaler has the count, and enough tasks run whatever it is about: it is never done."""
    return desired.least < desired.most and observed.running >= desired.least


# --- comparing ------------------------------------------------------------------------------------------------------


def _count(desired: Desired, observed: Observed) -> tuple[Difference, ...]:
    """A count inside what the autoscaler may choose is its own; outside, it is ours to repair, to the nearest bound."""
    have = observed.desired_count
    if have == desired.desired_count:
        return ()
    if desired.least <= have <= desired.most:
        return (Difference("desiredCount", have, desired.desired_count, owner="autoscaler"),)
    return (Difference("desiredCount", have, min(max(have, desired.least), desired.most)),)


def _release(desired: Desired, observed: Observed) -> tuple[Difference, ...]:
    want = desired.task_definition
    if isinstance(want, Ref):
        return ()
    if observed.task_definition != want:
        owner = "rollout" if is_rolled_back(desired, observed) else "spec"
        return (Difference(TASK_DEFINITION, observed.task_definition, want, owner=owner),)
    return differences((ASKED_PATH, observed.asked, _asked(desired)))


def _asked(desired: Desired) -> str:
    """ "vision-digits-0a1b2c3d4e5f:1", or with "@2" for a second attempt."""
    revision = known(desired.task_definition).rpartition("/")[2]
    return revision if desired.attempt == 1 else f"{revision}@{desired.attempt}"


def _tag(arn: Mapping[str, str], tags: Mapping[str, str]) -> Call:
    return Call("ecs", "TagResource", {**arn, "tags": tag_list(tags, "key", "value")}, repeat="safe")


def _why(observed: Observed, desired: Desired) -> str:
    """The service's own words for a failure, newest first, and what it means. Why it failed says more than what followed."""
    spoken = [event.message for event in observed.events if _FAILED.search(event.message)]
    said = next((each for each in spoken if "failed" in each.lower()), next(iter(spoken), ""))
    failed = next((each.reason for each in observed.deployments if each.rollout == "FAILED" and each.reason), "")
    release = known(desired.task_definition).rpartition("/")[2]
    serving = observed.task_definition.rpartition("/")[2]
    went = f"ECS gave up {release}" + (f" and went back to {serving}" if serving != release else "")
    return ": ".join(each for each in (went, failed or said) if each)


def _settings(desired: Desired) -> dict[str, Any]:
    """What we own beside count and release, in one spelling for both sides. A Ref stays, and is no difference."""
    target = desired.target_group_arn
    return {
        "loadBalancers": target if isinstance(target, Ref) else _load_balancers(desired),
        **_mutable(desired),
    }


def _mutable(desired: Desired) -> dict[str, Any]:
    """The settings that UpdateService takes, by its argument names."""
    return {
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": sorted(desired.subnets),
                "securityGroups": sorted(desired.security_groups),
                "assignPublicIp": "ENABLED" if desired.public_ip else "DISABLED",
            }
        },
        "healthCheckGracePeriodSeconds": desired.grace_s,
        "deploymentConfiguration": {
            # A crash-looper that passes one check would else never trip the breaker: the default of the last is true.
            "deploymentCircuitBreaker": {"enable": True, "rollback": True, "resetOnHealthyTask": False},
            "maximumPercent": desired.maximum_percent,
            "minimumHealthyPercent": desired.minimum_healthy_percent,
            "alarms": {
                "alarmNames": sorted(desired.alarms),
                "enable": bool(desired.alarms),
                "rollback": bool(desired.alarms),
            },
        },
        "propagateTags": "SERVICE",
        "enableECSManagedTags": True,
    }


def _load_balancers(desired: Desired) -> list[dict[str, Any]]:
    target = known(desired.target_group_arn)
    return [{"targetGroupArn": target, "containerName": desired.container, "containerPort": desired.port}]


# --- reading --------------------------------------------------------------------------------------------------------


def _services(cluster: str, reply: Reply) -> dict[str, Observed | Unknown]:
    seen: dict[str, Observed | Unknown] = {
        f"{cluster}|{item['serviceName']}": _seen(cluster, item)
        for item in reply.get("services", ())
        if item["status"] != "INACTIVE"
    }
    for failure in reply.get("failures", ()):
        if failure.get("reason") != "MISSING":
            name = str(failure.get("arn", "")).rpartition("/")[2]
            seen[f"{cluster}|{name}"] = Unknown(f"ecs:DescribeServices: {name}: {failure.get('reason')}")
    return seen


def _seen(cluster: str, item: Reply) -> Observed:
    return Observed(
        cluster=cluster,
        name=item["serviceName"],
        arn=item["serviceArn"],
        status=item["status"],
        desired_count=item.get("desiredCount", 0),
        running=item.get("runningCount", 0),
        pending=item.get("pendingCount", 0),
        deployments=tuple(_deployment(each) for each in item.get("deployments", ())),
        events=tuple(
            Event(_seconds(each.get("createdAt")), each.get("message", "")) for each in item.get("events", ())[:10]
        ),
        settings=_settings_of(item),
        tags=tag_map(item.get("tags") or (), "key", "value"),
    )


def _deployment(item: Reply) -> Deployment:
    return Deployment(
        id=item["id"],
        status=item["status"],
        task_definition=item["taskDefinition"],
        desired=item.get("desiredCount", 0),
        running=item.get("runningCount", 0),
        pending=item.get("pendingCount", 0),
        failed=item.get("failedTasks", 0),
        rollout=item.get("rolloutState", ""),
        reason=item.get("rolloutStateReason", ""),
        created_s=_seconds(item.get("createdAt")),
    )


def _seconds(value: Any) -> float:
    return value.timestamp() if isinstance(value, datetime) else float(value or 0)


def _settings_of(item: Reply) -> dict[str, Any]:
    network: Mapping[str, Any] = item.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
    deployment: Mapping[str, Any] = item.get("deploymentConfiguration", {})
    breaker: Mapping[str, Any] = deployment.get("deploymentCircuitBreaker", {})
    alarms: Mapping[str, Any] = deployment.get("alarms", {})
    return {
        "loadBalancers": [
            without_empty({name: each.get(name) for name in ("targetGroupArn", "containerName", "containerPort")})
            for each in item.get("loadBalancers", ())
        ],
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": sorted(network.get("subnets", ())),
                "securityGroups": sorted(network.get("securityGroups", ())),
                "assignPublicIp": network.get("assignPublicIp", "DISABLED"),
            }
        },
        "healthCheckGracePeriodSeconds": item.get("healthCheckGracePeriodSeconds", 0),
        "deploymentConfiguration": {
            "deploymentCircuitBreaker": {
                "enable": breaker.get("enable", False),
                "rollback": breaker.get("rollback", False),
                "resetOnHealthyTask": breaker.get("resetOnHealthyTask", True),
            },
            "maximumPercent": deployment.get("maximumPercent", 200),
            "minimumHealthyPercent": deployment.get("minimumHealthyPercent", 100),
            "alarms": {
                "alarmNames": sorted(alarms.get("alarmNames", ())),
                "enable": alarms.get("enable", False),
                "rollback": alarms.get("rollback", False),
            },
        },
        "propagateTags": item.get("propagateTags", "NONE"),
        "enableECSManagedTags": item.get("enableECSManagedTags", False),
    }


KIND: Kind[Desired, Observed] = EcsService()
