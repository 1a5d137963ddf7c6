"""What a pass finds changed outside, put into the ledger. Pure.

A record is opened with the write that announces a repair, and closed with the one that ends the pass: a repair costs no
write more, and a pass that finds nothing new none at all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from trimtab.core.times import rfc3339
from trimtab.engine.ledger import Ledger
from trimtab.engine.wanted import Wanted
from trimtab.plan.drifts import Sighting, changes_of, lifted, noted, with_repairs
from trimtab.plan.events import Event
from trimtab.plan.fights import LEFT, Fight, fights
from trimtab.plan.plan import Plan, Standing
from trimtab.plan.status import FOUGHT, Trouble


def fights_of(ledger: Ledger, wanted: Wanted, now: datetime) -> dict[str, tuple[Fight, ...]]:
    """What the flap guard leaves alone, by node; nothing where the document says something new."""
    return dict(fights(ledger.drifts, now)) if _is_same(ledger, wanted) else {}


def with_drift(ledger: Ledger, decided: Plan, told: Sequence[Event], at: str) -> Ledger:
    """With what a plan finds changed. told: what was seen of acts that were announced before. at: RFC 3339."""
    repaired = {each.node for each in told if each.reason == "Repaired"}
    settled = {each.node for each in ledger.drifts if each.node not in decided.standings}
    settled |= {node for node, each in decided.standings.items() if each.is_ok and not each.drift}
    return replace(ledger, drifts=noted(ledger.drifts, seen_in(decided), settled, at, repaired))


def with_repaired(ledger: Ledger, decided: Plan, troubles: Sequence[Trouble], now: datetime) -> Ledger:
    """With what was just put right: each drift that a write was made about, and was not refused."""
    failed = {each.node for each in troubles}
    deletes_first = {each.node for each in decided.writes if each.verb == "replace" and each.observed is not None}
    nodes = {each.node for each in decided.writes if each.is_drift} - failed - deletes_first
    return replace(ledger, drifts=with_repairs(ledger.drifts, nodes, rfc3339(now)))


def unfought(ledger: Ledger) -> Ledger:
    """With nothing that the flap guard counts: a changed document begins anew."""
    return replace(ledger, drifts=lifted(ledger.drifts))


def seen_in(decided: Plan) -> dict[str, list[Sighting]]:
    """What is changed outside, and what is done about it, by node; what different things are done about stands apart."""
    found = {each.node: [Sighting("", changes_of(each.differences))] for each in decided.writes if each.is_drift}
    for node, each in decided.standings.items():
        if each.drift or each.reason in ("Drifted", *FOUGHT):
            found.setdefault(node, []).extend(_left(each))
    return found


def _left(standing: Standing) -> Iterator[Sighting]:
    """What of a node is not repaired."""
    changes = changes_of(standing.drift)
    if not standing.fights:
        yield Sighting("reported", changes)
    for fight in standing.fights:
        if own := tuple(each for each in changes if each.path in fight.paths):
            yield Sighting(LEFT[fight.reason], own)


def _is_same(ledger: Ledger, wanted: Wanted) -> bool:
    return ledger.spec_digest in ("", wanted.spec_digest)
