"""Application Auto Scaling of the local cloud: it sets the desired count of ECS services for real.

Targets and scheduled actions are here, policies in autoscaling_policies, what is done in autoscaling_activities, and every
decision in autoscaling_decide. Only services of ECS are scaled; no predictive policies, no metric math. An activity that
ECS cannot fulfil stays InProgress until a newer one overrides it.
Source: Application Auto Scaling API Reference; User Guide, "Scheduled scaling", "Suspend and resume scaling".
"""

import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from trimtab.local.autoscaling_base import (
    SUSPENSIONS,
    Document,
    Scheduled,
    Tags,
    Target,
    check_place,
    check_tags,
    chosen,
    invalid,
    limited,
    page,
    place_of,
)
from trimtab.local.autoscaling_policies import Policies
from trimtab.local.autoscaling_schedule import Due, schedule
from trimtab.local.overlay import Arguments, Context, Reply, ServiceError, World

MOST_SCHEDULED = 200
_ROLE = "role/aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService"


class AutoScaling(Policies):
    service = "application-autoscaling"
    whole = True

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._looked = world.clock.now()

    def tick(self, now: datetime) -> None:
        self.settle(now)
        for each in self.scheduled:
            if (target := self.targets.get(each.resource)) and self._is_due(each, target, now):
                self._rebound(target, each.least, each.most, now)
        self._looked = now

    def recover(self) -> Sequence[str]:
        return ()

    # Targets

    def register_scalable_target(self, arguments: Arguments, context: Context) -> Reply:
        check_place(arguments)
        resource = arguments["ResourceId"]
        found = self.targets.get(resource)
        least = arguments.get("MinCapacity", found.least if found else None)
        most = arguments.get("MaxCapacity", found.most if found else None)
        if least is None or most is None:
            raise invalid("MinCapacity and MaxCapacity are required to register a scalable target.")
        if not 0 <= least <= most:
            raise invalid(f"MinCapacity {least} must be 0 or more, and at most MaxCapacity {most}.")
        if found is None:
            id, tags = uuid.uuid4().hex, check_tags(dict(arguments.get("Tags") or {}))
            arn = self.arn(f"scalable-target/0{id[:30]}", "application-autoscaling")
            role = arguments.get("RoleARN", f"arn:aws:iam::{self.world.account}:{_ROLE}")
            found = Target(arn, resource, least, most, role, context.now, dict.fromkeys(SUSPENSIONS, False), tags)
            if self.service_of(found) is None:
                raise invalid(f"ECS service doesn't exist: {resource}")
        found.suspended = found.suspended | dict(arguments.get("SuspendedState") or {})
        self.targets.put(found)
        self._rebound(found, least, most, context.now)
        return {"ScalableTargetARN": found.arn}

    def _rebound(self, target: Target, least: int | None, most: int | None, now: datetime) -> None:
        target.least = target.least if least is None else least
        target.most = max(target.most if most is None else most, target.least)
        self.targets.put(target)
        words = (f"minimum capacity was set to {target.least}", f"maximum capacity was set to {target.most}")
        self.bring_inside(target, words, now)

    def describe_scalable_targets(self, arguments: Arguments, context: Context) -> Reply:
        check_place(arguments)
        ids = arguments.get("ResourceIds")
        found = [each for each in self.targets if not ids or each.resource in ids]
        return page(arguments, found, "ScalableTargets", 50, shown_target)

    def deregister_scalable_target(self, arguments: Arguments, context: Context) -> Reply:
        target = self.target(arguments)
        for policy in self.policies:
            if policy.resource == target.resource:
                self.drop_policy(policy)
        for each in self.scheduled:
            if each.resource == target.resource:
                self.scheduled.drop(each.arn)
        self.targets.drop(target.resource)
        return {}

    # Scheduled actions

    def put_scheduled_action(self, arguments: Arguments, context: Context) -> Reply:
        target, name = self.target(arguments), arguments["ScheduledActionName"]
        found = self._action(target.resource, name)
        if found is None:
            if "Schedule" not in arguments:
                raise invalid("Schedule is required.")
            if len(chosen(arguments, list(self.scheduled))) >= MOST_SCHEDULED:
                raise limited(f"A scalable target has at most {MOST_SCHEDULED} scheduled actions.")
            arn = self.arn(f"scheduledAction:{uuid.uuid4()}:resource/ecs/{target.resource}:scheduledActionName/{name}")
            found = Scheduled(arn, name, target.resource, arguments["Schedule"], context.now)
        found.schedule, found.zone = arguments.get("Schedule", found.schedule), arguments.get("Timezone", found.zone)
        found.start, found.end = arguments.get("StartTime"), arguments.get("EndTime")  # old ones go where none are named
        if action := arguments.get("ScalableTargetAction"):
            found.least, found.most = action.get("MinCapacity"), action.get("MaxCapacity")
        if found.least is None and found.most is None:
            raise invalid("At least one of MinCapacity and MaxCapacity must be specified.")
        due_of(found)  # or it is refused
        self.scheduled.put(found)
        return {}

    def describe_scheduled_actions(self, arguments: Arguments, context: Context) -> Reply:
        check_place(arguments)
        names = arguments.get("ScheduledActionNames")
        found = [each for each in chosen(arguments, list(self.scheduled)) if not names or each.name in names]
        return page(arguments, found, "ScheduledActions", 50, shown_action)

    def delete_scheduled_action(self, arguments: Arguments, context: Context) -> Reply:
        check_place(arguments)
        found = self._action(arguments["ResourceId"], arguments["ScheduledActionName"])
        if found is None:
            raise ServiceError("ObjectNotFoundException", f"No scheduled action {arguments['ScheduledActionName']} found.")
        self.scheduled.drop(found.arn)
        return {}

    def _action(self, resource: str, name: str) -> Scheduled | None:
        return next((each for each in self.scheduled if (each.resource, each.name) == (resource, name)), None)

    def _is_due(self, action: Scheduled, target: Target, now: datetime) -> bool:
        if target.suspended["ScheduledScalingSuspended"] or (action.end is not None and now > action.end):
            return False
        after = max(self._looked, action.created)
        return (action.start is None or now >= action.start) and due_of(action)(after, now)

    # Tags

    def tag_resource(self, arguments: Arguments, context: Context) -> Reply:
        target = self._tagged(arguments)
        target.tags = check_tags(target.tags | dict(arguments["Tags"]))
        self.targets.put(target)
        return {}

    def untag_resource(self, arguments: Arguments, context: Context) -> Reply:
        target = self._tagged(arguments)
        target.tags = {key: value for key, value in target.tags.items() if key not in arguments["TagKeys"]}
        self.targets.put(target)
        return {}

    def list_tags_for_resource(self, arguments: Arguments, context: Context) -> Reply:
        return {"Tags": dict(self._tagged(arguments).tags)}

    def tagged(self) -> Iterator[tuple[str, Tags]]:
        yield from ((each.arn, each.tags) for each in self.targets)

    def _tagged(self, arguments: Arguments) -> Target:
        found = next((each for each in self.targets if each.arn == arguments["ResourceARN"]), None)
        if found is None:
            raise ServiceError("ResourceNotFoundException", f"No scalable target found for {arguments['ResourceARN']}")
        return found


def due_of(action: Scheduled) -> Due:
    """Raises ServiceError for a schedule or a zone that is none."""
    try:
        zone: tzinfo = ZoneInfo(action.zone) if action.zone else UTC
        return schedule(action.schedule, zone, action.start or action.created)
    except (ValueError, ZoneInfoNotFoundError) as error:
        raise invalid(f"Schedule or Timezone is not valid: {error}") from error


def shown_target(target: Target) -> Document:
    return {
        **place_of(target.resource),
        "MinCapacity": target.least,
        "MaxCapacity": target.most,
        "RoleARN": target.role,
        "CreationTime": target.created,
        "SuspendedState": target.suspended,
        "ScalableTargetARN": target.arn,
    }


def shown_action(action: Scheduled) -> Document:
    bounds = {"MinCapacity": action.least, "MaxCapacity": action.most}
    optional = {"Timezone": action.zone, "StartTime": action.start, "EndTime": action.end}
    return {
        "ScheduledActionName": action.name,
        "ScheduledActionARN": action.arn,
        **place_of(action.resource),
        "Schedule": action.schedule,
        "ScalableTargetAction": {key: value for key, value in bounds.items() if value is not None},
        "CreationTime": action.created,
        **{key: value for key, value in optional.items() if value},
    }
