"""Services that really run: roll-outs under load, healing, rollbacks, drains and restarts, through unmodified boto3.

Sources, Amazon ECS Developer Guide: "Deploy Amazon ECS services by replacing tasks" (minimumHealthyPercent,
maximumPercent), "How the Amazon ECS deployment circuit breaker detects failures", "Amazon ECS task lifecycle",
"Amazon ECS service throttle logic", "Stopped tasks error messages"; ECS API Reference: UpdateService
(forceNewDeployment), DeleteService (DRAINING, INACTIVE), CreateService (propagateTags), ListTasks. Draining: Elastic
Load Balancing User Guide, "Deregistration delay".
"""

import itertools
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from ecs_world import MiniCloud, Network, eventually, network

NUMBERS = itertools.count(1)
FAST: dict[str, Any] = {"Delay": 0.05, "MaxAttempts": 400}
CRASH = "import sys; print('no model'); sys.exit(3)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniCloud]:
    made = MiniCloud(tmp_path_factory.mktemp("cloud"))
    for version in "12345":
        made.server(f"web:{version}", f"v{version}")
    made.server("sick:1", "sick", ping=500)
    made.program("crash:1", CRASH)
    made.program("stubborn:1", STUBBORN)
    made.program("once:1", "import os; print(os.environ['WHO'], os.environ['AWS_REGION'])")
    yield made
    made.close()


@pytest.fixture(scope="module")
def place(cloud: MiniCloud) -> Network:
    return network(cloud)


class Line:
    """A service behind a load balancer of its own."""

    def __init__(self, cloud: MiniCloud, place: Network, image: str = "web:1", desired: int = 2, **given: Any) -> None:
        self.cloud, self.place, self.number = cloud, place, next(NUMBERS)
        self.ecs, self.elb, self.name = cloud.client("ecs"), cloud.client("elbv2"), f"web-{self.number}"
        self._make_balancer()
        self.ecs.create_cluster(clusterName="main")
        breaker = {"enable": True, "rollback": True, "resetOnHealthyTask": False}
        call = {
            "cluster": "main",
            "serviceName": self.name,
            "taskDefinition": self.definition(image),
            "desiredCount": desired,
            "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": list(place.subnets)}},
            "loadBalancers": [{"targetGroupArn": self.group, "containerName": "model", "containerPort": 8080}],
            "deploymentConfiguration": {"deploymentCircuitBreaker": breaker},
        }
        self.ecs.create_service(**call | given)

    def _make_balancer(self) -> None:
        made = self.elb.create_load_balancer(Name=self.name, Subnets=list(self.place.subnets), Scheme="internal")
        balancer = made["LoadBalancers"][0]["LoadBalancerArn"]
        self.group = self.elb.create_target_group(
            Name=self.name,
            Protocol="HTTP",
            Port=8080,
            VpcId=self.place.vpc,
            TargetType="ip",
            HealthCheckPath="/ping",
            HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=2,
        )["TargetGroups"][0]["TargetGroupArn"]
        delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "30"}
        self.elb.modify_target_group_attributes(TargetGroupArn=self.group, Attributes=[delay])
        actions = [{"Type": "forward", "TargetGroupArn": self.group}]
        made = self.elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=actions)
        self.host, self.port = self.cloud.world.overlay("elbv2").route(made["Listeners"][0]["ListenerArn"])

    def definition(self, image: str) -> str:
        options = {"awslogs-group": "/web", "awslogs-region": "us-east-1", "awslogs-stream-prefix": self.name}
        return self.ecs.register_task_definition(
            family=self.name,
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
            containerDefinitions=[
                {
                    "name": "model",
                    "image": image,
                    "portMappings": [{"containerPort": 8080}],
                    "stopTimeout": 2,
                    "logConfiguration": {"logDriver": "awslogs", "options": options},
                }
            ],
        )["taskDefinition"]["taskDefinitionArn"]

    def update(self, **given: Any) -> dict[str, Any]:
        return self.ecs.update_service(cluster="main", service=self.name, **given)["service"]

    def service(self) -> dict[str, Any]:
        return self.ecs.describe_services(cluster="main", services=[self.name])["services"][0]

    def tasks(self, status: str = "RUNNING") -> list[dict[str, Any]]:
        arns = self.ecs.list_tasks(cluster="main", serviceName=self.name, desiredStatus=status)["taskArns"]
        return self.ecs.describe_tasks(cluster="main", tasks=arns)["tasks"] if arns else []

    def stable(self) -> dict[str, Any]:
        self.ecs.get_waiter("services_stable").wait(cluster="main", services=[self.name], WaiterConfig=FAST)
        return eventually(lambda: (found := self.service())["deployments"][0]["rolloutState"] == "COMPLETED" and found)

    def says(self, words: str) -> Any:
        return any(words in each["message"] for each in self.service()["events"])

    def delete(self) -> None:
        self.ecs.delete_service(cluster="main", service=self.name, force=True)
        self.ecs.get_waiter("services_inactive").wait(cluster="main", services=[self.name], WaiterConfig=FAST)


class Load:
    """Clients that ask without pause and keep their connections; every answer is counted, every failure kept."""

    def __init__(self, line: Line, clients: int = 3) -> None:
        self.line, self.answers, self.failures, self._over = line, Counter[str](), list[str](), threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        with closing(HTTPConnection(self.line.host, self.line.port, timeout=10)) as connection:
            while not self._over.is_set():
                try:
                    connection.request("POST", "/invocations", b"x" * 2000)
                    response = connection.getresponse()
                    body = response.read().decode()
                except OSError as error:
                    self.failures.append(repr(error))
                    connection.close()
                    continue
                if response.status == 200:
                    self.answers[body] += 1
                else:
                    self.failures.append(f"{response.status} {body}")

    def some(self, answer: str, count: int = 20) -> None:
        """Wait until so many more answers have come."""
        before = self.answers[answer]
        eventually(lambda: self.answers[answer] >= before + count)


def test_a_service_becomes_stable_and_serves_from_its_own_addresses(cloud: MiniCloud, place: Network) -> None:
    line = Line(cloud, place)
    service = line.stable()
    assert (service["runningCount"], service["pendingCount"]) == (2, 0)
    (deployment,) = service["deployments"]
    assert (deployment["status"], deployment["runningCount"], deployment["failedTasks"]) == ("PRIMARY", 2, 0)
    assert line.says("has reached a steady state.")
    tasks = line.tasks()
    addresses = {each["containers"][0]["networkInterfaces"][0]["privateIpv4Address"] for each in tasks}
    assert len(addresses) == 2
    assert all(address.startswith("127.") and 32 <= int(address.split(".")[1]) < 64 for address in addresses)
    for task in tasks:
        details = {each["name"]: each["value"] for each in task["attachments"][0]["details"]}
        assert details["privateIPv4Address"] in addresses
        assert details["subnetId"] in place.subnets
        assert task["containers"][0]["imageDigest"] == cloud.executor.image_digest("web:1")
        assert (task["lastStatus"], task["desiredStatus"]) == ("RUNNING", "RUNNING")
        assert (task["startedBy"], task["group"]) == (deployment["id"], f"service:{line.name}")
        assert task["createdAt"] <= task["pullStartedAt"] <= task["startedAt"]
    health = line.elb.describe_target_health(TargetGroupArn=line.group)["TargetHealthDescriptions"]
    assert {(each["Target"]["Id"], each["TargetHealth"]["State"]) for each in health} == {
        (each, "healthy") for each in addresses
    }
    for _ in range(5):  # reading does not move anything on
        assert line.tasks() == tasks
    eventually(lambda: len([each for each in cloud.lines.written if each[1].startswith(f"{line.name}/model/")]) == 2)
    line.delete()
    assert line.tasks() == []
    assert line.service()["deployments"] == []


def test_a_rolling_update_fails_no_request(cloud: MiniCloud, place: Network) -> None:
    line = Line(cloud, place)
    line.stable()
    old = {each["taskArn"] for each in line.tasks()}
    with Load(line) as load:
        load.some("v1")
        for version in "23":
            arn = line.definition(f"web:{version}")
            updated = line.update(taskDefinition=arn.rsplit("/", 1)[1])
            assert updated["taskDefinition"] == arn  # a short name is answered as the revision's ARN
            assert [each["status"] for each in updated["deployments"]] == ["PRIMARY", "ACTIVE"]
            line.stable()
            load.some(f"v{version}")
        assert line.service()["taskDefinition"] == arn
    assert load.failures == []
    assert set(load.answers) == {"v1", "v2", "v3"}
    stopped = {each["taskArn"]: each for each in line.tasks("STOPPED")}
    assert old <= set(stopped)
    for arn in old:
        assert (stopped[arn]["stopCode"], stopped[arn]["lastStatus"]) == ("ServiceSchedulerInitiated", "STOPPED")
        assert stopped[arn]["stoppedReason"].startswith("Scaling activity initiated by (deployment ecs-svc/")
        assert stopped[arn]["containers"][0]["exitCode"] == 0
    line.delete()


def test_a_request_in_flight_ends_on_the_old_task_before_that_is_stopped(cloud: MiniCloud, place: Network) -> None:
    line = Line(cloud, place, desired=1)
    line.stable()
    (old,) = line.tasks()
    stream = f"{line.name}/model/{old['taskArn'].rsplit('/', 1)[1]}"
    gate = cloud.programs / "web_1.py.gate"
    os.mkfifo(gate)
    answers: list[tuple[int, bytes]] = []

    def ask() -> None:
        with closing(HTTPConnection(line.host, line.port, timeout=10)) as connection:
            connection.request("POST", "/slow", b"x")
            response = connection.getresponse()
            answers.append((response.status, response.read()))

    client = threading.Thread(target=ask)
    client.start()
    eventually(lambda: ("/web", stream, "slow request") in cloud.lines.written)
    line.update(taskDefinition=line.definition("web:2"))
    eventually(lambda: any(each["lastStatus"] == "DEACTIVATING" for each in line.tasks("STOPPED")))
    os.kill(cloud.executor.pid(old["taskArn"]), 0)  # out of rotation, and still running
    gate.write_text("go on")
    client.join()
    assert answers == [(200, b"v1")]
    line.stable()
    line.delete()


def test_a_killed_task_is_replaced_and_no_later_request_fails(cloud: MiniCloud, place: Network) -> None:
    line = Line(cloud, place)
    line.stable()
    victim = line.tasks()[0]["taskArn"]
    with Load(line) as load:
        load.some("v1")
        os.kill(cloud.executor.pid(victim), signal.SIGKILL)
        eventually(lambda: victim not in {each["taskArn"] for each in line.tasks()})
        line.stable()
        load.some("v1")
    # What was in flight in the killed process is lost, as behind any load balancer: at most one request per client.
    assert len(load.failures) <= 3
    assert all(each.startswith("502") for each in load.failures)
    (task,) = [each for each in line.tasks("STOPPED") if each["taskArn"] == victim]
    assert (task["stopCode"], task["stoppedReason"]) == ("EssentialContainerExited", "Essential container in task exited")
    assert task["containers"][0]["exitCode"] == 137
    line.delete()


@pytest.mark.parametrize("image", ["crash:1", "missing:1"])
def test_a_revision_that_cannot_start_is_rolled_back_while_the_old_one_serves(
    cloud: MiniCloud, place: Network, image: str
) -> None:
    line = Line(cloud, place)
    good = line.stable()
    with Load(line, clients=2) as load:
        load.some("v1")
        bad = line.definition(image)
        line.update(taskDefinition=bad)
        eventually(lambda: line.says("rolling back to deployment"))
        service = line.stable()
        load.some("v1")
    assert load.failures == []
    assert set(load.answers) == {"v1"}
    assert service["taskDefinition"] == good["taskDefinition"]
    assert line.says("deployment failed: tasks failed to start.")
    newest, *_ = line.ecs.list_service_deployments(cluster="main", service=line.name)["serviceDeployments"]
    assert newest["status"] == "ROLLBACK_SUCCESSFUL"
    described = line.ecs.describe_service_deployments(serviceDeploymentArns=[newest["serviceDeploymentArn"]])
    assert described["serviceDeployments"][0]["deploymentCircuitBreaker"] == {
        "status": "TRIGGERED",
        "failureCount": described["serviceDeployments"][0]["deploymentCircuitBreaker"]["failureCount"],
        "threshold": 3,
    }
    revision = line.ecs.describe_service_revisions(serviceRevisionArns=[newest["targetServiceRevisionArn"]])
    assert revision["serviceRevisions"][0]["taskDefinition"] == bad
    failed = [each for each in line.tasks("STOPPED") if each["taskDefinitionArn"] == bad]
    assert len(failed) >= 3
    code = "EssentialContainerExited" if image == "crash:1" else "TaskFailedToStart"
    # One that was just started when the breaker tripped is stopped by the scheduler.
    assert [each["stopCode"] for each in failed].count(code) >= 3
    assert {each["stopCode"] for each in failed} <= {code, "ServiceSchedulerInitiated"}
    own = next(each for each in failed if each["stopCode"] == code)
    if image == "missing:1":
        assert "CannotPullContainerError" in own["stoppedReason"]
    else:
        assert own["containers"][0]["exitCode"] == 3
        eventually(lambda: any(each[2] == "no model" and line.name in each[1] for each in cloud.lines.written))
    line.update(taskDefinition=line.definition("web:2"))  # the next good one goes straight through
    assert line.stable()["deployments"][0]["failedTasks"] == 0
    line.delete()


@pytest.mark.slow
def test_a_revision_that_never_passes_its_health_checks_is_rolled_back(cloud: MiniCloud, place: Network) -> None:
    line = Line(cloud, place, desired=2)
    good = line.stable()
    with Load(line, clients=2) as load:
        line.update(taskDefinition=line.definition("sick:1"))
        eventually(lambda: line.says("rolling back to deployment"), within_s=60)
        service = line.stable()
    assert (load.failures, set(load.answers)) == ([], {"v1"})
    assert service["taskDefinition"] == good["taskDefinition"]
    assert line.says("due to (reason Health checks failed with these codes: [500])")
    assert any("failed ELB health checks" in each.get("stoppedReason", "") for each in line.tasks("STOPPED"))
    line.delete()


@pytest.mark.slow
def test_a_first_deployment_that_fails_stays_failed_and_starts_nothing_more(cloud: MiniCloud, place: Network) -> None:
    line = Line(cloud, place, image="crash:1")
    failed = eventually(lambda: (found := line.service()["deployments"][0])["rolloutState"] == "FAILED" and found)
    assert failed["failedTasks"] >= 3
    assert failed["rolloutStateReason"] == "ECS deployment circuit breaker: tasks failed to start."
    assert failed["status"] == "PRIMARY"
    eventually(lambda: line.tasks() == [])  # one that was just started when the breaker tripped still ends
    (settled,) = line.service()["deployments"]
    assert (settled["desiredCount"], settled["runningCount"], settled["pendingCount"]) == (0, 0, 0)
    tried, ticks = len(line.tasks("STOPPED")), cloud.ticks
    eventually(lambda: cloud.ticks >= ticks + 20)  # longer than any pause after so few failures
    assert (line.tasks(), len(line.tasks("STOPPED"))) == ([], tried)
    line.update(taskDefinition=line.definition("web:1"))
    assert line.stable()["runningCount"] == 2
    line.delete()


@pytest.mark.slow
def test_a_service_is_scaled_both_ways_without_a_new_deployment(cloud: MiniCloud, place: Network) -> None:
    line = Line(cloud, place, desired=1)
    before = line.stable()["deployments"][0]["id"]
    with Load(line, clients=2) as load:
        for count in (3, 1):
            line.update(desiredCount=count)
            assert line.stable()["runningCount"] == count
            eventually(lambda count=count: len(line.tasks()) == count)
    assert load.failures == []
    assert line.service()["deployments"][0]["id"] == before
    line.update(desiredCount=0)
    assert line.stable()["runningCount"] == 0
    line.delete()


@pytest.mark.slow
def test_a_forced_deployment_replaces_every_task_of_the_same_definition(cloud: MiniCloud, place: Network) -> None:
    line = Line(cloud, place, desired=1)
    before, old = line.stable(), line.tasks()[0]["taskArn"]
    assert len(line.update(forceNewDeployment=True)["deployments"]) == 2
    after = line.stable()
    assert after["taskDefinition"] == before["taskDefinition"]
    assert old not in {each["taskArn"] for each in line.tasks()}
    line.delete()


@pytest.mark.slow
def test_a_draining_service_blocks_its_name_until_it_is_inactive(cloud: MiniCloud, place: Network) -> None:
    line = Line(cloud, place, image="stubborn:1", desired=1, loadBalancers=[])
    line.stable()
    line.ecs.delete_service(cluster="main", service=line.name, force=True)
    assert line.service()["status"] == "DRAINING"
    network = {"awsvpcConfiguration": {"subnets": list(place.subnets)}}
    again = {"cluster": "main", "serviceName": line.name, "desiredCount": 0, "networkConfiguration": network}
    call = again | {"taskDefinition": line.definition("web:1"), "launchType": "FARGATE"}
    with pytest.raises(line.ecs.exceptions.InvalidParameterException, match="still Draining"):
        line.ecs.create_service(**call)
    with pytest.raises(line.ecs.exceptions.ServiceNotActiveException):
        line.update(desiredCount=1)
    # It ignores SIGTERM: SIGKILL follows after stopTimeout, 2 s.
    line.ecs.get_waiter("services_inactive").wait(cluster="main", services=[line.name], WaiterConfig=FAST)
    (task,) = line.tasks("STOPPED")
    assert task["containers"][0]["exitCode"] == 137
    assert line.ecs.create_service(**call)["service"]["status"] == "ACTIVE"
    line.delete()


def test_a_task_runs_once_stops_and_tells_its_exit_code(cloud: MiniCloud, place: Network) -> None:
    ecs = cloud.client("ecs")
    ecs.create_cluster(clusterName="jobs")
    options = {"awslogs-group": "/jobs", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "once"}
    ecs.register_task_definition(
        family="once",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        containerDefinitions=[
            {"name": "job", "image": "once:1", "logConfiguration": {"logDriver": "awslogs", "options": options}}
        ],
    )
    override = {"containerOverrides": [{"name": "job", "environment": [{"name": "WHO", "value": "ana"}]}]}
    call = {
        "cluster": "jobs",
        "taskDefinition": "once",
        "launchType": "FARGATE",
        "clientToken": "t",
        "startedBy": "test",
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": list(place.subnets)}},
        "overrides": override,
    }
    (task,) = ecs.run_task(**call)["tasks"]
    assert ecs.run_task(**call)["tasks"][0]["taskArn"] == task["taskArn"]
    ecs.get_waiter("tasks_stopped").wait(cluster="jobs", tasks=[task["taskArn"]], WaiterConfig=FAST)
    (done,) = ecs.describe_tasks(cluster="jobs", tasks=[task["taskArn"]])["tasks"]
    assert (done["stopCode"], done["containers"][0]["exitCode"]) == ("EssentialContainerExited", 0)
    stream = f"once/job/{task['taskArn'].rsplit('/', 1)[1]}"
    assert ("/jobs", stream, "ana us-east-1") in cloud.lines.written
    assert ecs.list_tasks(cluster="jobs", family="once", desiredStatus="STOPPED")["taskArns"] == [task["taskArn"]]
    ecs.delete_cluster(cluster="jobs")


@pytest.mark.slow
def test_a_task_that_is_stopped_by_hand_says_so_and_its_service_starts_another(cloud: MiniCloud, place: Network) -> None:
    line = Line(cloud, place, desired=1)
    line.stable()
    (task,) = line.tasks()
    line.ecs.get_waiter("tasks_running").wait(cluster="main", tasks=[task["taskArn"]], WaiterConfig=FAST)
    line.ecs.stop_task(cluster="main", task=task["taskArn"], reason="to see")
    line.ecs.get_waiter("tasks_stopped").wait(cluster="main", tasks=[task["taskArn"]], WaiterConfig=FAST)
    (stopped,) = [each for each in line.tasks("STOPPED") if each["taskArn"] == task["taskArn"]]
    assert (stopped["stopCode"], stopped["stoppedReason"]) == ("UserInitiated", "to see")
    line.stable()
    assert line.service()["deployments"][0]["failedTasks"] == 0
    line.delete()


@pytest.mark.slow
def test_tasks_carry_the_tags_of_their_service(cloud: MiniCloud, place: Network) -> None:
    line = Line(
        cloud,
        place,
        desired=1,
        propagateTags="SERVICE",
        enableECSManagedTags=True,
        tags=[{"key": "team", "value": "vision"}],
    )
    line.stable()
    arns = [each["taskArn"] for each in line.tasks()]
    (task,) = line.ecs.describe_tasks(cluster="main", tasks=arns, include=["TAGS"])["tasks"]
    assert {each["key"]: each["value"] for each in task["tags"]} == {
        "team": "vision",
        "aws:ecs:clusterName": "main",
        "aws:ecs:serviceName": line.name,
    }
    line.delete()


def test_listing_a_service_that_is_not_there_is_an_error(cloud: MiniCloud, place: Network) -> None:
    ecs = cloud.client("ecs")
    ecs.create_cluster(clusterName="main")
    with pytest.raises(ecs.exceptions.ServiceNotFoundException):
        ecs.list_tasks(cluster="main", serviceName="none")
    assert ecs.list_tasks(cluster="main", serviceName=Line(cloud, place, desired=0).name)["taskArns"] == []


@pytest.mark.slow
def test_no_process_is_left_when_services_are_gone(cloud: MiniCloud, place: Network, tmp_path: Path) -> None:
    line = Line(cloud, place)
    line.stable()
    pids = [cloud.executor.pid(each["taskArn"]) for each in line.tasks()]
    line.delete()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
