"""Runs units as processes of this machine, without a container engine and without root. Not a security boundary.

An image's application layers are unpacked as they are; the packages of its lock come from a cached virtual environment. Where
the kernel allows it each unit gets a mount namespace whose /opt is the image's; elsewhere the same files lie in a folder and
SAGEMAKER_BASE_DIR points there. A supervisor process per unit keeps the exit code, so that a unit survives the gateway.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from trimtab.local import supervisor
from trimtab.local.environments import EnvironmentFailed, environment_for
from trimtab.local.images import ImageStore
from trimtab.local.overlay import Exited, Preparing, Running, Unit, UnitState

_LABELS = ("trimtab.dev/base", "trimtab.dev/requirements")
CANNOT_START = 125


@lru_cache(maxsize=1)
def namespaces_work() -> tuple[bool, str]:
    """Whether a unit can have a mount namespace here, and why not."""
    if sys.platform != "linux":
        return False, "mount namespaces are Linux's"
    if not Path("/opt").is_dir():
        return False, "this machine has no /opt to stand in for the image's"
    probe = (
        "import sys, tempfile; sys.path.insert(0, sys.argv[1]); import supervisor; "
        "supervisor.isolate(tempfile.mkdtemp(), {})"
    )
    folder = str(Path(supervisor.__file__).parent)
    done = subprocess.run([sys.executable, "-I", "-c", probe, folder], capture_output=True, text=True, check=False)
    return done.returncode == 0, "" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


@dataclass(frozen=True, slots=True)
class Layout:
    """What an image says of itself."""

    layers: tuple[str, ...]  # digests
    lock: str
    entrypoint: tuple[str, ...]
    environment: Mapping[str, str]


class Unusable(Exception):
    """An image or unit that cannot be run here."""


class ProcessExecutor:
    """Units in folders below `folder`; what they unpack and install lies in `cache`."""

    def __init__(self, folder: Path, images: ImageStore, cache: Path, *, namespaces: bool | None = None) -> None:
        self._folder, self._images, self._cache = folder, images, cache
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._namespaces = namespaces_work()[0] if namespaces is None else namespaces
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="unit")
        self._lock = threading.Lock()
        self._preparing: dict[str, str] = {}
        self._failed: dict[str, Exited] = {}
        self._ended: dict[str, Exited] = {}
        self._stopping: set[str] = set()

    # --- the interface ---

    def start(self, unit: Unit) -> None:
        """Begin a unit; a second start of one id does nothing."""
        place = self._place(unit.id)
        with self._lock:
            if unit.id in self._preparing or (place / "unit.json").exists():
                return
            self._preparing[unit.id] = "pulling the image"
        place.mkdir(parents=True, exist_ok=True)
        supervisor.write(str(place), "unit.json", {"id": unit.id, "image": unit.image})
        self._pool.submit(self._begin, unit, place)

    def state(self, id: str) -> UnitState | None:
        if id in self._ended:
            return self._ended[id]
        with self._lock:
            if id in self._failed:
                return self._failed[id]
            if id in self._preparing:
                return Preparing(self._preparing[id])
        place = self._place(id)
        if not (place / "unit.json").exists():
            return None
        if (ended := _read(place / "exit.json")) is not None:
            self._ended[id] = Exited(ended["code"], datetime.fromtimestamp(ended["at"], UTC))
            return self._ended[id]
        watched = _read(place / "supervisor.json")
        if watched is None or not _alive(watched):
            if (place / "exit.json").exists():
                return self.state(id)
            lost = Exited(137, datetime.now(UTC), "its supervisor is gone")
            self._ended[id] = lost
            return lost
        running = _read(place / "running.json")
        if running is None:
            return Preparing("starting")
        return Running(running["pid"], datetime.fromtimestamp(running["started"], UTC))

    def stop(self, id: str, grace_s: float) -> None:
        """SIGTERM to the unit's group, SIGKILL after the grace."""
        with self._lock:
            if id in self._stopping:
                return
            self._stopping.add(id)
        self._pool.submit(self._stop, id, grace_s)

    def forget(self, id: str) -> None:
        """Drop an ended unit's folder and record."""
        if isinstance(self.state(id), Exited):
            shutil.rmtree(self._place(id), ignore_errors=True)
            with self._lock:
                for memory in (self._failed, self._ended):
                    memory.pop(id, None)
                self._stopping.discard(id)

    def image_digest(self, image: str) -> str | None:
        return self._images.find(image)

    def units(self) -> list[str]:
        """Ids of every unit that has a folder, after a restart too."""
        found = (_read(path) for path in self._folder.glob("*/unit.json"))
        return sorted(each["id"] for each in found if each)

    def stop_all(self, grace_s: float) -> None:
        """Stop every unit and wait for the last to end."""
        waiting = [id for id in self.units() if not isinstance(self.state(id), Exited)]
        for id in waiting:
            self.stop(id, grace_s)
        deadline = time.monotonic() + grace_s + 5
        while any(not isinstance(self.state(id), (Exited, type(None))) for id in waiting) and time.monotonic() < deadline:
            time.sleep(0.02)  # processes that are not our children cannot be awaited

    # --- starting ---

    def _begin(self, unit: Unit, place: Path) -> None:
        try:
            spec = self._prepare(unit, place)
            supervisor.write(str(place), "spec.json", spec)
            self._spawn(place)
        except (Unusable, EnvironmentFailed, OSError, KeyError, ValueError) as error:
            because = str(error)
            with unit.log.open("a") as log:
                log.write(f"trimtab: {because}\n")
            with self._lock:
                self._failed[unit.id] = Exited(CANNOT_START, datetime.now(UTC), because)
        finally:
            with self._lock:
                self._preparing.pop(unit.id, None)

    def _spawn(self, place: Path) -> None:
        """Start the supervisor in a session of its own; it is not our child for long: it must outlive us."""
        command = [sys.executable, "-I", "-S", str(Path(supervisor.__file__)), str(place)]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        supervisor.write(str(place), "supervisor.json", {"pid": process.pid, "ticks": _ticks(process.pid)})
        threading.Thread(target=process.wait, daemon=True).start()  # reaps it

    def _prepare(self, unit: Unit, place: Path) -> dict[str, Any]:
        layout = self._layout(unit.image)
        root = place / "root"
        for digest in layout.layers:
            _link_tree(self._layer(digest), root)
        self._say(unit.id, "making the environment")
        environment = environment_for(layout.lock, self._cache)
        opt = root / "opt"
        for name in ("ml/input", "ml/model", "ml/output", "trimtab"):
            (opt / name).mkdir(parents=True, exist_ok=True)
        for name in ("home", "tmp"):
            (place / name).mkdir(exist_ok=True)
        binds = {str(root / target.lstrip("/")): str(source) for target, source in unit.mounts.items()}
        if self._namespaces:
            binds |= _own_opt(opt)
        for target, source in binds.items():
            _target(Path(target), Path(source), linked=not self._namespaces)
        variables = {
            **layout.environment,
            **unit.environment,
            "PATH": f"{environment}/bin:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(place / "home"),
            "TMPDIR": str(place / "tmp"),
            "LANG": "C.UTF-8",
        }
        variables |= {"TRIMTAB_BIND_ADDRESS": unit.address} if unit.address else {}
        command = [*(unit.entrypoint or layout.entrypoint), *unit.command]
        if not command:
            raise Unusable(f"{unit.image} has no entry point")
        if not self._namespaces:
            variables["SAGEMAKER_BASE_DIR"] = str(opt / "ml")
            variables.setdefault("TRIMTAB_CODE_DIR", "") or variables.pop("TRIMTAB_CODE_DIR")
            command = [str(root / word.lstrip("/")) if word.startswith("/opt/") else word for word in command]
        return {
            "command": command,
            "environment": variables,
            "cwd": "/",
            "log": str(unit.log),
            "namespace": self._namespaces,
            "opt": str(opt),
            "binds": binds if self._namespaces else {},
        }

    def _say(self, id: str, what: str) -> None:
        with self._lock:
            self._preparing[id] = what

    def _layout(self, image: str) -> Layout:
        digest = self._images.find(image)
        if digest is None:
            raise Unusable(f"CannotPullContainerError: {image} is not in the registry")
        manifest = json.loads(self._images.manifest(digest))
        blob = self._images.blob(manifest["config"]["digest"])
        if blob is None:
            raise Unusable(f"CannotPullContainerError: the configuration of {image} is not in the registry")
        config = json.loads(blob.read_bytes()).get("config", {})
        labels = config.get("Labels") or {}
        if labels.get("trimtab.dev/base") != "host":
            raise Unusable(f"{image} does not stand on a host base: without a container engine only such images run here")
        variables = dict(each.partition("=")[::2] for each in config.get("Env") or ())
        layers = tuple(each["digest"] for each in manifest["layers"])
        words = tuple(config.get("Entrypoint") or ())
        return Layout(layers, labels.get("trimtab.dev/requirements", ""), words, {**variables})

    def _layer(self, digest: str) -> Path:
        """A layer, unpacked once."""
        path = self._cache / "layers" / digest.replace(":", "-")
        if path.exists():
            return path
        blob = self._images.blob(digest)
        if blob is None:
            raise Unusable(f"layer {digest} is not in the registry")
        fresh = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
        fresh.mkdir(parents=True)
        with tarfile.open(blob, "r:*") as tar:
            for member in tar:
                if not (member.isreg() or member.isdir()):
                    raise Unusable(f"layer {digest} holds {member.name}, which is neither file nor folder")
                tar.extract(member, fresh, filter="data")
        with suppress(OSError):
            fresh.rename(path)
        return path

    # --- stopping ---

    def _stop(self, id: str, grace_s: float) -> None:
        deadline = time.monotonic() + grace_s
        asked = False
        while not isinstance(state := self.state(id), (Exited, type(None))):
            if isinstance(state, Running):
                if not asked:
                    _signal(state.pid, signal.SIGTERM)
                    asked = True
                elif time.monotonic() > deadline:
                    _signal(state.pid, signal.SIGKILL)
            elif time.monotonic() > deadline + 60:
                return
            time.sleep(0.02)  # it is the supervisor's child, not ours: there is nothing to await

    def _place(self, id: str) -> Path:
        return self._folder / sha256(id.encode()).hexdigest()[:32]


def _own_opt(opt: Path) -> Mapping[str, str]:
    """What this machine has in /opt, kept beside the image's own."""
    return {
        str(opt / each.name): str(each) for each in Path("/opt").iterdir() if each.name not in ("ml", "trimtab", "program")
    }


def _target(target: Path, source: Path, *, linked: bool) -> None:
    """A place to mount on, or where nothing can be mounted a link."""
    source.mkdir(parents=True, exist_ok=True) if not source.exists() else None
    if linked:
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source)
    elif source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.touch()


def _link_tree(source: Path, target: Path) -> None:
    """The files of a layer in a unit's root: hard links where the cache lies on the same disk."""
    for path in _files(source):
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        try:
            os.link(path, place)
        except OSError:
            shutil.copy2(path, place)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _ticks(pid: int) -> str:
    """When a process started, in the kernel's ticks: with the pid it names a process for ever."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _alive(watched: Mapping[str, Any]) -> bool:
    ticks = _ticks(watched["pid"])
    if not ticks or ticks != watched["ticks"]:
        return False
    try:
        return Path(f"/proc/{watched['pid']}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
