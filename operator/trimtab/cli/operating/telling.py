"""What the operator tells: logs on stderr, metrics and health over HTTP."""

import logging
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from trimtab.clients.aws import Made
from trimtab.core.errors import UserError
from trimtab.engine.queue import WorkQueue

_CONTROLLER = "modeldeployment"
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


def log_to_stderr(form: str, level: str) -> Any:
    """A logger: an event and its fields. form: "console" for people, "json" for one object a line."""
    times = structlog.processors.TimeStamper(fmt="iso", utc=True)
    renderer = (
        structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, times, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    return structlog.get_logger()


class Metrics:
    """Counts for Prometheus, under controller-runtime's names where it has one: its dashboards show them.

    Source: controller-runtime, pkg/internal/controller/metrics and pkg/metrics/workqueue.go.
    """

    def __init__(self, workers: int) -> None:
        to = self.registry = CollectorRegistry()
        by, queued = ["controller"], ["name"]
        self._passes = Counter("controller_runtime_reconcile", "Passes by result.", [*by, "result"], registry=to)
        self._errors = Counter("controller_runtime_reconcile_errors", "Passes that failed.", by, registry=to)
        seconds = "controller_runtime_reconcile_time_seconds"
        self._seconds = Histogram(seconds, "Length of a pass.", by, buckets=_BUCKETS, registry=to)
        self._waits = Histogram("workqueue_queue_duration_seconds", "Time due.", queued, buckets=_BUCKETS, registry=to)
        self._calls = Counter("trimtab_aws_calls", "Calls to AWS.", ["service", "operation", "code"], registry=to)
        self._up = Gauge("trimtab_source_up", "Whether a source can be read.", ["source"], registry=to)
        self._known = Gauge("trimtab_deployments", "Deployments that exist.", registry=to)
        self._tasks = Gauge("trimtab_tasks", "What is to be done about deployments.", ["task"], registry=to)
        self._swept = Counter("trimtab_swept", "Deployments looked at by sweeps.", ["result"], registry=to)
        self._sweeps = Histogram("trimtab_sweep_time_seconds", "Length of a sweep.", buckets=_BUCKETS, registry=to)
        waits = "Waits for a token of ours."
        self._paced = Counter("trimtab_paced_seconds", waits, ["class"], registry=to)
        self._depth = Gauge("workqueue_depth", "Deployments that are due.", queued, registry=to)
        self._active = Gauge("controller_runtime_active_workers", "Passes under way.", by, registry=to)
        most = Gauge("controller_runtime_max_concurrent_reconciles", "Passes at a time.", by, registry=to)
        most.labels(_CONTROLLER).set(workers)

    def watch(self, queue: WorkQueue) -> None:
        """Show how long that queue is, whenever it is asked."""
        self._depth.labels(_CONTROLLER).set_function(lambda: queue.depth)
        self._active.labels(_CONTROLLER).set_function(lambda: len(queue.busy))

    def passed(self, result: str, seconds: float, waited_s: float) -> None:
        self._passes.labels(_CONTROLLER, result).inc()
        self._seconds.labels(_CONTROLLER).observe(seconds)
        self._waits.labels(_CONTROLLER).observe(waited_s)
        if result == "error":
            self._errors.labels(_CONTROLLER).inc()

    def called(self, made: Made) -> None:
        self._calls.labels(made.call.service, made.call.operation, made.code).inc()

    def waited(self, name: str, seconds: float) -> None:
        """A call of that class waited for its turn, so that AWS would not throttle it."""
        self._paced.labels(name).inc(seconds)

    def surveyed(self, standing: int, moved: int, seconds: float) -> None:
        self._swept.labels("stands").inc(standing)
        self._swept.labels("moved").inc(moved)
        self._sweeps.observe(seconds)

    def source(self, name: str, *, is_up: bool) -> None:
        self._up.labels(name).set(is_up)

    def deployments(self, known: int, tasks: Mapping[str, int]) -> None:
        self._known.set(known)
        self._tasks.clear()
        for task, count in tasks.items():
            self._tasks.labels(task).set(count)


class HealthServer:
    """/healthz, /readyz and /metrics. A loop that hangs fails /healthz: whoever runs us starts us again."""

    def __init__(
        self, listen: str, problem: Callable[[], str], is_ready: Callable[[], bool], registry: CollectorRegistry
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._answer(200, generate_latest(registry), CONTENT_TYPE_LATEST)
                elif self.path == "/healthz":
                    said = problem()
                    self._answer(503 if said else 200, f"{said or 'ok'}\n".encode())
                elif self.path == "/readyz":
                    ready = is_ready()
                    self._answer(200 if ready else 503, b"ok\n" if ready else b"a source was not looked at yet\n")
                else:
                    self._answer(404, b"there are /healthz, /readyz and /metrics\n")

            def log_message(self, format: str, *args: Any) -> None: ...

            def _answer(self, status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        host, _, port = listen.rpartition(":")
        try:
            self._server = ThreadingHTTPServer((host, int(port)), Handler)
        except OSError as error:
            raise UserError(
                f"{listen} cannot be listened on: {error.strerror}",
                code="TT5004",
                reason="PortInUse",
                fix="choose another with --listen, or --listen none",
            ) from error
        self.address = f"{host}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
