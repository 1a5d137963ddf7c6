"""The attributes of SQS's queues and messages: what may be given, its defaults, how it is answered and digested. Pure.

Source: Amazon SQS API Reference, CreateQueue and SetQueueAttributes; Developer Guide, "Calculating the MD5 message digest
for message attributes".
"""

import base64
import hashlib
import json
import struct
from collections.abc import Collection, Mapping
from typing import Any

from trimtab.local.overlay import ServiceError
from trimtab.local.queues import Queue

_NUMBERS: Mapping[str, tuple[int, int, int]] = {  # least, most, default
    "DelaySeconds": (0, 900, 0),
    "MaximumMessageSize": (1024, 1_048_576, 1_048_576),
    "MessageRetentionPeriod": (60, 1_209_600, 345_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20, 0),
    "VisibilityTimeout": (0, 43_200, 30),
}
_DOCUMENTS = ("Policy", "RedrivePolicy", "RedriveAllowPolicy")
_OTHERS = ("KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled")
_KINDS = ("String", "Number", "Binary")


def checked(given: Mapping[str, str]) -> dict[str, str]:
    """Attributes as a call gave them. Raises ServiceError."""
    for name, value in given.items():
        if name in _NUMBERS:
            least, most, _ = _NUMBERS[name]
            if not value.isdecimal() or not least <= int(value) <= most:
                raise _invalid(name)
        elif name in _DOCUMENTS:
            _check_document(name, value)
        elif name not in _OTHERS:
            raise ServiceError("InvalidAttributeName", f"Unknown Attribute {name}.", query_code="InvalidAttributeName")
    return dict(given)


def _check_document(name: str, value: str) -> None:
    """An empty text takes a policy away."""
    if not value:
        return
    try:
        policy: Any = json.loads(value)
        if name == "RedrivePolicy" and (
            not policy["deadLetterTargetArn"] or not 1 <= int(policy["maxReceiveCount"]) <= 1000
        ):
            raise _invalid(name)
    except (ValueError, KeyError, TypeError):
        raise _invalid(name) from None


def kept(given: Mapping[str, str], before: Mapping[str, str] | None = None) -> dict[str, str]:
    """The attributes of a queue after a call."""
    defaults = {name: str(default) for name, (_, _, default) in _NUMBERS.items()} | {"SqsManagedSseEnabled": "true"}
    joined = {**(defaults if before is None else before), **given}
    return {name: value for name, value in joined.items() if value}


def shown(queue: Queue, arn: str, counts: tuple[int, int, int], wanted: Collection[str]) -> dict[str, str]:
    """The attributes that a call asks for. counts: messages that can be received, in flight, delayed."""
    visible, given, delayed = counts
    every = queue.attributes | {
        "QueueArn": arn,
        "ApproximateNumberOfMessages": str(visible),
        "ApproximateNumberOfMessagesNotVisible": str(given),
        "ApproximateNumberOfMessagesDelayed": str(delayed),
        "CreatedTimestamp": str(int(queue.created.timestamp())),
        "LastModifiedTimestamp": str(int(queue.modified.timestamp())),
    }
    for name in wanted:
        if name != "All" and name not in every and name not in (*_DOCUMENTS, *_OTHERS):
            raise ServiceError("InvalidAttributeName", f"Unknown Attribute {name}.", query_code="InvalidAttributeName")
    return {name: value for name, value in every.items() if name in wanted or "All" in wanted}


def stored(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a message as they are kept: JSON, with binary values in base64. Raises ServiceError."""
    found: dict[str, Any] = {}
    for name, value in attributes.items():
        kind = str(value.get("DataType", "")).partition(".")[0]
        text = value.get("BinaryValue" if kind == "Binary" else "StringValue")
        if kind not in _KINDS or not text:
            words = f"The message attribute '{name}' must contain a non-empty value of the type String, Number or Binary."
            raise ServiceError("InvalidParameterValue", words)
        if kind == "Binary":
            found[name] = {"DataType": value["DataType"], "BinaryValue": _base64(text)}
        else:
            found[name] = {"DataType": value["DataType"], "StringValue": str(text)}
    if len(found) > 10:
        raise ServiceError(
            "InvalidParameterValue", f"Number of message attributes [{len(found)}] exceeds the allowed maximum [10]."
        )
    return found


def answered(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a message as the protocol takes them: binary values as bytes."""
    return {
        name: value | {"BinaryValue": base64.b64decode(value["BinaryValue"])} if "BinaryValue" in value else value
        for name, value in attributes.items()
    }


def digest_of(attributes: Mapping[str, Any]) -> str:
    """MD5 over names, types and values, in order of the names."""
    text = b""
    for name in sorted(attributes):
        value: Mapping[str, str] = attributes[name]
        text += _sized(name.encode()) + _sized(value["DataType"].encode())
        if "BinaryValue" in value:
            text += b"\2" + _sized(base64.b64decode(value["BinaryValue"]))
        else:
            text += b"\1" + _sized(value["StringValue"].encode())
    return hashlib.md5(text, usedforsecurity=False).hexdigest()


def _sized(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _invalid(name: str) -> ServiceError:
    return ServiceError(
        "InvalidAttributeValue", f"Invalid value for the parameter {name}.", query_code="InvalidAttributeValue"
    )
