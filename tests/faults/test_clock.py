"""`trimtab run --clock`: an hour of the local cloud's time is an hour of the operator's, and takes a moment."""

import time

import pytest

from faults.operating import running, service_of
from trimtab.local.commands import clock

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("clock")]


def test_a_sweep_of_an_hour_sees_drift_without_events_once_the_cloud_has_let_an_hour_go_by(cloud, project, tmp_path_factory):
    options = ("--sweep", "1h", "--clock", cloud.info.endpoint)
    with running(project.parent, tmp_path_factory.mktemp("operator"), *options) as operator:
        operator.until(lambda: operator.is_ready(project), "never ready")
        ecs, cluster, service = service_of(cloud, project)
        ecs.update_service(cluster=cluster, service=service, desiredCount=3)
        began = time.monotonic()
        assert clock(cloud.folder, advanceSeconds=1800)["leftSeconds"] == 0
        assert not operator.events("drift.repaired")  # half an hour is no sweep
        assert clock(cloud.folder, advanceSeconds=1900)["leftSeconds"] == 0
        operator.until(lambda: operator.events("drift.repaired"), "the sweep never came")
        assert time.monotonic() - began < 60
        assert ecs.describe_services(cluster=cluster, services=[service])["services"][0]["desiredCount"] == 1
