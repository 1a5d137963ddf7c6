"""What a deployment no longer needs: settings that are wanted no more, and generations beyond the history limit. Pure.

Never collected: what the document stands on, what serves, what is held, and the last revision that served before it, to
which a rollback would go. Jobs stay: they cost nothing, are the account's record, and one that evaluated a champion is
not run again for the same model and data; nor is its script, one small file, sent again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from trimtab.engine.ledger import Ledger, Resource, Revision
from trimtab.engine.remember import SERVED, held_revision, serving_revision
from trimtab.graph.node import Graph
from trimtab.plan.plan import Plan
from trimtab.plan.snapshot import Absent, Stale

_KEPT = ("sagemaker.TrainingJob/training", "sagemaker.ProcessingJob/champion", "s3.Content/evaluation")
# Which pins of a revision name the keys of each kind.
_PINS: Mapping[str, tuple[str, ...]] = {
    "s3.Content": ("dataset", "code", "serving", "launcher"),
    "trimtab.Artifact": ("training",),
    "ecr.Image": ("imageKey",),
    "ecs.TaskDefinition": ("release",),
}


def kept_revisions(ledger: Ledger, limit: int) -> tuple[Revision, ...]:
    """The newest, as many as the limit says, and those that are needed whatever it says."""
    served = [each for each in ledger.revisions if each.outcome in SERVED]
    serving, held = serving_revision(ledger), held_revision(ledger)
    before = [each for each in served if serving is None or each.release != serving.release][-1:]
    needed = {each.number for each in (*ledger.revisions[-limit:], *before, serving, held) if each}
    return tuple(each for each in ledger.revisions if each.number in needed)


def superfluous(ledger: Ledger, graph: Graph, limit: int) -> tuple[Resource, ...]:
    """Resources of generations that no kept revision and no node of the graph has."""
    revisions = kept_revisions(ledger, limit)
    wanted = {(node.id, node.key) for node in graph if node.key}
    return tuple(each for each in ledger.resources if _is_old(each, revisions, wanted))


def _is_old(each: Resource, revisions: Sequence[Revision], wanted: set[tuple[str, str]]) -> bool:
    if not each.key or each.node in _KEPT or each.kind not in _PINS or (each.node, each.key) in wanted:
        return False
    return not any(revision.pins.get(pin) == each.key for revision in revisions for pin in _PINS[each.kind])


def in_two_phases(ledger: Ledger, decided: Plan) -> tuple[Ledger, Plan]:
    """What a plan would delete is only marked in the ledger, unless an earlier pass has marked it: then it is deleted."""
    doomed = [action.node for action in decided.actions if action.verb == "delete"]
    fresh = not_yet_condemned(ledger, doomed)
    if not fresh:
        return ledger, decided
    actions = tuple(action for action in decided.actions if action.node not in fresh)
    return condemned(ledger, doomed), replace(decided, actions=actions)


def condemned(ledger: Ledger, doomed: Sequence[str]) -> Ledger:
    """With those marked, by "<node>#<identity>": they are deleted by a later pass, unless they are wanted again by then."""
    marked = (replace(each, condemned=each.condemned or each.id in doomed) for each in ledger.resources)
    return replace(ledger, resources=tuple(marked))


def not_yet_condemned(ledger: Ledger, doomed: Sequence[str]) -> frozenset[str]:
    return frozenset(each.id for each in ledger.resources if each.id in doomed and not each.condemned)


def collected(ledger: Ledger, stale: Sequence[Stale], limit: int) -> Ledger:
    """Without what is proven gone, and without revisions beyond the limit."""
    gone = {each.id for each in stale if isinstance(each.seen, Absent)}
    resources = tuple(each for each in ledger.resources if each.id not in gone)
    return replace(ledger, resources=resources, revisions=kept_revisions(ledger, limit))
