"""The local cloud itself: `handle(request)` and `tick()`. The server only calls these two.

One lock and one order of requests for the overlays; S3 bodies and all traffic of the data plane stay outside it.
"""

import json
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

from trimtab.local.clock import MOST_SPEED, VirtualClock, pass_time
from trimtab.local.faults import Dropped, Faults
from trimtab.local.http import HttpPlane
from trimtab.local.images import ImageStore
from trimtab.local.neighbours import Neighbours
from trimtab.local.overlay import Context, Executor, ServiceError, World, method_name
from trimtab.local.principals import Principals
from trimtab.local.protocol import Operation, Request, Response, answer, arguments_of, operation_of, refusal
from trimtab.local.s3_regions import is_bound, redirect
from trimtab.local.security import Key, check_origin, check_signature
from trimtab.local.signals import Signals
from trimtab.local.store import SqliteStore
from trimtab.local.throttle import Throttle
from trimtab.local.trail import Asked, Trail, refused_in

log = logging.getLogger("trimtab.local")
T = TypeVar("T")
_JOURNAL = 200_000  # requests that are remembered


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


@dataclass(frozen=True, slots=True)
class Settings:
    """Where a cloud lives."""

    folder: Path
    account: str
    region: str
    port: int
    invoke_port: int
    key: Key
    speed: float = 1.0  # of time, while nothing real is under way

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
    ) -> None:
        self.settings = settings
        self._lock = threading.RLock()
        self._store = SqliteStore(settings.folder / "state.sqlite")
        self.clock = VirtualClock(self._store, settings.speed)
        self._passing = threading.Lock()
        self.neighbours = Neighbours(settings.folder, self._store, settings.account, settings.region)
        self._hosts = frozenset({f"127.0.0.1:{settings.port}", f"localhost:{settings.port}"})
        self._journal: deque[Entry] = deque(maxlen=_JOURNAL)
        self._number = 0
        self._faults = Faults()
        self._throttle = Throttle(time.monotonic)
        self.http = HttpPlane()
        self.http.start()
        self.world = World(
            account=settings.account,
            region=settings.region,
            endpoint=settings.endpoint,
            folder=settings.folder,
            clock=self.clock,
            store=self._store,
            executor=None,  # pyright: ignore[reportArgumentType] - made below: it needs the world's folder
            buckets=self.neighbours,
            logs=None,  # pyright: ignore[reportArgumentType]
            http=self.http,
            wake=threading.Event(),
        )
        self.world.invoke_port = settings.invoke_port
        self.world.images = ImageStore(settings.folder / "registry", self._store)
        self.world.signals = Signals(self._store, settings.account, settings.region)
        self.world.trail = Trail(settings.folder, self.world.signals)
        self.principals = self.world.principals = Principals(settings.key, settings.account, self.neighbours)
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
            self.clock.turn(held=self.clock.speed > 1 and bool(self.held()))

    def held(self) -> str:
        """What real thing is under way, for which time runs as on the wall; "" for nothing."""
        with self._lock:
            asked = (getattr(overlay, "pending", None) for overlay in self.world.overlays.values())
            return next((because for pending in asked if pending and (because := pending())), "")

    def advance(self, seconds: float, patience_s: float = 20.0) -> str:
        """Let time go by at once. Answers "" when it has, else what real thing has held it for so long."""
        with self._passing:
            return pass_time(self.clock, timedelta(seconds=seconds), self.tick, self.held, patience_s)

    def close(self) -> None:
        """Let go of threads and files; units run on."""
        for overlay in self.world.overlays.values():
            if hasattr(overlay, "close"):
                overlay.close()
        self.http.stop()
        self.world.trail.close()
        self._store.close()

    # --- requests ---

    def handle(self, request: Request) -> Response:
        """Answer one request of the control plane. Raises Dropped for an injected silence."""
        request_id = str(uuid.uuid4())
        asked: Asked | None = None
        code = ""
        try:
            check_origin(request.headers, self._hosts)
            if request.path == "/_trimtab/health":
                return _plain(200, {"status": "ok"})
            if request.path.startswith("/v2/") and not request.headers.get("authorization", "").startswith("AWS4-"):
                return self.world.overlay("ecr").registry(request)
            now, find = self.world.clock.now(), self.principals.find
            signed = check_signature(request.method, request.uri, request.headers, request.body, find, self.clock.real())
            if request.path.startswith("/_trimtab/"):
                return self._own(request)
            asked = Asked(
                request,
                operation_of(request, signed.service),
                signed.caller,
                self.settings.account,
                signed.region,
                request_id,
                now,
            )
            response = self._faulty(asked)
        except Dropped:
            self._note(asked, 0, "Dropped")
            raise
        except ServiceError as error:
            code = error.code
            response = refusal(asked.operation if asked else None, error, request_id)
        except Exception as error:  # the one place round a request: a fault of ours is answered in the protocol too
            log.exception("request %s failed", request_id)
            code = "InternalFailure"
            said = ServiceError(code, f"the local cloud: {type(error).__name__}: {error}", 500)
            response = refusal(asked.operation if asked else None, said, request_id)
        self._note(asked, response.status, code)
        return response

    def _faulty(self, asked: Asked) -> Response:
        """Serve, with the faults that are due before or after the effect."""
        operation, who = asked.operation, asked.principal.arn
        self._throttle.strike(operation.service, operation.name)
        self._faults.strike(operation.service, operation.name, "before", who)
        response = self._remembered(asked)
        self._faults.strike(operation.service, operation.name, "after", who)
        return response

    def _remembered(self, asked: Asked) -> Response:
        """Serve, and keep in the trail what was asked and how it ended."""
        try:
            response = self._serve(asked)
        except ServiceError as error:
            self.world.trail.hear(asked, error.code, error.message)
            raise
        self.world.trail.hear(asked, *refused_in(response))
        return response

    def _serve(self, asked: Asked) -> Response:
        request, operation = asked.request, asked.operation
        overlay = self.world.overlays.get(operation.service)
        method = getattr(overlay, method_name(operation.name), None) if overlay and operation.name else None
        if overlay and method and operation.name:
            who = asked.principal
            context = Context(asked.account, asked.region, who.arn, asked.request_id, asked.at, who.id)
            arguments = arguments_of(request, operation)
            with nullcontext() if getattr(overlay, "alone", False) else self._lock:
                result = method(arguments, context)
            self.world.wake.set()
            return answer(operation, result, asked.request_id)
        if overlay and overlay.whole:
            name = operation.name or f"{request.method} {request.path}"
            raise ServiceError("UnknownOperationException", f"the local cloud's {operation.service} has no {name}", 400)
        if request.path.startswith("/moto-api"):
            raise ServiceError("AccessDenied", "this is not part of AWS", 403)
        if is_bound(operation):
            bucket = unquote(request.path).strip("/").partition("/")[0]
            there = self.neighbours.region_of(bucket)
            if there not in ("", asked.region):
                return redirect(request.method, bucket, there, asked.request_id)
        return self.neighbours.handle(request, reading=self._reads(request, operation))

    def _reads(self, request: Request, operation: Operation) -> bool:
        return operation.is_read if operation.service != "s3" else request.method in ("GET", "HEAD")

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
        if request.path == "/_trimtab/throttle" and request.method in ("GET", "POST"):
            if request.method == "POST":
                self._throttle.turn(on=_asked_in(request.body, "on", bool))
            return _plain(200, {"on": self._throttle.is_on, "buckets": self._throttle.shown()})
        if request.path == "/_trimtab/clock" and request.method in ("GET", "POST"):
            left = self._told(request.body) if request.method == "POST" else 0.0
            now = self.clock.now().isoformat(timespec="milliseconds")
            return _plain(200, {"now": now, "speed": self.clock.speed, "heldBy": self.held(), "leftSeconds": left})
        if request.path == "/_trimtab/user" and request.method == "POST":
            return _plain(200, self.principals.issue(_asked_in(request.body, "name", str)))
        if request.path == "/_trimtab/trail" and request.method == "POST":
            delay = timedelta(seconds=_asked_in(request.body, "delaySeconds", float))
            self.world.overlay("cloudtrail").set_delay(delay)
            return _plain(200, {"delaySeconds": delay.total_seconds()})
        raise ServiceError("NotFound", f"there is no {request.path}", 404)

    def _told(self, body: bytes) -> float:
        """Set the clock's speed, let time go by, or both. Answers the seconds that could not go by in one request."""
        asked = _of_clock(body)
        self.clock.speed = asked.get("speed", self.clock.speed)
        goal, until = self.clock.now() + timedelta(seconds=asked.get("advanceSeconds", 0.0)), time.monotonic() + _ANSWER_S
        while (left := (goal - self.clock.now()).total_seconds()) > 0:
            if self.advance(min(left, _STRETCH_S)) or time.monotonic() > until:
                break
        return max((goal - self.clock.now()).total_seconds(), 0.0)

    def journal(self, since: int = 0) -> list[Entry]:
        """Requests after a number, oldest first."""
        return [each for each in list(self._journal) if each.number > since]

    def _note(self, asked: Asked | None, status: int, code: str) -> None:
        if asked is None:
            return
        with self._lock:
            self._number += 1
            at = self.clock.now().isoformat(timespec="milliseconds")
            operation, who = asked.operation, asked.principal.arn
            write = not operation.is_read
            self._journal.append(
                Entry(self._number, at, asked.request_id, who, operation.service, operation.name, write, status, code)
            )


_ANSWER_S, _STRETCH_S = 20.0, 600.0  # a request that moves time lasts so long, and looks at that after such stretches
_LIMITS = {"speed": (1.0, MOST_SPEED), "advanceSeconds": (0.0, 31 * 86_400.0)}


def _of_clock(body: bytes) -> dict[str, float]:
    """What a client asks of the clock. Raises ServiceError."""
    try:
        asked = {str(name): float(value) for name, value in json.loads(body).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ServiceError("ValidationException", f"the clock takes a JSON object of numbers: {error}") from error
    for name, value in asked.items():
        least, most = _LIMITS.get(name, (1.0, 0.0))
        if not least <= value <= most:
            words = "; ".join(f"{each} from {low:g} to {high:g}" for each, (low, high) in _LIMITS.items())
            raise ServiceError("ValidationException", f"{name} {value:g}: the clock takes {words}")
    return asked


def _asked_in(body: bytes, name: str, kind: Callable[[Any], T]) -> T:
    """A member of the JSON object that one of our own pages is sent. Raises ServiceError."""
    try:
        return kind(json.loads(body)[name])
    except (ValueError, KeyError, TypeError) as error:
        raise ServiceError("ValidationException", f"a JSON object with {name} is wanted: {error!r}") from error


def _plain(status: int, value: Mapping[str, Any]) -> Response:
    body = json.dumps(value).encode()
    return Response(status, (("Content-Type", "application/json"), ("Content-Length", str(len(body)))), body)
