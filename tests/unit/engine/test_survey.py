"""A sweep tells what no longer is as its last pass has judged it, and nothing else."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from trimtab.core.kind import Call, Difference, Failure, State
from trimtab.core.kind import Settled as Still
from trimtab.engine.claim import Expected
from trimtab.engine.driver import Driver
from trimtab.engine.ledger import Ledgers
from trimtab.engine.pins import Tags
from trimtab.engine.recall import Recall, Recalling
from trimtab.engine.survey import Member, Settled, Survey, judged
from trimtab.plan.snapshot import Found
from trimtab.resources.ecs_rotation import Place

KEY, OTHER = "vision/digits", "vision/letters"
IMAGE = "sha256:" + "1" * 64
PLACE = Place("main", "digits", "tg-1", "model")


@dataclass(frozen=True)
class Desired:
    name: str
    tags: dict[str, str] = field(default_factory=lambda: {"trimtab.dev/uid": "u"})


@dataclass(frozen=True)
class Observed:
    size: int = 1
    count: int = 2
    arn: str = "arn:1"
    tags: dict[str, str] = field(default_factory=lambda: {"trimtab.dev/uid": "u", "team": "a"})


class Things:
    """One field is the document's, another an autoscaler's."""

    name = "test.Thing"

    def identity(self, desired: Desired) -> str:
        return desired.name

    def observe(self, wanted: Any) -> Any:
        found = yield Call("test", "ListThings", {})
        return {name: each for name, each in found.items() if name in wanted}

    def diff(self, desired: Desired, observed: Observed) -> tuple[Difference, ...]:
        size = () if observed.size == 1 else (Difference("size", observed.size, 1),)
        return (*size, *(() if observed.count == 2 else (Difference("count", observed.count, 2, owner="autoscaler"),)))

    def state(self, desired: Desired, observed: Observed) -> State:
        return Still()


class Clock:
    def now(self) -> datetime:
        return datetime(2026, 11, 1, tzinfo=UTC)


@dataclass
class Cloud:
    """Two deployments of one thing each; of one the rotation counts, too."""

    things: Any = field(default_factory=lambda: {"digits": Observed(), "letters": Observed()})
    etags: dict[str, str] = field(default_factory=lambda: {KEY: '"1"', OTHER: '"1"'})
    healthy: tuple[str, ...] = ("10.0.0.1",)
    task: dict[str, Any] = field(default_factory=lambda: task())
    refused: Failure | None = None  # of the ledgers' list
    made: list[str] = field(default_factory=list)

    def make(self, call: Call) -> Any:
        self.made.append(call.operation)
        if call.operation == "ListThings" and isinstance(self.things, Failure):
            raise self.things
        if call.operation == "ListObjectsV2" and self.refused:
            raise self.refused
        targets = [{"Target": {"Id": each}, "TargetHealth": {"State": "healthy"}} for each in self.healthy]
        return {
            "ListObjectsV2": {"Contents": [{"Key": f"ledgers/{key}.json", "ETag": tag} for key, tag in self.etags.items()]},
            "ListThings": self.things,
            "DescribeTargetHealth": {"TargetHealthDescriptions": targets},
            "ListTasks": {"taskArns": ["task-1"]},
            "DescribeTasks": {"tasks": [self.task]},
        }[call.operation]


def task(digest: str = IMAGE, definition: str = "arn:def:1", service: str = "digits") -> dict[str, Any]:
    address = {"name": "privateIPv4Address", "value": "10.0.0.1"}
    return {
        "group": f"service:{service}",
        "taskDefinitionArn": definition,
        "attachments": [{"details": [address]}],
        "containers": [{"name": "model", "imageDigest": digest}],
    }


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def survey(cloud):
    with ThreadPoolExecutor(2) as threads:
        recall = Recall(cloud, iter(range(0, 10_000_000, 60)).__next__)
        direct, recalling = (Driver(caller, None, threads) for caller in (cloud, Recalling(recall)))  # type: ignore[arg-type]
        kinds = {"test.Thing": Things()}
        made = Survey(None, kinds, direct, recalling, recall, Ledgers(recalling, "state"), Tags(), "launcher", Clock())  # type: ignore[arg-type]
        made.put(KEY, settled("digits", Expected(PLACE, IMAGE, "arn:def:1", 1)))
        made.put(OTHER, settled("letters"))
        yield made


def settled(name: str, rotation: Expected | None = None) -> Settled:
    desired = Desired(name)
    judgement = judged(Things(), desired, ("arn",), Found(Observed(), None))  # type: ignore[arg-type]
    member = Member("test.Thing/thing", "test.Thing", name, desired, judgement, ("arn",))
    return Settled('"1"', (member,), rotation, pins={"launcher": {"digest": "launcher"}})


def digits(**changes: Any) -> dict[str, Observed]:
    return {"digits": replace(Observed(), **changes), "letters": Observed()}


@pytest.mark.parametrize(
    ("changes", "moved"),
    [
        pytest.param({}, set(), id="nothing"),
        pytest.param({"things": digits(size=2)}, {KEY}, id="a field of the document's"),
        pytest.param({"things": digits(count=5)}, set(), id="a field of the autoscaler's"),
        pytest.param({"things": digits(arn="arn:2")}, {KEY}, id="what others are made of"),
        pytest.param({"things": digits(tags={})}, {KEY}, id="our tag"),
        pytest.param({"things": digits(tags={"trimtab.dev/uid": "u"})}, set(), id="the tag of somebody else"),
        pytest.param({"things": {"letters": Observed()}}, {KEY}, id="gone"),
        pytest.param({"etags": {KEY: '"2"', OTHER: '"1"'}}, {KEY}, id="its ledger"),
        pytest.param({"etags": {OTHER: '"1"'}}, {KEY}, id="no ledger any more"),
        pytest.param({"healthy": ()}, {KEY}, id="no healthy target"),
        pytest.param({"healthy": ("10.0.0.1", "10.0.0.9")}, {KEY}, id="a target that is no task"),
        pytest.param({"task": task(digest="sha256:2")}, {KEY}, id="another image"),
        pytest.param({"task": task(definition="arn:def:2")}, {KEY}, id="another template"),
        pytest.param({"task": task(service="letters")}, {KEY}, id="a task of another service"),
    ],
)
def test_what_is_judged_otherwise_gets_a_pass(survey, cloud, changes, moved):
    for name, value in changes.items():
        setattr(cloud, name, value)
    found = survey.look()
    assert (found.moved, found.stand) == (moved, {KEY, OTHER} - moved)


def test_reads_are_shared_by_all(survey, cloud):
    survey.look()
    assert sorted(cloud.made) == ["DescribeTargetHealth", "DescribeTasks", "ListObjectsV2", "ListTasks", "ListThings"]


def test_nothing_is_read_while_nothing_is_known(survey, cloud):
    survey.drop(KEY)
    survey.drop(OTHER)
    found = survey.look()
    assert (found.stand, found.moved, cloud.made) == (frozenset(), frozenset(), [])


def test_one_that_a_pass_has_taken_meanwhile_is_neither_told_moved_nor_looked_at_again(survey, cloud):
    cloud.things = digits(size=2)
    real = cloud.make

    def meanwhile(call: Call) -> Any:
        survey.drop(KEY)
        return real(call)

    cloud.make = meanwhile
    found = survey.look()
    assert (found.stand, found.moved) == ({KEY, OTHER}, frozenset())


@pytest.mark.parametrize(
    ("meaning", "sweeps"),
    [
        pytest.param("throttled", [0, 0, 2], id="throttled: left for the next sweeps, not for ever"),
        pytest.param("transient", [0, 0, 2], id="transient"),
        pytest.param("denied", [2], id="denied: a pass says so"),
    ],
)
def test_what_cannot_be_read_is_left_alone_for_a_while_where_that_passes(survey, cloud, meaning, sweeps):
    cloud.things = Failure(meaning, "no")
    assert [len(survey.look().moved) for _ in sweeps] == sweeps


def test_a_read_that_comes_back_ends_the_patience(survey, cloud):
    good = cloud.things
    for things in (Failure("throttled", "no"), good, Failure("throttled", "no"), good):
        cloud.things = things
        assert survey.look().moved == frozenset()


def test_where_the_ledgers_may_not_be_listed_no_deployment_is_said_to_stand(survey, cloud):
    cloud.refused = Failure("throttled", "slow down")
    assert survey.look().stand == {KEY, OTHER}
    cloud.refused = Failure("denied", "no")
    with pytest.raises(Failure):
        survey.look()


def test_a_pin_that_has_become_outdated_is_told_by_a_pass(survey, cloud):
    survey.launcher = "another"
    assert survey.look().moved == {KEY, OTHER}
