"""What the command line does with a local cloud: up, down, status, its variables, and one for the length of a command."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True, slots=True)
class Up:
    """A cloud that answers. started: False when it was up already; lost: what could not be restored, in sentences."""

    info: CloudInfo
    started: bool
    lost: tuple[str, ...] = ()


def up(folder: Path, port: int = PORT, invoke_port: int = INVOKE_PORT) -> Up:
    """Start a cloud in the background and wait until it answers. Raises UserError, for a port in use too."""
    own_folder(folder)
    if is_up(folder):
        return Up(cloud_info(folder), started=False)
    (folder / "cloud.json").unlink(missing_ok=True)
    for each in (port, invoke_port):
        _check_port(each)
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
    ]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, env=_clean()
        )
    deadline = time.monotonic() + _WAIT_S
    while not (folder / "cloud.json").exists():
        if process.poll() is not None:
            raise UserError(
                f"the local cloud ended at once: {_tail(log)}", code="TT5003", reason="CloudDown", fix=f"see {log}"
            )
        if time.monotonic() > deadline:
            process.terminate()
            raise UserError(
                f"the local cloud did not answer within {_WAIT_S:.0f} s", code="TT5003", reason="CloudDown", fix=f"see {log}"
            )
        time.sleep(0.02)  # another process writes the file: there is nothing to await
    return Up(cloud_info(folder), started=True, lost=tuple(json.loads((folder / "lost.json").read_text())))


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
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    info = cloud_info(folder)
    data = json.dumps(list(body)).encode() if body else None
    url = f"{info.endpoint}/_trimtab/faults"
    request = AWSRequest(verb, url, data=data)
    SigV4Auth(Credentials(info.access_key_id, info.secret_access_key), "trimtab", info.region).add_auth(request)
    reply = urllib3.request(verb, url, body=data, headers=dict(request.headers.items()), retries=False)
    if reply.status != 200:
        raise UserError(
            f"the local cloud refuses the fault: {reply.data.decode(errors='replace')}",
            code="TT5006",
            reason="Rejected",
            fix="see `trimtab local fault add --help`",
        )
    due: list[dict[str, object]] = reply.json()["faults"]
    return due


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
