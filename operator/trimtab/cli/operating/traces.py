"""OpenTelemetry traces: a span for each pass, and beneath it one for each call that it makes. Imported only where wanted.

A span tells what was asked of whom and how that ended; no argument and no reply is in it, since some are secret. Spans are
sent by a thread of their own: a collector that is slow or down holds up nothing, and what it cannot take is dropped.
Source: OpenTelemetry semantic conventions for RPC, AWS SDK and errors.
"""

import logging
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from structlog.contextvars import bound_contextvars

from trimtab import __version__
from trimtab.clients.aws import Made
from trimtab.core.kind import Call, Caller, Failure, Meaning, Reply
from trimtab.engine.operator import Passed
from trimtab.engine.queue import Taken

_FLUSH_S = 3.0  # at the end, for what is not sent yet
_EXPECTED: frozenset[Meaning] = frozenset({"absent", "exists"})  # answers that a pass asks for


class Traces:
    """Keeps trimtab.cli.operating.passes.Spans. endpoint: a URL; "" where the SDK's own variables say it."""

    def __init__(self, endpoint: str, log: Any) -> None:
        quiet = logging.getLogger("opentelemetry")  # it would write on stderr, each time; `_Exporter` says it once
        quiet.addHandler(logging.NullHandler())
        quiet.propagate = False
        named = Resource.create({SERVICE_NAME: "trimtab", "service.version": __version__})
        ours = named.merge(OTELResourceDetector().detect())  # OTEL_SERVICE_NAME is another's word for us
        self._provider = TracerProvider(resource=ours, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(_Exporter(OTLPSpanExporter(endpoint or None), log)))
        self._tracer = self._provider.get_tracer("trimtab", __version__)

    @contextmanager
    def around(self, taken: Taken, generation: int) -> Generator[Callable[[Passed], None]]:
        """A span; its ids stand on each line of the log meanwhile."""
        given = {
            "trimtab.deployment": taken.key,
            "trimtab.priority": taken.priority.name.lower(),
            "trimtab.waited_s": taken.waited_s,
        }
        with self._tracer.start_as_current_span(
            "pass", attributes=given, record_exception=False, set_status_on_exception=False
        ) as span:

            def ended(passed: Passed) -> None:
                span.set_attribute("trimtab.generation", passed.generation)
                span.set_attribute("trimtab.outcome", passed.outcome)
                if passed.result == "error":
                    span.set_attribute("error.type", passed.outcome)
                    span.set_status(Status(StatusCode.ERROR))

            ids = span.get_span_context()
            with bound_contextvars(trace_id=format(ids.trace_id, "032x"), span_id=format(ids.span_id, "016x")):
                yield ended

    def traced(self, caller: Caller) -> Caller:
        """The same, whose calls are spans where they are made within a pass."""
        return _Traced(caller, self._tracer)

    def called(self, made: Made) -> None:
        """Note the id that AWS gave a call that is a span."""
        if made.request_id:
            trace.get_current_span().set_attribute("aws.request_id", made.request_id)

    def close(self) -> None:
        """Send what is left, as far as that goes quickly."""
        flushing = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        flushing.start()
        flushing.join(_FLUSH_S)


class _Traced:
    def __init__(self, caller: Caller, tracer: Tracer) -> None:
        self._caller = caller
        self._tracer = tracer

    def make(self, call: Call) -> Reply:
        if not trace.get_current_span().get_span_context().is_valid:
            return self._caller.make(call)
        name = f"{call.service}.{call.operation}"
        given = {"rpc.service": call.service, "rpc.method": call.operation}
        with self._tracer.start_as_current_span(
            name, kind=SpanKind.CLIENT, attributes=given, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                return self._caller.make(call)
            except Failure as failure:
                span.set_attribute("error.type", failure.code or failure.meaning)
                if failure.meaning not in _EXPECTED:
                    span.set_status(Status(StatusCode.ERROR))
                raise


class _Exporter(SpanExporter):
    """Says when a collector begins to refuse what it is sent, and when it takes it again."""

    def __init__(self, exporter: SpanExporter, log: Any) -> None:
        self._exporter = exporter
        self._log = log
        self._last = SpanExportResult.SUCCESS

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is not self._last:
            self._last = result
            if result is SpanExportResult.SUCCESS:
                self._log.info("traces.sent")
            else:
                self._log.warning("traces.unsent", because="the collector does not take them; what it misses is dropped")
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()
