"""How many replicas serve: bounds, and what an autoscaler goes by between them."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

from pydantic import model_validator

from trimtab.model.base import LABEL, Model, field, rule
from trimtab.model.schedule import Cron, Timezone
from trimtab.model.values import METRIC


class Bounds(NamedTuple):
    least: int
    most: int


def _metric() -> Any:
    return field(
        "none",
        "cpu or memory (percent of what a replica has), requests (a minute, for each replica), or a metric of your own: its "
        "name in CloudWatch's namespace trimtab, with the dimension Deployment = <namespace>/<name>.",
        "cpu",
        min_length=1,
        max_length=255,
        pattern=METRIC,
        examples=["cpu", "requests"],
    )


def _is_share(metric: str) -> bool:
    return metric in ("cpu", "memory")


class ScalingTarget(Model):
    """What autoscaling holds. It adds after three minutes above, and removes after fifteen well below."""

    metric: str = _metric()
    value: float = field("none", "Value to hold; needed for all but cpu and memory.", 60, gt=0, examples=[60])

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        share = _is_share(self.metric)
        if share and self.value > 100:
            raise rule(f"{self.value:g} is more than all of it", at="value", fix=f"{self.metric} is in percent: 1 to 100")
        if not share and "value" not in self.model_fields_set:
            raise rule(f"is missing: {self.metric} has no default", at="value", fix="write value")
        return self


class StepOut(Model):
    """A step above."""

    at: float = field("none", "From this value of the metric on.", ge=0, examples=[70])
    add: int = field("none", "How many replicas to add.", ge=1, le=1000, examples=[1])


class StepIn(Model):
    """A step below."""

    at: float = field("none", "From this value of the metric down.", ge=0, examples=[20])
    remove: int = field("none", "How many replicas to remove.", ge=1, le=1000, examples=[1])


class ScalingSteps(Model):
    """So many replicas more or fewer, by how far a metric is out. After three minutes above, and after fifteen below."""

    metric: str = _metric()
    above: tuple[StepOut, ...] = field("none", "Steps out; the highest that is reached counts.", (), max_length=20)
    below: tuple[StepIn, ...] = field("none", "Steps in; the lowest that is reached counts.", (), max_length=20)

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if not self.above and not self.below:
            raise rule("names no step", fix="write above, below or both")
        for name, steps in (("above", self.above), ("below", self.below)):
            for index, each in enumerate(steps):
                if any(each.at == other.at for other in steps[:index]):
                    raise rule(f"{each.at:g} stands twice", at=f"{name}[{index}].at", fix="keep one of the two")
                if _is_share(self.metric) and each.at > 100:
                    fix = f"{self.metric} is in percent: 0 to 100"
                    raise rule(f"{each.at:g} is more than all of it", at=f"{name}[{index}].at", fix=fix)
        if self.above and self.below:
            high, low = min(each.at for each in self.above), max(each.at for each in self.below)
            if low >= high:
                fix = "leave room between the two, or they undo each other"
                raise rule(f"a step below at {low:g} reaches the steps above, from {high:g} on", at="below", fix=fix)
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

    together = {"target": ("max",), "steps": ("max",)}

    # Two by default: one replica that is replaced or lost would be an outage of the endpoint.
    min: int = field("none", "The fewest replicas; as many as there are while nothing scales.", 2, ge=1, le=1000)
    max: int | None = field(
        "none", "The most replicas that autoscaling may start; as many as `min` when left out.", None, ge=1, le=1000
    )
    target: ScalingTarget | None = field(
        "none", "What autoscaling holds between `min` and `max`; 60 percent of cpu when left out.", None
    )
    steps: ScalingSteps | None = field(
        "none", "What autoscaling adds and removes between `min` and `max`, in place of `target`.", None
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
    def _chosen_by_one(self) -> Self:
        if self.target and self.steps:
            fix = "remove one of the two: target follows its metric by itself"
            raise rule("stands beside target, and each would undo what the other does", at="steps", fix=fix)
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
    def scaling(self) -> ScalingTarget | ScalingSteps | None:
        """What an autoscaler goes by; None when there is never anything for it to choose."""
        has_room = any(each.most > each.least for each in (self.bounds, *self.scheduled))
        return (self.target or self.steps or ScalingTarget()) if has_room else None
