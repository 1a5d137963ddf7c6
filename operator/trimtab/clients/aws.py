"""The one door to AWS: makes a `Call` with boto3 and translates what comes back.

Reads retry as the SDK's standard mode does (3 tries); writes are tried once, since a repeat that the SDK makes after a
time-out made two of what has no token. Clients are made under a lock: botocore's loader is not safe while they are made,
the clients themselves are.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, ReadTimeoutError

from trimtab.clients.denials import Asked, is_of_credentials
from trimtab.clients.errors import NO_CREDENTIALS, code_of, failure_from, meaning_of
from trimtab.clients.pace import Pace
from trimtab.clients.silence import Silence
from trimtab.core.kind import Call, Caller, Failure, Reply

_RENEWAL_S = 15.0
_TIMEOUTS = (ReadTimeoutError, ConnectTimeoutError)
_READ_S = 30.0  # for a read that holds little; each is tried three times
_LONG_S = 60.0  # for objects, for a queue that is asked to wait, and for a write, which may take effect all the same
_LONG = ("s3", "sqs")
_PATH_STYLE = {"addressing_style": "path"}


@dataclass(frozen=True, slots=True)
class Account:
    """Where calls go. Keys are given only for the local cloud; else boto3's own chain finds them."""

    region: str
    endpoint: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A call that was made, for counters, traces and the journal; never the reply."""

    call: Call
    code: str  # "" for success
    request_id: str  # of the last answer to it; "" where there was none


@dataclass(frozen=True, slots=True)
class _Way:
    aws: "Aws"
    is_whole: bool

    def make(self, call: Call) -> Reply:
        return self.aws.make_untraced(call, is_whole=self.is_whole)


class Aws:
    """Makes calls in one account and region. Safe to use from several threads.

    observer: is told of each call. pace: what each request waits for; None where nobody else could be in its way.
    traced: makes of what makes calls one that has them in traces, too.
    """

    def __init__(
        self,
        account: Account,
        *,
        observer: Callable[[Made], None] | None = None,
        pace: Pace | None = None,
        traced: Callable[[Caller], Caller] = lambda caller: caller,
    ) -> None:
        self.account = account
        self._whole, self._opened = (traced(_Way(self, is_whole)) for is_whole in (True, False))
        self._pace = pace
        self._silence = Silence(time.monotonic)
        self._session: Any = None  # made with the first client
        self._renewed = -_RENEWAL_S
        self._clients: dict[tuple[str, bool], Any] = {}
        self._lock = threading.Lock()
        self._observer = observer
        self._answered = threading.local()  # id: of the last answer that this thread was given
        self._caller: str | None = None  # our ARN, once it was asked for

    def make(self, call: Call) -> Reply:
        """Make the call and join its pages. Raises Failure."""
        return self._whole.make(call)

    def open(self, call: Call) -> Reply:
        """As `make`, but the bytes of its Body are still to be read; that raises BotoCoreError. For what may be large."""
        return self._opened.make(call)

    def make_untraced(self, call: Call, *, is_whole: bool) -> Reply:
        """As `make`, or as `open`, for what stands in a trace already."""
        self._silence.check(call.service, call.operation)
        self._answered.id = ""
        try:
            reply = self._send(self.client(call.service, reading=call.repeat == "read"), call)
            if is_whole and hasattr(reply.get("Body"), "read"):
                reply = {**reply, "Body": reply["Body"].read()}
        except (ClientError, BotoCoreError, OSError) as error:
            if isinstance(error, _TIMEOUTS):
                self._silence.timed_out(call.service)
            else:
                self._silence.answered(call.service)
            request_id = self._answered.id  # before who we are is asked
            failure = self.failure(call, error)
            self._tell(Made(call, failure.code, request_id))
            raise failure from error
        self._silence.answered(call.service)
        self._tell(Made(call, "", self._answered.id))
        return reply

    def failure(self, call: Call, error: Exception) -> Failure:
        """What was raised in making that call, as a Failure; a refusal names us, the action and the resource."""
        code = code_of(error)
        asked = None if not isinstance(error, ClientError) else _asked(self.client(call.service, reading=True), call)
        caller = self._whose if is_of_credentials(code) else self.caller
        failure = failure_from(call.service, call.operation, error, asked=asked, caller=caller, region=self.account.region)
        if is_of_credentials(failure.code) or failure.code == NO_CREDENTIALS:
            self._renew()
        return failure

    def _whose(self) -> str:
        """Who credentials that are refused belong to, as far as that is known here: who we were, or the access key."""
        if self._caller or not self._session:
            return self._caller or ""
        try:
            keys = self._session.get_credentials()
            return f"access key {keys.access_key}" if keys else ""
        except BotoCoreError:  # of a kind that renews itself, and cannot
            return ""

    def _renew(self) -> None:
        """Read the credentials anew, now and then: what a person mends in a file is seen by a new session alone."""
        with self._lock:
            if time.monotonic() - self._renewed > _RENEWAL_S:
                self._renewed = time.monotonic()
                self._session, self._caller = None, None
                self._clients.clear()

    def caller(self) -> str:
        """Our ARN; "" where that is not answered. Asked for once."""
        if self._caller is None:
            try:
                self._caller = str(self.client("sts", reading=True).get_caller_identity()["Arn"])
            except (ClientError, BotoCoreError, OSError):
                return ""
        return self._caller

    def client(self, service: str, *, reading: bool) -> Any:
        """The boto3 client for reads or for writes."""
        with self._lock:
            if self._session is None:
                self._session = boto3.Session(
                    aws_access_key_id=self.account.access_key_id,
                    aws_secret_access_key=self.account.secret_access_key,
                    region_name=self.account.region,
                )
            key = (service, reading)
            if key not in self._clients:
                tries = 3 if reading else 1
                settings: dict[str, Any] = {
                    "retries": {"mode": "standard", "total_max_attempts": tries},
                    "connect_timeout": 10,
                    "read_timeout": _READ_S if reading and service not in _LONG else _LONG_S,
                }
                if service == "s3":
                    settings["s3"] = _PATH_STYLE if self.account.endpoint else {}
                self._clients[key] = self._session.client(
                    service,
                    endpoint_url=self.account.endpoint,
                    config=Config(**settings, max_pool_connections=32),
                )
                self._clients[key].meta.events.register("before-call", self._pay)
                self._clients[key].meta.events.register("needs-retry", self._slow_down)
                self._clients[key].meta.events.register("after-call", self._note)
            return self._clients[key]

    def _pay(self, model: Any, **_: Any) -> None:
        """botocore's event "before-call": of each page. Tries again are the SDK's own, and back off by themselves."""
        if self._pace:
            self._pace.pay(model.service_model.service_name, model.name)

    def _slow_down(self, response: tuple[Any, Mapping[str, Any]] | None, operation: Any, **_: Any) -> None:
        """botocore's event "needs-retry": of each try, so that a refusal is heard of which the next try hides."""
        error: Mapping[str, Any] = response[1].get("Error", {}) if response else {}
        service, code = operation.service_model.service_name, str(error.get("Code", ""))
        if self._pace and code and meaning_of(service, code, str(error.get("Message", ""))) == "throttled":
            self._pace.refused(service, operation.name)

    def _note(self, parsed: Mapping[str, Any], **_: Any) -> None:
        """botocore's event "after-call": of errors, and of each page."""
        self._answered.id = str(parsed.get("ResponseMetadata", {}).get("RequestId", ""))

    def _send(self, client: Any, call: Call) -> Reply:
        method = _method(client, call.operation)
        if call.pages != "one" and call.repeat == "read" and client.can_paginate(method):
            reply = client.get_paginator(method).paginate(**call.arguments).build_full_result()
        else:
            reply = getattr(client, method)(**call.arguments)
            reply.pop("ResponseMetadata", None)
        return reply

    def _tell(self, made: Made) -> None:
        if self._observer:
            self._observer(made)


def _asked(client: Any, call: Call) -> Asked:
    http: Mapping[str, str] = client.meta.service_model.operation_model(call.operation).http
    path = http.get("requestUri", "").partition("?")[0]
    return Asked(call.service, call.operation, call.arguments, http.get("method", ""), path)


def _method(client: Any, operation: str) -> str:
    names: Mapping[str, str] = client.meta.method_to_api_mapping
    for method, name in names.items():
        if name == operation:
            return method
    raise KeyError(f"{client.meta.service_model.service_name} has no operation {operation}")
