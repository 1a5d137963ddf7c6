"""Runs one script as PID 1 should: no shell, signals passed on, nothing of its group left running, its last words kept."""

import collections
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

GRACE_S = 110.0  # SageMaker kills 120 s after SIGTERM
_KEPT_LINES = 60


@dataclass(frozen=True)
class Ended:
    """How a script ended. code: its exit status, 128 + n for signal n. stopped: we were asked to stop it."""

    code: int
    stopped: bool
    last_words: str  # the end of stderr


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str], *, grace_s: float = GRACE_S) -> Ended:
    """Run to the end. SIGTERM and SIGINT go to the script's whole process group; after grace_s it is killed."""
    child = subprocess.Popen(
        list(command), cwd=folder, env=dict(environment), stderr=subprocess.PIPE, start_new_session=True
    )
    stopping = threading.Event()

    def stop(number: int, _frame: object) -> None:
        if not stopping.is_set():
            stopping.set()
            _signal(child.pid, number)
            timer = threading.Timer(grace_s, _signal, (child.pid, signal.SIGKILL))
            timer.daemon = True
            timer.start()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    assert child.stderr is not None
    words: collections.deque[bytes] = collections.deque(maxlen=_KEPT_LINES)
    reader = threading.Thread(target=_pass_on, args=(child.stderr, words), daemon=True)
    reader.start()
    code = child.wait()
    reader.join(timeout=5)
    _signal(child.pid, signal.SIGKILL)  # what the script left running in its group
    for number, handler in before.items():
        signal.signal(number, handler)
    return Ended(128 - code if code < 0 else code, stopping.is_set(), b"".join(words).decode(errors="replace"))


def _pass_on(source: IO[bytes], words: "collections.deque[bytes]") -> None:
    """Copy stderr as it comes, and remember its end."""
    for line in iter(source.readline, b""):
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
        words.append(line)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
