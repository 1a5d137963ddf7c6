"""What an overlay of the local cloud is: the native half of one AWS service.

An overlay owns whole operations, as methods named after them in snake_case (`CreateService` -> `create_service`). Each is
given the request's arguments as botocore's service model spells them and answers the reply in the same spelling (dates as
aware datetimes); the gateway has parsed and validated the one and serialises the other. It is called under one lock, in one
journal order, and never blocks: what takes time is started on the executor or the HTTP plane, and `tick` looks at it again.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

Arguments = Mapping[str, Any]
Reply = Mapping[str, Any]
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def method_name(operation: str) -> str:
    """The method of an overlay that answers an operation: "CreateService" -> "create_service"."""
    return _WORD.sub("_", operation).lower()


@dataclass(frozen=True, slots=True)
class Context:
    """Who asks, and where."""

    account: str  # twelve digits
    region: str
    principal: str  # ARN of the caller
    request_id: str
    now: datetime  # aware, UTC
    principal_id: str = ""  # "AIDA..." of a user


class ServiceError(Exception):
    """An error as AWS answers it; the gateway writes it in the service's protocol."""

    def __init__(self, code: str, message: str, status: int = 400, *, query_code: str = "", **fields: Any) -> None:
        super().__init__(message)
        self.code = code
        self.query_code = query_code  # what SDKs show of a service that once spoke the query protocol
        self.message = message
        self.status = status
        self.fields = fields  # further members of a modelled error shape


class Overlay(Protocol):
    """The native half of one service."""

    @property
    def service(self) -> str: ...  # botocore's name: "ecs"

    @property
    def whole(self) -> bool: ...  # True: what has no method is refused; False: it falls through to moto

    # An overlay with `alone = True` is called outside the cloud's lock, by several threads at once: it may wait.

    def tick(self, now: datetime) -> None:
        """Level-triggered: look at what moves and move it on. Must be cheap when nothing has changed."""
        ...

    def recover(self) -> Sequence[str]:
        """After a restart: adopt or reap what the last gateway left running. Answers sentences that say what was lost."""
        ...


class Busy(Protocol):
    """An overlay that has real processes under way: for them time runs as on the wall."""

    def pending(self) -> str: ...  # what is under way, in words; "" when all that is left is waiting


class Taggable(Protocol):
    """An overlay whose things carry tags: GetResources of the tagging API lists them."""

    def tagged(self) -> Iterable[tuple[str, Mapping[str, str]]]: ...  # (ARN, tags) of what still is


class Clock(Protocol):
    def now(self) -> datetime: ...  # aware, UTC


class Store(Protocol):
    """Documents that survive a SIGKILL: JSON values by kind and id, each write durable before the call is answered."""

    def get(self, kind: str, id: str) -> dict[str, Any] | None: ...
    def put(self, kind: str, id: str, value: Mapping[str, Any]) -> None: ...
    def delete(self, kind: str, id: str) -> None: ...
    def all(self, kind: str) -> dict[str, dict[str, Any]]: ...  # by id, in order of first put


@dataclass(frozen=True, slots=True)
class Unit:
    """A process to run: one container of a task, or one job."""

    id: str  # unique for ever: "task/<cluster>/<task id>/<container>", "training/<job>/1"
    image: str  # "<registry host>/<repository>:<tag>" or "...@sha256:..."
    command: tuple[str, ...]  # arguments after the image's entry point: ("serve",), ("train",)
    environment: Mapping[str, str]
    log: Path  # stdout and stderr are appended here
    entrypoint: tuple[str, ...] = ()  # in place of the image's own, where not empty
    address: str = ""  # its own loopback address, exported as TRIMTAB_BIND_ADDRESS
    mounts: Mapping[str, Path] = field(default_factory=dict[str, Path])  # "/opt/ml/input" -> folder here, read and write


@dataclass(frozen=True, slots=True)
class Preparing:
    because: str  # "pulling image", "making environment"


@dataclass(frozen=True, slots=True)
class Running:
    pid: int
    started: datetime


@dataclass(frozen=True, slots=True)
class Exited:
    code: int  # 128 + n for a signal, as a shell counts; 125 when it could not be started
    at: datetime
    because: str = ""  # why it could not be started


UnitState = Preparing | Running | Exited


class Executor(Protocol):
    """Runs units. Nothing here blocks; state is polled under the lock and kept current by the executor's own threads."""

    def start(self, unit: Unit) -> None: ...  # idempotent by id
    def state(self, id: str) -> UnitState | None: ...  # None: never heard of it
    def stop(self, id: str, grace_s: float) -> None: ...  # SIGTERM, then SIGKILL after grace_s; repeats are harmless
    def forget(self, id: str) -> None: ...  # an exited unit: its folder and record go
    def image_digest(self, image: str) -> str | None: ...  # "sha256:..." of an image in the registry, None if missing


class Buckets(Protocol):
    """In-process access to S3. `put` is journalled like a client's own call."""

    def get(self, bucket: str, key: str) -> bytes: ...  # raises KeyError
    def fetch(self, bucket: str, key: str, target: Path) -> None: ...  # raises KeyError
    def put(self, bucket: str, key: str, source: Path | bytes) -> None: ...  # raises KeyError for a missing bucket
    def keys(self, bucket: str, prefix: str) -> list[tuple[str, int]]: ...  # (key, size in bytes), sorted


class LogSink(Protocol):
    """In-process access to CloudWatch Logs. A missing group or stream is made, as the awslogs driver does."""

    def write(self, group: str, stream: str, lines: Sequence[tuple[datetime, str]]) -> None: ...


@dataclass(slots=True)
class World:
    """What overlays share. `overlays` lets one call another's operations: world.overlay("elbv2").register_targets(...)."""

    account: str
    region: str
    endpoint: str  # "http://127.0.0.1:4566"
    folder: Path  # the state folder, mode 0700
    clock: Clock
    store: Store
    executor: Executor
    buckets: Buckets
    logs: LogSink
    http: Any  # trimtab.local.http.HttpPlane
    wake: Any  # threading.Event-like: set() asks for a tick soon, from any thread
    overlays: dict[str, Any] = field(default_factory=dict[str, Any])
    invoke_port: int = 0  # of API Gateway's execution
    images: Any = None  # trimtab.local.images.ImageStore: what the registry, ECR and the executor share
    signals: Any = None  # trimtab.local.signals.Signals: where what moves says so; may be called under any lock

    principals: Any = None  # trimtab.local.principals.Principals: who has a key
    trail: Any = None  # trimtab.local.trail.Trail: the history of requests

    def overlay(self, service: str) -> Any:
        return self.overlays[service]
