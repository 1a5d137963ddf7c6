"""Remembers the answers of reads that have no bulk form, so that a sweep need not make all of them each time.

What cannot change any more (a job that has ended, a record at an address that its content names) is remembered for as long
as it is asked for; a task definition, while its family is listed. The rest is read again by turns, the longest unread first:
as many in a sweep as 2 a second allow. One account may ask 10 a second of API Gateway, and AWS's own load balancer
controller keeps to as many; with what a sweep lists beside, it stays within a quarter of that. A bucket that one page
shows is listed once a sweep, in place of its folders. Passes read everything, and leave here what they read.
"""

import math
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from trimtab.core.canonical import canonical_json
from trimtab.core.kind import Call, Caller, Failure, Reply

BY_TURNS_PER_S = 2.0  # of each service
BY_TURNS: frozenset[tuple[str, str]] = frozenset(
    {
        ("apigateway", "GetStages"),
        ("apigateway", "GetDeployments"),
        ("apigateway", "GetUsagePlanKeys"),
        ("elbv2", "DescribeTargetGroupAttributes"),
        ("elbv2", "DescribeTargetHealth"),
        ("ecr", "BatchGetImage"),
        ("s3", "ListObjectsV2"),
    }
)
_WHILE_LISTED = "DescribeTaskDefinition"
_JOBS: Mapping[str, str] = {"DescribeTrainingJob": "TrainingJobStatus", "DescribeProcessingJob": "ProcessingJobStatus"}
_TOLD = frozenset({"Bucket", "Prefix", "Delimiter"})
_ENDED = ("Completed", "Failed", "Stopped")
_OURS = "deployments/"  # what lies there is at an address that its content names
_Place: TypeAlias = tuple[str, str, str]  # service, operation, arguments


@dataclass(slots=True)
class _Kept:
    call: Call
    answer: Reply | Failure
    read: float  # seconds of `monotonic`
    asked: float


@dataclass(slots=True)
class Recall:
    """Safe to use from several threads."""

    outside: Caller
    monotonic: Callable[[], float]
    _kept: dict[_Place, _Kept] = field(default_factory=dict[_Place, _Kept])
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _whole: dict[str, Reply | None] = field(default_factory=dict[str, Reply | None])  # buckets, as this sweep sees them
    _large: set[str] = field(default_factory=set[str])  # buckets that no page shows
    _listing: threading.Lock = field(default_factory=threading.Lock)
    _began: tuple[float, float] | None = None  # when the sweep before the last one began, and the last one

    def make(self, call: Call) -> Reply:
        """Make the call, whatever is remembered, and remember the answer. Raises Failure."""
        now = self.monotonic()
        try:
            reply = self.outside.make(call)
        except Failure as failure:
            self._keep(call, failure, now)
            raise
        self._keep(call, reply, now)
        return reply

    def recalled(self, call: Call) -> Reply:
        """What is remembered of it; else as `make`. Raises Failure."""
        if _is_list(call) and (page := self._page_of(call.arguments["Bucket"])) is not None:
            return _below(page, call)
        place = _place(call)
        with self._lock:
            kept = self._kept.get(place) if place else None
            if kept:
                kept.asked = self.monotonic()
        if kept is None:
            return self.make(call)
        if isinstance(kept.answer, Failure):
            raise kept.answer
        return kept.answer

    def begin(self) -> None:
        """A sweep begins: forget what it is to read anew, and what nobody has asked for since the one before the last."""
        now = self.monotonic()
        with self._lock:
            before, last = self._began or (-math.inf, now)
            self._began = (last, now)
            self._whole.clear()
            self._kept = {place: each for place, each in self._kept.items() if each.asked >= before}
            for place in _due(self._kept, max(1, int(BY_TURNS_PER_S * (now - last)))):
                del self._kept[place]

    def forget_definitions_but(self, families: Collection[str]) -> None:
        """Those are the families that have an ACTIVE task definition now."""
        with self._lock:
            for place, each in list(self._kept.items()):
                if each.call.operation == _WHILE_LISTED and _family(each.call) not in families:
                    del self._kept[place]

    def _page_of(self, bucket: str) -> Reply | None:
        """All objects of a bucket; None where a page does not show them, or could not be had."""
        with self._listing:
            if bucket not in self._whole:
                self._whole[bucket] = None if bucket in self._large else self._listed(bucket)
            return self._whole[bucket]

    def _listed(self, bucket: str) -> Reply | None:
        try:
            page = self.outside.make(Call("s3", "ListObjectsV2", {"Bucket": bucket}, pages="one"))
        except Failure as failure:
            if failure.meaning == "denied":  # folders may be allowed that the whole is not
                self._large.add(bucket)
            return None
        if page.get("IsTruncated"):
            self._large.add(bucket)
            return None
        return page

    def _keep(self, call: Call, answer: Reply | Failure, now: float) -> None:
        place = _place(call)
        if place is None:
            return
        with self._lock:
            if _is_to_be_kept(call, answer):
                self._kept[place] = _Kept(call, _without_secrets(call, answer), now, now)
            else:
                self._kept.pop(place, None)


@dataclass(frozen=True, slots=True)
class Recalling:
    """The caller of a sweep."""

    recall: Recall

    def make(self, call: Call) -> Reply:
        return self.recall.recalled(call)


def _due(kept: Mapping[_Place, _Kept], most: int) -> list[_Place]:
    """The longest unread of each service, at most so many."""
    due: list[_Place] = []
    for service in {place[0] for place in kept}:
        turns = [place for place in kept if place[0] == service and place[:2] in BY_TURNS]
        due += sorted(turns, key=lambda place: kept[place].read)[:most]
    return due


def _is_list(call: Call) -> bool:
    """Whether its answer can be told from a list of the whole bucket."""
    return (call.service, call.operation) == ("s3", "ListObjectsV2") and call.arguments.keys() <= _TOLD


def _below(page: Reply, call: Call) -> Reply:
    """What a list would answer, from one of the whole bucket."""
    prefix, delimiter = call.arguments.get("Prefix", ""), call.arguments.get("Delimiter", "")
    contents: list[Reply] = []
    folders: dict[str, None] = {}
    for item in page.get("Contents", ()):
        if item["Key"].startswith(prefix):
            name = item["Key"].removeprefix(prefix)
            if delimiter and delimiter in name:
                folders[f"{prefix}{name.partition(delimiter)[0]}{delimiter}"] = None
            else:
                contents.append(item)
    return {"Contents": contents, "CommonPrefixes": [{"Prefix": each} for each in folders]}


def _place(call: Call) -> _Place | None:
    """Where its answer is kept; None for a read that is made each time, and for a write."""
    if call.service == "s3":
        named = call.arguments.get({"GetObject": "Key", "ListObjectsV2": "Prefix"}.get(call.operation, ""), "")
        if not named.startswith(_OURS):
            return None
    elif (call.service, call.operation) not in BY_TURNS and call.operation not in (*_JOBS, _WHILE_LISTED):
        return None
    return call.service, call.operation, canonical_json(call.arguments)


def _is_to_be_kept(call: Call, answer: Reply | Failure) -> bool:
    if isinstance(answer, Failure):
        return answer.meaning == "absent" and call.operation not in (_WHILE_LISTED, "GetObject")
    status = _JOBS.get(call.operation)
    return status is None or answer.get(status) in _ENDED


def _without_secrets(call: Call, answer: Reply | Failure) -> Reply | Failure:
    """What lists API keys answers their values, which nobody here looks at."""
    if not call.secret or isinstance(answer, Failure):
        return answer
    return {**answer, "items": [{name: each[name] for name in each if name != "value"} for each in answer.get("items", ())]}


def _family(call: Call) -> str:
    return str(call.arguments["taskDefinition"]).rpartition("/")[2].partition(":")[0]
