"""SQS: standard queues, whose messages outlive the gateway. FIFO queues are refused; policies are kept, and not enforced.

Called outside the cloud's lock: a long poll waits in it.
Source: Amazon SQS API Reference; Developer Guide, "Amazon SQS message quotas", "long polling".
"""

import binascii
import hashlib
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from trimtab.local.overlay import Arguments, Context, Reply, ServiceError, World
from trimtab.local.queues import Message, Queue, QueueFull, Queues
from trimtab.local.sqs_attributes import answered, checked, digest_of, kept, shown, stored

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_ENTRY = re.compile(r"[A-Za-z0-9_-]{1,80}")
_MOST_ENTRIES, _MOST_LISTED = 10, 1000
_CONTROL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # no text of a message has these
_QUERY = "AWS.SimpleQueueService."


class Sqs:
    service = "sqs"
    whole = True
    alone = True

    def __init__(self, world: World) -> None:
        self._world = world
        self._queues: Queues = world.signals.queues

    def tick(self, now: datetime) -> None:
        self._queues.tick(now)

    def recover(self) -> Sequence[str]:
        return ()

    def close(self) -> None:
        self._queues.close()

    # --- queues ---

    def create_queue(self, arguments: Arguments, context: Context) -> Reply:
        name, given = arguments["QueueName"], dict(arguments.get("Attributes") or {})
        if name.endswith(".fifo") or "FifoQueue" in given:
            raise ServiceError(
                "UnsupportedOperation", "The local cloud has no FIFO queues.", query_code=f"{_QUERY}UnsupportedOperation"
            )
        if not _NAME.fullmatch(name):
            words = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
            raise ServiceError("InvalidParameterValue", words)
        attributes = checked(given)
        with self._queues.lock:
            same = self._queues.shelf.get(name)
            if same is None:
                tags = dict(arguments.get("tags") or {})
                self._queues.add(Queue(name, kept(attributes), context.now, context.now, tags))
            elif any(same.attributes.get(key) != value for key, value in attributes.items()):
                words = "A queue already exists with the same name and a different value for an attribute"
                raise ServiceError("QueueNameExists", words, query_code="QueueAlreadyExists")
        return {"QueueUrl": self._url(name)}

    def delete_queue(self, arguments: Arguments, context: Context) -> Reply:
        with self._queues.lock:
            self._queues.drop(self._queue(arguments).name)
        return {}

    def get_queue_url(self, arguments: Arguments, context: Context) -> Reply:
        name = arguments["QueueName"]
        if (
            self._queues.shelf.get(name) is None
            or arguments.get("QueueOwnerAWSAccountId", context.account) != context.account
        ):
            raise _missing()
        return {"QueueUrl": self._url(name)}

    def list_queues(self, arguments: Arguments, context: Context) -> Reply:
        prefix = arguments.get("QueueNamePrefix", "")
        names = sorted(queue.name for queue in self._queues.shelf if queue.name.startswith(prefix))
        return self._listed(names, arguments, "QueueUrls")

    def list_dead_letter_source_queues(self, arguments: Arguments, context: Context) -> Reply:
        arn = self._arn(self._queue(arguments).name)
        names = sorted(queue.name for queue in self._queues.shelf if arn in queue.attributes.get("RedrivePolicy", ""))
        return self._listed(names, arguments, "queueUrls")

    def get_queue_attributes(self, arguments: Arguments, context: Context) -> Reply:
        wanted = list(arguments.get("AttributeNames") or ())
        with self._queues.lock:
            queue = self._queue(arguments)
            counts = self._queues.counts(queue.name, context.now)
            return {"Attributes": shown(queue, self._arn(queue.name), counts, wanted)}

    def set_queue_attributes(self, arguments: Arguments, context: Context) -> Reply:
        with self._queues.lock:
            queue = self._queue(arguments)
            queue.attributes = kept(checked(dict(arguments["Attributes"])), queue.attributes)
            queue.modified = context.now
            self._queues.shelf.put(queue)
        return {}

    def purge_queue(self, arguments: Arguments, context: Context) -> Reply:
        with self._queues.lock:
            self._queues.purge(self._queue(arguments).name)
        return {}

    def tag_queue(self, arguments: Arguments, context: Context) -> Reply:
        with self._queues.lock:
            queue = self._queue(arguments)
            queue.tags |= arguments["Tags"]
            self._queues.shelf.put(queue)
        return {}

    def untag_queue(self, arguments: Arguments, context: Context) -> Reply:
        with self._queues.lock:
            queue = self._queue(arguments)
            queue.tags = {key: value for key, value in queue.tags.items() if key not in arguments["TagKeys"]}
            self._queues.shelf.put(queue)
        return {}

    def list_queue_tags(self, arguments: Arguments, context: Context) -> Reply:
        return {"Tags": dict(self._queue(arguments).tags)}

    def tagged(self) -> list[tuple[str, Mapping[str, str]]]:
        return [(self._arn(queue.name), queue.tags) for queue in self._queues.shelf]

    # --- messages ---

    def send_message(self, arguments: Arguments, context: Context) -> Reply:
        message = self._send(self._queue(arguments), arguments, context)
        return self._receipt(message)

    def send_message_batch(self, arguments: Arguments, context: Context) -> Reply:
        queue, entries = self._queue(arguments), _entries(arguments)
        if sum(len(each["MessageBody"].encode()) for each in entries) > int(queue.attributes["MaximumMessageSize"]):
            raise ServiceError(
                "BatchRequestTooLong",
                "The batch is longer than the queue allows.",
                query_code=f"{_QUERY}BatchRequestTooLong",
            )
        return _each(entries, lambda entry: self._receipt(self._send(queue, entry, context)))

    def receive_message(self, arguments: Arguments, context: Context) -> Reply:
        queue = self._queue(arguments)
        most = _within(arguments, "MaxNumberOfMessages", 1, 1, _MOST_ENTRIES)
        wait_s = _within(arguments, "WaitTimeSeconds", int(queue.attributes["ReceiveMessageWaitTimeSeconds"]), 0, 20)
        hidden_s = _within(arguments, "VisibilityTimeout", int(queue.attributes["VisibilityTimeout"]), 0, 43_200)
        with _of(queue):
            found = self._queues.receive(
                queue.name, most, timedelta(seconds=wait_s), timedelta(seconds=hidden_s), self._world.clock.now
            )
        system = [*(arguments.get("MessageSystemAttributeNames") or ()), *(arguments.get("AttributeNames") or ())]
        messages = [_shown_message(each, system, list(arguments.get("MessageAttributeNames") or ())) for each in found]
        return {"Messages": messages} if messages else {}

    def delete_message(self, arguments: Arguments, context: Context) -> Reply:
        queue = self._queue(arguments)
        with _of(queue):
            self._queues.delete(queue.name, arguments["ReceiptHandle"])
        return {}

    def delete_message_batch(self, arguments: Arguments, context: Context) -> Reply:
        where = {"QueueUrl": arguments["QueueUrl"]}
        self._queue(arguments)
        return _each(_entries(arguments), lambda entry: self.delete_message(where | dict(entry), context))

    def change_message_visibility(self, arguments: Arguments, context: Context) -> Reply:
        queue, seconds = self._queue(arguments), _within(arguments, "VisibilityTimeout", 0, 0, 43_200)
        with _of(queue):
            if not self._queues.hide(queue.name, arguments["ReceiptHandle"], timedelta(seconds=seconds), context.now):
                words = "The message referred to isn't in flight."
                raise ServiceError("MessageNotInflight", words, query_code=f"{_QUERY}MessageNotInflight")
        return {}

    def change_message_visibility_batch(self, arguments: Arguments, context: Context) -> Reply:
        where = {"QueueUrl": arguments["QueueUrl"]}
        self._queue(arguments)
        return _each(_entries(arguments), lambda entry: self.change_message_visibility(where | dict(entry), context))

    # --- inside ---

    def _send(self, queue: Queue, arguments: Mapping[str, Any], context: Context) -> Message:
        body, attributes = arguments["MessageBody"], dict(arguments.get("MessageAttributes") or {})
        if not body or _CONTROL.search(body):
            raise ServiceError("InvalidMessageContents", "The message contains characters outside the allowed set.")
        size = len(body.encode()) + sum(
            len(name.encode()) + sum(map(len, each.values())) for name, each in attributes.items()
        )
        if size > int(queue.attributes["MaximumMessageSize"]):
            most = queue.attributes["MaximumMessageSize"]
            raise ServiceError(
                "InvalidParameterValue",
                f"One or more parameters are invalid. Reason: Message must be shorter than {most} bytes.",
            )
        delay_s = _within(arguments, "DelaySeconds", int(queue.attributes["DelaySeconds"]), 0, 900)
        with _of(queue):
            return self._queues.send(
                queue.name, body, context.now, context.principal, stored(attributes), timedelta(seconds=delay_s)
            )

    def _receipt(self, message: Message) -> dict[str, Any]:
        digest = {"MD5OfMessageAttributes": digest_of(message.attributes)} if message.attributes else {}
        return {"MessageId": message.id, "MD5OfMessageBody": _md5(message.body)} | digest

    def _queue(self, arguments: Arguments) -> Queue:
        """The queue that a call names by its URL. Raises ServiceError."""
        found = self._queues.shelf.get(str(arguments["QueueUrl"]).rpartition("/")[2])
        if found is None:
            raise _missing()
        return found

    def _listed(self, names: Sequence[str], arguments: Arguments, key: str) -> Reply:
        token, most = str(arguments.get("NextToken") or "0"), _within(arguments, "MaxResults", _MOST_LISTED, 1, _MOST_LISTED)
        if not token.isdecimal():
            raise ServiceError("InvalidParameterValue", "NextToken is not one that was answered.")
        end = int(token) + most
        more = end < len(names) and arguments.get("MaxResults")
        return {key: [self._url(name) for name in names[int(token) : end]]} | ({"NextToken": str(end)} if more else {})

    def _url(self, name: str) -> str:
        return f"{self._world.endpoint}/{self._world.account}/{name}"

    def _arn(self, name: str) -> str:
        return f"arn:aws:sqs:{self._world.region}:{self._world.account}:{name}"


def _missing() -> ServiceError:
    return ServiceError("QueueDoesNotExist", "The specified queue does not exist.", query_code=f"{_QUERY}NonExistentQueue")


@contextmanager
def _of(queue: Queue) -> Generator[None]:
    """Turn what a queue's messages refuse into SQS's errors."""
    try:
        yield
    except KeyError:  # deleted meanwhile
        raise _missing() from None
    except QueueFull:
        words = f"The local cloud keeps no more messages of {queue.name}."
        raise ServiceError("OverLimit", words, 403, query_code="OverLimit") from None
    except (ValueError, binascii.Error):
        raise ServiceError(
            "ReceiptHandleIsInvalid", "The input receipt handle is invalid.", query_code="ReceiptHandleIsInvalid"
        ) from None


def _entries(arguments: Arguments) -> Sequence[Mapping[str, Any]]:
    """The entries of a batch. Raises ServiceError."""
    entries: Sequence[Mapping[str, Any]] = arguments["Entries"]
    ids = [each["Id"] for each in entries]
    for wrong, code, words in (
        (not ids, "EmptyBatchRequest", "There should be at least one entry in the request."),
        (
            len(ids) > _MOST_ENTRIES,
            "TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are {_MOST_ENTRIES}.",
        ),
        (
            not all(map(_ENTRY.fullmatch, ids)),
            "InvalidBatchEntryId",
            "A batch entry id can only contain letters, digits, - and _.",
        ),
        (len(set(ids)) < len(ids), "BatchEntryIdsNotDistinct", "Two or more batch entries have the same Id."),
    ):
        if wrong:
            raise ServiceError(code, words, query_code=f"{_QUERY}{code}")
    return entries


def _each(entries: Sequence[Mapping[str, Any]], do: Callable[[Mapping[str, Any]], Reply]) -> Reply:
    """Do each entry of a batch for itself."""
    done, failed = list[dict[str, Any]](), list[dict[str, Any]]()
    for entry in entries:
        try:
            done.append({"Id": entry["Id"], **do(entry)})
        except ServiceError as error:
            failed.append(
                {"Id": entry["Id"], "Code": error.query_code or error.code, "Message": error.message, "SenderFault": True}
            )
    return {"Successful": done, "Failed": failed}


def _within(arguments: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    value = arguments.get(name)
    value = default if value is None else int(value)
    if not least <= value <= most:
        raise ServiceError(
            "InvalidParameterValue",
            f"Value {value} for parameter {name} is invalid. Reason: must be between {least} and {most}.",
        )
    return value


def _shown_message(message: Message, system: Sequence[str], named: Sequence[str]) -> dict[str, Any]:
    first = message.first_received or message.sent
    values = {
        "SenderId": message.sender,
        "SentTimestamp": str(int(message.sent.timestamp() * 1000)),
        "ApproximateReceiveCount": str(message.receives),
        "ApproximateFirstReceiveTimestamp": str(int(first.timestamp() * 1000)),
    }
    chosen = {name: value for name, value in values.items() if name in system or "All" in system}
    prefixes = tuple(each.removesuffix("*").removesuffix(".") for each in named if each.endswith(".*") or each == "All")
    everything = "All" in named or ".*" in named
    own = {
        name: value
        for name, value in message.attributes.items()
        if everything or name in named or (prefixes and name.startswith(prefixes))
    }
    shown: dict[str, Any] = {
        "MessageId": message.id,
        "ReceiptHandle": message.handle,
        "Body": message.body,
        "MD5OfBody": _md5(message.body),
    }
    if chosen:
        shown["Attributes"] = chosen
    if own:
        shown |= {"MessageAttributes": answered(own), "MD5OfMessageAttributes": digest_of(own)}
    return shown


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
