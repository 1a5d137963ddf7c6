"""A sweep over N deployments makes the calls that docs/internals/sweep.md states, and no write: by the cloud's journal."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sweep_calls import PAGES, sweep_calls

from clouds import running_cloud
from fleet import Fleet, key_of

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("sweep-calls")]
INTERVAL_S = 60.0


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with running_cloud(tmp_path_factory.mktemp("fleet") / "state") as cloud, ThreadPoolExecutor(4) as threads:
        yield Fleet(cloud, threads)


@pytest.mark.parametrize("size", [1, 10, 50, 200, 1000])
def test_a_sweep_of_many_makes_the_calls_that_are_stated(fleet: Fleet, size: int):
    fleet.grow(size)
    fleet.sweep(INTERVAL_S)  # reads by turns are due from now on
    since = fleet.cloud.journal()[-1]["number"]
    found = fleet.sweep(INTERVAL_S)
    made = fleet.cloud.journal(since)
    assert (len(found.stand), found.moved) == (size, frozenset())
    assert [each["operation"] for each in made if each["write"]] == []
    counted = Counter(f"{each['service']}:{each['operation']}" for each in made)
    bulk = {
        "s3:ListObjectsV2": size,
        "ecr:DescribeRepositories": size + 1,  # the cloud's own
        "iam:GetAccountAuthorizationDetails": size,
        "logs:DescribeLogGroups": size,
        "ecs:ListTaskDefinitionFamilies": size,
        "ecs:DescribeServices": size,
    }
    contents = {"s3": 1} if 2 * size > PAGES["s3:ListObjectsV2"] else {}  # else they are on one page with the ledgers
    assert sum(counted.values()) == sweep_calls(bulk, contents, INTERVAL_S), counted


def test_one_that_somebody_changed_is_found_among_many(fleet: Fleet):
    fleet.grow(10)
    fleet.cloud.client("logs").put_retention_policy(logGroupName="/fleet/0003", retentionInDays=1)
    fleet.cloud.client("ecs").update_service(cluster="fleet", service="fleet-0007", desiredCount=1)
    assert fleet.sweep(INTERVAL_S).moved == {key_of(3), key_of(7)}
