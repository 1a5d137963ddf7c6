"""The stage of a REST API: what is deployed, and how fast it may be called.

Identity: "<api id>|<stage>". A deployment is a snapshot of the API; its description names the body's digest, so what a stage
serves is known without an export, and one that a crash left unused is found and taken. Create: the stage is named; its
deployment is neither, and looked for first. Throttling is a patch after the stage, and a crash between the two is seen as
drift. Cost of observe: 1 GetStages and 1 GetDeployments per API.
Source: Amazon API Gateway API, CreateDeployment, CreateStage, UpdateStage.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
from trimtab.resources.gateway import arn, mark_in, marked, replace_op, retag, rights_on, text_map
from trimtab.resources.shared import ask, grouped, known, paths, tags_as_read, unknown

DEPLOYED, RATE, BURST = "deploymentId", "methodSettings.throttlingRateLimit", "methodSettings.throttlingBurstLimit"
_ALL_METHODS = "*/*"
_RIGHTS = rights_on("/restapis/*/stages", "POST /restapis/*/deployments", "PATCH /restapis/*/stages/*")


@dataclass(frozen=True, slots=True)
class Desired:
    api_id: str | Ref  # RestApi.id
    body_digest: str | Ref  # RestApi.digest: what must be deployed
    tags: Mapping[str, str]
    region: str
    rate: float  # requests per second, over all callers
    burst: int
    name: str = "live"  # letters, digits, hyphen, underscore
    partition: str = "aws"


@dataclass(frozen=True, slots=True)
class Observed:
    api_id: str
    name: str
    deployment_id: str
    body_digest: str  # "" when the deployment does not say
    rate: float | None
    burst: int | None
    tags: Mapping[str, str] | None


class Stage:
    name = "apigateway.Stage"
    rank = 90
    rights: Mapping[Verb, tuple[Right, ...]] = {
        "observe": _RIGHTS["observe"] + rights_on("/restapis/*/deployments")["observe"],
        "create": _RIGHTS["create"] + rights_on("/restapis/*/deployments")["observe"],
        "update": _RIGHTS["update"] + rights_on("/restapis/*/deployments")["observe"],
        "delete": _RIGHTS["delete"],
    }

    def identity(self, desired: Desired) -> str:
        return f"{desired.api_id}|{desired.name}"

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, Observed | Unknown]]:
        groups = grouped(wanted)
        calls = [call for api in groups for call in (Call("apigateway", "GetStages", {"restApiId": api}), _deployments(api))]
        replies = yield from ask(calls)
        seen: dict[str, Observed | Unknown] = {}
        for at, (api, names) in enumerate(groups.items()):
            stages, deployments = replies[2 * at : 2 * at + 2]
            failure = next((reply for reply in (stages, deployments) if isinstance(reply, Failure)), None)
            if failure:
                if failure.meaning != "absent":  # no API, no stages
                    seen |= {f"{api}|{name}": unknown(failure) for name in names}
                continue
            assert not isinstance(stages, Failure)
            assert not isinstance(deployments, Failure)
            bodies = {each["id"]: mark_in(each.get("description")) for each in deployments.get("items", ())}
            found = {item["stageName"]: item for item in stages.get("item", ())}
            seen |= {f"{api}|{name}": _seen(api, found[name], bodies) for name in names if name in found}
        return seen

    def tags(self, observed: Sequence[Observed]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        return tags_as_read(observed)

    def state(self, desired: Desired, observed: Observed) -> State:
        return Settled()

    def diff(self, desired: Desired, observed: Observed) -> tuple[Difference, ...]:
        return differences(
            (DEPLOYED, observed.body_digest, desired.body_digest),
            (RATE, observed.rate, float(desired.rate)),
            (BURST, observed.burst, desired.burst),
        )

    def create(self, desired: Desired) -> Steps[None]:
        deployment = yield from _deployed(desired)
        stage = {"restApiId": known(desired.api_id), "stageName": desired.name}
        arguments = {**stage, "deploymentId": deployment, "tags": dict(desired.tags)}
        yield Call("apigateway", "CreateStage", arguments, repeat="safe")
        yield _patch(desired, _throttle(desired))

    def update(self, desired: Desired, observed: Observed, drift: Sequence[Difference]) -> Steps[None]:
        changed = paths(drift)
        operations: list[dict[str, str]] = []
        if DEPLOYED in changed:
            deployment = yield from _deployed(desired)
            operations.append(replace_op("/deploymentId", deployment))
        if changed & {RATE, BURST}:
            operations += _throttle(desired)
        if operations:
            yield _patch(desired, operations)
        path = f"/restapis/{observed.api_id}/stages/{observed.name}"
        yield from retag(arn(desired.partition, desired.region, path), drift)

    def delete(self, observed: Observed) -> Steps[None]:
        arguments = {"restApiId": observed.api_id, "stageName": observed.name}
        yield Call("apigateway", "DeleteStage", arguments, repeat="safe")


def _deployed(desired: Desired) -> Steps[str]:
    """The id of a deployment of the declared body: one that is there, or a new one."""
    api, digest = known(desired.api_id), known(desired.body_digest)
    listed = yield _deployments(api)
    there = [each["id"] for each in listed.get("items", ()) if mark_in(each.get("description")) == digest]
    if there:
        return min(there)
    arguments = {"restApiId": api, "description": marked(digest)}
    made = yield Call("apigateway", "CreateDeployment", arguments, repeat="once")
    return made["id"]


def _deployments(api: str) -> Call:
    return Call("apigateway", "GetDeployments", {"restApiId": api, "limit": 500})


def _throttle(desired: Desired) -> list[dict[str, str]]:
    return [
        replace_op(f"/{_ALL_METHODS}/throttling/rateLimit", float(desired.rate)),
        replace_op(f"/{_ALL_METHODS}/throttling/burstLimit", desired.burst),
    ]


def _patch(desired: Desired, operations: list[dict[str, str]]) -> Call:
    arguments = {"restApiId": known(desired.api_id), "stageName": desired.name, "patchOperations": operations}
    return Call("apigateway", "UpdateStage", arguments, repeat="safe")


def _seen(api_id: str, item: Reply, bodies: Mapping[str, str]) -> Observed:
    settings = item.get("methodSettings", {}).get(_ALL_METHODS, {})
    rate = settings.get("throttlingRateLimit")
    return Observed(
        api_id=api_id,
        name=item["stageName"],
        deployment_id=item.get("deploymentId", ""),
        body_digest=bodies.get(item.get("deploymentId", ""), ""),
        rate=None if rate is None else float(rate),
        burst=settings.get("throttlingBurstLimit"),
        tags=text_map(item.get("tags")),
    )


KIND: Kind[Desired, Observed] = Stage()
