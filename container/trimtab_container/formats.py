"""Requests and answers as bytes: JSON, CSV, raw tensor bytes and npy. Nothing pickled is ever read."""

import io
from typing import Any

import numpy as np
import orjson

from trimtab_container.model import Model, Tensor

JSON, CSV, RAW, NPY = "application/json", "text/csv", "application/octet-stream", "application/x-npy"
READ = (JSON, CSV, RAW, NPY)
WRITTEN = (JSON, NPY)


class Refused(Exception):
    """A request that cannot be answered: status, a reason in CamelCase, a sentence."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message

    @property
    def body(self) -> bytes:
        return orjson.dumps({"error": {"reason": self.reason, "message": self.message}})


def read(body: bytes, content_type: str, tensor: Tensor) -> "np.ndarray[Any, Any]":
    """Records in the model's input shape and type. Raises Refused."""
    kind = content_type.partition(";")[0].strip().lower() or JSON
    if not body:
        raise _bad("EmptyBody", "the request has no body")
    if kind == RAW:
        return _raw(body, tensor)
    if kind == JSON:
        return _from_json(_instances(body), tensor)
    if kind == NPY:
        return _shaped(_npy(body), tensor)
    if kind == CSV:
        return _shaped(_csv(body), tensor)
    raise Refused(415, "UnsupportedType", f"{kind} is not read; send one of {', '.join(READ)}")


def accepted(accept: str) -> str:
    """What to answer in. Raises Refused."""
    for part in (accept or JSON).split(","):
        kind = part.partition(";")[0].strip().lower()
        if kind in ("*/*", "application/*", ""):
            return JSON
        if kind in WRITTEN:
            return kind
    raise Refused(406, "NotAcceptable", f"{accept} is not written; accept one of {', '.join(WRITTEN)}")


def write(answers: "np.ndarray[Any, Any]", kind: str, model: Model) -> bytes:
    """The answer's body."""
    if kind == NPY:
        buffer = io.BytesIO()
        np.save(buffer, answers, allow_pickle=False)
        return buffer.getvalue()
    reply: dict[str, Any] = {"predictions": np.ascontiguousarray(answers)}
    if model.classes and answers.ndim == 2 and answers.shape[1] == len(model.classes):
        reply["labels"] = [model.classes[index] for index in answers.argmax(axis=1)]
    return orjson.dumps(reply, option=orjson.OPT_SERIALIZE_NUMPY)


def _raw(body: bytes, tensor: Tensor) -> "np.ndarray[Any, Any]":
    if len(body) % tensor.record_bytes:
        raise _bad(
            "WrongSize",
            f"{len(body)} bytes are no whole number of records of {tensor.record_bytes} bytes ({_words(tensor)})",
        )
    # NumPy's overload for a type that is only known at run time answers a partly unknown one.
    array: np.ndarray[Any, Any] = np.frombuffer(body, tensor.dtype)  # pyright: ignore
    _check_finite(array)
    return array.reshape(-1, *tensor.record)


def _from_json(records: list[Any], tensor: Tensor) -> "np.ndarray[Any, Any]":
    fast = _octets(records, tensor)
    if fast is not None:
        return fast
    try:
        array = np.asarray(records)
    except (ValueError, OverflowError) as error:
        raise _bad("RaggedRecords", "the records have different lengths") from error
    return _shaped(array, tensor)


def _octets(records: list[Any], tensor: Tensor) -> "np.ndarray[Any, Any] | None":
    """Grey images as lists of rows of whole numbers, in a fifth of NumPy's time. None for all else, however odd.

    bytes() of a list takes whole numbers from 0 to 255 and nothing else.
    """
    if tensor.dtype != np.uint8 or len(tensor.record) != 2 or not records:
        return None
    height, width = tensor.record
    parts: list[bytes] = []
    try:
        for rows in records:
            if type(rows) is not list or len(rows) != height:  # pyright: ignore[reportUnknownArgumentType]
                return None
            for row in rows:  # pyright: ignore[reportUnknownVariableType]
                if type(row) is not list or len(row) != width:  # pyright: ignore[reportUnknownArgumentType]
                    return None
                parts.append(bytes(row))  # pyright: ignore[reportUnknownArgumentType]
    except (TypeError, ValueError):  # the slow way says what is wrong
        return None
    return np.frombuffer(b"".join(parts), np.uint8).reshape(-1, height, width)


def _instances(body: bytes) -> list[Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _bad("InvalidJSON", f"the body is no JSON: {error}") from error
    if isinstance(value, dict):
        if "instances" not in value:
            raise _bad("MissingField", 'the body must be an array, or {"instances": [...]}')
        value = value["instances"]  # pyright: ignore
    if not isinstance(value, list):
        raise _bad("WrongType", "instances must be an array of records")
    return value  # pyright: ignore


def _npy(body: bytes) -> Any:
    try:
        return np.load(io.BytesIO(body), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise _bad("InvalidNpy", f"the body is no npy array of numbers: {error}") from error


def _csv(body: bytes) -> Any:
    try:
        rows = [[float(cell) for cell in line.split(",")] for line in body.decode().splitlines() if line.strip()]
        return np.asarray(rows)
    except (UnicodeDecodeError, ValueError) as error:
        raise _bad("InvalidCSV", f"the body is no table of numbers: {error}") from error


def _shaped(values: Any, tensor: Tensor) -> "np.ndarray[Any, Any]":
    """In the input's shape and type; a single record is taken as a batch of one, flat records are folded."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise _bad("WrongType", f"the records hold {array.dtype.name} values, not numbers")
    _check_finite(array)
    record, size = tensor.record, tensor.record_size
    if array.shape == record or (array.ndim == 1 and array.size == size):
        array = array.reshape(1, *record)
    if array.ndim == 0 or not array.size or array.size != size * len(array):
        raise _bad("WrongShape", f"records of shape {array.shape[1:]} were sent; the model takes {_words(tensor)}")
    with np.errstate(invalid="ignore", over="ignore"):
        cast = array.astype(tensor.dtype, order="C")
    # A cast to whole numbers that changed a value lost something: a fraction, or what lies outside the type.
    if tensor.dtype.kind in "iu" and cast.dtype != array.dtype and not (cast == array).all():
        limits = np.iinfo(tensor.dtype)
        raise _bad("OutOfRange", f"values must be whole numbers from {limits.min} to {limits.max}")
    if tensor.dtype.kind == "f" and cast.dtype != array.dtype and not np.isfinite(cast).all():
        raise _bad(
            "OutOfRange", f"values must lie between {np.finfo(tensor.dtype).min:g} and {np.finfo(tensor.dtype).max:g}"
        )
    return cast.reshape(-1, *record)


def _check_finite(array: "np.ndarray[Any, Any]") -> None:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise _bad("NotFinite", "the records hold NaN or infinity")


def _words(tensor: Tensor) -> str:
    return f"{tensor.dtype.name} of shape {tensor.record}"


def _bad(reason: str, message: str) -> Refused:
    return Refused(400, reason, message)
