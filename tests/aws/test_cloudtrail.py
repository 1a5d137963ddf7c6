"""CloudTrail's event history, and who is in it, through boto3.

The pages: AWS CloudTrail API Reference, LookupEvents; AWS CloudTrail User Guide, "Working with CloudTrail event history";
Amazon EventBridge User Guide, "AWS service events delivered via AWS CloudTrail".
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from click.testing import CliRunner

from clouds import running_cloud
from heard import Ear
from job_cloud import REGION, JobCloud, job_cloud
from shaped import checked
from trimtab.cli.local import MOST_DELAY_S, command
from trimtab.core.kind import Call
from trimtab.local.cloudtrail import DELAY, MOST_DELAY
from trimtab.local.commands import user
from trimtab.plan.culprit import Write, write_in
from trimtab.resources.trail import attributes, events, names_of

TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})


class Moved:
    """The cloud's clock, so much later; it never goes back."""

    by = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.by


class World:
    """A cloud, its clock, and clients of several people."""

    def __init__(self, cloud: JobCloud) -> None:
        self.cloud, self.clock = cloud, Moved()
        cloud.world.clock = self.clock

    def later(self, seconds: float) -> None:
        Moved.by += timedelta(seconds=seconds)

    def client(self, service: str, key: dict[str, str] | None = None, token: str | None = None) -> Any:
        if key is None:
            return self.cloud.client(service)
        client = boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=f"http://127.0.0.1:{self.cloud.port}",
            region_name=REGION,
            aws_access_key_id=key["id"],
            aws_secret_access_key=key["secret"],
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1}),
        )
        return checked(client)

    def person(self, name: str) -> dict[str, str]:
        return self.cloud.cloud.principals.issue(name)

    def lookup(self, **given: Any) -> dict[str, Any]:
        self.later(1)  # two a second are allowed
        return self.cloud.client("cloudtrail").lookup_events(**given)

    def history(self, key: str | None = None, value: str = "", **given: Any) -> list[dict[str, Any]]:
        """Events without a delay, newest first, by an attribute."""
        self.cloud.world.overlay("cloudtrail").set_delay(timedelta(0))
        attributes = [{"AttributeKey": key, "AttributeValue": value}] if key else []
        return self.lookup(LookupAttributes=attributes, **given)["Events"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobCloud]:
    folder = tmp_path_factory.mktemp("trail")
    with job_cloud(folder / "state", folder / "cache") as cloud:
        yield cloud


@pytest.fixture
def world(shared: JobCloud) -> World:
    return World(shared)


def code_of(refused: pytest.ExceptionInfo[ClientError]) -> str:
    return refused.value.response["Error"]["Code"]


# --- who ---


def test_people_are_told_apart(world: World) -> None:
    ana = world.person("ana")
    world.client("ecr", ana).create_repository(repositoryName="by-ana")
    world.client("ecr").create_repository(repositoryName="by-us")
    events = world.history("EventName", "CreateRepository")
    assert [(each["Username"], each["Resources"][0]["ResourceName"]) for each in events] == [
        ("trimtab", "by-us"),
        ("ana", "by-ana"),
    ]
    identity = json.loads(events[1]["CloudTrailEvent"])["userIdentity"]
    assert (identity["type"], identity["arn"]) == ("IAMUser", "arn:aws:iam::123456789012:user/ana")
    assert identity["accessKeyId"] == events[1]["AccessKeyId"] == ana["id"]
    assert world.client("sts", ana).get_caller_identity()["Arn"] == identity["arn"]
    assert [each.principal for each in world.cloud.cloud.journal() if each.operation == "CreateRepository"] == [
        "arn:aws:iam::123456789012:user/ana",
        "arn:aws:iam::123456789012:user/trimtab",
    ]


def test_a_key_that_iam_made_signs_until_it_is_inactive_or_deleted(world: World) -> None:
    iam = world.client("iam")
    iam.create_user(UserName="bob")
    made = iam.create_access_key(UserName="bob")["AccessKey"]
    bob = world.client("ecr", {"id": made["AccessKeyId"], "secret": made["SecretAccessKey"]})
    bob.describe_repositories()
    with pytest.raises(ClientError) as refused:
        world.client("ecr", {"id": made["AccessKeyId"], "secret": "wrong"}).describe_repositories()
    assert code_of(refused) == "SignatureDoesNotMatch"
    for change in (
        lambda: iam.update_access_key(UserName="bob", AccessKeyId=made["AccessKeyId"], Status="Inactive"),
        lambda: iam.delete_access_key(UserName="bob", AccessKeyId=made["AccessKeyId"]),
    ):
        change()
        with pytest.raises(ClientError) as refused:
            bob.describe_repositories()
        assert code_of(refused) == "InvalidClientTokenId"


def test_a_session_of_a_role_is_told_by_both(world: World) -> None:
    world.client("iam").create_role(RoleName="operator", AssumeRolePolicyDocument=TRUST)
    made = world.client("sts").assume_role(RoleArn="arn:aws:iam::123456789012:role/operator", RoleSessionName="loop")[
        "Credentials"
    ]
    session = {"id": made["AccessKeyId"], "secret": made["SecretAccessKey"]}
    world.client("ecr", session, made["SessionToken"]).create_repository(repositoryName="by-role")
    (event,) = world.history("Username", "loop")
    identity = json.loads(event["CloudTrailEvent"])["userIdentity"]
    assert identity["arn"] == "arn:aws:sts::123456789012:assumed-role/operator/loop"
    assert identity["sessionContext"]["sessionIssuer"]["userName"] == "operator"


def test_keys_are_the_same_after_a_new_start_and_so_is_the_history(tmp_path: Path) -> None:
    with job_cloud(tmp_path / "state", tmp_path / "cache") as cloud:
        world = World(cloud)
        ana = world.person("ana")
        world.client("ecr", ana).create_repository(repositoryName="kept")
        cloud.halt()
        again = JobCloud(tmp_path / "state", tmp_path / "cache", cloud.port)
        try:
            world = World(again)
            assert world.person("ana") == ana
            (event,) = world.history("Username", "ana")
            assert event["EventName"] == "CreateRepository"
        finally:
            again.close()


# --- the history ---


def test_an_event_is_there_once_its_delay_is_over(world: World) -> None:
    world.cloud.world.overlay("cloudtrail").set_delay(DELAY)
    world.client("ecr").create_repository(repositoryName="delayed")
    attributes = [{"AttributeKey": "ResourceName", "AttributeValue": "delayed"}]
    world.later(DELAY.total_seconds() - 30)
    assert world.lookup(LookupAttributes=attributes)["Events"] == []
    world.later(30)
    assert len(world.lookup(LookupAttributes=attributes)["Events"]) == 1


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("EventName", "DeleteRepository", True),
        ("EventName", "deleterepository", False),
        ("EventSource", "ecr.amazonaws.com", True),
        ("EventSource", "ecs.amazonaws.com", False),
        ("ReadOnly", "false", True),
        ("Username", "trimtab", True),
        ("Username", "nobody", False),
        ("ResourceName", "sought", True),
        ("ResourceType", "AWS::ECR::Repository", True),
        ("ResourceType", "sought", False),
    ],
)
def test_each_attribute_finds_what_it_should(world: World, key: str, value: str, found: bool) -> None:
    ecr = world.client("ecr")
    ecr.create_repository(repositoryName="sought")
    ecr.delete_repository(repositoryName="sought")
    events = world.history(key, value, MaxResults=5)
    assert any(each["EventName"] == "DeleteRepository" for each in events) is found


def test_an_event_is_found_by_its_id_and_by_the_key_that_signed(world: World) -> None:
    eva = world.person("eva")
    world.client("ecr", eva).describe_repositories()
    (event,) = world.history("AccessKeyId", eva["id"])
    assert (event["EventName"], event["ReadOnly"]) == ("DescribeRepositories", "true")
    assert [each["EventId"] for each in world.history("EventId", event["EventId"])] == [event["EventId"]]
    assert json.loads(event["CloudTrailEvent"])["eventID"] == event["EventId"]


def writes_of(world: World, kind: str, names: tuple[str, ...], *, of_tags: bool) -> list[Write]:
    """As the operator looks them up."""
    steps = events(attributes(kind, names, of_tags=of_tags), world.clock.now() + timedelta(seconds=1))
    try:
        call = next(steps)
        while True:
            assert isinstance(call, Call)
            call = steps.send(world.lookup(**call.arguments))
    except StopIteration as end:
        return [write for each in end.value if (write := write_in(each))]


def test_who_wrote_to_a_resource_is_found_by_its_names_and_who_tagged_it_by_the_call(world: World) -> None:
    world.cloud.world.overlay("cloudtrail").set_delay(timedelta(0))
    lou, kim = world.person("lou"), world.person("kim")
    made = world.client("ecr").create_repository(repositoryName="changed")["repository"]
    world.client("ecr", lou).put_image_tag_mutability(repositoryName="changed", imageTagMutability="IMMUTABLE")
    world.client("ecr", kim).tag_resource(resourceArn=made["repositoryArn"], tags=[{"Key": "team", "Value": "x"}])
    world.client("ecr", kim).describe_repositories(repositoryNames=["changed"])
    names = names_of("changed", SimpleNamespace(arn=made["repositoryArn"]))
    found = writes_of(world, "ecr.Repository", names, of_tags=False)
    assert [(each.who.rpartition("/")[2], each.event) for each in found] == [
        ("lou", "PutImageTagMutability"),
        ("trimtab", "CreateRepository"),
    ]
    tagged = [each for each in writes_of(world, "ecr.Repository", names, of_tags=True) if each.who.endswith("/kim")]
    assert [each.event for each in tagged] == ["TagResource"]
    assert tagged[0].parameters["resourceArn"] == made["repositoryArn"]


def test_a_refused_call_is_there_with_its_error(world: World) -> None:
    zoe = world.person("zoe")
    for service, call in (
        ("ecr", lambda client: client.delete_repository(repositoryName="nowhere")),
        ("iam", lambda client: client.delete_role(RoleName="nowhere")),  # moto's
    ):
        with pytest.raises(ClientError):
            call(world.client(service, zoe))
    events = [json.loads(each["CloudTrailEvent"]) for each in world.history("Username", "zoe")]
    assert [(each["eventName"], each["errorCode"]) for each in events] == [
        ("DeleteRole", "NoSuchEntity"),
        ("DeleteRepository", "RepositoryNotFoundException"),
    ]
    assert events[0]["requestParameters"] == {"roleName": "nowhere"}


def test_data_events_are_not_in_the_history(world: World) -> None:
    max_ = world.person("max")
    world.client("s3", max_).create_bucket(Bucket="data-of-max")
    world.client("s3", max_).put_object(Bucket="data-of-max", Key="k", Body=b"x")
    assert [each["EventName"] for each in world.history("Username", "max")] == ["CreateBucket"]


def test_pages_are_whole_and_newest_first(world: World) -> None:
    pat = world.person("pat")
    names = [f"page-{number}" for number in range(5)]
    for name in names:
        world.client("ecr", pat).create_repository(repositoryName=name)
    world.cloud.world.overlay("cloudtrail").set_delay(timedelta(0))
    attributes, token, pages = [{"AttributeKey": "Username", "AttributeValue": "pat"}], {}, []
    while True:
        page = world.lookup(LookupAttributes=attributes, MaxResults=2, **token)
        pages.append([each["Resources"][0]["ResourceName"] for each in page["Events"]])
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
        world.client("ecr", pat).describe_repositories()  # what comes meanwhile moves no page
    assert pages == [["page-4", "page-3"], ["page-2", "page-1"], ["page-0"]]


def test_times_bound_a_lookup(world: World) -> None:
    tom = world.person("tom")
    world.client("ecr", tom).create_repository(repositoryName="by-tom")
    now = world.clock.now()
    assert world.history("Username", "tom", StartTime=now - timedelta(minutes=1))
    assert world.history("Username", "tom", EndTime=now - timedelta(minutes=1)) == []


def test_a_third_lookup_within_a_second_is_throttled(world: World) -> None:
    world.later(1)
    client, moment = world.cloud.client("cloudtrail"), world.clock.now()
    world.cloud.world.clock = type("Stopped", (), {"now": lambda _: moment})()  # type: ignore[assignment]
    client.lookup_events()
    client.lookup_events()
    with pytest.raises(ClientError) as refused:
        client.lookup_events()
    assert code_of(refused) == "ThrottlingException"
    world.cloud.world.clock = world.clock
    world.later(1)
    client.lookup_events()


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"MaxResults": 51}, "ValidationException"),
        ({"NextToken": "nonsense"}, "InvalidNextTokenException"),
        (
            {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": name} for name in "ab"]},
            "InvalidLookupAttributesException",
        ),
        (
            {"StartTime": datetime(2026, 1, 2, tzinfo=UTC), "EndTime": datetime(2026, 1, 1, tzinfo=UTC)},
            "InvalidTimeRangeException",
        ),
    ],
)
def test_what_is_refused(world: World, given: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as refused:
        world.lookup(**given)
    assert code_of(refused) == code


# --- EventBridge ---


def test_a_write_is_told_at_once_and_a_read_to_whom_asks_for_reads(world: World) -> None:
    pattern = {"detail-type": ["AWS API Call via CloudTrail"], "detail": {"userIdentity": {"userName": ["liz"]}}}
    liz = world.person("liz")
    writes, all_ = (
        Ear(world.client, pattern),
        Ear(world.client, pattern, State="ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"),
    )
    client = world.client("ecr", liz)
    client.create_repository(repositoryName="told")
    client.describe_repositories()
    (event,) = writes.take()
    assert event["source"] == "aws.ecr"
    assert event["detail"]["eventName"] == "CreateRepository"
    assert event["detail"]["requestParameters"]["repositoryName"] == "told"
    assert [each["detail"]["eventName"] for each in all_.take()] == ["CreateRepository", "DescribeRepositories"]


# --- the command line ---


def test_the_command_line_and_the_cloud_agree_on_the_longest_delay() -> None:
    assert MOST_DELAY.total_seconds() == MOST_DELAY_S


@pytest.mark.parametrize("given", ["16m", "soon"])
def test_a_delay_that_cannot_be_is_refused(given: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(command, ["up", "--state", str(tmp_path / "none"), "--trail-delay", given])
    assert done.exit_code != 0
    assert "--trail-delay" in done.output
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_another_user_is_one_command_away(tmp_path: Path) -> None:
    """And the delay is taken on by a cloud that is up."""
    with running_cloud(tmp_path / "state") as cloud:
        ports = ["--port", str(cloud.ports[0]), "--invoke-port", str(cloud.ports[1])]
        for words in (["up", *ports, "--trail-delay", "0s"], ["user", "ana"]):
            done = CliRunner().invoke(command, [*words, "--state", str(cloud.folder)], catch_exceptions=False)
            assert done.exit_code == 0, done.output
        variables = dict(line.removeprefix("export ").split("=", 1) for line in done.output.splitlines())
        assert variables == user(cloud.folder, "ana")
        whoami = [
            str(Path(sys.executable).parent / "aws"),
            "sts",
            "get-caller-identity",
            "--query",
            "Arn",
            "--output",
            "text",
        ]
        shown = subprocess.run(whoami, env=os.environ | variables, capture_output=True, text=True, check=True)
        assert shown.stdout.strip() == "arn:aws:iam::123456789012:user/ana"
        found = cloud.client("cloudtrail").lookup_events(
            LookupAttributes=[{"AttributeKey": "Username", "AttributeValue": "ana"}]
        )["Events"]
        assert [each["EventName"] for each in found] == ["GetCallerIdentity"]
