"""Traces of a real `trimtab run`: a span a pass, its calls beneath, no secret in them, and nothing stands on a collector."""

import time

import pytest

from faults.operating import running
from faults.test_releases import full_name, run
from otlp import collecting, silent

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("operator")]


def test_each_pass_is_a_span_with_its_calls_beneath_and_the_log_names_it(cloud, project, tmp_path_factory, monkeypatch):
    log = tmp_path_factory.mktemp("traces")
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "models")
        with running(project.parent, log, "--log-level", "debug") as operator:
            operator.until(lambda: operator.is_ready(project), "never ready")
        key = run("key", full_name(project))[1].strip()
        ended = operator.events("pass.ended")
    assert collector.paths == {"/v1/traces"}
    assert collector.services == {"models"}
    passes = collector.passes()
    assert {each.trace for each in passes} == {each["trace_id"] for each in ended}
    assert len(passes) == len(ended) > 3
    assert {each["span_id"] for each in ended} == {each.id for each in passes}
    last = passes[-1].attributes
    assert last["trimtab.deployment"] == full_name(project)
    assert (last["trimtab.generation"], last["trimtab.outcome"]) == (1, "Ready")
    assert passes[0].attributes["trimtab.priority"] == "edit"
    assert all(each.attributes["trimtab.waited_s"] >= 0 for each in passes)

    calls = [each for each in collector.spans if each.name != "pass"]
    assert {each.parent for each in calls} <= {each.id for each in passes}
    names = {each.name for each in collector.beneath(passes[-1])}
    assert {"ecs.DescribeServices", "s3.GetObject"} <= names
    first_look = next(each for each in calls if each.name == "s3.GetObject")  # a ledger that is not there yet
    assert first_look.attributes["error.type"] == "NoSuchKey"
    assert not first_look.failed
    told = {each["request_id"] for each in operator.events("call.made") if each.get("trace_id")}
    assert {each.attributes["aws.request_id"] for each in calls if each.attributes["rpc.service"] != "http"} == told

    sent = b"".join(collector.bodies)
    assert not [each for each in (key, cloud.info.secret_access_key) if each.encode() in sent]


def test_a_collector_that_never_answers_holds_nothing_up(cloud, project, tmp_path_factory, monkeypatch):
    log = tmp_path_factory.mktemp("traces")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "8")  # is full within a pass
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")
    with silent() as url:
        with running(project.parent, log, "--traces", url) as operator:
            operator.until(lambda: operator.is_ready(project), "never ready")
            operator.until(lambda: operator.events("traces.unsent"), "never told")
            assert operator.get("/healthz") == (200, "ok\n")
            began = time.monotonic()
        assert time.monotonic() - began < 15
    assert len(operator.events("traces.unsent")) == 1
    assert all(line.startswith("{") or "stopped" in line for line in operator.log.read_text().splitlines())
