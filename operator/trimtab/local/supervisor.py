"""The parent of one unit: a process that outlives the gateway, and leaves the exit code behind.

Run as `python -I -S supervisor.py FOLDER`; standard library only. FOLDER holds spec.json; it writes running.json once the
command runs and exit.json when it has ended. SIGTERM asks it to stop the unit as stop.json says: SIGTERM to the unit's
group, and after the grace SIGKILL to all that descends from it, in whatever session. The command dies with this process.
Where the kernel allows it, the unit gets a mount namespace in which the image's /opt is its own.
Source: Linux namespaces(7), mount_namespaces(7), user_namespaces(7), prctl(2).
"""

# No pathlib here: it costs a third of the start, and each unit has a supervisor of its own.
# ruff: noqa: PTH104, PTH118, PTH123, PTH208

import ctypes
import fcntl
import json
import os
import signal
import sys
import time
from contextlib import suppress
from typing import Any, NoReturn

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
CANNOT_START = 125
KILLED = 137
DEFAULT_GRACE_S = 30.0
_WATCHED = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}
_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Run the unit of a folder to its end."""
    folder = sys.argv[1]
    # Whoever started us has blocked them already, so that none can come before this line.
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    lock = _only_one(folder)
    spec = read(folder, "spec.json")
    if lock is None or spec is None or read(folder, "exit.json") is not None:
        return
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # what the unit orphans becomes our child, and ends with the unit
    child, problem = _spawn(spec)
    if problem:
        os.waitpid(child, 0)
        write(folder, "exit.json", {"code": CANNOT_START, "at": time.time(), "because": problem})
        return
    me = os.getpid()
    write(
        folder,
        "running.json",
        {"pid": child, "ticks": ticks(child), "started": time.time(), "supervisor": me, "supervisor_ticks": ticks(me)},
    )
    code = _watch(folder, child)
    _kill_descendants()
    write(folder, "exit.json", {"code": code, "at": time.time(), "because": ""})


def write(folder: str, name: str, value: object) -> None:
    """Whole or not at all."""
    path = os.path.join(folder, name)
    with open(f"{path}.new", "w") as file:
        json.dump(value, file)
    os.rename(f"{path}.new", path)


def read(folder: str, name: str) -> Any:
    """A JSON file, None when it is not there."""
    try:
        with open(os.path.join(folder, name)) as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def ticks(pid: int) -> str:
    """When a process started, in the kernel's ticks; "" when there is none, or a zombie. With the pid it names a process."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _only_one(folder: str) -> "int | None":
    """The unit's lock, held until this process ends; None when another supervisor has it."""
    lock = os.open(os.path.join(folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    return lock


# --- watching -------------------------------------------------------------------------------------------------------


def _watch(folder: str, child: int) -> int:
    """Wait for the command to end, and stop it when asked. Answers its exit code, 128 + n for a signal."""
    deadline = _ask_to_stop(folder, child, None)  # it may have been asked before running.json was there to be seen
    while True:
        left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
        came = signal.sigwaitinfo(_WATCHED) if left is None else signal.sigtimedwait(_WATCHED, left)
        status = _reap(child)
        if status is not None:
            code = os.waitstatus_to_exitcode(status)
            return 128 - code if code < 0 else code
        if came is None:
            _kill_descendants()
            return KILLED
        if came.si_signo == signal.SIGTERM:
            deadline = _ask_to_stop(folder, child, deadline)


def _ask_to_stop(folder: str, child: int, deadline: "float | None") -> "float | None":
    """SIGTERM to the unit when stop.json asks for it; answers when to kill, never later than before."""
    asked = read(folder, "stop.json")
    if asked is None:
        return deadline
    if deadline is None:
        _signal_group(child, signal.SIGTERM)
    wanted = time.monotonic() + float(asked.get("grace_s", DEFAULT_GRACE_S))
    return wanted if deadline is None else min(wanted, deadline)


def _reap(child: int) -> "int | None":
    """Reap all that has ended; answers the command's status once it is among them."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == child:
            found = status


def _kill_descendants() -> None:
    """Leave nothing. Each round kills what is seen, and what those orphan is seen in the next."""
    while True:
        for pid in _descendants(os.getpid()):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.002)


def _descendants(root: int) -> "list[int]":
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    parents[int(name)] = int(file.read().rpartition(")")[2].split()[1])
            except (OSError, IndexError, ValueError):
                continue
    found, fresh = list[int](), {root}
    while fresh:
        fresh = {pid for pid, parent in parents.items() if parent in fresh}
        found += fresh
    return found


def _signal_group(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


# --- starting -------------------------------------------------------------------------------------------------------


def _spawn(spec: "dict[str, Any]") -> "tuple[int, str]":
    """Start the command; (pid, why it could not be started)."""
    parent = os.getpid()
    reader, writer = os.pipe()  # closed by the exec: an end without a word means that the command runs
    child = os.fork()
    if child == 0:
        os.close(reader)
        _become(spec, parent, writer)
    os.close(writer)
    words = b""
    while part := os.read(reader, 4096):
        words += part
    os.close(reader)
    return child, words.decode(errors="replace")


def _become(spec: "dict[str, Any]", parent: int, writer: int) -> NoReturn:
    """The child: its own group, its own /opt, its log, then the command. Never returns."""
    try:
        os.setsid()
        log = os.open(spec["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        if spec["namespace"]:
            isolate(spec["opt"], spec["binds"])
        os.chdir(spec["cwd"])
        os.umask(0o022)
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)  # Python changes these, and an exec keeps what is ignored
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # last: a change of credentials clears it
        if os.getppid() != parent:
            os._exit(KILLED)
        os.execvpe(spec["command"][0], spec["command"], spec["environment"])  # noqa: S606 - no shell is the point
    except BaseException as error:
        # An OSError of execvpe names no file; which word could not be run is what helps.
        os.write(writer, f"{spec['command'][0]}: {error}".encode())
    os._exit(CANNOT_START)


def isolate(opt: str, binds: "list[list[str]]") -> None:
    """A mount namespace of one's own, with `opt` as /opt. Raises OSError.

    binds: (target, source), mounted before it, in order.
    """
    uid, gid = os.getuid(), os.getgid()
    flags = CLONE_NEWNS if uid == 0 else CLONE_NEWNS | CLONE_NEWUSER
    _check(_libc.unshare(flags), "unshare")
    if uid != 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    _check(_libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount /")
    for target, source in binds:
        _check(_libc.mount(source.encode(), target.encode(), None, MS_BIND | MS_REC, None), f"mount {target}")
    _check(_libc.mount(opt.encode(), b"/opt", None, MS_BIND | MS_REC, None), "mount /opt")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    main()
