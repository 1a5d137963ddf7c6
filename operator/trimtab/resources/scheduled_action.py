"""What sets other bounds for an autoscaler, time and again.

Identity: "service/<cluster>/<service>|<action>". Create: same settings (PutScheduledAction overwrites, and start and end
are gone where it names none); an action has no tags: it is whose its scalable target is. Cost of observe: one call a
service, for up to ten; for more, one per 50 actions of the region.
Source: Application Auto Scaling API, PutScheduledAction, DescribeScheduledActions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.core.kind import (
    Call,
    Difference,
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
from trimtab.resources.scaling import PLACE, TARGET_ARN, read_listed, resource_id, tags_of_targets
from trimtab.resources.shared import WHEN_OURS, allow

_SERVICE = "application-autoscaling"
_UTC = "UTC"  # where AWS names none


@dataclass(frozen=True, slots=True)
class Desired:
    cluster: str  # name
    service: str  # name
    name: str  # of the action
    schedule: str  # "cron(0 8 ? * MON-FRI *)"
    timezone: str
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Observed:
    resource: str
    name: str
    settings: Mapping[str, Any]  # as `_settings` spells them


class ScheduledAction:
    name = "autoscaling.ScheduledAction"
    rank = 120  # before its scalable target
    rights: Mapping[Verb, tuple[Right, ...]] = {
        "observe": allow("*", f"{_SERVICE}:DescribeScheduledActions", f"{_SERVICE}:DescribeScalableTargets")
        + allow(TARGET_ARN, f"{_SERVICE}:ListTagsForResource"),
        "create": allow(TARGET_ARN, f"{_SERVICE}:PutScheduledAction", when=WHEN_OURS),
        "update": allow(TARGET_ARN, f"{_SERVICE}:PutScheduledAction", when=WHEN_OURS),
        "delete": allow(TARGET_ARN, f"{_SERVICE}:DeleteScheduledAction", when=WHEN_OURS),
    }

    def identity(self, desired: Desired) -> str:
        return f"{resource_id(desired.cluster, desired.service)}|{desired.name}"

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, Observed | Unknown]]:
        return read_listed(_list, "ScheduledActions", wanted, _seen)

    def tags(self, observed: Sequence[Observed]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        return tags_of_targets([each.resource for each in observed])

    def state(self, desired: Desired, observed: Observed) -> State:
        return Settled()

    def diff(self, desired: Desired, observed: Observed) -> tuple[Difference, ...]:
        return differences(*((path, observed.settings.get(path), want) for path, want in _settings(desired).items()))

    def create(self, desired: Desired) -> Steps[None]:
        yield _put(desired)

    def update(self, desired: Desired, observed: Observed, drift: Sequence[Difference]) -> Steps[None]:
        if drift:
            yield _put(desired)

    def delete(self, observed: Observed) -> Steps[None]:
        arguments = {**PLACE, "ResourceId": observed.resource, "ScheduledActionName": observed.name}
        yield Call(_SERVICE, "DeleteScheduledAction", arguments, repeat="safe")


def _list(arguments: Mapping[str, Any]) -> Call:
    return Call(_SERVICE, "DescribeScheduledActions", arguments)


def _put(desired: Desired) -> Call:
    place = {**PLACE, "ResourceId": resource_id(desired.cluster, desired.service), "ScheduledActionName": desired.name}
    written = {path: value for path, value in _settings(desired).items() if value is not None}
    return Call(_SERVICE, "PutScheduledAction", {**place, **written}, repeat="safe")


def _settings(desired: Desired) -> dict[str, Any]:
    """What we own, by PutScheduledAction's argument names. A start or an end would let it rest without a word."""
    return {
        "Schedule": desired.schedule,
        "Timezone": desired.timezone,
        "ScalableTargetAction": {"MinCapacity": desired.least, "MaxCapacity": desired.most},
        "StartTime": None,
        "EndTime": None,
    }


def _seen(item: Reply) -> tuple[str, Observed]:
    resource, name = item["ResourceId"], item["ScheduledActionName"]
    return f"{resource}|{name}", Observed(resource, name, {**item, "Timezone": item.get("Timezone", _UTC)})


KIND: Kind[Desired, Observed] = ScheduledAction()
