"""What a pass takes from the ledger and what it leaves there: facts, pins, artifacts, revisions, conditions."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from trimtab.compile.facts import Facts, Held, Pin, ServingModel
from trimtab.core.times import rfc3339
from trimtab.engine.ledger import Ledger, Revision, Shared, Since
from trimtab.engine.wanted import Wanted
from trimtab.graph.node import Graph
from trimtab.model.deployment import ModelDeployment
from trimtab.model.environment import Environment
from trimtab.model.serving import Serving
from trimtab.plan.adoption import Adoption
from trimtab.plan.drift import Rules, settled_digest
from trimtab.plan.plan import Plan
from trimtab.plan.snapshot import Found, Snapshot
from trimtab.plan.status import GIVEN_UP, Condition, StageRow, Trouble, conditions, gate_words, stage_rows

ARTIFACT, TRAINING, GATE = "trimtab.Artifact/model", "sagemaker.TrainingJob/training", "trimtab.Gate/gate"
CHAMPION = "sagemaker.ProcessingJob/champion"
SERVICE, RELEASE = "ecs.Service/service", "ecs.TaskDefinition/release"
SERVED = ("Serving", "Superseded")


def facts_from(ledger: Ledger, shared: Shared, wanted: Wanted) -> Facts:
    """Everything compile must know, from memory alone."""
    return Facts(
        uid=ledger.uid,
        environment_uid=shared.uid,
        digests=wanted.digests,
        pins={name: Pin(pin["text"], pin["digest"]) for name, pin in ledger.pins.items()},
        artifacts=ledger.artifacts,
        serving_model=_serving_model(ledger),
        proven=frozenset(each.pins["artifact"] for each in ledger.revisions if each.outcome in SERVED),
        ordinals=ledger.ordinals,
        attempts=ledger.attempts,
        held=_held(
            held_revision(ledger) if holds_of(ledger, wanted.spec_digest) else coming_back(ledger, wanted.spec_digest)
        ),
        holds=holds_of(ledger, wanted.spec_digest),
        quarantine=ledger.quarantine,
        version=_version(ledger, wanted),
    )


def _version(ledger: Ledger, wanted: Wanted) -> str:
    """The commit that last said something new of the document, as the status and the history have it."""
    origin = ledger.provenance if ledger.spec_digest == wanted.spec_digest else wanted.provenance
    return origin.version if origin else ""


def _serving_model(ledger: Ledger) -> ServingModel | None:
    serving = serving_revision(ledger)
    if serving is None:
        return None
    artifact, own = serving.pins["artifact"], ledger.artifacts.get(serving.pins["training"], {})
    # The same training key may have been trained again, with other bytes; what has the same digest is as good.
    records = (str(each["record"]) for each in (own, *ledger.artifacts.values()) if each.get("digest") == artifact)
    folder = next(records, "").removesuffix(".json")
    files = f"{folder}/" if folder else ""
    return ServingModel(artifact, serving.pins["test"], serving.metrics, files, serving.pins["dataset"])


def holds_of(ledger: Ledger, spec_digest: str) -> tuple[str, ...]:
    """What a person rolled back to, as far as this document leaves it: one that says something new ends a rollback.

    A ledger that was rebuilt does not know what was declared, so the hold stays.
    """
    return ledger.holds if ledger.spec_digest in ("", spec_digest) else ()


def coming_back(ledger: Ledger, spec_digest: str) -> Revision | None:
    """The revision that serves again after an alarm ended the bake of this document's, until it does; else None."""
    baking = ledger.baking
    if baking is None or not baking.failed or baking.is_back or ledger.spec_digest not in ("", spec_digest):
        return None
    return serving_revision(ledger)


def _held(revision: Revision | None) -> Held | None:
    if revision is None:
        return None
    serving = Serving.model_validate(revision.document.get("serving", {}))
    return Held(revision.release, revision.pins["image"], revision.pins["artifact"], serving, revision.version)


def held_revision(ledger: Ledger) -> Revision | None:
    """The revision that a person rolled back to, while that holds."""
    keys = ledger.holds
    return next((each for each in reversed(ledger.revisions) if each.release and each.release[:12] in keys), None)


def serving_revision(ledger: Ledger) -> Revision | None:
    """The revision that serves, by our own record."""
    return next((each for each in reversed(ledger.revisions) if each.outcome == "Serving"), None)


def artifact_record(graph: Graph, snapshot: Snapshot) -> dict[str, Any] | None:
    """What is known of the model that the latest attempt made, once it is unpacked."""
    seen = snapshot.seen.get(ARTIFACT)
    if not isinstance(seen, Found) or "training" not in graph.keys:
        return None
    return {"digest": seen.observed.digest, "bytes": seen.observed.bytes, "record": seen.observed.record_key}


def rules_of(deployment: ModelDeployment, environment: Environment) -> Rules:
    """What the document lets us do about what is not as declared, and what its environment does."""
    policy, bounds = deployment.spec.policy, environment.spec.take_over
    adoption = Adoption(
        policy.adoption, deployment.metadata.namespace, environment.metadata.name, bounds.prefixes, bounds.namespaces
    )
    return Rules(policy.drift, {**policy.drift_by_kind}, policy.ignore, adoption)


def conditions_of(ledger: Ledger, graph: Graph, plan: Plan, snapshot: Snapshot) -> tuple[Condition, ...]:
    """Every condition as of this snapshot; times and the troubles of the last pass come from the ledger."""
    since = {type_: (each.status, each.at) for type_, each in ledger.conditions.items()}
    held, number = held_revision(ledger), ledger.generation
    suspended = ledger.suspended or ("the document" if ledger.document.get("suspend") else "")
    return conditions(
        graph,
        plan,
        snapshot,
        number,
        since,
        ledger.troubles,
        held=held.number if held else None,
        suspended=suspended,
        went_back=ledger.baking.failed if ledger.baking else "",
    )


def standing_since(ledger: Ledger, row: StageRow, at: str) -> Since:
    """How a stage stands and since when: a standing that is still the same keeps its time. at: RFC 3339, of the look."""
    known, is_ = ledger.stages.get(row.stage), row.standing.is_
    return Since(is_, known.at if known and known.status == is_ else at, row.standing.reason)


def barred(ledger: Ledger, holds: Sequence[str], release: str) -> Mapping[str, tuple[str, str]]:
    """(reason, because) of each release that may not run, by 12 digits of its key.

    release: key of the one that the document asks for; "" while it is not known. It may not run while a person holds another
    whose revision went with a lost ledger: what runs stays.
    """
    known = {each.release[:12]: (each.outcome, each.because) for each in ledger.revisions if each.outcome in GIVEN_UP}
    given_up = {key: known.get(key, ("RolledBack", "the platform gave it up")) for key in ledger.quarantine}
    told = {key: (reason, f"release {key} is in quarantine: {because}") for key, (reason, because) in given_up.items()}
    if not release or not holds or release[:12] in holds or held_revision(ledger):
        return told
    because = f"release {holds[-1]} is held by a rollback, and its revision went with a lost ledger; what runs stays"
    return {**told, release[:12]: ("Held", f"{because}. `trimtab release` ends the hold, or a changed document")}


def given_up(plan: Plan) -> str:
    """Why the platform gave the release up, in its own words; "" when it did not, or when that is known already."""
    standing = plan.standings.get(SERVICE)
    return standing.because if standing and standing.is_ == "broken" and standing.reason in GIVEN_UP else ""


def finished(
    ledger: Ledger,
    graph: Graph,
    snapshot: Snapshot,
    plan: Plan,
    wanted: Wanted,
    troubles: Sequence[Trouble],
    *,
    done: bool,
    now: datetime,
    last_words: str = "",
) -> Ledger:
    """The ledger after a pass: what became of this generation's revision; the lease ends with the work.

    done: converged, or stuck until a person acts. last_words: of the tasks of a release that was given up.
    """
    outcome, back = _outcome(plan), coming_back(ledger, wanted.spec_digest)
    if back and ledger.baking:
        ledger = replace(ledger, baking=replace(ledger.baking, is_back=_runs(plan)))
    elif ledger.holds:
        ledger = _restored(ledger, held_revision(ledger)) if _runs(plan) else ledger
    elif outcome:
        said = f"{outcome[1]}: {last_words}" if last_words else outcome[1]
        ledger = _revised(ledger, _pins(graph, snapshot, wanted), graph, snapshot, outcome[0], said, wanted, now=now)
    if given_up(plan) and not ledger.holds and not back:
        key = graph.keys["release"][:12]
        ledger = replace(ledger, quarantine=(*(each for each in ledger.quarantine if each != key), key))
    if plan.is_converged:
        ledger = replace(ledger, settled={node.id: settled_digest(node) for node in graph})
    ledger = with_troubles(ledger, troubles)
    shown = conditions_of(ledger, graph, plan, snapshot)
    at = rfc3339(snapshot.at)
    ledger = replace(
        ledger,
        conditions={each.type: Since(each.status, each.since, each.reason) for each in shown},
        stages={row.stage: standing_since(ledger, row, at) for row in stage_rows(graph, plan)},
        planned="" if plan.is_converged else ledger.planned,
    )
    return replace(ledger, lease=None) if done and ledger.lease else ledger


def with_troubles(ledger: Ledger, troubles: Sequence[Trouble]) -> Ledger:
    """With those of the last pass. One that only came again, under another request id, is no news and no write."""
    known = {gist(each): each for each in ledger.troubles}
    return replace(ledger, troubles=tuple(known.get(gist(each), each) for each in troubles))


def gist(trouble: Trouble) -> Trouble:
    """Without the request's id, by which two of one kind differ."""
    return replace(trouble, because=re.sub(r" \(request [^)]*\)$", "", trouble.because))


def _outcome(plan: Plan) -> tuple[str, str] | None:
    """(outcome, because) of the declared generation, or None while it is under way."""
    if plan.is_converged:
        return "Serving", "converged"
    if because := given_up(plan):
        return plan.standings[SERVICE].reason, because
    for node, outcome in ((TRAINING, "TrainingFailed"), (GATE, "GateFailed")):
        standing = plan.standings.get(node)
        if standing and standing.is_ == "broken":
            return outcome, standing.because
    # The evaluation of the champion may fail before the model is there: a revision is one only once it is.
    champion = plan.standings.get(CHAMPION)
    if champion and champion.is_ == "broken" and plan.standings[ARTIFACT].is_ok:
        return "GateFailed", champion.because
    return None


def _runs(plan: Plan) -> bool:
    return all(plan.standings[node].is_ok for node in (SERVICE, RELEASE))


def _restored(ledger: Ledger, back: Revision | None) -> Ledger:
    """With that revision as the one that serves again."""
    if back is None or back.outcome == "Serving":
        return ledger
    revisions = tuple(
        replace(each, outcome="Serving")
        if each is back
        else replace(each, outcome="Superseded")
        if each.outcome == "Serving"
        else each
        for each in ledger.revisions
    )
    return replace(ledger, revisions=revisions)


def _left(ledger: Ledger, snapshot: Snapshot, outcome: str, because: str, at: str) -> Ledger:
    """With the revision that served until the platform left it given up, and the one that it runs instead serving again."""
    left = tuple(
        replace(each, outcome=outcome, because=because, at=at) if each.outcome == "Serving" else each
        for each in ledger.revisions
    )
    return _restored(replace(ledger, revisions=left), _running(ledger, snapshot))


def _running(ledger: Ledger, snapshot: Snapshot) -> Revision | None:
    """The revision whose task definition the service wants, of those that served before; None where it is none of them."""
    service = snapshot.seen.get(SERVICE)
    if not isinstance(service, Found):
        return None
    family = service.observed.task_definition.rpartition("/")[2].partition(":")[0]
    keys = {each.key for each in ledger.resources if each.node == RELEASE and each.identity == family}
    served = (each for each in reversed(ledger.revisions) if each.outcome == "Superseded" and each.release in keys)
    return next(served, None)


def _revised(
    ledger: Ledger,
    pins: Mapping[str, str],
    graph: Graph,
    snapshot: Snapshot,
    outcome: str,
    because: str,
    wanted: Wanted,
    *,
    now: datetime,
) -> Ledger:
    last = serving_revision(ledger) if outcome == "Serving" else ledger.revisions[-1] if ledger.revisions else None
    if last and last.outcome == outcome and last.pins == pins:
        return ledger
    kept, at, release = ledger.revisions, rfc3339(now), graph.keys.get("release", "")
    serving = serving_revision(ledger)
    if outcome in GIVEN_UP and serving and serving.release == release:
        return _left(ledger, snapshot, outcome, because, at)
    if outcome == "Serving":
        # What a rollback had taken from its place, and nobody has declared anything new since.
        same = (
            each for each in kept if (each.generation, each.pins, each.outcome) == (ledger.generation, pins, "Superseded")
        )
        if back := next(same, None):
            return _restored(ledger, back)
        kept = tuple(replace(each, outcome="Superseded") if each.outcome == "Serving" else each for each in kept)
    number = 1 + max((each.number for each in kept), default=0)
    metrics, notes = _verdict(snapshot)
    version = ledger.provenance.version if ledger.provenance else ""
    revision = Revision(
        number, ledger.generation, release, pins, metrics, outcome, because, at, wanted.declared, notes, version
    )
    return replace(ledger, revisions=(*kept, revision))


def _pins(graph: Graph, snapshot: Snapshot, wanted: Wanted) -> dict[str, str]:
    artifact = snapshot.seen.get(ARTIFACT)
    image = snapshot.seen.get("ecr.Image/image")
    launcher = graph.nodes.get("s3.Content/launcher")
    return {
        "dataset": wanted.digests.dataset,
        "test": wanted.digests.test,
        "code": wanted.digests.training,
        "serving": wanted.digests.serving,
        "training": graph.keys.get("training", ""),
        "artifact": artifact.observed.digest if isinstance(artifact, Found) else "",
        "image": image.observed.digest if isinstance(image, Found) else "",
        "imageKey": graph.keys.get("image", ""),
        "launcher": (launcher.key or "") if launcher else "",  # an image of one's own has none
        "release": graph.keys.get("release", ""),
    }


def _verdict(snapshot: Snapshot) -> tuple[dict[str, float], tuple[str, ...]]:
    """(metrics, what the gate said of them)."""
    gate = snapshot.seen.get(GATE)
    return (dict(gate.observed.metrics), gate_words(gate.observed)) if isinstance(gate, Found) else ({}, ())
