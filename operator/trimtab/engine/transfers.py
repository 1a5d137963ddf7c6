"""The pool that does long work while passes go on, and what a worker is given."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeAlias

from trimtab.core.errors import Bug, TrimtabError, UserError
from trimtab.core.kind import Broken, Failure, Progress, Transfer

Report: TypeAlias = Callable[[Progress], None]  # raises Cancelled when the pool is stopping
Worker: TypeAlias = Callable[[Mapping[str, Any], Report], None]


class Cancelled(Exception):
    """The pool is stopping: leave what is done for the next run to find."""


class Transfers:
    """Runs transfers, one a node at a time. What it knows is a hint: the end of a transfer is seen by observing.

    workers: by Transfer.work. A worker raises TrimtabError or Failure for what it cannot do. threads: while there is work;
    an operator holds one of these for each deployment, and most have none.
    """

    def __init__(self, workers: Mapping[str, Worker], threads: int = 4) -> None:
        self._workers = workers
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._running: dict[str, Future[None]] = {}
        self._seen: dict[str, Progress | Broken] = {}
        self._stopping = threading.Event()
        self.changed = threading.Event()  # set when a transfer ends: time to look again

    def submit(self, node: str, transfer: Transfer) -> None:
        """Start it, unless this node has one running, or all are to stop."""
        with self._lock:
            if node in self._running or self._stopping.is_set():
                return
            self._seen[node] = Progress(0, 0, "bytes", "starting")
            self._pool = self._pool or ThreadPoolExecutor(self._threads, thread_name_prefix="transfer")
            self._running[node] = self._pool.submit(self._work, node, transfer)

    def view(self) -> dict[str, Progress | Broken]:
        """What runs and what ended badly, by node. What ended well is not in it."""
        with self._lock:
            return dict(self._seen)

    @property
    def is_busy(self) -> bool:
        with self._lock:
            return bool(self._running)

    def stop(self) -> None:
        """Ask the workers to stop, and wait for them."""
        with self._lock:
            self._stopping.set()
            pool = self._pool
        if pool:
            pool.shutdown(wait=True, cancel_futures=True)

    def _work(self, node: str, transfer: Transfer) -> None:
        def report(progress: Progress) -> None:
            if self._stopping.is_set():
                raise Cancelled
            with self._lock:
                self._seen[node] = progress

        ended: Broken | None = None
        try:
            self._patiently(transfer, report)
        except Cancelled:
            pass
        except UserError as error:
            ended = Broken(error.reason, str(error))
        except Failure as failure:
            ended = Broken(_REASONS.get(failure.meaning, "TransferFailed"), failure.reason)
        except (TrimtabError, OSError) as error:
            ended = Broken("TransferFailed", f"{transfer.work}: {error}")
        except Exception as error:  # the one place round a worker: a fault of ours must not end the pool in silence
            ended = Broken("InternalError", str(Bug(f"{transfer.work}: {type(error).__name__}: {error}")))
        with self._lock:
            self._running.pop(node, None)
            if ended:
                self._seen[node] = ended
            else:
                self._seen.pop(node, None)
            if not self._running and self._pool:
                self._pool.shutdown(wait=False)
                self._pool = None
        self.changed.set()

    def _patiently(self, transfer: Transfer, report: Report) -> None:
        """Do the work; what passes by itself is tried again, with what the last try left."""
        for pause_s in (0.2, 1.0, 5.0, 15.0, None):
            try:
                self._workers[transfer.work](transfer.arguments, report)
                return
            except Failure as failure:
                if failure.meaning not in ("transient", "throttled") or pause_s is None:
                    raise
                report(Progress(0, 0, "bytes", f"again in {pause_s:g} s: {failure.reason}"))
                self._stopping.wait(pause_s)


_REASONS = {"denied": "AccessDenied", "throttled": "Unreachable", "transient": "Unreachable", "quota": "QuotaExceeded"}
