"""Each page of a list is a request, and waits for a token of its own; a refusal of AWS's slows all of its class down."""

import pytest

from clouds import RunningCloud, running_cloud
from trimtab.clients.aws import Account, Aws
from trimtab.clients.pace import Pace
from trimtab.core.kind import Call, Failure
from trimtab.local.commands import faults


class Counted(Pace):
    def __init__(self) -> None:
        super().__init__(lambda: 0.0)
        self.paid: list[str] = []
        self.slowed: list[str] = []

    def pay(self, service: str, operation: str) -> None:
        self.paid.append(f"{service}:{operation}")

    def refused(self, service: str, operation: str) -> None:
        self.slowed.append(f"{service}:{operation}")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with running_cloud(tmp_path_factory.mktemp("paced") / "state") as made:
        yield made


def paced(cloud: RunningCloud) -> tuple[Aws, Counted]:
    info, pace = cloud.info, Counted()
    return Aws(Account(info.region, info.endpoint, info.access_key_id, info.secret_access_key), pace=pace), pace


def throttle(cloud: RunningCloud, service: str, count: int) -> None:
    faults(cloud.folder, "POST", [{"service": service, "kind": "throttle", "count": count}])


def test_each_page_of_a_list_and_each_write_is_paid_for(cloud):
    aws, pace = paced(cloud)
    for number in range(120):
        aws.make(Call("logs", "CreateLogGroup", {"logGroupName": f"/paced/{number}"}, repeat="safe"))
    assert pace.paid == ["logs:CreateLogGroup"] * 120
    found = aws.make(Call("logs", "DescribeLogGroups", {"logGroupNamePrefix": "/paced/", "limit": 50}))
    assert len(found["logGroups"]) == 120
    assert pace.paid[120:] == ["logs:DescribeLogGroups"] * 3
    assert pace.slowed == []


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (Call("ecs", "ListClusters", {}), "ecs:ListClusters"),
        (Call("elbv2", "DescribeTargetGroups", {}), "elbv2:DescribeTargetGroups"),
        (Call("apigateway", "GetRestApis", {}), "apigateway:GetRestApis"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_refusal_is_heard_though_the_sdk_tries_again_and_succeeds(cloud, call, name):
    aws, pace = paced(cloud)
    throttle(cloud, call.service, 1)
    aws.make(call)
    assert pace.slowed == [name]


def test_a_refused_write_slows_its_class_down_and_is_not_tried_again(cloud):
    aws, pace = paced(cloud)
    throttle(cloud, "ecs", 1)
    with pytest.raises(Failure) as refused:
        aws.make(Call("ecs", "CreateCluster", {"clusterName": "slow"}, repeat="safe"))
    assert refused.value.meaning == "throttled"
    assert pace.slowed == ["ecs:CreateCluster"]
