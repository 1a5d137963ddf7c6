"""What a sweep need not read again, and what it reads by turns."""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from trimtab.core.kind import Call, Failure
from trimtab.engine.recall import BY_TURNS_PER_S, Recall

OURS = {"Bucket": "data", "Key": "deployments/1/models/a.json"}


@dataclass
class Outside:
    """Answers each call with what is set, and counts."""

    answers: dict[str, Any] = field(default_factory=dict)
    made: list[Call] = field(default_factory=list)

    def make(self, call: Call) -> Any:
        self.made.append(call)
        answer = self.answers.get(call.operation, {"number": len(self.made)})
        if isinstance(answer, Failure):
            raise answer
        return answer


@dataclass
class World:
    outside: Outside = field(default_factory=Outside)
    now: float = 1000.0
    recall: Recall = field(init=False)

    def __post_init__(self) -> None:
        self.recall = Recall(self.outside, lambda: self.now)

    def reads(self, *calls: Call) -> int:
        """How many of them are made when a sweep asks for all."""
        before = len(self.outside.made)
        for call in calls:
            with suppress(Failure):
                self.recall.recalled(call)
        return len(self.outside.made) - before

    def sweep(self, *calls: Call, after_s: float = 60.0) -> int:
        self.now += after_s
        self.recall.begin()
        return self.reads(*calls)


@pytest.fixture
def world() -> World:
    return World()


def stages(count: int) -> list[Call]:
    return [Call("apigateway", "GetStages", {"restApiId": f"api{number}"}) for number in range(count)]


@pytest.mark.parametrize(
    ("call", "answer", "is_kept"),
    [
        pytest.param(Call("ecs", "DescribeServices", {"services": ["a"]}), {}, False, id="in bulk"),
        pytest.param(Call("s3", "GetObject", OURS), {"Body": b"{}"}, True, id="a record"),
        pytest.param(Call("s3", "GetObject", OURS), Failure("absent", "no"), False, id="no record yet"),
        pytest.param(Call("s3", "GetObject", {**OURS, "Key": "ledgers/a/b.json"}), {"Body": b"{}"}, False, id="a ledger"),
        pytest.param(Call("s3", "PutObject", OURS, repeat="safe"), {}, False, id="a write"),
        pytest.param(
            Call("sagemaker", "DescribeTrainingJob", {"TrainingJobName": "a-a1"}),
            {"TrainingJobStatus": "Completed"},
            True,
            id="a job that has ended",
        ),
        pytest.param(
            Call("sagemaker", "DescribeProcessingJob", {"ProcessingJobName": "a-a1"}),
            {"ProcessingJobStatus": "InProgress"},
            False,
            id="a job that runs",
        ),
        pytest.param(
            Call("sagemaker", "DescribeTrainingJob", {"TrainingJobName": "a-a2"}),
            Failure("absent", "no"),
            True,
            id="no further attempt",
        ),
        pytest.param(
            Call("sagemaker", "DescribeTrainingJob", {"TrainingJobName": "a-a1"}),
            Failure("throttled", "slow down"),
            False,
            id="not read",
        ),
        pytest.param(
            Call("ecs", "DescribeTaskDefinition", {"taskDefinition": "a"}),
            {"taskDefinition": {}},
            True,
            id="a task definition",
        ),
        pytest.param(
            Call("ecs", "DescribeTaskDefinition", {"taskDefinition": "a"}),
            Failure("absent", "no"),
            False,
            id="no task definition",
        ),
    ],
)
def test_what_a_pass_has_read_is_remembered_where_it_cannot_change(world, call, answer, is_kept):
    world.outside.answers[call.operation] = answer
    with suppress(Failure):
        world.recall.make(call)
    world.outside.answers[call.operation] = {}
    assert world.reads(call) == (0 if is_kept else 1)


def test_a_pass_reads_whatever_is_remembered_and_what_it_reads_counts_from_then_on(world):
    (call,) = stages(1)
    world.recall.make(call)
    world.outside.answers["GetStages"] = {"item": ["new"]}
    assert world.recall.make(call) == {"item": ["new"]}
    assert world.recall.recalled(call) == {"item": ["new"]}


def test_what_has_no_bulk_form_is_read_by_turns_the_longest_unread_first(world):
    calls, a_sweep = stages(400), int(BY_TURNS_PER_S * 60)
    assert world.sweep(*calls) == 400
    for _ in range(3):
        before = len(world.outside.made)
        for _ in range(4):
            assert world.sweep(*calls) == a_sweep
        reads = {call.arguments["restApiId"] for call in world.outside.made[before:]}
        assert len(reads) == 400  # in four sweeps, all of them


def test_few_are_read_with_every_sweep(world):
    calls = stages(3)
    assert [world.sweep(*calls) for _ in range(3)] == [3, 3, 3]
    assert world.sweep(*calls, after_s=0.1) == 1  # at least one, however soon


def test_what_passes_read_before_the_first_sweep_is_not_read_by_it(world):
    job = Call("sagemaker", "DescribeTrainingJob", {"TrainingJobName": "a-a1"})
    world.outside.answers[job.operation] = {"TrainingJobStatus": "Completed"}
    world.recall.make(job)
    assert [world.sweep(job) for _ in range(5)] == [0] * 5


def test_each_service_has_its_own_turns(world):
    health = [Call("elbv2", "DescribeTargetHealth", {"TargetGroupArn": f"tg{number}"}) for number in range(400)]
    world.sweep(*stages(400), *health)
    assert world.sweep(*stages(400), *health) == 2 * int(BY_TURNS_PER_S * 60)


def test_a_task_definition_is_read_again_once_its_family_is_no_more_listed(world):
    kept, gone = (Call("ecs", "DescribeTaskDefinition", {"taskDefinition": each}) for each in ("kept", "gone"))
    world.sweep(kept, gone)
    world.recall.forget_definitions_but({"kept", "another"})
    assert world.reads(kept) == 0
    assert world.reads(gone) == 1


def test_what_nobody_asks_for_any_more_is_forgotten(world):
    world.sweep(*stages(3))
    world.sweep(*stages(1))
    world.sweep(*stages(1))
    world.sweep(*stages(1))
    assert len(world.recall._kept) == 1


KEYS = (
    "deployments/1/models/a.json",
    "deployments/1/models/a/model.tar.gz",
    "deployments/1/code/b/f.py",
    "ledgers/v/d.json",
)
FOLDER = Call("s3", "ListObjectsV2", {"Bucket": "data", "Prefix": "deployments/1/models/", "Delimiter": "/"})
LEDGERS = Call("s3", "ListObjectsV2", {"Bucket": "data", "Prefix": "ledgers/"})


def listed(world: World, *keys: str, **more: Any) -> None:
    world.outside.answers["ListObjectsV2"] = {"Contents": [{"Key": key, "ETag": "1"} for key in keys], **more}


def test_a_bucket_that_one_page_shows_is_listed_once_a_sweep(world):
    listed(world, *KEYS, IsTruncated=False)
    assert [world.sweep(FOLDER, LEDGERS, FOLDER) for _ in range(3)] == [1, 1, 1]
    assert world.outside.made[-1] == Call("s3", "ListObjectsV2", {"Bucket": "data"}, pages="one")
    assert world.recall.recalled(FOLDER) == {
        "Contents": [{"Key": KEYS[0], "ETag": "1"}],
        "CommonPrefixes": [{"Prefix": "deployments/1/models/a/"}],
    }
    assert world.recall.recalled(LEDGERS) == {"Contents": [{"Key": KEYS[3], "ETag": "1"}], "CommonPrefixes": []}
    listed(world, KEYS[3])
    assert world.sweep(FOLDER) == 1
    assert world.recall.recalled(FOLDER) == {"Contents": [], "CommonPrefixes": []}


def test_a_bucket_that_no_page_shows_is_listed_by_its_folders_from_then_on(world):
    listed(world, *KEYS, IsTruncated=True)
    assert world.sweep(FOLDER, LEDGERS) == 3
    listed(world, KEYS[0])
    assert [world.sweep(FOLDER, LEDGERS) for _ in range(3)] == [2, 2, 2]
    assert world.outside.made[-1] == LEDGERS


@pytest.mark.parametrize(("meaning", "then"), [("denied", 2), ("throttled", 1)])
def test_where_a_bucket_cannot_be_listed_its_folders_are_tried(world, meaning, then):
    world.outside.answers["ListObjectsV2"] = Failure(meaning, "no")
    assert world.sweep(LEDGERS, LEDGERS) == 3
    listed(world, *KEYS)
    assert world.sweep(LEDGERS, LEDGERS) == then


def test_a_list_that_asks_for_more_is_made(world):
    listed(world, *KEYS)
    assert world.sweep(Call("s3", "ListObjectsV2", {"Bucket": "data", "Prefix": "ledgers/", "MaxKeys": 1})) == 1
    assert world.outside.made[-1].arguments["MaxKeys"] == 1


def test_the_values_of_keys_are_not_kept(world):
    call = Call("apigateway", "GetUsagePlanKeys", {"usagePlanId": "p"}, secret=True)
    world.outside.answers["GetUsagePlanKeys"] = {"items": [{"id": "k", "value": "hush"}]}
    assert world.recall.make(call)["items"][0]["value"] == "hush"
    assert world.recall.recalled(call) == {"items": [{"id": "k"}]}
