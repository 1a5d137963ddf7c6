"""What happened: acts that were announced, and events once their effect is seen. Pure.

A wave is written down before it is made, as acts. The next pass that looks, even after a crash, turns each act whose effect
it sees into an event: none is told that is not so, and no crash loses one. An event's time is when that was seen. What is
not seen is told by the trouble it met, or is announced again.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from trimtab.core.kind import Progress, Unknown, owner_in
from trimtab.graph.node import Graph, Node
from trimtab.plan.adoption import adopting
from trimtab.plan.changes import shown_difference
from trimtab.plan.plan import Action, Plan, Standing
from trimtab.plan.snapshot import Absent, Found, Snapshot

MOST = 100  # events kept: as many as a person reads back, at about 250 bytes each
_LONGEST = 600  # characters of a message
_SERVICES = {"ecr": "ECR", "ecs": "ECS", "iam": "IAM", "s3": "S3", "sagemaker": "SageMaker", "logs": "CloudWatch"}
_RUNS = {"sagemaker.TrainingJob": "Training", "sagemaker.ProcessingJob": "Evaluation"}  # what starts, and ends later
_DONE: Mapping[str, str] = {
    "create": "Created",
    "adopt": "Adopted",
    "update": "Updated",
    "replace": "Replaced",
    "delete": "Deleted",
}


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. The same thing happening again is counted, and not written twice."""

    reason: str  # of model/events.py
    node: str  # "" for the deployment itself
    message: str
    first: str  # RFC 3339
    last: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Act:
    """A write that was announced, and whose effect is not seen yet."""

    verb: str  # create, adopt, update, replace, delete; "end": it runs, and its end is awaited
    node: str
    key: str  # generation key, "" for what has none
    reason: str  # of the event, once it is seen
    message: str
    at: str  # RFC 3339: when it was announced


def event(reason: str, node: str, message: str, at: str) -> Event:
    """One that happened once."""
    text = " ".join(message.split())
    return Event(reason, node, text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…", at, at)


def folded(kept: Sequence[Event], new: Iterable[Event]) -> tuple[Event, ...]:
    """Those and the new ones, newest last, the oldest forgotten; one that says the same as an older one is counted there."""
    events = list(kept)
    for each in new:
        same = [old for old in events if (old.reason, old.node, old.message) == (each.reason, each.node, each.message)]
        for old in same:
            events.remove(old)
            each = replace(each, first=old.first, count=old.count + each.count)
        events.append(each)
    return tuple(events[-MOST:])


def announced(pending: Sequence[Act], actions: Iterable[Action], graph: Graph, at: str) -> tuple[Act, ...]:
    """Those that are awaited, and the acts of a wave; a delete that is asked for again is the same. at: RFC 3339."""
    acts = list(pending)
    going = {each.node for each in pending if each.verb == "delete"}
    for each in actions:
        if each.node in going:
            continue
        node = graph.nodes.get(each.node)
        key = (node.key or "") if node else ""
        for verb, said in _parts(each):
            reason = "Repaired" if each.is_drift and verb != "adopt" else _DONE[verb]
            acts.append(Act(verb, each.node, key, reason, said, at))
    return tuple(acts)


def _parts(action: Action) -> Iterator[tuple[str, str]]:
    """(verb, what is said of it). A crash may part an adoption from the change of what it took over."""
    if action.verb != "adopt":
        yield action.verb, _said(action)
        return
    yield "adopt", f"{thing(action.node, action.identity)}, which was there already"
    for fields in adopting(action.differences)[1:]:
        yield "update", _said(replace(action, differences=fields))


def attributed(
    events: Sequence[Event], acts: Sequence[Act], node: str, span: tuple[str, str], by: str
) -> tuple[tuple[Event, ...], tuple[Act, ...]]:
    """With who it was, in what is told of one repair of that node.

    span: RFC 3339, when the drift was seen and when it was repaired. by: "(set by user/ana at 14:02 UTC)".
    """
    first, at = span
    mine = [each for each in acts if (each.reason, each.node) == ("Repaired", node) and first <= each.at <= at]
    if mine or not at:
        return tuple(events), tuple(replace(each, message=f"{each.message} {by}") if each in mine else each for each in acts)
    told = [each for each in events if (each.reason, each.node) == ("Repaired", node) and each.last >= at]
    this = min(told, key=lambda each: each.last, default=None)
    amended = (replace(each, message=f"{each.message} {by}") if each is this else each for each in events)
    return folded((), amended), tuple(acts)


def seen(acts: Sequence[Act], graph: Graph, snapshot: Snapshot, plan: Plan, at: str) -> tuple[list[Event], tuple[Act, ...]]:
    """(what is seen to have happened, what is still awaited). An act that came to nothing is in neither.

    plan: of the wave that is decided now.
    """
    events: list[Event] = []
    awaited: list[Act] = []
    acting = {action.node: action for action in plan.writes}
    for act in acts:
        told, left = _judged(act, graph, snapshot, plan, acting, at)
        events += told
        awaited += left
    return events, tuple(awaited)


def _judged(
    act: Act, graph: Graph, snapshot: Snapshot, plan: Plan, acting: Mapping[str, Action], at: str
) -> tuple[list[Event], list[Act]]:
    if act.verb == "delete":
        return _gone(act, snapshot, at)
    node, action = graph.nodes.get(act.node), acting.get(act.node)
    if node is None or (node.key or "") != act.key:
        return [], []  # another generation is wanted by now, and nothing looks at this one
    standing = plan.standings[node.id]
    if standing.reason == "NameTaken":
        return [], []  # it is not ours: nothing of it is our doing
    if act.verb == "end":
        return _ended(act, node, standing, action, at)
    live = snapshot.seen[node.id]
    if isinstance(live, Unknown) or isinstance(snapshot.transfers.get(node.id), Progress):
        return [], [act]
    if act.verb == "adopt":
        return _adopted(act, live, node, at)
    is_there = isinstance(live, Found)
    if action is not None and not (is_there and action.verb == "update" and act.verb == "create"):
        return [], []  # it is to be done again, and is announced again
    if not is_there:
        return [], [act] if standing.is_ in ("moving", "pending", "unknown") else []
    if node.kind in _RUNS:
        started = event(f"{_RUNS[node.kind]}Started", node.id, act.message, at)
        follow = replace(act, verb="end", reason="", message=_plain(act.message))
        told, left = _ended(follow, node, standing, action, at)
        return [started, *told], left
    return [event(act.reason, node.id, act.message, at)], []


def _adopted(act: Act, live: Found | Absent, node: Node, at: str) -> tuple[list[Event], list[Act]]:
    """It is once it carries our tag. One that came to nothing is announced again, if it is wanted still."""
    if not isinstance(live, Found) or live.tags is None:
        return [], []
    if isinstance(live.tags, Unknown):
        return [], [act]
    is_ours = owner_in(live.tags) == owner_in(node.desired.tags)
    return ([event(act.reason, node.id, act.message, at)] if is_ours else []), []


def _gone(act: Act, snapshot: Snapshot, at: str) -> tuple[list[Event], list[Act]]:
    stale = next((each.seen for each in snapshot.stale if each.id == act.node), None)
    if isinstance(stale, Absent):
        return [event(act.reason, act.node.partition("#")[0], act.message, at)], []
    return [], [] if stale is None else [act]  # wanted again, or another's: nobody looks


def _ended(act: Act, node: Node, standing: Standing, action: Action | None, at: str) -> tuple[list[Event], list[Act]]:
    what = _RUNS[node.kind]
    if standing.is_ok:
        return [event(f"{what}Completed", node.id, act.message, at)], []
    if standing.is_ == "broken" or action is not None:
        because = standing.because.removeprefix("again, since ")
        return [event(f"{what}Failed", node.id, because, at)], []
    return [], [act]


def _plain(message: str) -> str:
    return message.partition(" (")[0]


def _said(action: Action) -> str:
    """ "imageTagMutability of ECR repository vision/digits: MUTABLE -> IMMUTABLE"."""
    what = thing(action.node, action.identity)
    if action.differences:
        rows = [row for each in action.differences for row in shown_difference(each)]
        return "; ".join(f"{row['path']} of {what}: {_value(row['have'])} -> {_value(row['want'])}" for row in rows)
    if action.is_drift:
        return f"{what}, which was deleted outside"
    return f"{what} ({action.because})" if action.because.startswith("again") else what


def _value(value: object) -> str:
    return "(not set)" if value is None else str(value)


def thing(node: str, identity: str) -> str:
    """ "ecr.Repository/repository" and its identity -> "ECR repository vision/digits"."""
    service, _, name = node.partition("/")[0].partition(".")
    words = " ".join(re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)).lower()
    return " ".join(word for word in (_SERVICES.get(service, ""), words, identity.rpartition("|")[2]) if word)
