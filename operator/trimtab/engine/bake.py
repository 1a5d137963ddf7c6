"""The bake of a release: how long it must serve well before it counts. Pure.

In a rolling update ECS watches alarms while a release takes over, and for a while afterwards that it chooses itself. The
time that a document asks for is kept here: the release serves, nothing earlier is left to ECS, and the deployment is Ready
once that time is over. An alarm that goes off meanwhile ends it: the release is in quarantine, and the ledger says that the
last one has to come back, until it does.
Source: Amazon ECS Developer Guide, "How CloudWatch alarms detect Amazon ECS deployment failures".
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from trimtab.core.quantities import duration_s
from trimtab.core.times import rfc3339, time_in
from trimtab.engine.claim import RELEASE, SERVICE, release_in
from trimtab.engine.ledger import Bake, Ledger
from trimtab.engine.remember import SERVED, given_up, serving_revision
from trimtab.graph.node import Graph
from trimtab.model.serving import Rollout
from trimtab.plan.plan import Plan, Standing
from trimtab.plan.snapshot import Found, Snapshot
from trimtab.resources import deployment_alarm

_LOOK_S = 5.0  # between two looks at the alarms


def judged(plan: Plan, graph: Graph, snapshot: Snapshot, ledger: Ledger, rollout: Rollout) -> Plan:
    """The plan with the service's standing as the bake has it. A release that has once served is not baked again."""
    release, bake_s = _declared(graph), duration_s(rollout.bake)
    if not bake_s or not plan.is_converged or release_in(graph) != release or _has_served(ledger, release):
        return plan
    baking = ledger.baking
    since = baking.since if baking and baking.release == release else rfc3339(snapshot.at)
    until = time_in(since) + timedelta(seconds=bake_s)
    if said := alarms_in(graph, snapshot):
        is_last = serving_revision(ledger) is None
        left = "; there is no earlier release to go back to, and this one serves on" if is_last else ""
        standing = Standing("broken", f"{said} while the release baked{left}", "RolloutFailed" if is_last else "RolledBack")
    elif snapshot.at < until:
        left_s = (until - snapshot.at).total_seconds()
        because = f"the release serves, and bakes until {rfc3339(until)}"
        standing = Standing("moving", because, "Baking", look_again_s=min(_LOOK_S, left_s))
    else:
        return plan
    return replace(plan, standings={**plan.standings, SERVICE: standing})


def kept(ledger: Ledger, graph: Graph, snapshot: Snapshot, plan: Plan) -> Ledger:
    """The ledger after a pass: since when the release bakes, or that the last one has to come back."""
    release, baking = _declared(graph), ledger.baking
    if baking and (baking.release != release or (not baking.failed and _has_served(ledger, release))):
        baking = None
    if plan.standings[SERVICE].reason == "Baking" and baking is None:
        baking = Bake(release, rfc3339(snapshot.at))
    said = given_up(plan)
    if said and serving_revision(ledger) and _still_runs(snapshot) and release_in(graph) == release:
        baking = Bake(release, baking.since if baking else rfc3339(snapshot.at), failed=said)
    return replace(ledger, baking=baking)


def alarms_in(graph: Graph, snapshot: Snapshot) -> str:
    """Which alarms of the roll-out have gone off since it began, and why; "" for none. One that was off before counts
    for nothing, as in ECS: what is rolled out may be what mends it.
    """
    service = snapshot.seen.get(SERVICE)
    primary = service.observed.primary if isinstance(service, Found) else None
    began_s = primary.created_s if primary else 0.0
    gone_off = [each for each in _alarms(graph, snapshot) if each.state == "ALARM" and _seconds(each) >= began_s]
    return "; ".join(f"alarm {each.name} went off ({each.reason})" for each in gone_off)


def _alarms(graph: Graph, snapshot: Snapshot) -> Iterator[deployment_alarm.Observed]:
    for node in graph:
        seen = snapshot.seen[node.id]
        if node.kind == deployment_alarm.KIND.name and isinstance(seen, Found):
            yield seen.observed


def _seconds(alarm: deployment_alarm.Observed) -> float:
    return alarm.since.timestamp() if alarm.since else 0.0


def _declared(graph: Graph) -> str:
    """12 digits of the key of the release that the document asks for; "" while it is not known."""
    return graph.keys.get("release", "")[:12]


def _has_served(ledger: Ledger, release: str) -> bool:
    return any(each.release[:12] == release and each.outcome in SERVED for each in ledger.revisions)


def _still_runs(snapshot: Snapshot) -> bool:
    """Whether the release that is given up is what the service wants: nothing but us brings the last one back."""
    service, template = snapshot.seen[SERVICE], snapshot.seen[RELEASE]
    if not isinstance(service, Found) or not isinstance(template, Found):
        return False
    return bool(service.observed.task_definition == template.observed.arn)
