"""EventBridge's rules and targets, and what each moving part says on the bus, in AWS's shapes.

The pages: Amazon EventBridge API Reference; Amazon ECS Developer Guide, "Amazon ECS task state change events", "service
action events", "service deployment state change events"; Amazon SageMaker AI Developer Guide, "Events that Amazon SageMaker
AI sends to Amazon EventBridge"; Amazon ECR User Guide, "Amazon ECR events and EventBridge".
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ecs_world import MiniCloud, network
from heard import Ear
from job_cloud import JobCloud, job_cloud

from . import test_ecr, test_ecs_services, test_sagemaker, test_sagemaker_processing

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SECOND = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobCloud]:
    folder = tmp_path_factory.mktemp("jobs")
    with job_cloud(folder / "state", folder / "cache") as cloud:
        test_sagemaker.fill(cloud)
        yield cloud


@pytest.fixture
def events(jobs: JobCloud) -> Any:
    return jobs.client("events")


@pytest.fixture
def queue(jobs: JobCloud) -> str:
    """ARN of a queue."""
    sqs = jobs.client("sqs")
    url = sqs.create_queue(QueueName="target")["QueueUrl"]
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def refusal(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]["Code"]


def own(detail: dict[str, Any], source: str = "my.app", kind: str = "done") -> dict[str, Any]:
    return {"Source": source, "DetailType": kind, "Detail": json.dumps(detail), "Resources": ["arn:x"]}


# --- rules and targets ---


def test_a_rule_is_made_changed_listed_and_deleted(events: Any, queue: str) -> None:
    pattern = json.dumps({"source": ["my.app"]})
    arn = events.put_rule(Name="r1", EventPattern=pattern, Description="first", Tags=[{"Key": "a", "Value": "b"}])["RuleArn"]
    assert arn == "arn:aws:events:us-east-1:123456789012:rule/r1"
    events.put_rule(Name="r1", EventPattern=pattern, State="DISABLED")
    shown = events.describe_rule(Name="r1")
    assert (shown["State"], shown["EventPattern"], shown["EventBusName"]) == ("DISABLED", pattern, "default")
    assert "Description" not in shown
    events.enable_rule(Name="r1")
    assert [each["State"] for each in events.list_rules(NamePrefix="r1")["Rules"]] == ["ENABLED"]
    target = {"Id": "t", "Arn": queue, "InputPath": "$.detail"}
    assert events.put_targets(Rule="r1", Targets=[target])["FailedEntryCount"] == 0
    assert events.list_targets_by_rule(Rule="r1")["Targets"] == [target]
    assert "r1" in events.list_rule_names_by_target(TargetArn=queue)["RuleNames"]
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    assert refusal(events.delete_rule, Name="r1") == "ValidationException"  # it has targets
    failed = events.remove_targets(Rule="r1", Ids=["t", "other"])
    assert [each["TargetId"] for each in failed["FailedEntries"]] == ["other"]
    events.delete_rule(Name="r1")
    assert refusal(events.describe_rule, Name="r1") == "ResourceNotFoundException"
    events.delete_rule(Name="r1")


def test_lists_have_pages(events: Any) -> None:
    for number in range(5):
        events.put_rule(Name=f"page-{number}", EventPattern='{"source": ["x"]}')
    first = events.list_rules(NamePrefix="page-", Limit=3)
    second = events.list_rules(NamePrefix="page-", Limit=3, NextToken=first["NextToken"])
    assert [each["Name"] for page in (first, second) for each in page["Rules"]] == [f"page-{n}" for n in range(5)]
    assert "NextToken" not in second


@pytest.mark.parametrize(
    ("operation", "arguments", "code"),
    [
        ("put_rule", {"Name": "x", "EventPattern": "{"}, "InvalidEventPatternException"),
        ("put_rule", {"Name": "x", "EventPattern": '{"source": "x"}'}, "InvalidEventPatternException"),
        ("put_rule", {"Name": "x"}, "ValidationException"),
        ("put_rule", {"Name": "x", "ScheduleExpression": "rate(5 minutes)"}, "ValidationException"),
        ("put_rule", {"Name": "x", "EventPattern": '{"a": ["b"]}', "EventBusName": "mine"}, "ResourceNotFoundException"),
        ("put_targets", {"Rule": "none", "Targets": [{"Id": "t", "Arn": "QUEUE"}]}, "ResourceNotFoundException"),
        (
            "put_targets",
            {"Rule": "there", "Targets": [{"Id": "t", "Arn": "arn:aws:sns:us-east-1:1:x"}]},
            "ValidationException",
        ),
        ("put_targets", {"Rule": "there", "Targets": [{"Id": "t", "Arn": "QUEUE-2"}]}, "ValidationException"),
        (
            "put_targets",
            {"Rule": "there", "Targets": [{"Id": "t", "Arn": "QUEUE", "InputTransformer": {"InputTemplate": "x"}}]},
            "ValidationException",
        ),
        (
            "put_targets",
            {"Rule": "there", "Targets": [{"Id": str(number), "Arn": "QUEUE"} for number in range(6)]},
            "LimitExceededException",
        ),
        ("create_event_bus", {"Name": "mine"}, "UnknownOperationException"),
        ("describe_event_bus", {"Name": "mine"}, "ResourceNotFoundException"),
    ],
)
def test_what_is_refused(events: Any, queue: str, operation: str, arguments: dict[str, Any], code: str) -> None:
    events.put_rule(Name="there", EventPattern='{"source": ["x"]}')
    given = json.loads(json.dumps(arguments).replace("QUEUE", queue))
    assert refusal(getattr(events, operation), **given) == code


def test_a_pattern_is_tested_without_a_rule(events: Any) -> None:
    event = dict.fromkeys(("id", "account", "source", "time", "region", "detail-type"), "x") | {"resources": []}
    answers = [
        events.test_event_pattern(EventPattern=json.dumps({"source": [value]}), Event=json.dumps(event))["Result"]
        for value in "xy"
    ]
    assert answers == [True, False]
    assert refusal(events.test_event_pattern, EventPattern='{"a": ["b"]}', Event="{}") == "ValidationException"


# --- delivery ---


def test_events_of_a_person_s_own_come_in_order_and_whole(jobs: JobCloud, events: Any) -> None:
    ear = Ear(jobs.client, {"source": ["my.app"], "detail": {"n": [{"numeric": [">", 0]}]}})
    answer = events.put_events(Entries=[own({"n": number}) for number in range(4)])
    assert answer["FailedEntryCount"] == 0
    found = ear.take()
    assert [each["detail"]["n"] for each in found] == [1, 2, 3]
    assert [each["id"] for each in found] == [each["EventId"] for each in answer["Entries"][1:]]
    first = found[0]
    assert SECOND.fullmatch(first.pop("time"))
    assert UUID.fullmatch(first.pop("id"))
    assert first == {
        "version": "0",
        "detail-type": "done",
        "source": "my.app",
        "account": "123456789012",
        "region": "us-east-1",
        "resources": ["arn:x"],
        "detail": {"n": 1},
    }


def test_an_entry_that_is_refused_leaves_the_others(events: Any) -> None:
    entries = [
        own({}),
        own({}, source="aws.ecs"),
        own({}) | {"Detail": "no json"},
        {"Source": "my.app", "Detail": "{}"},
        own({}) | {"EventBusName": "mine"},
    ]
    answer = events.put_events(Entries=entries)
    codes = [each.get("ErrorCode", "") for each in answer["Entries"]]
    assert codes == ["", "NotAuthorizedForSourceException", "MalformedDetail", "InvalidArgument", "InvalidArgument"]
    assert answer["FailedEntryCount"] == 4


def test_a_target_is_sent_its_input_or_the_part_at_its_path(jobs: JobCloud, events: Any) -> None:
    ear = Ear(jobs.client, {"source": ["shaped"]})
    events.put_targets(
        Rule=ear.name,
        Targets=[
            {"Id": "queue", "Arn": ear.arn, "InputPath": "$.detail.deep"},
            {"Id": "constant", "Arn": ear.arn, "Input": '{"said": true}'},
        ],
    )
    events.put_events(Entries=[own({"deep": {"x": 1}}, source="shaped")])
    assert ear.take() == [{"x": 1}, {"said": True}]


def test_a_disabled_rule_hears_nothing(jobs: JobCloud, events: Any) -> None:
    ear = Ear(jobs.client, {"source": ["switched"]})
    events.disable_rule(Name=ear.name)
    events.put_events(Entries=[own({}, source="switched")])
    events.enable_rule(Name=ear.name)
    events.put_events(Entries=[own({"heard": 1}, source="switched")])
    assert [each["detail"] for each in ear.take()] == [{"heard": 1}]


def test_what_a_deleted_queue_cannot_take_goes_to_the_dead_letter_queue(jobs: JobCloud, events: Any) -> None:
    ear, spare = Ear(jobs.client, {"source": ["lost"]}), Ear(jobs.client, {"source": ["never"]})
    events.put_targets(Rule=ear.name, Targets=[{"Id": "queue", "Arn": ear.arn, "DeadLetterConfig": {"Arn": spare.arn}}])
    jobs.client("sqs").delete_queue(QueueUrl=ear.url)
    events.put_events(Entries=[own({"n": 1}, source="lost")])
    assert [each["detail"] for each in spare.take()] == [{"n": 1}]


# --- ECR ---


def test_images_that_come_and_go_are_told(jobs: JobCloud) -> None:
    ear = Ear(jobs.client, {"source": ["aws.ecr"], "detail-type": ["ECR Image Action"]})
    ecr = jobs.client("ecr")
    ecr.create_repository(repositoryName="told")
    digest = test_ecr.put(jobs, b"layer of a told image", "v1", "v2", name="told")
    ecr.batch_delete_image(repositoryName="told", imageIds=[{"imageTag": "v2"}])
    ecr.batch_delete_image(repositoryName="told", imageIds=[{"imageDigest": digest}])
    found = ear.take()
    actions = [(each["detail"]["action-type"], each["detail"]["image-tag"]) for each in found]
    assert actions == [("PUSH", "v1"), ("PUSH", "v2"), ("DELETE", "v2"), ("DELETE", "v1")]
    detail = found[0]["detail"]
    assert (detail["result"], detail["repository-name"], detail["image-digest"]) == ("SUCCESS", "told", digest)
    assert found[0]["resources"] == []


def test_the_images_of_a_deleted_repository_are_told(jobs: JobCloud) -> None:
    ecr = jobs.client("ecr")
    ecr.create_repository(repositoryName="doomed")
    test_ecr.put(jobs, b"layer of a doomed image", "v1", name="doomed")
    ear = Ear(jobs.client, {"source": ["aws.ecr"], "detail-type": ["ECR Image Action"]})
    ecr.delete_repository(repositoryName="doomed", force=True)
    assert [each["detail"]["action-type"] for each in ear.take()] == ["DELETE"]


# --- SageMaker ---


def test_a_training_job_tells_each_turn_of_its_life(jobs: JobCloud) -> None:
    ear = Ear(jobs.client, {"source": ["aws.sagemaker"], "detail-type": ["SageMaker Training Job State Change"]})
    given = test_sagemaker.request(jobs, "told-job") | {"Tags": [{"Key": "team", "Value": "vision"}]}
    ended = test_sagemaker.run(jobs, given)
    found = ear.until(lambda all: all and all[-1]["detail"]["TrainingJobStatus"] == "Completed")
    secondary = [each["detail"]["SecondaryStatus"] for each in found]
    assert secondary == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    last = found[-1]
    assert last["resources"] == [ended["TrainingJobArn"]]
    detail = last["detail"]
    assert detail["TrainingJobName"] == "told-job"
    assert detail["HyperParameters"] == {"epochs": "3"}
    assert detail["Tags"] == {"team": "vision"}
    assert detail["ModelArtifacts"] == ended["ModelArtifacts"]
    assert detail["CreationTime"] == int(ended["CreationTime"].timestamp() * 1000)
    starts = [each["StartTime"] for each in detail["SecondaryStatusTransitions"]]
    assert starts == sorted(starts)
    assert all(isinstance(each, int) for each in starts)


def test_a_failed_training_job_says_why(jobs: JobCloud) -> None:
    ear = Ear(jobs.client, {"detail": {"TrainingJobStatus": ["Failed"]}})
    ended = test_sagemaker.run(jobs, test_sagemaker.request(jobs, "told-failed", "raise SystemExit(3)"))
    (found,) = ear.until(bool)
    assert found["detail"]["FailureReason"] == ended["FailureReason"]


def test_a_processing_job_tells_its_end(jobs: JobCloud) -> None:
    ear = Ear(jobs.client, {"detail-type": ["SageMaker Processing Job State Change"]})
    test_sagemaker_processing.fill(jobs)
    jobs.client("sagemaker").create_processing_job(**test_sagemaker_processing.request(jobs, "told-processing"))
    found = ear.until(lambda all: all and all[-1]["detail"]["ProcessingJobStatus"] != "InProgress")
    assert found[0]["detail"]["ProcessingJobStatus"] == "InProgress"
    last = found[-1]["detail"]
    assert (last["ProcessingJobStatus"], last["ProcessingJobName"]) == ("Completed", "told-processing")
    assert found[-1]["resources"] == [last["ProcessingJobArn"]]


# --- ECS ---


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniCloud]:
    made = MiniCloud(tmp_path_factory.mktemp("cloud"))
    for version in "12":
        made.server(f"web:{version}", f"v{version}")
    made.program("crash:1", test_ecs_services.CRASH)
    yield made
    made.close()


class Told:
    """A service and what it says."""

    def __init__(self, cloud: MiniCloud, **given: Any) -> None:
        self.ear = Ear(cloud.client, {"source": ["aws.ecs"], "detail-type": [{"prefix": "ECS "}]})
        self.line = test_ecs_services.Line(cloud, network(cloud), **given)
        self.found: list[Any] = []

    def until(self, name: str, times: int = 1) -> list[Any]:
        """All that was said, once an event of this name has come so often."""
        self.found += self.ear.until(
            lambda fresh: [self.name_of(each) for each in [*self.found, *fresh]].count(name) >= times
        )
        return self.found

    def name_of(self, event: Any) -> str:
        return event["detail"].get("eventName", "")

    def names(self) -> list[str]:
        return [name for each in self.found if (name := self.name_of(each))]

    def tasks(self, key: str = "lastStatus") -> dict[str, list[Any]]:
        """What was said of each task, in order."""
        told: dict[str, list[Any]] = {}
        for each in self.found:
            if each["detail-type"] == "ECS Task State Change":
                told.setdefault(each["resources"][0], []).append(each["detail"][key])
        return told


@pytest.mark.slow
def test_a_service_tells_its_deployments_its_tasks_and_that_it_is_steady(cloud: MiniCloud) -> None:
    told = Told(cloud)
    told.until("SERVICE_STEADY_STATE")
    assert told.names() == ["SERVICE_DEPLOYMENT_IN_PROGRESS", "SERVICE_DEPLOYMENT_COMPLETED", "SERVICE_STEADY_STATE"]
    for states in told.tasks().values():  # PENDING is told again when its container starts
        assert (states[0], set(states[1:-1]), states[-1]) == ("PROVISIONING", {"PENDING"}, "RUNNING")
    assert all(versions == sorted(set(versions)) for versions in told.tasks("version").values())
    service = told.line.service()
    for each in told.found:
        if told.name_of(each):
            assert each["resources"] == [service["serviceArn"]]
    first, done = (each for each in told.found if each["detail-type"] == "ECS Deployment State Change")
    id = service["deployments"][0]["id"]
    assert first["detail"]["reason"] == f"ECS deployment {id} in progress."
    assert done["detail"] | {"updatedAt": ""} == {
        "eventType": "INFO",
        "eventName": "SERVICE_DEPLOYMENT_COMPLETED",
        "deploymentId": id,
        "updatedAt": "",
        "reason": f"ECS deployment {id} completed.",
    }
    (steady,) = (each for each in told.found if each["detail-type"] == "ECS Service Action")
    assert steady["detail"]["clusterArn"] == service["clusterArn"]
    task = next(each for each in told.found if each["detail-type"] == "ECS Task State Change")["detail"]
    assert {"taskArn", "clusterArn", "taskDefinitionArn", "containers", "attachments", "updatedAt"} <= set(task)
    assert (task["group"], task["startedBy"]) == (f"service:{told.line.name}", id)
    told.line.delete()
    told.found += told.ear.take()
    assert all(states[-1] == "STOPPED" for states in told.tasks().values())
    assert all(codes[-1] == "ServiceSchedulerInitiated" for codes in stop_codes(told).values())


def stop_codes(told: Told) -> dict[str, list[Any]]:
    tasks = [each["detail"] for each in told.found if each["detail-type"] == "ECS Task State Change"]
    return {
        task["taskArn"]: [other.get("stopCode") for other in tasks if other["taskArn"] == task["taskArn"]] for task in tasks
    }


@pytest.mark.slow
def test_a_rollback_tells_the_failure_and_the_deployment_that_takes_over(cloud: MiniCloud) -> None:
    told = Told(cloud, desired=1)
    told.until("SERVICE_STEADY_STATE")
    good = told.line.service()["deployments"][0]["id"]
    told.line.update(taskDefinition=told.line.definition("crash:1"))
    told.until("SERVICE_STEADY_STATE", times=2)
    later = [each["detail"] for each in told.found if each["detail-type"] == "ECS Deployment State Change"][2:]
    names = ["IN_PROGRESS", "FAILED", "IN_PROGRESS", "COMPLETED"]
    assert [each["eventName"] for each in later] == [f"SERVICE_DEPLOYMENT_{name}" for name in names]
    assert later[1]["eventType"] == "ERROR"
    assert later[1]["deploymentId"] == later[0]["deploymentId"]
    assert later[2]["deploymentId"] == later[3]["deploymentId"] == good
    assert "rolling back" in later[2]["reason"]
    crashed = [each["detail"] for each in told.found if each["detail"].get("stopCode") == "EssentialContainerExited"]
    assert {
        container["exitCode"] for each in crashed if each["lastStatus"] == "STOPPED" for container in each["containers"]
    } == {3}
    told.line.delete()


@pytest.mark.slow
def test_what_was_said_is_not_lost_nor_said_again_by_a_new_start(tmp_path: Path) -> None:
    cloud = MiniCloud(tmp_path)
    try:
        cloud.server("web:1", "v1")
        told = Told(cloud, desired=1)
        told.line.stable()
        cloud.restart()
        told.until("SERVICE_STEADY_STATE")
        assert told.names() == ["SERVICE_DEPLOYMENT_IN_PROGRESS", "SERVICE_DEPLOYMENT_COMPLETED", "SERVICE_STEADY_STATE"]
        assert [states[-1] for states in told.tasks().values()] == ["RUNNING"]
        told.line.delete()
        told.found += told.ear.take()  # the rule is there still
        assert [states[-1] for states in told.tasks().values()] == ["STOPPED"]
    finally:
        cloud.close()
