"""A lost ledger: who a deployment is, as its log group tells.

The log group's name is made of environment, namespace and name alone, so that it is found without a ledger, and its tags say
the uid, the release that is held and those in quarantine. With these the next pass finds by name all that was made, instead
of minting a second identity that clashes with the first. What only the ledger knew (revisions, verdicts, retrainings asked
for, resources of earlier generations) is not told by tags: it is gone.
"""

from collections.abc import Mapping
from dataclasses import replace

from trimtab.compile.names import log_group_name
from trimtab.core.kind import DEPLOYMENT, ENVIRONMENT, HOLD, QUARANTINE, AnyKind, Failure, Unknown, marks_in, owner_in
from trimtab.engine.driver import Driver
from trimtab.engine.ledger import Ledger, not_as_left
from trimtab.graph.node import Graph
from trimtab.plan.snapshot import Found, Snapshot

LOG_GROUP = "logs.LogGroup"


def rebuilt(fresh: Ledger, kind: AnyKind, driver: Driver) -> Ledger:
    """The given ledger, with uid, hold and quarantine of the deployment's log group where there is one of ours.

    fresh: of a deployment that has none. kind: that of log groups. One read, and one more where there is a log group. Raises
    Failure when it cannot be read: to mint a uid then might make a twin of all.
    """
    name = log_group_name(fresh.environment, fresh.namespace, fresh.name)
    seen = driver.run(kind.observe((name,))).get(name)
    if seen is None:
        return fresh
    tags = Unknown(seen.reason, seen.meaning) if isinstance(seen, Unknown) else driver.run(kind.tags((seen,)))[0]
    if isinstance(tags, Unknown):
        raise Failure(tags.meaning, tags.reason)
    owner = owner_in(tags)
    if not owner or (tags.get(ENVIRONMENT), tags.get(DEPLOYMENT)) != (fresh.environment, f"{fresh.namespace}/{fresh.name}"):
        return fresh  # somebody else's: the plan refuses it by name
    return replace(fresh, uid=owner, holds=marks_in(tags.get(HOLD, "")), quarantine=marks_in(tags.get(QUARANTINE, "")))


def check_uid(ledger: Ledger, graph: Graph, snapshot: Snapshot) -> None:
    """Raise UserError where the ledger's uid is that of nothing that exists: it was edited, and all would be made again.

    The log group is found by its name all the same, and says another uid. Where that tag alone was edited, others that are
    found, whose tags are not read then, say that the ledger is right.
    """
    own = {node.id: snapshot.seen[node.id] for node in graph if not node.shared and hasattr(node.desired, "tags")}
    tags = {id: each.tags for id, each in own.items() if isinstance(each, Found)}
    if any(not isinstance(each, Mapping) or owner_in(each) == ledger.uid for each in tags.values()):
        return
    ours = (ledger.environment, f"{ledger.namespace}/{ledger.name}")
    for each in (tags[id] for id in tags if graph.nodes[id].kind == LOG_GROUP):
        if isinstance(each, Mapping) and owner_in(each) and (each.get(ENVIRONMENT), each.get(DEPLOYMENT)) == ours:
            raise not_as_left(f"the ledger of {ours[1]} says the uid {ledger.uid}, its log group says {owner_in(each)}")
