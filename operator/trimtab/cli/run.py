"""`trimtab run`: the operator. Watches sources and keeps what they declare true, until it is stopped."""

import contextlib
from functools import partial
from pathlib import Path
from typing import Any

import click

from trimtab.cli import interrupts, words
from trimtab.cli.output import talk

_option = partial(click.option, show_envvar=True)


@click.command(name="run")
@_option("--config", type=click.Path(path_type=Path), envvar="TRIMTAB_CONFIG", help="Its configuration, a YAML file.")
@_option(
    "--folder", "folders", type=click.Path(path_type=Path), multiple=True, help="A folder of documents to watch; repeatable."
)
@_option(
    "--environment",
    "environments",
    multiple=True,
    envvar="TRIMTAB_ENVIRONMENTS",
    help="An environment to serve; repeatable.  [default: local]",
    shell_complete=words.environments,
)
@_option("--workers", type=click.IntRange(1, 256), envvar="TRIMTAB_WORKERS", help="Passes at a time.  [default: 8]")
@_option("--sweep", envvar="TRIMTAB_SWEEP", help="How often to look at everything.  [default: 60s]")
@_option(
    "--listen", envvar="TRIMTAB_LISTEN", help="Of /healthz, /readyz and /metrics; none: nowhere.  [default: 127.0.0.1:8081]"
)
@_option("--traces", help="Base URL of a collector of OTLP over HTTP; none: nowhere.  [default: as OTEL_* variables say]")
@_option("--log-format", type=click.Choice(["console", "json"]), envvar="TRIMTAB_LOG_FORMAT", help="How to log.")
@_option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), envvar="TRIMTAB_LOG_LEVEL", help="What to log."
)
@_option("--clock", metavar="URL", help="For tests: the local cloud whose clock it follows.")
def command(
    config: Path | None,
    folders: tuple[Path, ...],
    environments: tuple[str, ...],
    workers: int | None,
    sweep: str | None,
    listen: str | None,
    traces: str | None,
    log_format: str | None,
    log_level: str | None,
    clock: str | None,
) -> int:
    """Watch sources of documents, make them true and keep them true, until interrupted.

    What is changed outside is put right, what fails is tried again, a document that disappears is deleted as its policy
    says (never many at once: see `trimtab confirm-deletes`). Flags override environment variables, which override the
    file. Exit codes: 0 stopped by a signal, 1 it could not start.

    \b
    Example: trimtab run --folder ./models
             trimtab run --config operator.yaml --log-format json
    """
    from trimtab.cli.operating.config import configured

    logs = {name: value for name, value in (("format", log_format), ("level", log_level)) if value is not None}
    overrides: dict[str, Any] = {
        "environments": environments or None,
        "workers": workers,
        "sweep": sweep,
        "listen": None if listen == "none" else listen,
        "traces": None if traces == "none" else traces,
        "logs": logs or None,
    }
    spec, base = configured(config, folders, overrides)
    return _operate(spec, base, None if listen == "none" else spec.listen, traces, clock)


def _operate(spec: Any, base: Path, listen: str | None, traces: str | None, clock_url: str | None) -> int:
    from trimtab.cli.operating.clock import clock_at
    from trimtab.cli.operating.site import ears_of, served, sources_of
    from trimtab.core.errors import UserError
    from trimtab.core.quantities import duration_s
    from trimtab.engine.operator import Operator

    try:
        from trimtab.cli.operating.passes import passes_of
        from trimtab.cli.operating.telling import HealthServer, Metrics, log_to_stderr
    except ImportError as error:
        raise UserError(
            f"the operator needs {error.name}, which is not installed", code="TT6008", fix="pip install 'trimtab[operator]'"
        ) from error
    log = log_to_stderr(spec.logs.format, spec.logs.level)
    metrics = Metrics(spec.workers)
    passes = passes_of(traces, spec.traces, log)

    def called(made: Any) -> None:
        metrics.called(made)
        passes.called(made)

    with (
        contextlib.closing(passes),
        clock_at(clock_url, spec.environments) as clock,
        served(spec.environments, called, passes.traced, metrics.waited, clock) as sites,
    ):
        pairs = sources_of(spec, base, sites, clock)
        operator = Operator(
            sources=[source for source, _ in pairs],
            configured=[each for _, each in pairs],
            sites=sites,
            clock=clock,
            log=log,
            counts=metrics,
            workers=spec.workers,
            sweep_s=duration_s(spec.sweep),
            ears=ears_of(spec.events, sites),
            around=passes.around,
        )

        def stop() -> None:
            operator.stopping.set()
            for site in sites.values():
                site.pace.close()

        metrics.watch(operator.queue)
        with contextlib.ExitStack() as stack:
            if listen:
                health = HealthServer(listen, operator.problem, lambda: operator.is_ready, metrics.registry)
                stack.callback(health.close)
                log.info("health.listening", address=health.address)
            interrupts.on_signal(stop)
            log.info("operator.started", environments=list(spec.environments), sources=[source.name for source, _ in pairs])
            operator.run()
            log.info("operator.stopped")
    talk("stopped: what runs goes on, and the next start goes on from here")
    return 0
