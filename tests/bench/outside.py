"""What a bench sees from outside: the local cloud's journal of requests, and the answers of the public endpoint."""

import http.client
import json
import os
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from clouds import RunningCloud

Entries = Sequence[Mapping[str, Any]]


def journal(cloud: RunningCloud, since: int = 0) -> Entries:
    """Requests to the control plane after a number, oldest first."""
    info = cloud.info
    request = AWSRequest("GET", f"{info.endpoint}/_trimtab/journal?since={since}")
    SigV4Auth(Credentials(info.access_key_id, info.secret_access_key), "sts", info.region).add_auth(request)
    asked = urllib.request.Request(request.url or "", headers=dict(request.headers.items()))
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return json.load(answer)["entries"]


def last_number(cloud: RunningCloud) -> int:
    """The number of the latest request; 0 before the first."""
    return max((each["number"] for each in journal(cloud)), default=0)


def told_ecs(calls: Entries) -> float:
    """When ECS was told of another release, as Unix time; 0: it was not."""
    told = (each for each in calls if each["operation"] in ("CreateService", "UpdateService"))
    return next((datetime.fromisoformat(each["at"]).timestamp() for each in told), 0.0)


def steady_since(service: Mapping[str, Any], rolled: float) -> float:
    """When ECS said last that it has reached a steady state, as Unix time; 0: not since then."""
    ends = [each["createdAt"].timestamp() for each in service["events"] if "steady state" in each["message"]]
    return max((end for end in ends if end >= rolled), default=0.0)


@contextmanager
def pointed_at(cloud: RunningCloud) -> Iterator[None]:
    """Point the command line at this cloud."""
    before = os.environ.get("TRIMTAB_LOCAL_STATE")
    os.environ["TRIMTAB_LOCAL_STATE"] = str(cloud.folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["TRIMTAB_LOCAL_STATE"]
        else:
            os.environ["TRIMTAB_LOCAL_STATE"] = before


@dataclass(frozen=True, slots=True)
class Answer:
    """One request to the public endpoint. Times are Unix times in seconds."""

    asked: float
    answered: float
    status: int  # 0: no answer
    release: str  # of the task that answered

    @property
    def spent_ms(self) -> float:
        return (self.answered - self.asked) * 1000


@contextmanager
def asking(url: str, key: str, body: bytes, clients: int = 2, pause_s: float = 0.01) -> Iterator[list[Answer]]:
    """Ask all the while, each client on a kept connection; yields the answers, whole once the block has ended."""
    parts, answers, over = urlsplit(url), list[Answer](), threading.Event()
    headers = {"Content-Type": "application/json", "x-api-key": key}

    def client() -> None:
        connection = http.client.HTTPConnection(parts.netloc, timeout=30)
        while not over.wait(pause_s):
            asked, status, release = time.time(), 0, ""
            try:
                connection.request("POST", f"{parts.path}/invocations", body, headers)
                reply = connection.getresponse()
                reply.read()
                status, release = reply.status, reply.headers.get("X-Trimtab-Release", "")
            except (OSError, http.client.HTTPException):
                connection.close()
            answers.append(Answer(asked, time.time(), status, release))
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        over.set()
        for thread in threads:
            thread.join()
