"""The messages of SQS's queues. Safe for threads, with a lock of its own: nothing here waits for the control plane.

A message is in the store before it is answered for, and so is each receive. It is given out in the order in which it came,
and again, in its old place, when its visibility timeout is over.
Source: Amazon SQS Developer Guide, "Amazon SQS visibility timeout", "short and long polling", "dead-letter queues".
"""

import base64
import heapq
import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from trimtab.local.overlay import Store
from trimtab.local.shelf import Shelf

MOST_MESSAGES = 100_000  # of one queue; AWS has no such bound, a machine has
_PRUNE_EVERY = timedelta(minutes=1)
_MOST_WAITING = 32  # polls that wait at once: each holds a thread of the gateway


@dataclass(slots=True)
class Queue:
    name: str
    attributes: dict[str, str]  # as CreateQueue and SetQueueAttributes were given, with AWS's defaults
    created: datetime
    modified: datetime
    tags: dict[str, str] = field(default_factory=dict[str, str])

    def seconds(self, name: str) -> timedelta:
        """An attribute that is a number of seconds."""
        return timedelta(seconds=int(self.attributes[name]))


@dataclass(slots=True)
class Message:
    number: int  # ascending over all queues
    queue: str
    id: str
    body: str
    sent: datetime
    visible: datetime  # given out from then on
    sender: str
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])  # in AWS's spelling; binary values in base64
    receives: int = 0
    first_received: datetime | None = None

    @property
    def handle(self) -> str:
        """Names this receive of it."""
        return base64.b64encode(f"{self.number}:{self.id}:{self.receives}".encode()).decode()


class QueueFull(Exception):
    """A queue that takes no more messages."""


@dataclass(slots=True)
class _Line:
    """Which messages of a queue can be given out, and which not yet."""

    ready: list[int] = field(default_factory=list[int])  # a heap of numbers; may name deleted ones
    waiting: dict[int, datetime] = field(default_factory=dict[int, datetime])  # in flight or delayed: until when
    size: int = 0


class Queues:
    """All queues, by name, with their messages."""

    def __init__(self, store: Store) -> None:
        self.lock = threading.RLock()
        self._changed = threading.Condition(self.lock)
        self.shelf = Shelf(store, "sqs.queue", Queue, lambda queue: queue.name)
        self._messages = Shelf(store, "sqs.message", Message, lambda message: str(message.number))
        self._lines = {queue.name: _Line() for queue in self.shelf}
        self._number, self._polls, self._closed = 0, 0, False
        self._prune_at: datetime | None = None
        for message in self._messages:
            self._number = max(self._number, message.number)
            line = self._lines[message.queue]
            line.waiting[message.number] = message.visible
            line.size += 1

    # --- queues ---

    def add(self, queue: Queue) -> None:
        with self.lock:
            self.shelf.put(queue)
            self._lines.setdefault(queue.name, _Line())

    def drop(self, name: str) -> None:
        with self.lock:
            self.purge(name)  # first: a crash between the two leaves no message without its queue
            self.shelf.drop(name)
            del self._lines[name]
            self._changed.notify_all()

    def purge(self, name: str) -> None:
        with self.lock:
            for message in self._messages:
                if message.queue == name:
                    self._forget(message)

    def counts(self, name: str, now: datetime) -> tuple[int, int, int]:
        """(can be received, in flight, delayed)."""
        with self.lock:
            line = self._due(name, now)
            given = sum(self._message(number).receives > 0 for number in line.waiting)
            return line.size - len(line.waiting), given, len(line.waiting) - given

    # --- messages ---

    def send(
        self,
        name: str,
        body: str,
        now: datetime,
        sender: str,
        attributes: Mapping[str, Any] | None = None,
        delay: timedelta | None = None,
    ) -> Message:
        """Add a message, durable once this returns. Raises KeyError for no such queue, QueueFull."""
        with self.lock:
            queue = self.shelf.get(name)
            if queue is None:
                raise KeyError(name)
            if self._lines[name].size >= MOST_MESSAGES:
                raise QueueFull(name)
            self._number += 1
            visible = now + (queue.seconds("DelaySeconds") if delay is None else delay)
            message = Message(self._number, name, str(uuid.uuid4()), body, now, visible, sender, dict(attributes or {}))
            self._put(message)
            return message

    def receive(
        self, name: str, most: int, wait: timedelta, visibility: timedelta, now: Callable[[], datetime]
    ) -> list[Message]:
        """Take up to so many messages; when there is none, wait for the first, as long by our clock or in real time.

        Answers copies of what is kept. Raises KeyError for no such queue.
        """
        with self._changed:
            ends, real_end = now() + wait, time.monotonic() + wait.total_seconds()
            while True:
                found = self._take(name, most, visibility, now())
                left_s = real_end - time.monotonic()
                if found or self._closed or now() >= ends or left_s <= 0 or self._polls >= _MOST_WAITING:
                    return found
                self._polls += 1
                self._changed.wait(left_s)  # a message wakes it, and each tick: timeouts end and the clock moves then
                self._polls -= 1

    def delete(self, name: str, handle: str) -> None:
        """Remove a message by its last receive; an older one changes nothing. Raises KeyError, ValueError for no handle."""
        with self.lock:
            message = self._by_handle(name, handle)
            if message is not None:
                self._forget(message)

    def hide(self, name: str, handle: str, timeout: timedelta, now: datetime) -> bool:
        """Change when a message in flight is given out again. False: it is in flight no more. Raises as `delete` does."""
        with self.lock:
            message = self._by_handle(name, handle)
            if message is None or message.visible <= now:
                return False
            message.visible = now + timeout
            self._put(message, new=False)
            return True

    # --- time ---

    def tick(self, now: datetime) -> None:
        """Let waiting polls look again; forget what is older than its queue keeps."""
        with self._changed:
            self._changed.notify_all()
            if self._prune_at is not None and now < self._prune_at:
                return
            self._prune_at = now + _PRUNE_EVERY
            for message in self._messages:
                if self._is_stale(message, now):
                    self._forget(message)

    def close(self) -> None:
        """End every poll."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    # --- inside ---

    def _is_stale(self, message: Message, now: datetime) -> bool:
        queue = self.shelf.get(message.queue)
        return queue is None or message.sent + queue.seconds("MessageRetentionPeriod") <= now

    def _message(self, number: int) -> Message:
        found = self._messages.get(str(number))
        assert found is not None  # a line names what is kept
        return found

    def _put(self, message: Message, *, new: bool = True) -> None:
        self._messages.put(message)
        line = self._lines[message.queue]
        line.waiting[message.number] = message.visible
        line.size += new
        self._changed.notify_all()

    def _forget(self, message: Message) -> None:
        self._messages.drop(str(message.number))
        line = self._lines[message.queue]
        line.waiting.pop(message.number, None)
        line.size -= 1

    def _due(self, name: str, now: datetime) -> _Line:
        """The line of a queue, with what can be given out by now moved to its ready ones. Raises KeyError."""
        line = self._lines[name]
        for number in [number for number, visible in line.waiting.items() if visible <= now]:
            del line.waiting[number]
            heapq.heappush(line.ready, number)
        return line

    def _take(self, name: str, most: int, visibility: timedelta, now: datetime) -> list[Message]:
        line, found = self._due(name, now), list[Message]()
        while line.ready and len(found) < most:
            message = self._messages.get(str(heapq.heappop(line.ready)))
            if message is None:
                continue  # deleted after its timeout
            if self._is_stale(message, now):
                self._forget(message)
            elif not self._gave_up(message, now):
                message.receives += 1
                message.first_received = message.first_received or now
                message.visible = now + visibility
                self._put(message, new=False)
                found.append(replace(message))  # a later receive changes what is kept
        return found

    def _gave_up(self, message: Message, now: datetime) -> bool:
        """Move a message that was received too often to its dead-letter queue, if there is one."""
        target, most = redrive(self.shelf.get(message.queue))
        line = self._lines.get(target)
        if line is None or message.receives < most:
            return False
        self._lines[message.queue].size -= 1
        message.queue, message.visible = target, now  # it keeps its age, as AWS's do in a standard queue
        self._put(message)
        return True

    def _by_handle(self, name: str, handle: str) -> Message | None:
        if name not in self._lines:
            raise KeyError(name)
        number, id, receives = base64.b64decode(handle, validate=True).decode().split(":")
        message = self._messages.get(number)
        same = message is not None and (message.id, message.receives, message.queue) == (id, int(receives), name)
        return message if same else None


def redrive(queue: Queue | None) -> tuple[str, int]:
    """(name of a queue's dead-letter queue, receives after which a message goes there); ("", 0) without one."""
    text = queue.attributes.get("RedrivePolicy") if queue else None
    policy: Mapping[str, Any] = json.loads(text) if text else {}
    return str(policy.get("deadLetterTargetArn", "")).rpartition(":")[2], int(policy.get("maxReceiveCount", 0))
