"""Scaling: sets the desired count of services for real, and says in activities what was done and why.

EventBridge hears of what was scaled out to its most, as of nothing else that scales.
Source: Application Auto Scaling User Guide, "Monitor Application Auto Scaling events using Amazon EventBridge".
"""

import uuid
from datetime import datetime, timedelta
from typing import Any

from trimtab.local.autoscaling_base import MOST_ACTIVITIES, Activity, Base, Document, Target, check_place, chosen, page
from trimtab.local.autoscaling_base import place_of as place
from trimtab.local.autoscaling_decide import AT_DESIRED, AT_MAX, AT_MIN, UNSCALABLE, Decision, Standing, bounded
from trimtab.local.overlay import Arguments, Context, Reply
from trimtab.local.signals import stamp

_SAID = "Successfully set desired count to {count}. "


class Activities(Base):
    def describe_scaling_activities(self, arguments: Arguments, context: Context) -> Reply:
        check_place(arguments)
        listed: list[Activity] = chosen(arguments, list(self.activities))
        if not arguments.get("IncludeNotScaledActivities"):
            listed = [each for each in listed if not each.reasons]
        return page(arguments, listed[::-1], "ScalingActivities", 50, shown_activity)

    # How a target stands

    def service_of(self, target: Target) -> Any:
        """The ECS service of a target, as ECS keeps it; None when it is gone."""
        cluster, name = target.place
        found = self.world.overlay("ecs").book.services.get(f"{cluster}/{name}")
        return found if found is not None and found.status == "ACTIVE" else None

    def standing(self, target: Target, service: Any, now: datetime) -> Standing:
        last = next((each for each in self._newest(target) if not each.reasons and each.status != "Failed"), None)
        lasts = last is not None and (last.ended is None or now < last.ended + timedelta(seconds=last.cooldown_s))
        grew = last is not None and last.after > last.before
        return Standing(
            service.desired,
            target.least,
            target.most,
            base=last.base if last and lasts and grew and last.cooldown_s else None,
            cooling=bool(last and lasts and not grew and last.cooldown_s),
            deploying=len(service.deployments) > 1 or service.primary.state == "IN_PROGRESS",
            out_suspended=target.suspended["DynamicScalingOutSuspended"],
            in_suspended=target.suspended["DynamicScalingInSuspended"],
        )

    def _newest(self, target: Target) -> list[Activity]:
        return [each for each in self.activities if each.resource == target.resource][::-1]

    # Setting it

    def carry_out(self, target: Target, standing: Standing, decision: Decision, cause: str, cooldown_s: float) -> bool:
        """Do what was decided; answers whether that changed anything. What was not done is noted once in a row."""
        now = self.world.clock.now()
        if decision.capacity is None:
            self._note_not_scaled(target, standing, decision.why, cause, now)
            return False
        for each in self._newest(target):
            if each.status == "InProgress":
                each.status, each.ended = "Overridden", now
                each.message = f"{_SAID.format(count=each.after)}The change was overridden by a newer scaling activity."
                self.activities.put(each)
        count = decision.capacity
        grows = count > standing.current
        self._add(
            Activity(
                id=str(uuid.uuid4()),
                resource=target.resource,
                description=f"Setting desired count to {count}.",
                cause=cause,
                started=now,
                status="InProgress",
                message=f"{_SAID.format(count=count)}Waiting for change to be fulfilled by ecs.",
                before=standing.current,
                after=count,
                base=standing.base if grows and standing.base is not None else standing.current,
                cooldown_s=cooldown_s,
            )
        )
        self.world.overlay("ecs").scale(self.service_of(target), count, now)
        return True

    def _note_not_scaled(self, target: Target, standing: Standing, why: str, cause: str, now: datetime) -> None:
        facts: dict[str, Document] = {
            AT_MAX: {"MaxCapacity": target.most},
            AT_MIN: {"MinCapacity": target.least},
            AT_DESIRED: {"CurrentCapacity": standing.current},
            UNSCALABLE: {},
        }
        if why not in facts:
            return
        reasons = [{"Code": why, **facts[why]}]
        newest = next(iter(self._newest(target)), None)
        if newest is None or (newest.reasons, newest.cause) != (reasons, cause):
            said = "Attempting to scale due to alarm triggered"
            self._add(Activity(str(uuid.uuid4()), target.resource, said, cause, now, "Failed", ended=now, reasons=reasons))

    def _add(self, activity: Activity) -> None:
        self.activities.put(activity)
        of_it = [each for each in self.activities if each.resource == activity.resource]
        for each in of_it[:-MOST_ACTIVITIES]:
            self.activities.drop(each.id)

    def bring_inside(self, target: Target, causes: tuple[str, ...], now: datetime) -> None:
        """Set a count that is outside new bounds to the nearest one. causes: of what raises it, and of what lowers it."""
        if (service := self.service_of(target)) is None:
            return
        standing = self.standing(target, service, now)
        decision = bounded(standing)
        if decision.capacity is not None:
            self.carry_out(target, standing, decision, causes[decision.capacity < standing.current], 0.0)

    def settle(self, now: datetime) -> None:
        """End the activities whose change ECS has made."""
        for activity in self.activities:
            target = self.targets.get(activity.resource)
            if activity.status != "InProgress":
                continue
            service = self.service_of(target) if target else None
            if target is None or service is None:
                activity.status, activity.ended = "Failed", now
                activity.message = "The ECS service is gone."
                self.activities.put(activity)
            elif service.desired == activity.after and self._running(service) == activity.after:
                activity.status, activity.ended = "Successful", now
                activity.message = f"{_SAID.format(count=activity.after)}Change successfully fulfilled by ecs."
                if activity.before < activity.after == target.most:
                    self.world.signals.emit("aws.application-autoscaling", *scaled_to_max(activity, target), now)
                self.activities.put(activity)

    def _running(self, service: Any) -> int:
        tasks = self.world.overlay("ecs").book.tasks_of(service)
        return sum(each.status == "RUNNING" and each.live for each in tasks)


def shown_activity(activity: Activity) -> Document:
    return {
        "ActivityId": activity.id,
        **place(activity.resource),
        "Description": activity.description,
        "Cause": activity.cause,
        "StartTime": activity.started,
        "StatusCode": activity.status,
        **({"StatusMessage": activity.message} if activity.message else {}),
        **({"EndTime": activity.ended} if activity.ended else {}),
        **({"NotScaledReasons": activity.reasons} if activity.reasons else {}),
    }


def scaled_to_max(activity: Activity, target: Target) -> tuple[str, list[str], Document]:
    """(detail-type, resources, detail) of the event."""
    assert activity.ended is not None
    where = place(activity.resource)
    detail = {
        "startTime": stamp(activity.started),
        "endTime": stamp(activity.ended),
        "newDesiredCapacity": activity.after,
        "oldDesiredCapacity": activity.before,
        "minCapacity": target.least,
        "maxCapacity": target.most,
        "resourceId": where["ResourceId"],
        "scalableDimension": where["ScalableDimension"],
        "serviceNamespace": where["ServiceNamespace"],
        "statusCode": activity.status,
        "scaledToMax": True,
        "direction": "scale-out",
    }
    return "Application Auto Scaling Scaling Activity State Change", [], detail
