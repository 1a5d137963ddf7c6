"""The parent of one unit: a process that outlives the gateway, and leaves the exit code behind.

Run as `python -I -S supervisor.py FOLDER`; standard library only. FOLDER holds spec.json; it writes running.json once the unit
runs and exit.json when it has ended. Where the kernel allows it, the unit gets a mount namespace in which the image's /opt is
its own; the child dies with this process, so that nothing is left that nobody watches.
Source: Linux namespaces(7), mount_namespaces(7), user_namespaces(7).
"""

import ctypes
import json
import os
import signal
import sys
import time

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Run the unit of a folder to its end."""
    folder = sys.argv[1]
    with open(os.path.join(folder, "spec.json")) as file:  # noqa: PTH118, PTH123 - no pathlib: it costs a third of the start
        spec = json.load(file)
    log = os.open(spec["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    child = os.fork()
    if child == 0:
        _become(spec, log)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the gateway signals the unit's own group
    write(folder, "running.json", {"pid": child, "started": time.time()})
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    try:
        os.killpg(child, signal.SIGKILL)  # whatever it left running in its group
    except (ProcessLookupError, PermissionError):
        pass
    write(folder, "exit.json", {"code": 128 - code if code < 0 else code, "at": time.time()})


def write(folder: str, name: str, value: object) -> None:
    """Whole or not at all."""
    path = os.path.join(folder, name)  # noqa: PTH118
    with open(f"{path}.new", "w") as file:  # noqa: PTH123
        json.dump(value, file)
    os.rename(f"{path}.new", path)  # noqa: PTH104


def _become(spec: "dict[str, object]", log: int) -> None:
    """The child: its own group, its own /opt, its log, then the command. Never returns."""
    try:
        os.setsid()
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        if spec["namespace"]:
            isolate(str(spec["opt"]), dict(spec["binds"]))  # type: ignore[call-overload]
        os.chdir(str(spec["cwd"]))
        command = [str(word) for word in spec["command"]]  # type: ignore[attr-defined]
        environment = {str(name): str(value) for name, value in spec["environment"].items()}  # type: ignore[attr-defined]
        os.execvpe(command[0], command, environment)
    except BaseException as error:
        os.write(2, f"trimtab: the unit could not be started: {error}\n".encode())
    os._exit(125)


def isolate(opt: str, binds: "dict[str, str]") -> None:
    """A mount namespace of one's own, with `opt` as /opt; binds: folders to mount first, by target. Raises OSError."""
    uid, gid = os.getuid(), os.getgid()
    flags = CLONE_NEWNS if uid == 0 else CLONE_NEWNS | CLONE_NEWUSER
    _check(_libc.unshare(flags), "unshare")
    if uid != 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123
                file.write(text)
    _check(_libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount /")
    for target, source in binds.items():
        _check(_libc.mount(source.encode(), target.encode(), None, MS_BIND | MS_REC, None), f"mount {target}")
    _check(_libc.mount(opt.encode(), b"/opt", None, MS_BIND | MS_REC, None), "mount /opt")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    main()
