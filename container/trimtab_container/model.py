"""A served model: loaded once into memory, hashed from those very bytes, proven by a golden request before it answers."""

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from trimtab_container.contract import usable_cpus
from trimtab_container.digests import Entry, tree_digest
from trimtab_container.hooks import Context, HookFailed, Hooks

MODEL, CARD, GOLDEN = "model.onnx", "card.json", "golden.json"
_TOLERANCE = 1e-4
_TYPES = {  # ONNX Runtime's names that are not NumPy's
    "tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16", "tensor(bool)": "bool",
    **{f"tensor({sign}int{bits})": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}  # fmt: skip


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

    loaded: Any  # an onnxruntime.InferenceSession, or what the user's model_fn returned
    input: Tensor
    output: str  # of the session; "" for a model of the user's own
    classes: tuple[str, ...]
    digest: str  # of the folder, from the loaded bytes
    card: dict[str, Any]
    golden: dict[str, Any]
    seconds: float = 0.0  # what one inference took, warm

    def predict(self, records: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        """Answers for a batch, by the session; records has the input's shape."""
        return self.loaded.run([self.output], {self.input.name: records})[0]


def load(folder: Path, expected: str = "", hooks: Hooks = Hooks()) -> Model:  # noqa: B008 - frozen
    """Load, hash and prove a model folder. expected: the artifact digest it must have, or "". hooks: the user's functions.

    Raises ModelError, in words.
    """
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    digest = tree_digest(Entry(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items())
    if expected and digest != expected:
        raise ModelError(f"the model folder is {digest}, but {expected} is declared")
    for name in (CARD, GOLDEN) if hooks.model_fn else (MODEL, CARD, GOLDEN):
        if name not in files:
            raise ModelError(f"{folder} holds no {name}")
    card, golden = _json(files, CARD), _json(files, GOLDEN)
    loaded = _by_the_user(folder, hooks) if hooks.model_fn else _session(files[MODEL])
    session = loaded if _is_session(loaded) and len(loaded.get_inputs()) == 1 else None
    if session is None and hooks.predict_fn is None:
        names = ", ".join(each.name for each in loaded.get_inputs())
        raise ModelError(f"the model has inputs {names}: one is served; write predict_fn in inference.py for several")
    tensor = _input(card, session)
    output = _output(card, session) if session else ""
    model = Model(loaded, tensor, output, tuple(map(str, card.get("classes") or ())), digest, card, golden)
    return _proven(model, hooks, folder)


def _session(data: bytes) -> Any:
    import onnxruntime  # pyright: ignore[reportMissingTypeStubs]

    runtime: Any = onnxruntime  # ships no types
    options = runtime.SessionOptions()
    options.intra_op_num_threads = usable_cpus()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # classes that ONNX Runtime makes at run time
        raise ModelError(f"{MODEL} cannot be loaded: {str(error)[:400]}") from error


def _by_the_user(folder: Path, hooks: Hooks) -> Any:
    assert hooks.model_fn is not None
    try:
        loaded = hooks.model_fn(_context(folder), str(folder))
    except HookFailed as failed:
        raise ModelError(failed.trace().removeprefix("trimtab: ")) from failed
    if hooks.predict_fn is None and not _is_session(loaded):
        raise ModelError(
            f"model_fn returned {type(loaded).__name__}: define predict_fn too, or return an onnxruntime.InferenceSession"
        )
    return loaded


def _is_session(loaded: Any) -> bool:
    return all(callable(getattr(loaded, name, None)) for name in ("run", "get_inputs", "get_outputs"))


def _context(folder: Path) -> Context:
    return Context({"model_dir": str(folder), "gpu_id": None})


def _proven(model: Model, hooks: Hooks, folder: Path) -> Model:
    """Run the golden request twice: once to prove and warm, once to measure.

    A model of the user's own is asked through predict_fn; where input_fn stands before that, only a whole request can
    prove it (see pipeline).
    """
    predict: Callable[[Any], Any] = model.predict
    if not model.output:
        if hooks.input_fn:
            return model
        user_s = hooks.predict_fn
        assert user_s is not None  # _by_the_user has seen to it
        predict = lambda records: user_s(_context(folder), records, model.loaded)  # noqa: E731
    try:
        inputs = np.asarray(model.golden["inputs"]).astype(model.input.dtype).reshape(-1, *model.input.record)
        wanted = np.asarray(model.golden["outputs"], dtype=np.float64)
    except (KeyError, ValueError, TypeError) as error:
        raise ModelError(f"{GOLDEN} cannot be read: {error}") from error
    try:
        answered = np.asarray(predict(inputs), dtype=np.float64)
        started = time.perf_counter()
        predict(inputs[:1])
        seconds = time.perf_counter() - started
    except HookFailed as failed:
        raise ModelError(failed.trace().removeprefix("trimtab: ")) from failed
    except Exception as error:  # ONNX Runtime's own classes; a prediction that is no numbers
        raise ModelError(f"the golden request could not be answered: {str(error)[:400]}") from error
    tolerance = float(model.golden.get("tolerance", _TOLERANCE))
    if answered.shape != wanted.shape or not np.allclose(answered, wanted, rtol=0, atol=tolerance):
        worst = float(np.max(np.abs(answered - wanted))) if answered.shape == wanted.shape else float("nan")
        raise ModelError(
            f"the golden request was answered otherwise than in training: off by {worst:.3g}, allowed {tolerance:g}"
        )
    return replace(model, seconds=seconds)


def _input(card: dict[str, Any], session: Any) -> Tensor:
    """What the card says of the input, held against the model itself where it is a session."""
    declared: dict[str, Any] = card.get("input") or {}
    try:
        dtype = np.dtype(str(declared["dtype"]))
        shape = tuple(None if size is None else int(size) for size in declared["shape"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{CARD}: input needs dtype and shape: {error}") from error
    if session is None:
        return Tensor(str(declared.get("name", "")), dtype, shape)
    actual = session.get_inputs()[0]
    if declared.get("name", actual.name) != actual.name or len(shape) != len(actual.shape):
        raise ModelError(
            f"{CARD} speaks of input {declared.get('name')} {shape}; the model has {actual.name} {actual.shape}"
        )
    if _TYPES.get(actual.type, dtype.name) != dtype.name:
        raise ModelError(f"{CARD} speaks of input {actual.name} as {dtype.name}; the model takes {_TYPES[actual.type]}")
    return Tensor(actual.name, dtype, shape)


def _output(card: dict[str, Any], session: Any) -> str:
    """The output that answers: the one that the card names, else the first (exporters put others before it)."""
    there = [each.name for each in session.get_outputs()]
    declared: dict[str, Any] = card.get("output") or {}
    name = str(declared.get("name", there[0]))
    if name not in there:
        raise ModelError(f"{CARD} speaks of output {name}; the model has {', '.join(there)}")
    return name


def _json(files: dict[str, bytes], name: str) -> dict[str, Any]:
    try:
        value = json.loads(files[name])
    except ValueError as error:
        raise ModelError(f"{name} is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{name} must be a mapping")
    return value  # pyright: ignore[reportUnknownVariableType]
