"""What a release claims, taken from a graph and what was seen of it; and what the proofs make of a plan."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from trimtab.core.kind import Failure, Ref
from trimtab.engine.driver import Driver
from trimtab.engine.endpoint import KEY, url_of
from trimtab.engine.proof import Claim, Proof, prove_golden, prove_version
from trimtab.graph.node import Graph
from trimtab.model.environment import Environment
from trimtab.plan.plan import Plan, Standing
from trimtab.plan.snapshot import Found, Snapshot
from trimtab.resources.ecs_rotation import Place, Rotation, rotation, unproven

SERVICE, RELEASE, TARGETS = "ecs.Service/service", "ecs.TaskDefinition/release", "elbv2.TargetGroup/targets"
_LOOK_AGAIN_S = 2.0
_MOST_ASKED = 10  # tasks


@dataclass(frozen=True, slots=True)
class Rotated:
    """What is in rotation, and what keeps it from proving the declared release; "" when it does."""

    seen: Rotation | None
    unproven: str
    lasting: bool = False  # the service itself wants another release, and nothing is to be done about it

    @property
    def said(self) -> str:
        count = len(self.seen.healthy) if self.seen else 0
        targets = "1 healthy target" if count == 1 else f"{count} healthy targets"
        return self.unproven or f"{targets}, with the declared image and template"


def release_in(graph: Graph) -> str:
    """12 digits of the key of the release that is to run."""
    return (graph.nodes[RELEASE].key or "")[:12]


@dataclass(frozen=True, slots=True)
class Expected:
    """What must be in rotation for the declared release to be proven."""

    place: Place
    image_digest: str
    task_definition: str  # ARN with the revision
    least: int  # tasks

    def unproven_by(self, seen: Rotation) -> str:
        return unproven(seen, self.image_digest, self.task_definition, self.least)


def expected(graph: Graph, snapshot: Snapshot) -> Expected:
    """Of a graph all of which was found."""
    service, template = graph.nodes[SERVICE].desired, graph.nodes[RELEASE].desired
    digest = template.image_digest
    if isinstance(digest, Ref):
        digest = getattr(_observed(snapshot, digest.node), digest.field)
    place = Place(service.cluster, service.name, _observed(snapshot, TARGETS).arn, service.container)
    return Expected(place, digest, _observed(snapshot, RELEASE).arn, service.least)


def in_rotation(graph: Graph, snapshot: Snapshot, driver: Driver) -> Rotated:
    """Read what is in rotation, once everything else is as declared."""
    wanted = expected(graph, snapshot)
    try:
        seen = driver.run(rotation(wanted.place))
    except Failure as failure:
        return Rotated(None, failure.reason)
    is_another = _observed(snapshot, SERVICE).task_definition != wanted.task_definition
    return Rotated(seen, wanted.unproven_by(seen), is_another)


def judged(plan: Plan, rotated: Rotated, failure: str) -> Plan:
    """The plan with the service's standing as the proofs have it. failure: of a proof beyond rotation, or ""."""
    if rotated.unproven and rotated.lasting:
        standing = Standing("broken", rotated.unproven, "ProofFailed")
    elif rotated.unproven:
        standing = Standing("moving", rotated.unproven, look_again_s=_LOOK_AGAIN_S)
    elif failure:
        standing = Standing("broken", failure, "ProofFailed")
    else:
        return plan
    return replace(plan, standings={**plan.standings, SERVICE: standing})


def claimed(
    graph: Graph,
    snapshot: Snapshot,
    rotated: Rotated,
    artifacts: Mapping[str, Mapping[str, Any]],
    environment: Environment,
    known: Proof | None,
) -> Claim:
    """What a release claims that is in rotation. artifacts: what the ledger knows of models, by training key.

    known: its last proof. One that is proven again is asked of every task, so that none hides behind the others.
    """
    assert rotated.seen is not None
    artifact = graph.nodes[RELEASE].desired.environment["TRIMTAB_ARTIFACT_DIGEST"]
    record = next((str(each["record"]) for each in artifacts.values() if each["digest"] == artifact), "")
    folder = record.removesuffix(".json")
    return Claim(
        artifact=artifact,
        addresses=rotated.seen.healthy[: _MOST_ASKED if known else 1],
        url=url_of(graph, snapshot, environment),
        key_id=_observed(snapshot, KEY).id if KEY in graph.nodes else None,
        golden=(environment.spec.buckets.data, f"{folder}/golden.json") if folder else None,
        answered=known is not None and known.golden.is_ == "proven",
    )


def proof_of(graph: Graph, last: Proof | None) -> Proof | None:
    """The last proof, where it is of the release that is declared; None: that was never proven."""
    return last if last and last.release == release_in(graph) else None


def prove(claim: Claim, release: str, known: Proof | None, driver: Driver, at: str) -> Proof:
    """Prove a release beyond its rotation. known: its last proof."""
    made = Proof(release, at, prove_version(claim, driver), prove_golden(claim, driver))
    return known.after(made) if known else made


def _observed(snapshot: Snapshot, node: str) -> Any:
    seen = snapshot.seen[node]
    assert isinstance(seen, Found), "only a converged graph is proven"
    return seen.observed
