"""`trimtab page`: a page of one's own, served here, that calls a deployment from the browser."""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from trimtab.cli import words
from trimtab.cli.output import talk


@click.command(name="page")
@click.argument("name", shell_complete=words.deployments)
@words.environment_option()
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default="page",
    show_default=True,
    help="The page's files, with an index.html.",
)
@click.option(
    "--port",
    type=click.IntRange(1024, 65535),
    default=8100,
    show_default=True,
    help="Of this machine; http://127.0.0.1:PORT is the origin that cors.allowOrigins must list.",
)
def command(name: str, environment: str, folder: Path, port: int) -> int:
    """Serve a page on this machine that calls the deployment NAME with its key, until interrupted.

    Prints the address to open. It holds a secret: whoever has it can read the API key while this runs.

    \b
    Example: trimtab page vision/digits --folder examples/digits/page
    """
    from trimtab.cli.context import environment_named, ledger_of, remembered, session
    from trimtab.core.errors import UserError
    from trimtab.engine.endpoint import way_in

    if not (folder / "index.html").is_file():
        raise UserError(f"{folder} holds no index.html", code="TT6006", fix="name the page's folder with --folder")
    with session(environment_named(environment)) as found:
        ledger = ledger_of(found, name)
        name, wanted = f"{ledger.namespace}/{ledger.name}", remembered(ledger)
        url, key = way_in(name, found.reconciler.look(wanted), found.aws, found.environment)
        connection = _Connection(name, url, key or "", lambda: ledger_of(found, name).revisions)
        with _server(folder, port, url, connection) as server:
            if not may_call(server.origin, wanted.deployment.spec.serving.gateway.cors.allow_origins):
                talk(f"warning: the endpoint does not let {server.origin} read its answers")
                talk(f"  fix: add {server.origin} to spec.serving.gateway.cors.allowOrigins, and apply it")
            click.echo(server.url)
            talk("open it in a browser on this machine; Ctrl-C ends it")
            server.serve_forever()
    return 0


def may_call(origin: str, allowed: tuple[str, ...]) -> bool:
    """Whether a document lets that origin read answers."""
    return "*" in allowed or origin in (each.lower() for each in allowed)


class _Connection:
    """What the page is told. The revisions are read anew each time: a release may come while the page is open."""

    def __init__(self, name: str, url: str, key: str, revisions: Callable[[], Sequence[Any]]) -> None:
        self._fixed = {"deployment": name, "url": url, "key": key}
        self._revisions = revisions
        self._lock = threading.Lock()  # one session, and a thread for each request

    def __call__(self) -> Mapping[str, Any]:
        with self._lock:
            revisions = self._revisions()
        return {**self._fixed, "revisions": {each.release[:12]: each.number for each in revisions if each.release}}


def _server(folder: Path, port: int, url: str, connection: _Connection) -> Any:
    """Raises UserError where the port is taken."""
    from trimtab.cli.page_server import PageServer
    from trimtab.core.errors import UserError

    try:
        return PageServer(folder, port, url, connection)
    except OSError as error:
        fix = "stop what listens there, or use --port and list its origin in cors.allowOrigins"
        raise UserError(f"port {port} of 127.0.0.1 is in use", code="TT5004", reason="PortInUse", fix=fix) from error
