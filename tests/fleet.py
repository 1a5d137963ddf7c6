"""Many deployments made of a few kinds, without documents: how a sweep over them goes, and what it costs.

One is an S3 record, an ECR repository, an IAM role with a policy, a log group, a task definition and an ECS service that
wants no tasks. They share a cluster and a target group, which are not looked at.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from clouds import RunningCloud
from trimtab.clients.aws import Account, Aws
from trimtab.clients.clock import SystemClock
from trimtab.clients.pace import Pace
from trimtab.core.kind import Caller
from trimtab.engine.driver import Driver
from trimtab.engine.ledger import Ledger, Ledgers
from trimtab.engine.observe import Observer
from trimtab.engine.pins import Tags
from trimtab.engine.prover import Prover
from trimtab.engine.recall import Recall, Recalling
from trimtab.engine.survey import Findings, Member, Settled, Survey, judged
from trimtab.engine.transfers import Transfers
from trimtab.plan.snapshot import Found, Seen
from trimtab.resources import KINDS
from unit.resources.samples import SAMPLES

BUCKET = "fleet"
RECORDS = "deployments/fleet/datasets"  # of all, so that one list shows them, as one list of a bucket would
CLUSTER = "fleet"
RELEASE = "ecs.TaskDefinition/release"


@dataclass
class Time:
    """A clock that a test moves."""

    seconds: float = 0.0

    def monotonic(self) -> float:
        return self.seconds


@dataclass
class Fleet:
    """On one cloud."""

    cloud: RunningCloud
    threads: ThreadPoolExecutor
    time: Time = field(default_factory=Time)
    pace: Pace | None = None  # of its sweeps
    desired: dict[int, Mapping[str, Any]] = field(default_factory=dict[int, Mapping[str, Any]])  # of each, by node
    stands_on: Mapping[str, Any] = field(default_factory=dict[str, Any])  # what its services share
    size: int = 0
    aws: Aws = field(init=False)
    survey: Survey = field(init=False)

    def __post_init__(self) -> None:
        info = self.cloud.info
        account = Account(info.region, info.endpoint, info.access_key_id, info.secret_access_key)
        self.aws, sweeping = Aws(account), Aws(account, pace=self.pace)
        self.cloud.client("s3").create_bucket(Bucket=BUCKET)
        self.stands_on = self._shared()
        recall = Recall(sweeping, self.time.monotonic)
        recalling = self._driver(Recalling(recall))
        self.survey = Survey(
            environment=None,  # type: ignore[arg-type]  # of documents, and there are none
            kinds=KINDS,
            direct=self._driver(sweeping),
            recalling=recalling,
            recall=recall,
            ledgers=Ledgers(recalling, BUCKET),
            tags=Tags(),
            launcher="launcher",
            clock=SystemClock(),
            prover=Prover(sweeping, self.threads, self.time.monotonic),  # of what has no endpoint
        )

    def grow(self, size: int) -> None:
        """Make more, until there are so many."""
        with ThreadPoolExecutor(8) as makers:
            made = dict(zip(more := range(self.size, size), makers.map(self._made, more), strict=True))
        self.size = size
        wanted = {(number, node): desired for number, (_, nodes) in made.items() for node, desired in nodes.items()}
        places = {
            f"{number} {node}": (_kind(node), KINDS[_kind(node)].identity(desired))
            for (number, node), desired in wanted.items()
        }
        seen = Observer(self._driver(self.survey.recall), KINDS).read(places)  # as passes leave what they read
        for number, (etag, nodes) in made.items():
            members = tuple(_member(node, desired, seen[f"{number} {node}"]) for node, desired in nodes.items())
            self.desired[number] = nodes
            self.survey.put(key_of(number), Settled(etag, members, pins={"launcher": {"digest": "launcher"}}))

    def sweep(self, after_s: float) -> Findings:
        """One sweep, so long after the last."""
        self.time.seconds += after_s
        return self.survey.look()

    def _driver(self, caller: Caller) -> Driver:
        return Driver(caller, Transfers({}), self.threads)

    def _shared(self) -> Mapping[str, Any]:
        ec2 = self.cloud.client("ec2")
        vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        mine = [{"Name": "vpc-id", "Values": [vpc]}]
        subnets = ec2.describe_subnets(Filters=mine)["Subnets"]
        groups = ec2.describe_security_groups(Filters=mine)["SecurityGroups"]
        network = {"subnets": tuple(each["SubnetId"] for each in subnets[:2]), "security_groups": (groups[0]["GroupId"],)}
        balancer = self._see("elbv2.LoadBalancer", self._create("elbv2.LoadBalancer", **network))
        listener = self._see("elbv2.Listener", self._create("elbv2.Listener", load_balancer_arn=balancer.arn))
        targets = self._see("elbv2.TargetGroup", self._create("elbv2.TargetGroup", vpc=vpc))
        self._create("elbv2.ListenerRule", listener_arn=listener.arn, target_group_arn=targets.arn)
        self._create("ecs.Cluster", name=CLUSTER)
        return {"cluster": CLUSTER, "target_group_arn": targets.arn, "desired_count": 0, "max_count": 0, **network}

    def _made(self, number: int) -> tuple[str, Mapping[str, Any]]:
        """(the ETag of its ledger, what is desired of it by node)."""
        namespace, name = key_of(number).split("/")
        ledger = Ledger(f"uid{number}", namespace, name, "local", "123456789012", "us-east-1")
        etag = self.survey.ledgers.save(ledger, None)
        record = f"{RECORDS}/{number:04}"
        self.cloud.client("s3").put_object(Bucket=BUCKET, Key=f"{record}.json", Body=b"{}")
        nodes: dict[str, Any] = {"s3.Content/dataset": replace(SAMPLES["s3.Content"].desired, bucket=BUCKET, prefix=record)}
        names = {
            "ecr.Repository/repository": {"name": f"fleet/{number:04}"},
            "iam.Role/task": {"name": f"fleet-{number:04}", "permissions_boundary": None},
            "logs.LogGroup/logs": {"name": f"/fleet/{number:04}"},
            RELEASE: {"family": f"fleet-{number:04}"},
        }
        for node, changes in names.items():
            nodes[node] = self._create(_kind(node), **changes)
        release = self._see("ecs.TaskDefinition", nodes[RELEASE])
        service = {**self.stands_on, "name": f"fleet-{number:04}", "task_definition": release.arn}
        nodes["ecs.Service/service"] = self._create("ecs.Service", **service)
        return etag, nodes

    def _create(self, kind: str, **changes: Any) -> Any:
        """Make the sample of a kind, with changes; answers what is desired."""
        desired = replace(SAMPLES[kind].desired, **changes)
        self._driver(self.aws).run(KINDS[kind].create(desired))
        return desired

    def _see(self, kind: str, desired: Any) -> Any:
        identity = KINDS[kind].identity(desired)
        return self._driver(self.aws).run(KINDS[kind].observe([identity]))[identity]


def _member(node: str, desired: Any, seen: Seen) -> Member:
    """As a pass would have found it."""
    kind = KINDS[_kind(node)]
    assert isinstance(seen, Found), (node, seen)
    assert kind.diff(desired, seen.observed) == (), node
    return Member(node, _kind(node), kind.identity(desired), desired, judged(kind, desired, (), seen))


def key_of(number: int) -> str:
    return f"fleet/{number:04}"


def _kind(node: str) -> str:
    return node.partition("/")[0]
