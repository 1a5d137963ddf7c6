"""The operator's clock: this machine's, or, in tests, that of the local cloud whose time they move."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

from trimtab.cli.context import LOCAL
from trimtab.clients.clock import SystemClock, following
from trimtab.core.errors import UserError
from trimtab.local import commands
from trimtab.local.paths import cloud_info, state_folder


@contextmanager
def clock_at(url: str | None, environments: Sequence[str]) -> Generator[SystemClock]:
    """url: of the local cloud that is served; None: this machine's. Raises UserError for any other."""
    if url is None:
        yield SystemClock()
        return
    _check(url, environments)
    with following(_theirs) as clock:
        yield clock


def _check(url: str, environments: Sequence[str]) -> None:
    if not _is_loopback(url):
        raise _wrong(
            f"{url} is no http:// URL of this machine's loopback", "name that of a local cloud: `trimtab local status`"
        )
    others = [name for name in environments if name != LOCAL]
    if others:
        raise _wrong(f"the environment {others[0]} is no local cloud, and its time is real", "leave --clock out")
    endpoint = cloud_info().endpoint
    if url.rstrip("/").replace("//localhost:", "//127.0.0.1:") != endpoint:
        raise _wrong(f"the local cloud that is served is at {endpoint}, not at {url}", f"use --clock {endpoint}")


def _is_loopback(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return parts.scheme == "http" and (host == "localhost" or ip_address(host).is_loopback)
    except ValueError:  # a name
        return False


def _wrong(because: str, fix: str) -> UserError:
    return UserError(f"--clock: {because}", code="TT6011", fix=fix)


def _theirs() -> datetime | None:
    try:
        return datetime.fromisoformat(commands.clock(state_folder())["now"])
    except UserError:  # it is down, or on its way up again: time goes on as on the wall
        return None
