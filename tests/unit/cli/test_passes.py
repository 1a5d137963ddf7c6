"""Where traces go, by flag, configuration and OpenTelemetry's variables; and that a machine without them works."""

import subprocess
import sys
from typing import Any

import pytest

from trimtab.cli.operating.passes import BY_VARIABLES, endpoint, passes_of
from trimtab.core.errors import UserError

CONFIGURED = "http://collector:4318"
THERE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://other:4318"}


@pytest.mark.parametrize(
    ("flag", "configured", "variables", "where"),
    [
        (None, None, {}, None),
        (None, CONFIGURED, {}, f"{CONFIGURED}/v1/traces"),
        (None, f"{CONFIGURED}/", {}, f"{CONFIGURED}/v1/traces"),
        (None, CONFIGURED, THERE, BY_VARIABLES),
        (None, None, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://other:4318/v1/traces"}, BY_VARIABLES),
        (None, None, {"OTEL_TRACES_EXPORTER": "otlp"}, BY_VARIABLES),
        (None, CONFIGURED, {"OTEL_TRACES_EXPORTER": "none"}, None),
        (None, CONFIGURED, THERE | {"OTEL_TRACES_EXPORTER": "console"}, None),
        (None, CONFIGURED, {"OTEL_SDK_DISABLED": "true"}, None),
        ("http://flag:1", CONFIGURED, THERE, "http://flag:1/v1/traces"),
        ("none", CONFIGURED, THERE, None),
    ],
)
def test_the_flag_comes_before_variables_and_these_before_the_file(flag, configured, variables, where):
    assert endpoint(flag, configured, variables) == where


class Log:
    def __init__(self) -> None:
        self.said: list[tuple[str, Any]] = []

    def warning(self, event: str, **fields: Any) -> None:
        self.said.append((event, fields["because"]))


@pytest.fixture
def no_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "trimtab.cli.operating.traces", raising=False)


def test_a_missing_package_is_an_error_where_a_person_asked_for_traces(no_package):
    with pytest.raises(UserError, match=r"traces need opentelemetry, which is not installed") as raised:
        passes_of(None, CONFIGURED, Log())
    assert raised.value.fix == "pip install 'trimtab[operator,traces]'"


def test_a_missing_package_is_only_said_where_variables_ask_for_traces(no_package, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", CONFIGURED)
    passes_of(None, None, log := Log())
    assert log.said == [("traces.off", "traces need opentelemetry, which is not installed")]


def test_variables_of_another_protocol_are_said_to_be_of_no_use(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    passes_of(None, None, log := Log())
    assert log.said == [("traces.off", "OTEL_EXPORTER_OTLP_PROTOCOL is grpc; what is spoken here is http/protobuf")]


def test_nothing_of_it_is_imported_where_nobody_wants_traces():
    code = (
        "import sys, trimtab.cli.operating.site, trimtab.cli.operating.telling\n"
        "from trimtab.cli.operating.passes import passes_of\n"
        "passes_of(None, None, None)\n"
        "print([each for each in sys.modules if each.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PATH": ""})
    assert done.stdout.strip() == "[]"
