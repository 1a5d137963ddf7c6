"""The usage plan that lets an API key call a stage, and how often.

Identity: its name. Create: neither; GetUsagePlans gives tags, so one with our name and an owner tag is ours, and of twins
with one owner the first by id stays. Keys are tied to it by further calls, and a crash before them is seen as drift; a key
that somebody tied by hand stays. Cost of observe: 1 GetUsagePlans per 500 plans, 1 GetUsagePlanKeys each.
Source: Amazon API Gateway API, CreateUsagePlan, CreateUsagePlanKey, DeleteUsagePlan (refused while it has stages).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.core.kind import (
    Call,
    Difference,
    Failure,
    Kind,
    Ref,
    Reply,
    Right,
    Settled,
    State,
    Steps,
    Unknown,
    Verb,
    differences,
)
from trimtab.resources.gateway import arn, replace_op, retag, rights_on, text_map
from trimtab.resources.shared import ask, keep_oldest, known, paths, tags_as_read, unknown

STAGES, RATE, BURST, KEYS, TWINS = "apiStages", "throttle.rateLimit", "throttle.burstLimit", "keys", "twins"
_RIGHTS = rights_on("/usageplans", "POST /usageplans/*/keys")


@dataclass(frozen=True, slots=True)
class ApiStage:
    api_id: str | Ref  # RestApi.id
    stage: str


@dataclass(frozen=True, slots=True)
class Desired:
    name: str
    stages: tuple[ApiStage, ...]
    key_ids: tuple[str | Ref, ...]  # ApiKey.id
    rate: float  # requests per second, for each key
    burst: int
    tags: Mapping[str, str]
    region: str
    partition: str = "aws"


@dataclass(frozen=True, slots=True)
class Observed:
    name: str
    id: str
    stages: tuple[str, ...]  # "<api id>:<stage>", sorted
    key_ids: tuple[str, ...]
    rate: float | None
    burst: int | None
    tags: Mapping[str, str] | None
    twins: tuple["Observed", ...] = ()


class UsagePlan:
    name = "apigateway.UsagePlan"
    rank = 100
    rights: Mapping[Verb, tuple[Right, ...]] = {
        "observe": _RIGHTS["observe"],
        "create": _RIGHTS["create"],
        "update": _RIGHTS["update"] + _RIGHTS["delete"],
        "delete": _RIGHTS["update"] + _RIGHTS["delete"],
    }

    def identity(self, desired: Desired) -> str:
        return desired.name

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, Observed | Unknown]]:
        try:
            listed = yield Call("apigateway", "GetUsagePlans", {"limit": 500})
        except Failure as failure:
            return {name: unknown(failure) for name in wanted}
        kept = keep_oldest(listed.get("items", ()), id="id", name="name", tags="tags", created="createdDate")
        names = [name for name in wanted if name in kept]
        # What this answers holds the keys' values.
        replies = yield from ask(
            Call("apigateway", "GetUsagePlanKeys", {"usagePlanId": kept[name][0]["id"], "limit": 500}, secret=True)
            for name in names
        )
        seen: dict[str, Observed | Unknown] = {}
        for name, reply in zip(names, replies, strict=True):
            if not isinstance(reply, Failure):
                plan, twins = kept[name]
                seen[name] = _seen(plan, tuple(each["id"] for each in reply.get("items", ())), twins)
            elif reply.meaning != "absent":  # deleted between the two reads
                seen[name] = unknown(reply)
        return seen

    def tags(self, observed: Sequence[Observed]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        return tags_as_read(observed)

    def state(self, desired: Desired, observed: Observed) -> State:
        return Settled()

    def diff(self, desired: Desired, observed: Observed) -> tuple[Difference, ...]:
        keys = [key for key in desired.key_ids if not isinstance(key, Ref)]
        tied = tuple(key for key in keys if key in observed.key_ids)
        return differences(
            (STAGES, observed.stages, _stages(desired)),
            (RATE, observed.rate, float(desired.rate)),
            (BURST, observed.burst, desired.burst),
            (KEYS, tied, tuple(keys)),
            (TWINS, tuple(twin.id for twin in observed.twins), ()),
        )

    def create(self, desired: Desired) -> Steps[None]:
        arguments: dict[str, Any] = {
            "name": desired.name,
            "apiStages": [{"apiId": known(each.api_id), "stage": each.stage} for each in desired.stages],
            "throttle": {"rateLimit": float(desired.rate), "burstLimit": desired.burst},
            "tags": dict(desired.tags),
        }
        made = yield Call("apigateway", "CreateUsagePlan", arguments, repeat="once")
        for key in desired.key_ids:
            yield _tie(made["id"], known(key))

    def update(self, desired: Desired, observed: Observed, drift: Sequence[Difference]) -> Steps[None]:
        changed = paths(drift)
        operations: list[dict[str, str]] = []
        if STAGES in changed:
            wanted = set(known_stages(desired))
            operations += [_stage_op("remove", stage) for stage in observed.stages if stage not in wanted]
            operations += [_stage_op("add", stage) for stage in sorted(wanted - set(observed.stages))]
        if RATE in changed:
            operations.append(replace_op("/throttle/rateLimit", float(desired.rate)))
        if BURST in changed:
            operations.append(replace_op("/throttle/burstLimit", desired.burst))
        if operations:
            yield _patch(observed.id, operations)
        if KEYS in changed:
            for key in desired.key_ids:
                if known(key) not in observed.key_ids:
                    yield _tie(observed.id, known(key))
        if TWINS in changed:
            for twin in observed.twins:
                yield from self.delete(twin)
        yield from retag(arn(desired.partition, desired.region, f"/usageplans/{observed.id}"), drift)

    def delete(self, observed: Observed) -> Steps[None]:
        for plan in (observed, *observed.twins):
            if plan.stages:
                yield _patch(plan.id, [_stage_op("remove", stage) for stage in plan.stages])
            yield Call("apigateway", "DeleteUsagePlan", {"usagePlanId": plan.id}, repeat="safe")


def known_stages(desired: Desired) -> tuple[str, ...]:
    """ "<api id>:<stage>", sorted. Raises TypeError while one is not known."""
    return tuple(sorted(f"{known(each.api_id)}:{each.stage}" for each in desired.stages))


def _stages(desired: Desired) -> tuple[str, ...] | Ref:
    pending = next((each.api_id for each in desired.stages if isinstance(each.api_id, Ref)), None)
    return pending or known_stages(desired)


def _stage_op(op: str, stage: str) -> dict[str, str]:
    return {"op": op, "path": "/apiStages", "value": stage}


def _tie(plan_id: str, key_id: str) -> Call:
    arguments = {"usagePlanId": plan_id, "keyId": key_id, "keyType": "API_KEY"}
    return Call("apigateway", "CreateUsagePlanKey", arguments, repeat="safe", secret=True)  # answers the value


def _patch(plan_id: str, operations: list[dict[str, str]]) -> Call:
    return Call("apigateway", "UpdateUsagePlan", {"usagePlanId": plan_id, "patchOperations": operations}, repeat="safe")


def _seen(item: Reply, key_ids: tuple[str, ...], twins: Sequence[Reply]) -> Observed:
    throttle = item.get("throttle", {})
    rate = throttle.get("rateLimit")
    return Observed(
        name=item["name"],
        id=item["id"],
        stages=tuple(sorted(f"{each['apiId']}:{each['stage']}" for each in item.get("apiStages", ()))),
        key_ids=key_ids,
        rate=None if rate is None else float(rate),
        burst=throttle.get("burstLimit"),
        tags=text_map(item.get("tags")),
        twins=tuple(_seen(twin, (), ()) for twin in twins),
    )


KIND: Kind[Desired, Observed] = UsagePlan()
