"""User code round the model: `inference.py` among the serving files, with SageMaker's four functions, any subset.

    model_fn(model_dir)                            the model, loaded once; else an onnxruntime.InferenceSession of model.onnx
    input_fn(request_body, request_content_type)   what predict_fn takes; else our parsers: a NumPy array of the card's input
    predict_fn(data, model)                        the prediction; else the output that the card names, a NumPy array
    output_fn(prediction, accept)                  text or bytes, or (those, content type); else our formats

Each may take one argument more, `context`. The body is text for application/json and text/csv, else bytes. Plain functions
only: they run in threads, so that one that waits holds up no other request than those behind it.
Source: aws/sagemaker-inference-toolkit, transformer.py (names, order of arguments, when there is a context, text or bytes).
"""

import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

FILE = "inference.py"
CONTRACT: Mapping[str, tuple[str, ...]] = {
    "model_fn": ("model_dir",),
    "input_fn": ("request_body", "request_content_type"),
    "predict_fn": ("data", "model"),
    "output_fn": ("prediction", "accept"),
}
NOT_TAKEN: Mapping[str, str] = {  # of the same toolkit: refused, so that none is passed over in silence
    "transform_fn": "write it as input_fn, predict_fn and output_fn",
    "pre_model_fn": "do it in model_fn",
    "model_warmup_fn": "do it in model_fn; the golden request warms the model too",
}
_SHOWN_FRAMES = 8


class HookError(ValueError):
    """Code that cannot serve, "file:line: what is wrong"."""


class HookFailed(Exception):
    """A function of the user's raised, or answered what cannot be sent. The cause is the user's exception."""

    def __init__(self, name: str, error: BaseException) -> None:
        super().__init__(f"{name} raised {type(error).__name__}: {error}")
        self.name, self.error = name, error

    def trace(self) -> str:
        """The end of the user's traceback, for the log alone."""
        frames = [each for each in traceback.extract_tb(self.error.__traceback__) if each.filename != __file__]
        told = traceback.format_list(frames[-_SHOWN_FRAMES:])
        return "".join((f"trimtab: {self}\n", *told)).rstrip()


@dataclass(frozen=True)
class Context:
    """What a function that asks for a `context` is given: as much of the toolkit's as means something here."""

    system_properties: Mapping[str, Any] = field(default_factory=dict[str, Any])  # model_dir; gpu_id: None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])  # of the request, names in small letters

    def get_request_header(self, index: int, name: str) -> str | None:
        """A header of the request; index is always 0."""
        return self.headers.get(name.lower())


@dataclass(frozen=True)
class Parameters:
    """What a function can be called with, told by its signature or by its text."""

    names: tuple[str, ...]  # positional
    required: int  # the first so many have no default
    open: bool = False  # *args
    keyword_only: tuple[str, ...] = ()  # without a default


@dataclass(frozen=True)
class Hook:
    """One function of the user's."""

    name: str
    function: Callable[..., Any]
    with_context: bool

    def __call__(self, context: Context, *arguments: Any) -> Any:
        """Call it. Raises HookFailed, whatever it raises: an exit of one request is not the server's."""
        try:
            return self.function(*arguments, *((context,) if self.with_context else ()))
        except (Exception, SystemExit) as error:
            raise HookFailed(self.name, error) from error


@dataclass(frozen=True)
class Hooks:
    """Those that there are."""

    folder: Path = Path()
    model_fn: Hook | None = None
    input_fn: Hook | None = None
    predict_fn: Hook | None = None
    output_fn: Hook | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in CONTRACT if getattr(self, name))

    @property
    def of_requests(self) -> bool:
        """Whether a request passes through user code."""
        return bool(self.input_fn or self.predict_fn or self.output_fn)


def load_hooks(folder: Path) -> Hooks:
    """Import inference.py of a code folder; no hooks where there is none. Raises HookError."""
    file = folder / FILE
    if not file.is_file():
        return Hooks(folder)
    module = _imported(file)
    for name, instead in NOT_TAKEN.items():
        if hasattr(module, name):
            raise HookError(f"{_of(file, getattr(module, name))}: {name} is not supported: {instead}")
    found = {name: _hook(file, name, getattr(module, name)) for name in CONTRACT if hasattr(module, name)}
    if not found:
        raise HookError(f"{file}:1: defines none of {', '.join(CONTRACT)}")
    return Hooks(folder, **found)


def takes_context(name: str, given: Parameters) -> bool:
    """Whether a hook is given the context as well. Raises ValueError, in words, when it cannot be called."""
    wanted = CONTRACT[name]
    count = len(wanted)
    usage = f"{name}({', '.join(wanted)}[, context]) is the contract"
    if given.keyword_only:
        raise ValueError(f"{name} needs {given.keyword_only[0]} by name; {usage}")
    if given.required > count + 1 or (len(given.names) < count and not given.open):
        takes = given.required if given.required > count else len(given.names)
        raise ValueError(f"{name} takes {takes} argument{'s' * (takes != 1)}; {usage}")
    if given.required == count + 1:
        return True
    return len(given.names) > count and given.names[count] == "context"


def _imported(file: Path) -> ModuleType:
    """The module, its folder first among those that it imports from."""
    folder = str(file.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location("inference", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["inference"] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise HookError(f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}") from error
    except (Exception, SystemExit) as error:
        said = " ".join(str(error).split())[:400]
        raise HookError(f"{_raised_at(file, error)}: {type(error).__name__}: {said}") from error
    return module


def _raised_at(file: Path, error: BaseException) -> str:
    """The last line of the user's own code that an exception went through."""
    inside = str(file.parent) + os.sep
    frames = [each for each in traceback.extract_tb(error.__traceback__) if each.filename.startswith(inside)]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else f"{file}:1"


def _hook(file: Path, name: str, function: Any) -> Hook:
    if not callable(function):
        raise HookError(f"{file}:1: {name} is no function")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise HookError(f"{_of(file, function)}: {name} is async, which is not supported: write `def {name}`")
    try:
        return Hook(name, function, takes_context(name, _parameters(function)))
    except ValueError as error:
        raise HookError(f"{_of(file, function)}: {error}") from error


def _parameters(function: Callable[..., Any]) -> Parameters:
    every = inspect.signature(function).parameters.values()
    positional = [each for each in every if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    return Parameters(
        tuple(each.name for each in positional),
        sum(each.default is each.empty for each in positional),
        any(each.kind is each.VAR_POSITIONAL for each in every),
        tuple(each.name for each in every if each.kind is each.KEYWORD_ONLY and each.default is each.empty),
    )


def _of(file: Path, function: Any) -> str:
    """file:line of a function."""
    code = getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None
    return f"{code.co_filename}:{code.co_firstlineno}" if code else f"{file}:1"
