"""What a change of the ledger says happened: the events that are written together with it. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from trimtab.engine.ledger import Ledger, Revision
from trimtab.engine.remember import GATE, SERVICE, gist, held_revision
from trimtab.plan.changes import leaves, path_text
from trimtab.plan.drifts import is_left
from trimtab.plan.events import Event, event, folded
from trimtab.plan.status import GIVEN_UP, Condition

_FIELDS = 8  # of a document that are named in one event


def chronicled(
    before: Ledger, after: Ledger, at: str, told: Sequence[Event] = (), shown: Sequence[Condition] = ()
) -> Ledger:
    """The ledger after a change, with what happened since.

    at: RFC 3339. told: what was seen of acts. shown: its conditions now, for their messages; none before they are known.
    """
    new = [*told, *_asked(before, after, at), *_happened(before, after, at), *_turned(before, after, shown, at)]
    return replace(after, events=folded(after.events, new)) if new else after


def _asked(before: Ledger, after: Ledger, at: str) -> Iterator[Event]:
    """What a person asked for."""
    if after.generation != before.generation:
        yield event("Declared", "", f"generation {after.generation}{_edits(before, after)}", at)
    if before.retained and not after.retained:
        yield event("TakenUp", "", f"what was let go of at {before.retained} is taken up again", at)
    if after.retained and not before.retained:
        yield event("Retained", "", f"deleted, and its {len(after.resources)} resources stay", at)
    if after.deleting and not before.deleting:
        yield event("DeletionStarted", "", f"{len(after.resources)} resources go", at)
    if after.holds and after.holds != before.holds:
        held = held_revision(after)
        yield event("HeldAt", SERVICE, f"revision {held.number if held else '?'} (release {after.holds[-1]})", at)
    if before.holds and not after.holds:
        how = "a changed document ended it" if after.generation != before.generation else "released"
        yield event("HoldEnded", SERVICE, f"of release {before.holds[-1]}: {how}", at)
    if after.suspended and not before.suspended:
        yield event("Suspended", "", "left alone until `trimtab resume`", at)
    if before.suspended and not after.suspended:
        yield event("Resumed", "", f"looked after again; suspended since {before.suspended}", at)
    begun_anew = {(each.node, each.first) for each in after.drifts if not each.counts}
    if fought := [each.node for each in before.drifts if is_left(each) and (each.node, each.first) in begun_anew]:
        nodes = ", ".join(dict.fromkeys(fought))
        yield event("FightLifted", "", f"what was changed outside is repaired again: {nodes}", at)
    if after.attempts != before.attempts:
        for key in sorted(set(before.quarantine) - set(after.quarantine)):
            yield event("Retried", SERVICE, f"release {key} is out of quarantine, and is rolled out again", at)
    if after.ordinals != before.ordinals:
        yield event("RetrainRequested", "", "train once more from the same inputs", at)
    if gone := sorted(set(before.pins) - set(after.pins)):
        yield event("RefreshRequested", "", f"resolve anew: {', '.join(gone)}", at)


def _edits(before: Ledger, after: Ledger) -> str:
    """Which fields are declared otherwise, and whether files are; "" for the first generation."""
    if not before.generation:
        return ""
    found = [
        f"{path_text('spec', steps)}: {_text(old)} -> {_text(new)}"
        for steps, old, new in leaves(before.document, after.document)
    ]
    names = sorted(name for name in after.contents if before.contents.get(name) != after.contents[name])
    found = [f"files of {name}" for name in names if name != "channels"] + found
    more = f", and {len(found) - _FIELDS} more" if len(found) > _FIELDS else ""
    return f": {', '.join(found[:_FIELDS])}{more}" if found else ""


def _text(value: object) -> str:
    return "(the default)" if value is None else str(value)


def _happened(before: Ledger, after: Ledger, at: str) -> Iterator[Event]:
    """What became of the model and of the release."""
    verdicts = {str(each): each for key, each in after.verdicts.items() if key not in before.verdicts}
    for verdict in verdicts.values():
        passed = verdict["passed"]
        said = "; ".join(verdict["notes"]) if passed else verdict["because"]
        yield event("GatePassed" if passed else "GateNotMet", GATE, said or verdict["because"], at)
    was = {each.number: each.outcome for each in before.revisions}
    for each in after.revisions:
        if was.get(each.number) != each.outcome:
            yield from _became(each, is_new=each.number not in was, at=at)
    known = {gist(each) for each in before.troubles}
    for trouble in after.troubles:
        if gist(trouble) not in known:
            said = f"{trouble.reason}: {gist(trouble).because}"
            yield event("Delayed" if trouble.passes else "Failed", trouble.node, said, at)


def _became(revision: Revision, *, is_new: bool, at: str) -> Iterator[Event]:
    what = f"revision {revision.number} (release {revision.release[:12]})"
    if revision.outcome == "Serving":
        yield event("Released", SERVICE, f"{what} serves{'' if is_new else ' again'}", at)
    elif revision.outcome in GIVEN_UP:
        yield event("RolledBack", SERVICE, f"{what} was given up and is in quarantine: {revision.because}", at)


def _turned(before: Ledger, after: Ledger, shown: Sequence[Condition], at: str) -> Iterator[Event]:
    """Conditions that became true."""
    was = before.conditions.get("Ready")
    for each in shown:
        if (each.type, each.reason) == ("Ready", "Fighting") and (was is None or was.reason != "Fighting"):
            yield event("Fighting", "", each.message, at)
    reasons = {"Ready": "Converged", "Stalled": "Stalled", "Drifted": "Drifted"}
    for each in shown:
        was, now = before.conditions.get(each.type), after.conditions.get(each.type)
        turned = now is not None and now.status == "True" and (was is None or was.status != "True")
        is_left = each.type != "Drifted" or any(one.type == "Ready" and one.reason == "Drifted" for one in shown)
        if turned and each.type in reasons and is_left:
            said = each.message if each.type != "Stalled" else f"{each.reason}: {each.message}"
            yield event(reasons[each.type], "", said, at)
