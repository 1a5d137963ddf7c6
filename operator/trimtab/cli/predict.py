"""`trimtab predict`: send a request through the public endpoint, as any client would."""

import sys
import time
from pathlib import Path

import click

from trimtab.cli import words
from trimtab.cli.output import talk

_TYPES = {".json": "application/json", ".csv": "text/csv", ".npy": "application/x-npy"}
_LIMIT = 10 * 1000 * 1000  # what API Gateway takes


@click.command(name="predict")
@click.argument("name", shell_complete=words.deployments)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True), default="-")
@words.environment_option()
@click.option("--content-type", help="Of the body; by default from the file's name, else application/octet-stream.")
@click.option("--accept", default="application/json", show_default=True, help="What to be answered in.")
@click.option("--verbose", "-v", is_flag=True, help="Say which revision answered, and how fast.")
def command(name: str, file: str, environment: str, content_type: str | None, accept: str, verbose: bool) -> int:
    """Send FILE (or stdin) to the deployment NAME and print the answer.

    \b
    Example: trimtab predict vision/digits image.npy
             echo '[[0.1, 3.9]]' | trimtab predict toy --content-type application/json
    """
    import urllib3

    from trimtab.cli.context import environment_named, ledger_of, remembered, session
    from trimtab.core.errors import Transient, UserError
    from trimtab.engine.endpoint import way_in

    body = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    if len(body) > _LIMIT:
        raise UserError(
            f"the request has {len(body)} bytes; API Gateway takes {_LIMIT}", code="TT3008", fix="send fewer records"
        )
    with session(environment_named(environment)) as found:
        view = found.reconciler.look(remembered(ledger_of(found, name)))
        url, key = way_in(name, view, found.aws, found.environment)
    headers = {"Content-Type": content_type or _TYPES.get(Path(file).suffix, "application/octet-stream"), "Accept": accept}
    started = time.perf_counter()
    if key:
        headers["x-api-key"] = key
    try:  # once: what is sent twice is counted, and paid for, twice
        reply = urllib3.request("POST", f"{url}/invocations", body=body, headers=headers, timeout=30, retries=False)
    except urllib3.exceptions.HTTPError as error:
        raise Transient(f"{url} gave no answer: {error}") from error
    spent_ms = (time.perf_counter() - started) * 1000
    sys.stdout.buffer.write(reply.data + (b"" if reply.data.endswith(b"\n") or not sys.stdout.isatty() else b"\n"))
    if verbose:
        talk(f"{reply.status} in {spent_ms:.1f} ms, release {reply.headers.get('X-Trimtab-Release', '?')}")
    if reply.status >= 400:
        talk(f"the endpoint answered {reply.status} {reply.reason or ''}".rstrip())
        return 1
    return 0
