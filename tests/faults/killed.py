"""A person's command in a process of its own, killed with SIGKILL at one of its calls: nothing in it can tidy up.

Calls are counted where they leave the process, those of uploads and unpacking too. The server that processes are forked from
holds what is slow to import and nothing else.
"""

import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path

from quick_rollout import apply, delete, rolled_back
from trimtab.clients.aws import Aws
from trimtab.core.kind import Call

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["faults.killed"])
_TIMEOUT_S = 300.0
COMMANDS = {"apply": apply, "delete": delete, "rollback": rolled_back}


@dataclass(frozen=True)
class Kill:
    """At the nth write, read, or call of an operation; before it is sent, or once it is answered. nth 0: never."""

    nth: int = 0
    of: str = "write"  # "write", "read", or the name of an operation
    late: bool = False
    after: str = ""  # an operation that has to be answered before any is counted

    def __str__(self) -> str:
        return f"{'after' if self.late else 'before'}-{self.of}-{self.nth}"

    def counts(self, call: Call) -> bool:
        return self.of in ("read" if call.repeat == "read" else "write", call.operation)


@dataclass(frozen=True)
class Ended:
    killed: bool
    writes: int
    reads: int


def run(command: str, document: Path, kill: Kill = Kill()) -> Ended:
    """Run it to its end or to its death, and count what it sent."""
    counts = _FORKS.Array("i", 2)
    process = _FORKS.Process(target=_command, args=(command, document, kill, counts, dict(os.environ)))
    process.start()
    process.join(_TIMEOUT_S)
    if process.is_alive():
        process.kill()
        raise TimeoutError(f"{command} neither ended nor reached {kill}")
    killed = process.exitcode == -signal.SIGKILL
    assert killed or process.exitcode == 0, f"{command} ended with {process.exitcode}"
    return Ended(killed, counts[0], counts[1])


def _command(command: str, document: Path, kill: Kill, counts: "multiprocessing.Array[int]", environment: dict) -> None:
    os.environ.clear()
    os.environ.update(environment)
    real, lock, seen, counting = Aws.make, threading.Lock(), 0, not kill.after

    def make(self: Aws, call: Call):
        nonlocal seen, counting
        with lock:
            counts[call.repeat == "read"] += 1
            counted = counting and kill.counts(call)
            seen += counted
            due = counted and seen == kill.nth
        if due and not kill.late:
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            reply = real(self, call)
        finally:
            if due:  # an error is an answer too
                os.kill(os.getpid(), signal.SIGKILL)
        counting = counting or call.operation == kill.after
        return reply

    Aws.make = make  # type: ignore[method-assign]
    COMMANDS[command](document)
