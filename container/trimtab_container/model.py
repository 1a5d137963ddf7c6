"""A served model: loaded once into memory, hashed from those very bytes, proven by a golden request before it answers."""

import hashlib
import json
import math
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from trimtab_container.contract import usable_cpus
from trimtab_container.digests import Entry, tree_digest

MODEL, CARD, GOLDEN = "model.onnx", "card.json", "golden.json"
_TOLERANCE = 1e-4


class ModelError(ValueError):
    """A model that must not be served."""


@dataclass(frozen=True)
class Tensor:
    """The input or the first output, as the card says. shape: records first, None for any length."""

    name: str
    dtype: "np.dtype[Any]"
    shape: tuple[int | None, ...]

    @cached_property
    def record(self) -> tuple[int, ...]:
        """The shape of one record."""
        return tuple(int(size or 1) for size in self.shape[1:])

    @cached_property
    def record_size(self) -> int:
        """Values in one record."""
        return math.prod(self.record)

    @cached_property
    def record_bytes(self) -> int:
        return self.record_size * self.dtype.itemsize


@dataclass(frozen=True)
class Model:
    """A model that is loaded and has passed its golden request."""

    session: Any  # onnxruntime.InferenceSession
    input: Tensor
    output: str
    classes: tuple[str, ...]
    digest: str  # of the folder, from the loaded bytes
    card: dict[str, Any]
    seconds: float  # what the golden request took, warm

    def predict(self, records: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        """Answers for a batch; records has the input's shape."""
        return self.session.run([self.output], {self.input.name: records})[0]


def load(folder: Path, expected: str = "") -> Model:
    """Load, hash and prove a model folder. expected: the artifact digest it must have, or "".

    Raises ModelError, in words.
    """
    import onnxruntime  # pyright: ignore[reportMissingTypeStubs]

    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    digest = tree_digest(Entry(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items())
    if expected and digest != expected:
        raise ModelError(f"the model folder is {digest}, but {expected} is declared")
    for name in (MODEL, CARD, GOLDEN):
        if name not in files:
            raise ModelError(f"{folder} holds no {name}")
    card, golden = _json(files, CARD), _json(files, GOLDEN)
    runtime: Any = onnxruntime  # ships no types
    options = runtime.SessionOptions()
    options.intra_op_num_threads = usable_cpus()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = runtime.InferenceSession(files[MODEL], options, providers=["CPUExecutionProvider"])
    except Exception as error:  # classes that ONNX Runtime makes at run time
        raise ModelError(f"{MODEL} cannot be loaded: {str(error)[:400]}") from error
    tensor = _input(card, session)
    model = Model(
        session, tensor, session.get_outputs()[0].name, tuple(map(str, card.get("classes") or ())), digest, card, 0.0
    )
    return _proven(model, golden)


def _proven(model: Model, golden: dict[str, Any]) -> Model:
    """Run the golden request twice: once to prove and warm, once to measure."""
    try:
        inputs = np.asarray(golden["inputs"]).astype(model.input.dtype).reshape(-1, *model.input.record)
        wanted = np.asarray(golden["outputs"], dtype=np.float64)
    except (KeyError, ValueError, TypeError) as error:
        raise ModelError(f"{GOLDEN} cannot be read: {error}") from error
    answered = np.asarray(model.predict(inputs), dtype=np.float64)
    tolerance = float(golden.get("tolerance", _TOLERANCE))
    if answered.shape != wanted.shape or not np.allclose(answered, wanted, rtol=0, atol=tolerance):
        worst = float(np.max(np.abs(answered - wanted))) if answered.shape == wanted.shape else float("nan")
        raise ModelError(
            f"the golden request was answered otherwise than in training: off by {worst:.3g}, allowed {tolerance:g}"
        )
    started = time.perf_counter()
    model.predict(inputs[:1])
    seconds = time.perf_counter() - started
    return Model(model.session, model.input, model.output, model.classes, model.digest, model.card, seconds)


def _input(card: dict[str, Any], session: Any) -> Tensor:
    """What the card says of the input, held against the model itself."""
    actual = session.get_inputs()[0]
    declared: dict[str, Any] = card.get("input") or {}
    try:
        dtype = np.dtype(str(declared["dtype"]))
        shape = tuple(None if size is None else int(size) for size in declared["shape"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{CARD}: input needs dtype and shape: {error}") from error
    if declared.get("name", actual.name) != actual.name or len(shape) != len(actual.shape):
        raise ModelError(
            f"{CARD} speaks of input {declared.get('name')} {shape}; the model has {actual.name} {actual.shape}"
        )
    return Tensor(actual.name, dtype, shape)


def _json(files: dict[str, bytes], name: str) -> dict[str, Any]:
    try:
        value = json.loads(files[name])
    except ValueError as error:
        raise ModelError(f"{name} is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{name} must be a mapping")
    return value  # pyright: ignore[reportUnknownVariableType]
