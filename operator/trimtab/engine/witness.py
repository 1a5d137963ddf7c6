"""Asks CloudTrail who changed what, for drift records that do not say yet. Nothing waits for the answer.

A record is asked for after its repair, and again at growing intervals until the trail delivers or is past its time. One
witness serves all deployments of an account and region, and asks at half the rate that AWS allows.
"""

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from trimtab.core.kind import Failure
from trimtab.core.times import rfc3339, time_in
from trimtab.engine.driver import Driver
from trimtab.engine.ledger import Ledger, Resource
from trimtab.plan.culprit import DELIVERED, SKEW, culprit, write_in
from trimtab.plan.drifts import UNKNOWN, DriftRecord
from trimtab.plan.events import attributed, event, folded
from trimtab.plan.fights import name_of
from trimtab.plan.snapshot import Found, Snapshot
from trimtab.resources.trail import attributes, events, names_of

_BURST, _EVERY = 2, timedelta(seconds=1)  # lookups at once, and the time after which one more is allowed
_SOONEST, _SHARE = timedelta(seconds=15), 0.25  # how late a delivery may be seen, as a share of the wait
_REFUSED = timedelta(minutes=10)  # what was denied may have been granted meanwhile
_HOPELESS = timedelta(hours=1)  # a history that could not be read for so long
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_Key: TypeAlias = tuple[str, str, str]  # uid of the deployment, node, first seen


@dataclass(slots=True)
class Witness:
    """Safe to use from several threads.

    ours: our own ARN; "" while it is not known. Nobody is named meanwhile, since it might have been us.
    """

    ours: Callable[[], str]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _paid: datetime = _LONG_AGO  # when the lookups that were made are paid for
    _refused: datetime = _LONG_AGO  # until when it is not asked again
    _due: dict[_Key, datetime] = field(default_factory=dict[_Key, datetime])  # when each record is asked for again
    _last: datetime = _LONG_AGO  # when it was asked last

    def heard(
        self, ledger: Ledger, resources: Sequence[Resource], snapshot: Snapshot, driver: Driver, now: datetime
    ) -> tuple[Ledger, tuple[DriftRecord, ...]]:
        """(the ledger with what could be learned, the records that name somebody since). A Failure is not raised.

        resources: the deployment's own and those that it shares.
        """
        self._see_to_the_clock(now)
        named: list[DriftRecord] = []
        open_ = [each for each in ledger.drifts if not each.who]
        ours = self.ours() if open_ else ""
        for record in reversed(open_):
            names = _names(record, resources, snapshot) if ours else ()
            said, denial = self._asked(record, ledger, names, ours, driver, now)
            ledger = _refusal_told(ledger, denial, now) if denial else ledger
            if said != record:
                ledger = replace(ledger, drifts=tuple(said if each is record else each for each in ledger.drifts))
            if said.who not in ("", UNKNOWN):
                ledger = _amended(ledger, said)
                named.append(said)
        return ledger, tuple(named)

    def _asked(
        self, record: DriftRecord, ledger: Ledger, names: Sequence[str], ours: str, driver: Driver, now: datetime
    ) -> tuple[DriftRecord, str]:
        """(the record with who it was, as far as that is known; why that may not be asked, else "").

        names: what the trail may call the resource; none while nobody may be asked for.
        """
        age, denial, answered = now - time_in(record.first), "", False
        wanted = attributes(record.node, names, of_tags=all(path.startswith("tags") for path in record.paths))
        key = (ledger.uid, record.node, record.first)
        if names and self._may_ask(key, len(wanted), age, now):
            try:
                found = driver.run(events(wanted, time_in(record.first) + SKEW))
            except Failure as failure:
                denial = self._denied(failure, now)
            else:
                answered = True
                writes = [write for each in found if (write := write_in(each))]
                since = _repaired_before(record, ledger)
                if by := culprit(record, writes, names, ours, since, is_late=age >= DELIVERED):
                    self._answered(key)
                    return replace(record, who=by.who, event=by.event, changed=rfc3339(by.at)), ""
        is_over = age >= DELIVERED and (answered or not names or now < self._refused)
        return (replace(record, who=UNKNOWN) if is_over or age >= _HOPELESS else record), denial

    def _see_to_the_clock(self, now: datetime) -> None:
        """Times that a clock which jumped back has left ahead would keep everybody from asking for hours."""
        with self._lock:
            if now + _EVERY * _BURST < self._last:
                self._paid, self._refused, self._due = _LONG_AGO, _LONG_AGO, {}
            self._last = now

    def _may_ask(self, key: _Key, lookups: int, age: timedelta, now: datetime) -> bool:
        with self._lock:
            paid = max(self._paid, now) + _EVERY * lookups
            if now < self._refused or now < self._due.get(key, now) or paid > now + _EVERY * _BURST:
                return False
            self._paid = paid
            self._due = {each: at for each, at in self._due.items() if at > now - _HOPELESS}
            self._due[key] = now + max(_SOONEST, age * _SHARE)
            return True

    def _answered(self, key: _Key) -> None:
        """Another record of the same second may be asked for at once."""
        with self._lock:
            self._due.pop(key, None)

    def _denied(self, failure: Failure, now: datetime) -> str:
        """Why it may not be asked, without the request's id; "" for what passes."""
        if failure.meaning != "denied":
            return ""
        with self._lock:
            self._refused = now + _REFUSED
        return re.sub(r" \(request [^)]*\)$", "", failure.reason)


def _names(record: DriftRecord, resources: Sequence[Resource], snapshot: Snapshot) -> tuple[str, ...]:
    identity = next((each.identity for each in reversed(resources) if each.node == record.node), "")
    seen = snapshot.seen.get(record.node)
    return names_of(identity, seen.observed if isinstance(seen, Found) else None)


def _repaired_before(record: DriftRecord, ledger: Ledger) -> str:
    """When the same of the node was put right last, before it was changed this time."""
    others = (each for each in ledger.drifts if each.node == record.node and each is not record)
    same = (each for each in others if each.paths & record.paths or "" in each.paths | record.paths)
    return max((each.at for each in same if each.at <= record.first), default="")


def _refusal_told(ledger: Ledger, denial: str, now: datetime) -> Ledger:
    """Once: that it is refused still is no news."""
    said = event("Unattributed", "", denial, rfc3339(now))
    known = any((each.reason, each.message) == (said.reason, said.message) for each in ledger.events)
    return ledger if known else replace(ledger, events=folded(ledger.events, [said]))


def _amended(ledger: Ledger, record: DriftRecord) -> Ledger:
    by = f"(set by {name_of(record.who)} at {time_in(record.changed):%H:%M} UTC)"
    told, acts = attributed(ledger.events, ledger.acts, record.node, (record.first, record.at), by)
    return replace(ledger, events=told, acts=acts)
