"""With its limits on, the cloud refuses who calls too often; the operator's own calls and sweeps are never refused."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from clouds import running_cloud
from fleet import Fleet
from trimtab.clients.pace import Pace
from trimtab.local.commands import throttle


@pytest.mark.parametrize(
    ("service", "call", "burst", "code"),
    [
        ("logs", lambda client: client.describe_log_groups(), 5, "ThrottlingException"),
        ("cloudwatch", lambda client: client.describe_alarms(), 9, "ThrottlingException"),
        ("elbv2", lambda client: client.describe_load_balancers(), 40, "Throttling"),
        ("apigateway", lambda client: client.get_rest_apis(), 40, "TooManyRequestsException"),
        ("ecs", lambda client: client.describe_clusters(), 50, "ThrottlingException"),
    ],
)
def test_who_calls_too_often_is_refused_as_the_service_does(limited, service, call, burst, code):
    throttle(limited.folder, on=True)
    client, refused = limited.client(service), set()
    with ThreadPoolExecutor(8) as threads:
        for answer in [threads.submit(call, client) for _ in range(2 * burst)]:
            try:
                answer.result()
            except ClientError as error:
                refused.add(error.response["Error"]["Code"])
    assert refused == {code}
    (row,) = throttle(limited.folder)["buckets"]
    assert row["lowest"] < 1
    assert row["taken"] >= burst
    assert row["taken"] + row["refused"] == 2 * burst


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    with running_cloud(tmp_path_factory.mktemp("limited") / "state") as cloud:
        yield cloud


@pytest.mark.slow
def test_sweeps_at_our_pace_are_never_refused(tmp_path):
    with running_cloud(tmp_path / "state") as cloud, ThreadPoolExecutor(8) as threads:
        fleet = Fleet(cloud, threads, pace=Pace(time.monotonic))
        fleet.grow(120)
        throttle(cloud.folder, on=True)
        for _ in range(3):  # one upon the other, where a minute lies between
            assert len(fleet.sweep(60.0).stand) == 120
        rows = throttle(cloud.folder)["buckets"]
        assert {row["class"]: row["refused"] for row in rows} == {
            "ecs: services read": 0,
            "ecs: definitions read": 0,
            "logs: groups read": 0,
        }
