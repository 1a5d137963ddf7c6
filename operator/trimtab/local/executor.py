"""Runs units as processes of this machine, without a container engine and without root. Not a security boundary.

An image's application layers are unpacked as they are; the packages of its lock come from a cached virtual environment.
Where the kernel allows it each unit gets a mount namespace whose /opt is the image's; elsewhere the same files lie in a
folder, words that name /opt/ml, /opt/trimtab or /opt/program are rewritten to it, and SAGEMAKER_BASE_DIR points there.
A supervisor process per unit keeps the exit code and sees to the stopping, so that a unit survives the gateway's death: the
next executor on the same folder adopts it, and begins again what had not begun to run.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from trimtab.local import supervisor
from trimtab.local.environments import EnvironmentFailed, environment_for
from trimtab.local.images import ImageStore
from trimtab.local.overlay import Exited, Preparing, Running, Unit, UnitState
from trimtab.local.supervisor import CANNOT_START, KILLED, read, ticks, write
from trimtab.local.unit_spec import spec_of
from trimtab.local.unpacking import Unusable, layout_of, unpack
from trimtab_container.contract import usable_cpus

_MARK = "TRIMTAB_UNIT"  # in a unit's environment: finds what is left of it when its supervisor was killed
_KILLED_FIRST = "its supervisor was killed, and the unit with it"
_STOPPED_FIRST = "it was stopped before it ran"


@lru_cache(maxsize=1)
def namespaces_work() -> tuple[bool, str]:
    """Whether a unit can have a mount namespace here, and why not."""
    if sys.platform != "linux":
        return False, "mount namespaces are Linux's"
    if not Path("/opt").is_dir():
        return False, "this machine has no /opt to stand in for the image's"
    probe = (
        "import sys, tempfile; sys.path.insert(0, sys.argv[1]); import supervisor; "
        "supervisor.isolate(tempfile.gettempdir(), [])"
    )
    folder = str(Path(supervisor.__file__).parent)
    done = subprocess.run([sys.executable, "-I", "-c", probe, folder], capture_output=True, text=True, check=False)
    return done.returncode == 0, "" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


class ProcessExecutor:
    """Units in folders below `folder`; what they unpack and install lies in `cache`.

    namespaces: False runs units without them, as on a machine that has none; None asks the machine.
    """

    def __init__(self, folder: Path, images: ImageStore, cache: Path, *, namespaces: bool | None = None) -> None:
        self._folder, self._images, self._cache = folder.absolute(), images, cache.absolute()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._namespaces = namespaces_work()[0] if namespaces is None else namespaces
        self._lock = threading.Lock()
        self._preparing: dict[str, str] = {}  # id -> what is being done
        self._supervisors: dict[str, subprocess.Popen[bytes]] = {}  # those that we started
        self._ended: dict[str, Exited] = {}
        self._adopt()

    # --- the interface ---

    def start(self, unit: Unit) -> None:
        """Begin a unit; a second start of one id does nothing."""
        place = self._place(unit.id)
        with self._lock:
            if unit.id in self._preparing or (place / "unit.json").exists():
                return
            self._preparing[unit.id] = "pulling image"
        place.mkdir(parents=True, exist_ok=True)
        write(str(place), "unit.json", _unit_json(unit))
        self._begin_soon(unit, place)

    def state(self, id: str) -> UnitState | None:
        with self._lock:
            if id in self._ended:
                return self._ended[id]
        place = self._place(id)
        if (ended := self._exit_of(id, place)) is not None:
            return ended
        with self._lock:
            if id in self._preparing:
                return Preparing(self._preparing[id])
        if not (place / "unit.json").exists():
            return None
        running = read(str(place), "running.json")
        if running is None:
            if self._is_starting(id, place):
                return Preparing("starting")
        elif ticks(running["supervisor"]) == running["supervisor_ticks"]:
            return Running(running["pid"], datetime.fromtimestamp(running["started"], UTC))
        # The file is looked for again: it may have ended between the two looks.
        return self._exit_of(id, place) or self._lost(id, place)

    def stop(self, id: str, grace_s: float) -> None:
        """SIGTERM to the unit's group, SIGKILL to all of it after the grace; a later, shorter grace counts."""
        place = self._place(id)
        if not (place / "unit.json").exists() or isinstance(self.state(id), Exited):
            return
        write(str(place), "stop.json", {"grace_s": grace_s})
        with self._lock:
            if id in self._preparing:  # there is no process yet, and `_begin` will make none
                self._end(id, place, Exited(128 + signal.SIGTERM, datetime.now(UTC), _STOPPED_FIRST))
                return
        # It reads stop.json once running.json is there, so one of the two sees the other.
        running = read(str(place), "running.json")
        if running is not None and ticks(running["supervisor"]) == running["supervisor_ticks"]:
            with suppress(ProcessLookupError):
                os.kill(running["supervisor"], signal.SIGTERM)

    def forget(self, id: str) -> None:
        """Drop an ended unit's folder and record."""
        if isinstance(self.state(id), Exited):
            shutil.rmtree(self._place(id), ignore_errors=True)
            with self._lock:
                self._ended.pop(id, None)
                self._supervisors.pop(id, None)

    def image_digest(self, image: str) -> str | None:
        return self._images.find(image)

    def units(self) -> list[str]:
        """Ids of every unit that has a folder, after a restart too."""
        found = (read(str(path), "unit.json") for path in self._folder.iterdir())
        return sorted(each["id"] for each in found if each)

    def stop_all(self, grace_s: float) -> None:
        """Stop every unit and wait for the last to end."""
        waiting = [id for id in self.units() if not isinstance(self.state(id), Exited)]
        for id in waiting:
            self.stop(id, grace_s)
        deadline = time.monotonic() + grace_s + 5
        while any(not isinstance(self.state(id), (Exited, type(None))) for id in waiting) and time.monotonic() < deadline:
            time.sleep(0.02)  # those that were adopted are not our children, and cannot be awaited

    # --- starting ---

    def _begin_soon(self, unit: Unit, place: Path) -> None:
        # A thread each: an environment may take minutes to make, and must hold up no other unit.
        threading.Thread(target=self._begin, args=(unit, place), name=f"unit {unit.id}", daemon=True).start()

    def _begin(self, unit: Unit, place: Path) -> None:
        try:
            layout = layout_of(self._images, unit.image)
            unpack(self._images, layout.layers, self._cache, place / "root")
            self._say(unit.id, "making environment")
            environment = environment_for(layout.lock, self._cache)
            unit = replace(unit, environment={**unit.environment, _MARK: str(place)})
            spec = spec_of(unit, layout, place, environment, usable_cpus(), namespace=self._namespaces)
            write(str(place), "spec.json", spec)
            unit.log.parent.mkdir(parents=True, exist_ok=True)
            with self._lock:
                if unit.id not in self._ended:
                    self._supervisors[unit.id] = _supervise(place)
        except (Unusable, EnvironmentFailed, OSError, KeyError, ValueError) as error:
            with self._lock:
                if unit.id not in self._ended:
                    self._end(unit.id, place, Exited(CANNOT_START, datetime.now(UTC), str(error)))
        finally:
            with self._lock:
                self._preparing.pop(unit.id, None)
            if unit.id in self._supervisors:
                self._supervisors[unit.id].wait()  # reaps it

    def _say(self, id: str, what: str) -> None:
        with self._lock:
            self._preparing[id] = what

    # --- ends, and what an earlier executor left ---

    def _adopt(self) -> None:
        """Begin again what had not begun to run. All else is found by its files when it is asked for."""
        for place in self._folder.iterdir():
            kept = read(str(place), "unit.json")
            if kept is None:
                shutil.rmtree(place, ignore_errors=True)
            elif not any((place / name).exists() for name in ("exit.json", "running.json", "stop.json")) and not _held(
                place
            ):
                unit = _unit_of(kept)
                self._preparing[unit.id] = "pulling image"
                self._begin_soon(unit, place)

    def _exit_of(self, id: str, place: Path) -> Exited | None:
        kept = read(str(place), "exit.json")
        if kept is None:
            return None
        ended = Exited(kept["code"], datetime.fromtimestamp(kept["at"], UTC), kept.get("because", ""))
        with self._lock:
            self._ended[id] = ended
        return ended

    def _is_starting(self, id: str, place: Path) -> bool:
        supervised = self._supervisors.get(id)
        return supervised.poll() is None if supervised else _held(place)

    def _lost(self, id: str, place: Path) -> Exited:
        """A unit whose supervisor is gone without a word: nothing of it may stay behind."""
        for pid in _marked(place):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        stopped = (place / "stop.json").exists() and not (place / "running.json").exists()
        because = _STOPPED_FIRST if stopped else _KILLED_FIRST
        with self._lock:
            return self._end(id, place, Exited(KILLED, datetime.now(UTC), because))

    def _end(self, id: str, place: Path, ended: Exited) -> Exited:
        """Keep an end that no supervisor has written. Called under the lock."""
        write(str(place), "exit.json", {"code": ended.code, "at": ended.at.timestamp(), "because": ended.because})
        self._ended[id] = ended
        return ended

    def _place(self, id: str) -> Path:
        return self._folder / sha256(id.encode()).hexdigest()[:32]


def _supervise(place: Path) -> subprocess.Popen[bytes]:
    """Start the supervisor in a session of its own, its signals blocked from its first instruction on."""
    command = [sys.executable, "-I", "-S", str(Path(supervisor.__file__)), str(place)]
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(place / "supervisor.log").open("ab"),
            start_new_session=True,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _held(place: Path) -> bool:
    """Whether a supervisor has the unit's lock. Shared, so that looking never keeps one from taking it for long."""
    try:
        with (place / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _marked(place: Path) -> list[int]:
    """Processes that carry a unit's mark in their environment: its whole path, as another cloud may have the same id."""
    wanted = f"{_MARK}={place}".encode()
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if wanted in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def _unit_json(unit: Unit) -> dict[str, Any]:
    plain = asdict(unit)
    return plain | {"log": str(unit.log), "mounts": {target: str(source) for target, source in unit.mounts.items()}}


def _unit_of(kept: Mapping[str, Any]) -> Unit:
    return Unit(
        id=kept["id"],
        image=kept["image"],
        command=tuple(kept["command"]),
        environment=kept["environment"],
        log=Path(kept["log"]),
        entrypoint=tuple(kept["entrypoint"]),
        address=kept["address"],
        mounts={target: Path(source) for target, source in kept["mounts"].items()},
    )
