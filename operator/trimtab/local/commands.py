"""What the command line does with a local cloud: up, down, status, its variables, and one for the length of a command."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from trimtab.core.errors import UserError
from trimtab.local.environments import cache_folder
from trimtab.local.executor import ProcessExecutor, namespaces_work
from trimtab.local.images import ImageStore
from trimtab.local.paths import CloudInfo, cloud_info, own_folder
from trimtab.local.store import SqliteStore

PORT, INVOKE_PORT = 4566, 4567
_WAIT_S = 60.0
_GRACE_S = 5.0
_ANSWER_S = 120.0  # the clock answers once time has gone by


@dataclass(frozen=True, slots=True)
class Up:
    """A cloud that answers. started: False when it was up already; lost: what could not be restored, in sentences."""

    info: CloudInfo
    started: bool
    lost: tuple[str, ...] = ()


def up(folder: Path, port: int = PORT, invoke_port: int = INVOKE_PORT, speed: float | None = None) -> Up:
    """Start a cloud in the background and wait until it answers. Raises UserError, for a port in use too.

    speed: of its time, 1 by default; one that is up already takes it on. Two at once start one. An interrupted start
    leaves nothing running.
    """
    own_folder(folder)
    with (folder / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_up(folder):
            return _started(folder, port, invoke_port, speed)
        if speed is not None:
            clock(folder, speed=speed)
        return Up(cloud_info(folder), started=False)


def _started(folder: Path, port: int, invoke_port: int, speed: float | None) -> Up:
    for each in (port, invoke_port):
        _check_port(each)
    (folder / "cloud.json").unlink(missing_ok=True)  # not before: one that is only slow to answer still has its port
    log = folder / "server.log"
    command = [
        sys.executable,
        "-m",
        "trimtab.local.server",
        "--state",
        str(folder),
        "--port",
        str(port),
        "--invoke-port",
        str(invoke_port),
        "--speed",
        str(speed or 1.0),
    ]
    process = None
    try:
        with log.open("ab") as output, _interrupt_held():
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, env=_clean()
            )
        _await_start(folder, process, log)
    except BaseException:  # an interrupt too
        if process:
            _end(process.pid)
            process.wait()
        raise
    return Up(cloud_info(folder), started=True, lost=tuple(json.loads((folder / "lost.json").read_text())))


@contextlib.contextmanager
def _interrupt_held() -> Generator[None]:
    """Ctrl-C within comes when it ends: what was begun has its name by then. Only the main thread is ever interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if held:
            signal.raise_signal(signal.SIGINT)


def _await_start(folder: Path, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until it has written how to reach it. Raises UserError when it never will."""
    deadline = time.monotonic() + _WAIT_S
    while not (folder / "cloud.json").exists():
        if process.poll() is not None:
            raise UserError(
                f"the local cloud ended at once: {_tail(log)}", code="TT5003", reason="CloudDown", fix=f"see {log}"
            )
        if time.monotonic() > deadline:
            raise UserError(
                f"the local cloud did not answer within {_WAIT_S:.0f} s", code="TT5003", reason="CloudDown", fix=f"see {log}"
            )
        time.sleep(0.02)  # another process writes the file: there is nothing to await


def down(folder: Path, *, purge: bool = False) -> bool:
    """Stop the gateway and everything it runs. Answers whether it was up. purge: the state goes too."""
    was_up = is_up(folder)
    if was_up:
        _end(cloud_info(folder).pid)
    stop_units(folder)
    (folder / "cloud.json").unlink(missing_ok=True)
    if purge and folder.exists():
        shutil.rmtree(folder)
    return was_up


def stop_units(folder: Path) -> None:
    """Stop what a gateway left running, whether it lives or not."""
    if (folder / "units").is_dir():
        store = SqliteStore(folder / "state.sqlite")
        images = ImageStore(folder / "registry", store)
        ProcessExecutor(folder / "units", images, cache_folder(), namespaces=namespaces_work()[0]).stop_all(_GRACE_S)
        store.close()


def is_up(folder: Path) -> bool:
    """Whether a gateway answers there."""
    try:
        info = cloud_info(folder)
        reply = urllib3.request("GET", f"{info.endpoint}/_trimtab/health", timeout=2.0, retries=False)
    except (UserError, urllib3.exceptions.HTTPError, ValueError):
        return False
    return reply.status == 200


def environment(folder: Path) -> dict[str, str]:
    """The variables with which every AWS client speaks to this cloud. Raises UserError when it is down."""
    if not is_up(folder):
        raise UserError("no local cloud is up", code="TT5001", reason="CloudDown", fix="run `trimtab local up`")
    info = cloud_info(folder)
    return {
        "AWS_ENDPOINT_URL": info.endpoint,
        "AWS_ACCESS_KEY_ID": info.access_key_id,
        "AWS_SECRET_ACCESS_KEY": info.secret_access_key,
        "AWS_REGION": info.region,
        "AWS_DEFAULT_REGION": info.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "TRIMTAB_LOCAL_STATE": str(folder),
    }


def execute(command: Sequence[str], state: Path | None = None) -> int:
    """Run a command with a cloud of its own, then take all of it down. Answers the command's exit status.

    state: a folder to keep; by default one that goes with the cloud.
    """
    with _cloud(state) as variables:
        process = subprocess.Popen(command, env=_clean() | dict(variables))
        # Ctrl-C reaches the command by itself; SIGTERM is passed on. Either way the cloud goes afterwards.
        before = {
            number: signal.signal(
                number, lambda number, _: process.send_signal(number) if number == signal.SIGTERM else None
            )
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            code = process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    return 128 - code if code < 0 else code


@contextlib.contextmanager
def _cloud(state: Path | None) -> Generator[Mapping[str, str]]:
    folder = state or Path(tempfile.mkdtemp(prefix="trimtab-local-"))
    port, invoke_port = free_ports(2)
    try:
        up(folder, port, invoke_port)
        yield environment(folder)
    finally:
        down(folder, purge=state is None)


def faults(folder: Path, verb: str, body: Sequence[Mapping[str, object]] = ()) -> list[dict[str, object]]:
    """Read (GET), add (POST) or clear (DELETE) injected faults; returns those that are due then. Raises UserError."""
    due: list[dict[str, object]] = _own(folder, verb, "faults", list(body) or None)["faults"]
    return due


def clock(folder: Path, **asked: float) -> dict[str, Any]:
    """Read the cloud's clock, or change it: `speed`, `advanceSeconds`. Raises UserError.

    Returns now, speed, heldBy (what real thing keeps time as on the wall) and leftSeconds (what could not go by yet).
    """
    return _own(folder, "POST" if asked else "GET", "clock", asked or None)


def trail(folder: Path, delay_s: float) -> None:
    """Set how long an event takes to CloudTrail's history; the state folder remembers it. Raises UserError."""
    _own(folder, "POST", "trail", {"delaySeconds": delay_s})


def throttle(folder: Path, *, on: bool | None = None) -> dict[str, Any]:
    """Hold callers to AWS's limits of calls, or no longer; None: only look. Raises UserError.

    Returns on, and buckets: of each class that was called, its limits, its lowest, and the calls taken and refused.
    """
    return _own(folder, "GET", "throttle", None) if on is None else _own(folder, "POST", "throttle", {"on": on})


def user(folder: Path, name: str) -> dict[str, str]:
    """The variables with which AWS clients act as a user of IAM, who is made if need be. Raises UserError."""
    variables = environment(folder)
    key = _own(folder, "POST", "user", {"name": name})
    return variables | {"AWS_ACCESS_KEY_ID": key["id"], "AWS_SECRET_ACCESS_KEY": key["secret"]}


def _own(folder: Path, verb: str, page: str, body: object) -> dict[str, Any]:
    """Ask one of the cloud's own pages. Raises UserError."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    info = cloud_info(folder)
    data = None if body is None else json.dumps(body).encode()
    url = f"{info.endpoint}/_trimtab/{page}"
    request = AWSRequest(verb, url, data=data)
    SigV4Auth(Credentials(info.access_key_id, info.secret_access_key), "trimtab", info.region).add_auth(request)
    header = dict(request.headers.items())
    try:
        reply = urllib3.request(verb, url, body=data, headers=header, retries=False, timeout=_ANSWER_S)
    except urllib3.exceptions.HTTPError as error:
        raise UserError(
            "the local cloud does not answer", code="TT5001", reason="CloudDown", fix="run `trimtab local up`"
        ) from error
    if reply.status != 200:
        raise UserError(
            f"the local cloud refuses it: {reply.data.decode(errors='replace')}",
            code="TT5006",
            reason="Rejected",
            fix=f"see `trimtab local {page.removesuffix('s')} --help`",
        )
    answer: dict[str, Any] = reply.json()
    return answer


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UserError(
                f"port {port} of 127.0.0.1 is in use",
                code="TT5004",
                reason="PortInUse",
                fix="stop what listens there, or use --port",
            ) from error


def _end(pid: int) -> None:
    """SIGTERM, and wait; SIGKILL when it does not end."""
    for number, patience_s in ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if not _runs(pid):
                return
            time.sleep(0.02)  # it is not our child


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False


def _clean() -> dict[str, str]:
    """Our environment without the person's own AWS settings: nothing of theirs may reach a local cloud."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
