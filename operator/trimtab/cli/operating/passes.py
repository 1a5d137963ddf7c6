"""Round a pass: whose it is stands on every line of the log, and it is a span where traces are wanted.

Nothing of OpenTelemetry is imported where they are not.
"""

import os
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from structlog.contextvars import bound_contextvars

from trimtab.clients.aws import Made
from trimtab.core.errors import UserError
from trimtab.core.kind import Caller
from trimtab.engine.operator import Passed, alone
from trimtab.engine.queue import Taken

BY_VARIABLES = ""  # OpenTelemetry's own variables say where to
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_SPOKEN = "http/protobuf"


class Spans(Protocol):
    """Traces, or none."""

    def around(self, taken: Taken, generation: int, /) -> AbstractContextManager[Callable[[Passed], None]]: ...
    def traced(self, caller: Caller) -> Caller: ...
    def called(self, made: Made) -> None: ...
    def close(self) -> None: ...


class Untraced:
    """Makes no spans."""

    around = staticmethod(alone)

    def traced(self, caller: Caller) -> Caller:
        return caller

    def called(self, made: Made) -> None: ...

    def close(self) -> None: ...


class Passes:
    """Sees each pass and each call to AWS."""

    def __init__(self, log: Any, spans: Spans) -> None:
        self._log = log
        self._spans = spans
        self.traced = spans.traced
        self.close = spans.close

    @contextmanager
    def around(self, taken: Taken, generation: int) -> Generator[Callable[[Passed], None]]:
        """Keeps trimtab.engine.operator.Around."""
        with (
            bound_contextvars(deployment=taken.key, generation=generation),
            self._spans.around(taken, generation) as ended,
        ):

            def end(passed: Passed) -> None:
                ended(passed)
                told = {"generation": passed.generation, "outcome": passed.outcome, "result": passed.result}
                self._log.debug(
                    "pass.ended", **told, priority=taken.priority.name.lower(), waited_s=round(taken.waited_s, 3)
                )

            yield end

    def called(self, made: Made) -> None:
        self._spans.called(made)
        asked = {"service": made.call.service, "operation": made.call.operation}
        self._log.debug("call.made", **asked, code=made.code, request_id=made.request_id)


def passes_of(flag: str | None, configured: str | None, log: Any) -> Passes:
    """flag, configured: base URLs of a collector; the flag may be "none". Raises UserError where traces cannot be made.

    Variables may be set for all that runs on a machine: what they ask for and cannot be had is said, and nothing more.
    """
    where = endpoint(flag, configured, os.environ)
    if where is None:
        return Passes(log, Untraced())
    if where == BY_VARIABLES and (protocol := _protocol(os.environ)) != _SPOKEN:
        log.warning("traces.off", because=f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol}; what is spoken here is {_SPOKEN}")
        return Passes(log, Untraced())
    try:
        from trimtab.cli.operating.traces import Traces
    except ImportError as error:
        missing = f"traces need {error.name}, which is not installed"
        if where == BY_VARIABLES:
            log.warning("traces.off", because=missing)
            return Passes(log, Untraced())
        raise UserError(missing, code="TT6008", fix="pip install 'trimtab[operator,traces]'") from error
    return Passes(log, Traces(where, log))


def endpoint(flag: str | None, configured: str | None, variables: Mapping[str, str]) -> str | None:
    """Where spans are sent: a URL, BY_VARIABLES, or None for nowhere.

    Source: OpenTelemetry specification, environment variables of the SDK and of the OTLP exporter.
    """
    if flag == "none" or variables.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if flag:
        return _of_traces(flag)
    exporters = variables.get("OTEL_TRACES_EXPORTER", "")
    if exporters and "otlp" not in exporters.split(","):
        return None
    if exporters or any(variables.get(each) for each in _ENDPOINTS):
        return BY_VARIABLES
    return _of_traces(configured) if configured else None


def _of_traces(base: str) -> str:
    return f"{base.rstrip('/')}/v1/traces"


def _protocol(variables: Mapping[str, str]) -> str:
    return next((variables[each] for each in _PROTOCOLS if variables.get(each)), _SPOKEN)
