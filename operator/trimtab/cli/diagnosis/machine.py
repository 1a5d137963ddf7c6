"""What `doctor` looks at on this machine."""

import importlib.util
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from trimtab.cli.diagnosis import finding
from trimtab.cli.diagnosis.finding import Finding
from trimtab.local.commands import INVOKE_PORT, PORT, is_up
from trimtab.local.executor import namespaces_work
from trimtab.local.paths import cloud_info

_DOCKER_S = 5.0  # a daemon that hangs must not hang us


def machine_findings(cache: Path, state: Path) -> Iterator[Finding]:
    """cache: what can be made again. state: folder of the local cloud."""
    yield finding.python(sys.version_info[:3])
    yield _uv()
    yield finding.disk(
        "disk (cache)", str(cache), _free(cache), "training environments take about 6 GiB; or set TRIMTAB_CACHE"
    )
    yield finding.disk(
        "disk (state)", str(state), _free(state), "jobs and images of the local cloud; or set TRIMTAB_LOCAL_STATE"
    )
    yield _namespaces()
    yield _docker()


def port_findings(state: Path) -> Iterator[Finding]:
    """Of the local cloud: its own ports while it is up, those it would take while it is not."""
    if is_up(state):
        info = cloud_info(state)
        for endpoint in (info.endpoint, info.invoke_endpoint):
            yield finding.port(int(endpoint.rpartition(":")[2]), f"the local cloud, pid {info.pid}")
        return
    for number in (PORT, INVOKE_PORT):
        yield finding.port(number, None if _is_free(number) else "")


def _uv() -> Finding:
    if importlib.util.find_spec("uv") is None:
        return Finding("uv", "fail", "not installed beside trimtab", "reinstall trimtab: it makes environments of jobs")
    done = subprocess.run([sys.executable, "-m", "uv", "--version"], capture_output=True, text=True, check=False)
    if done.returncode:
        return Finding("uv", "fail", done.stderr.strip()[-200:] or "does not run", "reinstall trimtab")
    return Finding("uv", "ok", done.stdout.strip())


def _free(folder: Path) -> int:
    """Bytes free where that folder is, or will be."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(existing).free


def _namespaces() -> Finding:
    works, why = namespaces_work()
    if works:
        return Finding("namespaces", "ok", "each local job and task gets a mount namespace")
    found = f"local jobs see plain folders instead of /opt/ml ({why})"
    return Finding("namespaces", "warn", found, "sysctl kernel.unprivileged_userns_clone=1, where your policy allows it")


def _docker() -> Finding:
    """Nothing needs it yet: never a fault, and said as it is."""
    found = shutil.which("docker")
    if found is None:
        return Finding("docker", "ok", "not here, and not needed")
    try:
        asked = [found, "version", "--format", "{{.Server.Version}}"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=_DOCKER_S)
    except (OSError, subprocess.TimeoutExpired):
        return Finding("docker", "ok", f"{found} does not answer, and is not needed")
    if done.returncode:
        return Finding("docker", "ok", f"{found} reaches no daemon, and is not needed")
    return Finding("docker", "ok", f"{done.stdout.strip()}, not needed")


def _is_free(number: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return False
        return True
