"""The local cloud itself: `handle(request)` and `tick()`. The server only calls these two.

One lock and one order of requests for the overlays; S3 bodies and all traffic of the data plane stay outside it.
"""

import json
import re
import threading
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trimtab.local.faults import Dropped, Faults
from trimtab.local.http import HttpPlane
from trimtab.local.images import ImageStore
from trimtab.local.neighbours import Neighbours
from trimtab.local.overlay import Clock, Context, Executor, ServiceError, World
from trimtab.local.protocol import Operation, Request, Response, answer, arguments_of, operation_of, refusal
from trimtab.local.security import Key, check_origin, check_signature
from trimtab.local.store import SqliteStore

_JOURNAL = 200_000  # requests that are remembered
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True)
class Entry:
    """One request of the journal: what was asked and how it ended; never bodies or secrets."""

    number: int
    at: str
    request_id: str
    principal: str
    service: str
    operation: str
    write: bool
    status: int
    code: str


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Settings:
    """Where a cloud lives."""

    folder: Path
    account: str
    region: str
    port: int
    invoke_port: int
    key: Key

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class Cloud:
    """All of a local cloud in one process."""

    def __init__(
        self,
        settings: Settings,
        executor: Callable[[World], Executor],
        overlays: Sequence[Callable[[World], Any]],
        clock: Clock | None = None,
    ) -> None:
        self.settings = settings
        self._lock = threading.RLock()
        self._store = SqliteStore(settings.folder / "state.sqlite")
        self.neighbours = Neighbours(settings.folder, self._store, settings.account, settings.region)
        self._hosts = frozenset({f"127.0.0.1:{settings.port}", f"localhost:{settings.port}"})
        self._journal: deque[Entry] = deque(maxlen=_JOURNAL)
        self._number = 0
        self._faults = Faults()
        self.http = HttpPlane()
        self.http.start()
        self.world = World(
            account=settings.account,
            region=settings.region,
            endpoint=settings.endpoint,
            folder=settings.folder,
            clock=clock or SystemClock(),
            store=self._store,
            executor=None,  # pyright: ignore[reportArgumentType] - made below: it needs the world's folder
            buckets=self.neighbours,
            logs=None,  # pyright: ignore[reportArgumentType]
            http=self.http,
            wake=threading.Event(),
        )
        self.world.invoke_port = settings.invoke_port
        self.world.images = ImageStore(settings.folder / "registry", self._store)
        self.world.executor = executor(self.world)
        for make in overlays:
            overlay = make(self.world)
            self.world.overlays[overlay.service] = overlay
            if overlay.service == "logs":
                self.world.logs = overlay

    def recover(self) -> list[str]:
        """Take up what the last process left. Answers what was lost, in sentences."""
        lost = self.neighbours.replay()
        said = [f"{lost} objects or settings of S3, IAM or EC2 could not be restored"] if lost else []
        with self._lock:
            for overlay in self.world.overlays.values():
                said += overlay.recover()
        return said

    def tick(self) -> None:
        """Let everything that moves move on."""
        with self._lock:
            now = self.world.clock.now()
            for overlay in self.world.overlays.values():
                overlay.tick(now)

    def close(self) -> None:
        """Let go of threads and files; units run on."""
        for overlay in self.world.overlays.values():
            if hasattr(overlay, "close"):
                overlay.close()
        self.http.stop()
        self._store.close()

    # --- requests ---

    def handle(self, request: Request) -> Response:
        """Answer one request of the control plane. Raises Dropped for an injected silence."""
        request_id = str(uuid.uuid4())
        operation: Operation | None = None
        code = ""
        try:
            check_origin(request.headers, self._hosts)
            if request.path == "/_trimtab/health":
                return _plain(200, {"status": "ok"})
            if request.path.startswith("/v2/") and not request.headers.get("authorization", "").startswith("AWS4-"):
                return self.world.overlay("ecr").registry(request)
            signed = check_signature(
                request.method, request.uri, request.headers, request.body, self.settings.key, self.world.clock.now()
            )
            if request.path.startswith("/_trimtab/"):
                return self._own(request)
            operation = operation_of(request, signed.service)
            response = self._faulty(request, operation, request_id, signed.region)
        except Dropped:
            self._note(operation, 0, "Dropped", request_id)
            raise
        except ServiceError as error:
            code = error.code
            response = refusal(operation, error, request_id)
        self._note(operation, response.status, code, request_id)
        return response

    def _faulty(self, request: Request, operation: Operation, request_id: str, region: str) -> Response:
        """Serve, with the faults that are due before or after the effect."""
        self._faults.strike(operation.service, operation.name, "before")
        response = self._serve(request, operation, request_id, region)
        self._faults.strike(operation.service, operation.name, "after")
        return response

    def _serve(self, request: Request, operation: Operation, request_id: str, region: str) -> Response:
        overlay = self.world.overlays.get(operation.service)
        method = getattr(overlay, _snake(operation.name), None) if overlay and operation.name else None
        if overlay and method and operation.name:
            context = Context(self.settings.account, region, self._principal, request_id, self.world.clock.now())
            arguments = arguments_of(request, operation)
            with self._lock:
                result = method(arguments, context)
            self.world.wake.set()
            return answer(operation, result, request_id)
        if overlay and overlay.whole:
            name = operation.name or f"{request.method} {request.path}"
            raise ServiceError("UnknownOperationException", f"the local cloud's {operation.service} has no {name}", 400)
        if request.path.startswith("/moto-api"):
            raise ServiceError("AccessDenied", "this is not part of AWS", 403)
        return self.neighbours.handle(request, reading=self._reads(request, operation))

    def _reads(self, request: Request, operation: Operation) -> bool:
        return operation.is_read if operation.service != "s3" else request.method in ("GET", "HEAD")

    @property
    def _principal(self) -> str:
        return f"arn:aws:iam::{self.settings.account}:user/trimtab"

    # --- our own pages, for signed callers ---

    def _own(self, request: Request) -> Response:
        if request.path == "/_trimtab/journal" and request.method == "GET":
            since = int(dict(request.query).get("since", "0"))
            return _plain(200, {"entries": [asdict(each) for each in self.journal(since)]})
        if request.path == "/_trimtab/faults" and request.method in ("GET", "POST", "DELETE"):
            if request.method == "POST":
                self._faults.add(request.body)
            elif request.method == "DELETE":
                self._faults.clear()
            return _plain(200, {"faults": self._faults.shown()})
        raise ServiceError("NotFound", f"there is no {request.path}", 404)

    def journal(self, since: int = 0) -> list[Entry]:
        """Requests after a number, oldest first."""
        return [each for each in list(self._journal) if each.number > since]

    def _note(self, operation: Operation | None, status: int, code: str, request_id: str) -> None:
        if operation is None:
            return
        with self._lock:
            self._number += 1
            at = self.world.clock.now().isoformat(timespec="milliseconds")
            write = not operation.is_read
            self._journal.append(
                Entry(self._number, at, request_id, self._principal, operation.service, operation.name, write, status, code)
            )


def _snake(name: str) -> str:
    return _WORD.sub("_", name).lower()


def _plain(status: int, value: Mapping[str, Any]) -> Response:
    body = json.dumps(value).encode()
    return Response(status, (("Content-Type", "application/json"), ("Content-Length", str(len(body)))), body)
