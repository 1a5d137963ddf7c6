"""Every kind goes through its life on the local cloud: made, seen as declared, changed, and gone without a trace."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shaped import checked
from trimtab.clients.errors import failure_from
from trimtab.core.kind import UID, Batch, Broken, Call, Difference, Failure, Moving, Settled, State, Steps, Transfer, Unknown
from trimtab.local.server import with_gateway
from trimtab.resources import KINDS, processing_job, scaling_policy, training_job, usage_plan
from unit.resources.samples import SAMPLES, SCALED, UID_VALUE

DEADLINE_S = 20.0
NOTHING = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}'


@dataclass
class Driver:
    """Makes the calls of kinds with boto3; transfers are noted, not done. What a kind made is in `writes`."""

    cloud: Any
    writes: list[str] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)

    def run(self, steps: Steps[Any]) -> Any:
        try:
            step = next(steps)
            while True:
                if isinstance(step, Transfer):
                    self.transfers.append(step)
                    step = steps.send(None)
                elif isinstance(step, Batch):
                    step = steps.send([self._guarded(call) for call in step.calls])
                else:
                    answer = self._guarded(step)
                    step = steps.throw(answer) if isinstance(answer, Failure) else steps.send(answer)
        except StopIteration as end:
            return end.value

    def _guarded(self, call: Call) -> Any:
        client = self.cloud.client(call.service)
        method = next(name for name, api in client.meta.method_to_api_mapping.items() if api == call.operation)
        if call.repeat != "read":
            self.writes.append(call.operation)
        try:
            if call.repeat == "read" and call.pages == "all" and client.can_paginate(method):
                return client.get_paginator(method).paginate(**call.arguments).build_full_result()
            reply = getattr(client, method)(**call.arguments)
        except (ClientError, BotoCoreError) as error:
            return failure_from(call.service, call.operation, error)
        return {**reply, "Body": reply["Body"].read()} if "Body" in reply else reply


@dataclass
class Lives:
    """Kinds at work on one cloud. What is made is deleted in the end, highest rank first."""

    driver: Driver
    made: list[tuple[str, str]] = field(default_factory=list)

    def see(self, name: str, identity: str) -> Any:
        seen = self.driver.run(KINDS[name].observe([identity])).get(identity)
        assert not isinstance(seen, Unknown), seen
        return seen

    def make(self, name: str, **changes: Any) -> tuple[Any, Any]:
        """Make the sample of a kind, with changes; returns (desired, observed) once it is there and not moving."""
        kind, desired = KINDS[name], replace(SAMPLES[name].desired, **changes)
        identity = kind.identity(desired)
        assert self.see(name, identity) is None
        self.driver.run(kind.create(desired))
        self.made.append((name, identity))
        self.until(lambda: not isinstance(self.state(name, desired), Moving), f"{name} settles")
        return desired, self.see(name, identity)

    def state(self, name: str, desired: Any) -> State:
        seen = self.see(name, KINDS[name].identity(desired))
        return KINDS[name].state(desired, seen) if seen else Moving("not seen yet")

    def live(self, name: str, **changes: Any) -> tuple[Any, Any]:
        """Make it, see it as declared with our tags and nothing more to write, retag it, and see that too."""
        desired, observed = self.settle(name, **changes)
        if hasattr(desired, "tags"):
            self.retag(name, desired, observed)
        return desired, self.see(name, KINDS[name].identity(desired))

    def settle(self, name: str, **changes: Any) -> tuple[Any, Any]:
        """Make it, and see it as declared with our tags and nothing more to write."""
        kind = KINDS[name]
        desired, observed = self.make(name, **changes)
        assert kind.diff(desired, observed) == ()
        assert kind.state(desired, observed) == Settled()
        assert self.tags(name, observed)[UID] == UID_VALUE
        before = len(self.driver.writes)
        self.driver.run(kind.update(desired, observed, kind.diff(desired, observed)))
        assert self.driver.writes[before:] == []
        return desired, observed

    def tags(self, name: str, observed: Any) -> Any:
        (tags,) = self.driver.run(KINDS[name].tags([observed]))
        return tags

    def retag(self, name: str, desired: Any, observed: Any) -> None:
        have = dict(self.tags(name, observed))
        self._tag(name, desired, observed, have, {**have, "team": "one"})
        self._tag(name, desired, observed, {**have, "team": "one"}, have)

    def _tag(self, name: str, desired: Any, observed: Any, have: dict[str, str], want: dict[str, str]) -> None:
        self.driver.run(KINDS[name].update(desired, observed, (Difference("tags", have, want),)))
        assert dict(self.tags(name, self.see(name, KINDS[name].identity(desired)))) == want

    def repair(self, name: str, desired: Any) -> list[str]:
        """Repair what differs; returns the paths. Afterwards nothing differs."""
        kind = KINDS[name]
        observed = self.see(name, kind.identity(desired))
        drift = kind.diff(desired, observed)
        self.driver.run(kind.update(desired, observed, drift))
        assert kind.diff(desired, self.see(name, kind.identity(desired))) == ()
        return [each.path for each in drift]

    def clear(self) -> None:
        """Delete all that was made; nothing of it is seen afterwards."""
        for name, identity in sorted(self.made, key=lambda made: -KINDS[made[0]].rank):

            def gone(name: str = name, identity: str = identity) -> bool:
                seen = self.see(name, identity)
                if seen is not None:
                    self.driver.run(KINDS[name].delete(seen))
                return seen is None

            self.until(gone, f"{name} {identity} is gone")

    @staticmethod
    def until(condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, f"not within {DEADLINE_S:g} s: {what}"
            time.sleep(0.05)


class Gateway:
    """A whole local cloud in this process: real HTTP, real signatures, every overlay."""

    def __init__(self, folder: Path) -> None:
        self.stop, self.ready, self._info = threading.Event(), threading.Event(), folder / "cloud.json"
        ports = (free_port(), free_port())
        ready = lambda _: self.ready.set()  # noqa: E731
        self.thread = threading.Thread(target=with_gateway, args=(folder, *ports, self.stop, ready), daemon=True)
        self.thread.start()
        assert self.ready.wait(DEADLINE_S), "the gateway did not come up"
        info = json.loads(self._info.read_text())
        self._session = boto3.Session(info["access_key_id"], info["secret_access_key"], region_name=info["region"])
        self._endpoint, self._clients = info["endpoint"], dict[str, Any]()

    def client(self, service: str) -> Any:
        if service not in self._clients:
            config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
            self._clients[service] = checked(self._session.client(service, endpoint_url=self._endpoint, config=config))
        return self._clients[service]

    def close(self) -> None:
        self.stop.set()
        self.thread.join(DEADLINE_S)
        assert not self.thread.is_alive()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp("cloud"))
    gateway.client("s3").create_bucket(Bucket="kinds")
    yield gateway
    gateway.close()


@pytest.fixture
def lives(cloud: Any) -> Iterator[Lives]:
    lives = Lives(Driver(cloud))
    yield lives
    lives.clear()


@pytest.fixture
def network(cloud: Any) -> dict[str, Any]:
    """A VPC of the account with two subnets and a security group."""
    ec2 = cloud.client("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    mine = [{"Name": "vpc-id", "Values": [vpc]}]
    subnets = ec2.describe_subnets(Filters=mine)["Subnets"][:2]
    groups = ec2.describe_security_groups(Filters=mine)["SecurityGroups"][:1]
    return {
        "vpc": vpc,
        "subnets": tuple(each["SubnetId"] for each in subnets),
        "groups": tuple(each["GroupId"] for each in groups),
    }


def test_a_repository(lives: Lives, cloud: Any):
    desired, _ = lives.live("ecr.Repository")
    cloud.client("ecr").put_image_tag_mutability(repositoryName=desired.name, imageTagMutability="MUTABLE")
    assert lives.repair("ecr.Repository", desired) == ["imageTagMutability"]


def test_a_log_group(lives: Lives, cloud: Any):
    desired, _ = lives.live("logs.LogGroup")
    cloud.client("logs").delete_retention_policy(logGroupName=desired.name)
    assert lives.repair("logs.LogGroup", desired) == ["retentionInDays"]


def test_a_role(lives: Lives, cloud: Any):
    desired, _ = lives.live("iam.Role", permissions_boundary=None)
    iam = cloud.client("iam")
    iam.put_role_policy(RoleName=desired.name, PolicyName="trimtab", PolicyDocument=NOTHING)
    iam.put_role_policy(RoleName=desired.name, PolicyName="by-hand", PolicyDocument=desired.policy)
    assert lives.repair("iam.Role", desired) == ["PolicyDocument"]


def test_content_that_is_whole_and_content_that_is_not(lives: Lives, cloud: Any):
    s3, kind = cloud.client("s3"), KINDS["s3.Content"]
    desired = replace(SAMPLES["s3.Content"].desired, bucket="kinds")
    prefix = desired.prefix.rstrip("/")
    s3.put_object(Bucket="kinds", Key=f"{prefix}/a/b.csv", Body=b"1")
    assert not lives.see("s3.Content", kind.identity(desired)).complete
    s3.put_object(Bucket="kinds", Key=f"{prefix}.json", Body=b"{}")
    assert lives.state("s3.Content", desired) == Settled()
    s3.create_multipart_upload(Bucket="kinds", Key=f"{prefix}/large")
    lives.made.append(("s3.Content", kind.identity(desired)))
    lives.clear()
    assert "Contents" not in s3.list_objects_v2(Bucket="kinds", Prefix=prefix)
    assert not s3.list_multipart_uploads(Bucket="kinds").get("Uploads")


def test_an_artifact(lives: Lives, cloud: Any):
    s3, kind = cloud.client("s3"), KINDS["trimtab.Artifact"]
    desired = replace(SAMPLES["trimtab.Artifact"].desired, bucket="kinds")
    record = {"digest": "sha256:aa", "bytes": 1, "files": [], "metrics": {}, "evaluation": {"metrics": {"accuracy": 1}}}
    s3.put_object(Bucket="kinds", Key=f"{desired.prefix}.json", Body=json.dumps(record).encode())
    lives.made.append(("trimtab.Artifact", kind.identity(desired)))
    seen = lives.see("trimtab.Artifact", kind.identity(desired))
    assert (seen.digest, seen.evaluation) == ("sha256:aa", {"test:accuracy": 1.0})


def test_an_image_that_is_not_there(lives: Lives):
    lives.make("ecr.Repository")
    assert lives.see("ecr.Image", KINDS["ecr.Image"].identity(SAMPLES["ecr.Image"].desired)) is None
    assert lives.see("ecr.Image", "vision/none|tag") is None


def test_a_training_job_that_fails_is_tried_again_and_leaves_nothing(lives: Lives, cloud: Any):
    role, observed_role = lives.make("iam.Role", permissions_boundary=None, trust_service="sagemaker.amazonaws.com")
    assert role.name in observed_role.arn
    desired, observed = lives.make(
        "sagemaker.TrainingJob",
        role_arn=observed_role.arn,
        image=f"{cloud.client('ecr').meta.endpoint_url.rpartition('/')[2]}/none:1",
        channels=(training_job.Channel("train", "s3://kinds/none/"),),
        output_uri="s3://kinds/jobs",
        subnets=(),
        security_groups=(),
    )
    assert observed.status == "Failed"
    assert lives.tags("sagemaker.TrainingJob", observed)[UID] == UID_VALUE
    lives.driver.run(KINDS["sagemaker.TrainingJob"].create(replace(desired, run="run-2")))
    lives.until(lambda: lives.see("sagemaker.TrainingJob", desired.name).attempt == 2, "a second attempt")
    assert [each.run for each in lives.see("sagemaker.TrainingJob", desired.name).attempts] == ["run-1", "run-2"]


def test_a_processing_job_leaves_its_report_and_then_nothing(lives: Lives, cloud: Any):
    _, role = lives.make("iam.Role", permissions_boundary=None, trust_service="sagemaker.amazonaws.com")
    cloud.client("s3").put_object(Bucket="kinds", Key="model/weight", Body=b"7")
    script = """
import json, os, pathlib
box = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")) / "processing"
weight = json.loads((box / "model/weight").read_text())
(box / "output/evaluation.json").write_text(json.dumps({"weight": weight}))
"""
    cloud.client("s3").put_object(Bucket="kinds", Key="code/run.py", Body=script.encode())
    registry = cloud.client("ecr").meta.endpoint_url.rpartition("/")[2]
    desired, observed = lives.live(
        "sagemaker.ProcessingJob",
        role_arn=role.arn,
        image=f"{registry}/trimtab/host-python:3.11",
        inputs=(
            processing_job.Input("model", "s3://kinds/model/", "/opt/ml/processing/model"),
            processing_job.Input("code", "s3://kinds/code/", "/opt/ml/processing/input/code"),
        ),
        entrypoint=("python3", "/opt/ml/processing/input/code/run.py"),
        arguments=(),
        output_uri="s3://kinds/jobs",
    )
    assert (observed.report, observed.problem) == ({"weight": 7}, "")
    lives.driver.run(KINDS["sagemaker.ProcessingJob"].create(desired))  # a repeat
    assert lives.driver.writes.count("CreateProcessingJob") == 1
    lives.clear()
    assert "Contents" not in cloud.client("s3").list_objects_v2(Bucket="kinds", Prefix="jobs/")


def test_a_processing_job_that_fails_is_tried_again_and_leaves_nothing(lives: Lives, cloud: Any):
    _, role = lives.make("iam.Role", permissions_boundary=None, trust_service="sagemaker.amazonaws.com")
    none = processing_job.Input("model", "s3://kinds/none/", "/opt/ml/processing/model")
    image = f"{cloud.client('ecr').meta.endpoint_url.rpartition('/')[2]}/trimtab/host-python:3.11"
    fields = {"role_arn": role.arn, "image": image, "inputs": (none,), "output_uri": "s3://kinds/jobs"}
    desired, _ = lives.make("sagemaker.ProcessingJob", **fields)
    state = lives.state("sagemaker.ProcessingJob", desired)
    assert isinstance(state, Broken)
    assert (state.reason, "No S3 objects found" in state.because, state.again) == ("ChampionUnevaluated", True, False)
    lives.driver.run(KINDS["sagemaker.ProcessingJob"].create(replace(desired, run="run-2")))
    lives.until(lambda: len(lives.see("sagemaker.ProcessingJob", desired.name).attempts) == 2, "a second attempt")
    seen = lives.see("sagemaker.ProcessingJob", desired.name)
    assert [(each.job_name, each.run) for each in seen.attempts] == [
        (f"{desired.name}-a1", "run-1"),
        (f"{desired.name}-a2", "run-2"),
    ]


def test_a_service_and_all_it_stands_on(lives: Lives, network: dict[str, Any], cloud: Any):
    lives.live("ecs.Cluster")
    balancer = {"subnets": network["subnets"], "security_groups": network["groups"]}
    _, load_balancer = lives.live("elbv2.LoadBalancer", **balancer)
    _, listener = lives.live("elbv2.Listener", load_balancer_arn=load_balancer.arn)
    group, target_group = lives.live("elbv2.TargetGroup", vpc=network["vpc"])
    rule, _ = lives.live("elbv2.ListenerRule", listener_arn=listener.arn, target_group_arn=target_group.arn)
    _, task_definition = lives.live("ecs.TaskDefinition")
    service, _ = lives.live(
        "ecs.Service",
        task_definition=task_definition.arn,
        target_group_arn=target_group.arn,
        desired_count=0,
        **balancer,
    )
    bounds, _ = lives.live("autoscaling.ScalableTarget", least=0, most=1)
    label = {"balancer": load_balancer.arn_suffix, "target_group": target_group.arn_suffix}
    policy, _ = lives.settle("autoscaling.ScalingPolicy", **label)
    assert lives.repair("autoscaling.ScalableTarget", replace(bounds, most=3)) == ["MaxCapacity"]
    assert lives.repair("autoscaling.ScalingPolicy", replace(policy, metric="cpu", value=50)) == ["metric", "TargetValue"]
    assert lives.repair("autoscaling.ScalingPolicy", replace(policy, metric="queue", out_s=0)) == [
        "metric",
        "TargetValue",
        "ScaleOutCooldown",
    ]
    steps = (scaling_policy.Step(0.0, 20.0, 1), scaling_policy.Step(20.0, None, 2))
    stepped = scaling_policy.Stepped(policy.cluster, policy.service, policy.name, steps, 60)
    assert lives.repair("autoscaling.ScalingPolicy", stepped) == ["PolicyType"]
    fewer = replace(stepped, steps=(scaling_policy.Step(0.0, None, 1),), cooldown_s=90)
    assert lives.repair("autoscaling.ScalingPolicy", fewer) == ["StepAdjustments", "Cooldown"]
    arn = lives.see("autoscaling.ScalingPolicy", KINDS["autoscaling.ScalingPolicy"].identity(fewer)).arn
    alarm, _ = lives.settle("cloudwatch.Alarm", actions=(arn,))
    cloud.client("cloudwatch").disable_alarm_actions(AlarmNames=[alarm.name])
    assert lives.repair("cloudwatch.Alarm", alarm) == ["ActionsEnabled"]
    action, _ = lives.settle("autoscaling.ScheduledAction")
    other_action = replace(action, schedule="cron(0 9 * * ? *)", timezone="UTC")
    assert lives.repair("autoscaling.ScheduledAction", other_action) == ["Schedule", "Timezone"]
    ends = {"ScheduledActionName": action.name, "EndTime": datetime(2100, 1, 1, tzinfo=UTC), "Schedule": action.schedule}
    cloud.client("application-autoscaling").put_scheduled_action(**SCALED, **ends)
    assert lives.repair("autoscaling.ScheduledAction", action) == ["Timezone", "EndTime"]
    cloud.client("elbv2").modify_target_group(TargetGroupArn=target_group.arn, HealthCheckPath="/other")
    assert lives.repair("elbv2.TargetGroup", group) == ["HealthCheckPath"]
    assert lives.repair("elbv2.ListenerRule", replace(rule, paths=("/ping",))) == ["Conditions.PathPatternConfig"]
    assert lives.repair("ecs.Service", replace(service, grace_s=5)) == ["healthCheckGracePeriodSeconds"]


def test_an_alarm(lives: Lives, cloud: Any):
    desired, _ = lives.live("cloudwatch.Alarm")
    assert lives.repair("cloudwatch.Alarm", replace(desired, description="slow")) == ["AlarmDescription"]
    cloud.client("cloudwatch").set_alarm_state(AlarmName=desired.name, StateValue="ALARM", StateReason="a drill")
    assert lives.repair("cloudwatch.Alarm", desired) == []  # its state is not ours
    assert lives.repair("cloudwatch.Alarm", replace(desired, threshold=9)) == ["Threshold"]


def test_a_release_whose_tasks_cannot_start_is_rolled_back_and_not_asked_for_again(lives: Lives, network: dict[str, Any]):
    lives.make("ecs.Cluster")
    balancer = {"subnets": network["subnets"], "security_groups": network["groups"]}
    _, load_balancer = lives.make("elbv2.LoadBalancer", **balancer)
    _, listener = lives.make("elbv2.Listener", load_balancer_arn=load_balancer.arn)
    _, targets = lives.make("elbv2.TargetGroup", vpc=network["vpc"])
    lives.make("elbv2.ListenerRule", listener_arn=listener.arn, target_group_arn=targets.arn)
    _, good = lives.make("ecs.TaskDefinition")
    _, bad = lives.make("ecs.TaskDefinition", family="vision-digits-bad000000000", image_digest="sha256:" + "0" * 64)
    kind, name = KINDS["ecs.Service"], "ecs.Service"
    service, observed = lives.make(name, task_definition=good.arn, target_group_arn=targets.arn, desired_count=0, **balancer)

    release = replace(service, task_definition=bad.arn, desired_count=1)
    lives.driver.run(kind.update(release, observed, kind.diff(release, observed)))
    lives.until(lambda: isinstance(lives.state(name, release), Broken), "the release is given up")
    for _ in range(3):
        state, seen = lives.state(name, release), lives.see(name, kind.identity(release))
        assert isinstance(state, Broken)
        assert state.reason == "RolledBack"
        assert "vision-digits-bad000000000:1" in state.because
        assert [each for each in kind.diff(release, seen) if each.owner == "spec"] == []
    fixed = replace(release, task_definition=good.arn)
    assert all(each.path != "taskDefinition" for each in kind.diff(fixed, lives.see(name, kind.identity(fixed))))


def test_a_gateway_with_its_key(lives: Lives, network: dict[str, Any], cloud: Any):
    _, balancer = lives.make("elbv2.LoadBalancer", subnets=network["subnets"], security_groups=network["groups"])
    _, listener = lives.make("elbv2.Listener", load_balancer_arn=balancer.arn)
    _, link = lives.settle("apigatewayv2.VpcLink", subnets=network["subnets"], security_groups=network["groups"])
    api, live_api = lives.settle("apigateway.RestApi", body=BODY, vpc_link_id=link.id, listener_arn=listener.arn)
    stage, _ = lives.settle("apigateway.Stage", api_id=live_api.id, body_digest=live_api.digest)
    _, key = lives.settle("apigateway.ApiKey")
    stages = (usage_plan.ApiStage(live_api.id, "live"),)
    plan, _ = lives.settle("apigateway.UsagePlan", stages=stages, key_ids=(key.id,))

    other = replace(api, body=BODY.replace("29000", "5000"))
    assert lives.repair("apigateway.RestApi", other) == ["body"]
    digest = lives.see("apigateway.RestApi", api.name).digest
    assert digest != live_api.digest
    assert lives.repair("apigateway.Stage", replace(stage, body_digest=digest, rate=10)) == [
        "deploymentId",
        "methodSettings.throttlingRateLimit",
    ]
    assert lives.repair("apigateway.UsagePlan", replace(plan, burst=7)) == ["throttle.burstLimit"]
    assert cloud.client("apigateway").get_api_keys(includeValues=True)["items"][0]["value"]


def test_a_vpc_link_is_retagged(lives: Lives, network: dict[str, Any]):
    lives.live("apigatewayv2.VpcLink", subnets=network["subnets"], security_groups=network["groups"])


def test_a_key_is_retagged_many_times(lives: Lives):
    desired, observed = lives.settle("apigateway.ApiKey")
    for _ in range(30):
        lives.retag("apigateway.ApiKey", desired, observed)


def test_twins_of_an_api_are_found_and_removed(lives: Lives, cloud: Any):
    body = {"openapi": "3.0.1", "paths": {"/ping": {"get": {"x-amazon-apigateway-integration": {"type": "mock"}}}}}
    desired = replace(SAMPLES["apigateway.RestApi"].desired, body=json.dumps(body))
    client = cloud.client("apigateway")
    twins = {client.create_rest_api(name=desired.name, tags=dict(desired.tags))["id"] for _ in range(2)}
    foreign = client.create_rest_api(name=desired.name)["id"]
    lives.made.append(("apigateway.RestApi", desired.name))
    assert "twins" in lives.repair("apigateway.RestApi", desired)
    kept = lives.see("apigateway.RestApi", desired.name).id
    assert kept in twins
    assert {item["id"] for item in client.get_rest_apis()["items"]} == {kept, foreign}


BODY = json.dumps(
    {
        "openapi": "3.0.1",
        "paths": {
            "/invocations": {
                "post": {
                    "responses": {"200": {"description": "ok"}},
                    "security": [{"api_key": []}],
                    "x-amazon-apigateway-integration": {
                        "type": "http_proxy",
                        "httpMethod": "POST",
                        "uri": "http://vision-digits-0a1b2c.trimtab.internal/invocations",
                        "connectionType": "VPC_LINK",
                        "connectionId": "{vpc_link_id}",
                        "integrationTarget": "{listener_arn}",
                        "timeoutInMillis": 29000,
                        "passthroughBehavior": "when_no_match",
                    },
                }
            }
        },
        "components": {"securitySchemes": {"api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"}}},
        "x-amazon-apigateway-binary-media-types": ["*/*"],
    },
    sort_keys=True,
)
