"""A request through the user's functions, and the proof that they answer: `serve/golden.json` among the serving files.

    {"request": {"contentType": "application/json", "accept": "application/json", "body": ...},
     "response": {"body": ...}, "tolerance": 0.0001}

A body is text, or any JSON value. Numbers in a JSON answer may differ by the tolerance; another answer must be equal.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import orjson

from trimtab_container.formats import CSV, JSON, Refused, accepted, read, write
from trimtab_container.hooks import Context, HookFailed, Hooks
from trimtab_container.model import Model, ModelError

GOLDEN = "serve/golden.json"
_TEXT = (JSON, CSV)  # bodies that the toolkit decodes
_TOLERANCE = 1e-4
_ANY = ("", "*/*", "application/*")


@dataclass(frozen=True)
class Answer:
    body: bytes
    kind: str  # content type
    records: int


class Pipeline:
    """Input, prediction and output of one model, each the user's or ours."""

    def __init__(self, model: Model, hooks: Hooks, model_dir: Path) -> None:
        self._model, self._hooks = model, hooks
        self._properties = {"model_dir": str(model_dir), "gpu_id": None}

    def answer(self, body: bytes, content_type: str, accept: str, headers: Mapping[str, str]) -> Answer:
        """Answer a request. Raises Refused for what is the client's fault, HookFailed for what is the code's."""
        context = Context(self._properties, headers)
        kind = accepted(accept) if self._hooks.output_fn is None else _preferred(accept)
        data = self._input(context, body, content_type)
        prediction = self._hooks.predict_fn(context, data, self._model.loaded) if self._hooks.predict_fn else None
        if self._hooks.predict_fn is None:
            prediction = self._predict(data)
        written, kind = self._output(context, prediction, kind)
        return Answer(written, kind, _records(data))

    def prove(self, golden: Mapping[str, Any]) -> str:
        """Send the golden request through; what was proven, in words. golden: of the model folder. Raises ModelError."""
        file = self._hooks.folder / GOLDEN
        try:
            if file.is_file():
                self._compare(_declared(file), file)
                return f"{GOLDEN} is answered as declared"
            if self._hooks.input_fn and not self._model.output:
                raise ModelError(f"with input_fn before a model of your own, only {GOLDEN} can prove that it answers")
            if self._hooks.input_fn:
                return f"not proven: input_fn reads a form of its own, and there is no {GOLDEN}"
            self.answer(orjson.dumps({"instances": golden["inputs"]}), JSON, JSON, {})
        except HookFailed as failed:
            raise ModelError(failed.trace().removeprefix("trimtab: ")) from failed
        except Refused as refused:
            raise ModelError(f"the golden request is refused: {refused.message}") from refused
        return "the golden request passes through them"

    def _input(self, context: Context, body: bytes, content_type: str) -> Any:
        if self._hooks.input_fn is None:
            return read(body, content_type, self._model.input)
        kind = content_type.partition(";")[0].strip().lower() or JSON
        try:
            return self._hooks.input_fn(context, body.decode() if kind in _TEXT else body, kind)
        except UnicodeDecodeError as error:
            raise Refused(400, "InvalidText", f"{kind} must be UTF-8") from error
        except HookFailed as failed:
            raise _client_s(failed, kind, 415, "UnsupportedType", 400, "BadInput") or failed from failed

    def _predict(self, data: Any) -> Any:
        """Our own prediction, on what may come from the user's input_fn."""
        try:
            return self._model.predict(np.asarray(data, dtype=self._model.input.dtype))
        except Exception as error:  # classes that ONNX Runtime makes at run time
            if self._hooks.input_fn is None:
                raise
            raise HookFailed("the model, given what input_fn returned,", error) from error

    def _output(self, context: Context, prediction: Any, kind: str) -> tuple[bytes, str]:
        if self._hooks.output_fn is None:
            return self._written(prediction, kind), kind
        try:
            answered = self._hooks.output_fn(context, prediction, kind)
        except HookFailed as failed:
            raise _client_s(failed, kind, 406, "NotAcceptable") or failed from failed
        body, kind = answered if isinstance(answered, tuple) and len(answered) == 2 else (answered, kind)  # pyright: ignore
        if isinstance(body, str):
            body = body.encode()
        if not isinstance(body, (bytes, bytearray, memoryview)) or not isinstance(kind, str):
            error = TypeError(f"it returned {type(answered).__name__}, not text or bytes, nor (those, content type)")  # pyright: ignore
            raise HookFailed("output_fn", error)
        return bytes(body), kind  # pyright: ignore[reportUnknownArgumentType]

    def _written(self, prediction: Any, kind: str) -> bytes:
        """Our own output: arrays as ever, all else as the JSON that it is."""
        if isinstance(prediction, (np.ndarray, np.generic)):
            array = np.asarray(cast(Any, prediction))
            if array.dtype.kind in "biuf":
                return write(array, kind, self._model)
            prediction = {"predictions": array.tolist()}
        if kind != JSON:
            raise Refused(406, "NotAcceptable", f"this prediction is written as {JSON} only")
        try:
            return orjson.dumps(prediction, option=orjson.OPT_SERIALIZE_NUMPY)
        except TypeError as error:
            raise HookFailed("predict_fn", TypeError(f"its answer cannot be written ({error}): define output_fn")) from error

    def _compare(self, golden: "_Golden", file: Path) -> None:
        got = self.answer(golden.body, golden.kind, golden.accept, {}).body
        if not _alike(_value(got), _value(golden.answer), golden.tolerance):
            raise ModelError(
                f"{file}: the request was answered otherwise than declared: {got[:200].decode(errors='replace')}"
            )


@dataclass(frozen=True)
class _Golden:
    body: bytes
    kind: str
    accept: str
    answer: bytes
    tolerance: float


def _declared(file: Path) -> _Golden:
    """Read serve/golden.json. Raises ModelError."""
    try:
        value = json.loads(file.read_bytes())
        request, answer = value["request"], value["response"]["body"]
        kind, accept = (str(request.get(name, JSON)) for name in ("contentType", "accept"))
        return _Golden(_bytes(request["body"]), kind, accept, _bytes(answer), float(value.get("tolerance", _TOLERANCE)))
    except KeyError as error:
        raise ModelError(f"{file}: {error} is missing") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelError(f"{file} cannot be read: {error}") from error


def _records(data: Any) -> int:
    """How many records a request held: what is no array counts as one."""
    return len(data) if isinstance(data, np.ndarray) and data.ndim else 1  # pyright: ignore[reportUnknownArgumentType]


def _preferred(accept: str) -> str:
    """What the user's output_fn is asked for: the first that is named, JSON when the client takes anything."""
    first = accept.partition(",")[0].partition(";")[0].strip().lower()
    return JSON if first in _ANY else first


def _client_s(failed: HookFailed, kind: str, status: int, reason: str, *else_: Any) -> Refused | None:
    """A fault of the client's, told by a ValueError or by an exception with a status of its own (4xx).

    A ValueError that names the content type says that it is not taken; another is about the content (input_fn alone).
    """
    error, said = failed.error, " ".join(str(failed.error).split())[:300]
    own: Any = getattr(error, "status_code", None)
    if isinstance(own, int) and 400 <= own < 500:
        return Refused(own, reason if own == status else "Refused", said)
    if isinstance(error, ValueError) and kind in str(error):
        return Refused(status, reason, said)
    return Refused(else_[0], else_[1], said) if isinstance(error, ValueError) and else_ else None


def _bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else orjson.dumps(body)


def _value(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body


def _alike(got: Any, wanted: Any, tolerance: float) -> bool:
    if isinstance(wanted, dict):
        return (
            isinstance(got, dict)
            and got.keys() == wanted.keys()
            and all(_alike(got[k], wanted[k], tolerance) for k in wanted)  # pyright: ignore
        )
    if isinstance(wanted, list):
        return isinstance(got, list) and len(got) == len(wanted) and all(map(_alike, got, wanted, [tolerance] * len(wanted)))  # pyright: ignore
    if isinstance(wanted, float) and isinstance(got, (int, float)) and not isinstance(got, bool):
        return abs(got - wanted) <= tolerance
    return type(got) is type(wanted) and got == wanted
