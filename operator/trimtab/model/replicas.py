"""How many replicas serve: bounds, and what an autoscaler goes by between them."""

from collections.abc import Sequence
from typing import NamedTuple, Self

from pydantic import model_validator

from trimtab.model.base import LABEL, Model, field, rule
from trimtab.model.schedule import Cron, Timezone
from trimtab.model.values import METRIC


class Bounds(NamedTuple):
    least: int
    most: int


class ScalingTarget(Model):
    """What autoscaling holds. It adds after three minutes above, and removes after fifteen well below."""

    metric: str = field(
        "none",
        "cpu or memory (percent of what a replica has), requests (a minute, for each replica), or a metric of your own: its "
        "name in CloudWatch's namespace trimtab, with the dimension Deployment = <namespace>/<name>.",
        "cpu",
        min_length=1,
        max_length=255,
        pattern=METRIC,
        examples=["cpu", "requests"],
    )
    value: float = field("none", "Value to hold; needed for all but cpu and memory.", 60, gt=0, examples=[60])

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        share = self.metric in ("cpu", "memory")
        if share and self.value > 100:
            raise rule(f"{self.value:g} is more than all of it", at="value", fix=f"{self.metric} is in percent: 1 to 100")
        if not share and "value" not in self.model_fields_set:
            raise rule(f"is missing: {self.metric} has no default", at="value", fix="write value")
        return self


class ScheduledBounds(Model):
    """Other bounds from a time on, until an action of the schedule sets others again."""

    name: str = field("none", "Name of the action, unlike the others.", max_length=63, pattern=LABEL, examples=["day"])
    cron: Cron = field(
        "none",
        "When, in AWS's six fields: minutes, hours, day of the month, month, day of the week, year; one of the days is ?.",
        examples=["0 8 ? * MON-FRI *"],
    )
    timezone: Timezone = field("none", "Time zone that the fields are in.", "UTC", examples=["Europe/Berlin"])
    min: int | None = field(
        "none", "The fewest replicas from then on; `min` of replicas when left out.", None, ge=1, le=1000, examples=[4]
    )
    max: int | None = field(
        "none", "The most replicas from then on; `max` of replicas when left out.", None, ge=1, le=1000, examples=[8]
    )


class Replicas(Model):
    """How many replicas serve."""

    together = {"target": ("max",)}

    # Two by default: one replica that is replaced or lost would be an outage of the endpoint.
    min: int = field("none", "The fewest replicas; as many as there are while nothing scales.", 2, ge=1, le=1000)
    max: int | None = field(
        "none", "The most replicas that autoscaling may start; as many as `min` when left out.", None, ge=1, le=1000
    )
    target: ScalingTarget | None = field(
        "none", "What autoscaling holds between `min` and `max`; 60 percent of cpu when left out.", None
    )
    schedule: tuple[ScheduledBounds, ...] = field("none", "Other bounds from certain times on.", (), max_length=50)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max is not None and self.max < self.min:
            raise rule(f"max {self.max} is below min {self.min}", at="max", fix=f"set max to {self.min} or more")
        for index, (least, most) in enumerate(self.scheduled):
            if most < least:
                fix = f"set max to {least} or more, here or in replicas"
                raise rule(f"max {most} is below min {least}", at=f"schedule[{index}]", fix=fix)
        return self

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [each.name for each in self.schedule]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise rule(f"{name} stands twice", at=f"schedule[{index}].name", fix="choose another name")
        return self

    @property
    def bounds(self) -> Bounds:
        """Those that the first rollout begins with."""
        return Bounds(self.min, self.max if self.max is not None else self.min)

    @property
    def scheduled(self) -> Sequence[Bounds]:
        """Those that each action of the schedule sets, in order."""
        least, most = self.bounds
        return [Bounds(each.min or least, each.max or most) for each in self.schedule]

    @property
    def scaling(self) -> ScalingTarget | None:
        """What an autoscaler holds; None when there is never anything for it to choose."""
        has_room = any(each.most > each.least for each in (self.bounds, *self.scheduled))
        return (self.target or ScalingTarget()) if has_room else None
