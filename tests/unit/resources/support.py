"""Holds calls and canned replies against botocore's own service models."""

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import botocore.session
from botocore.validate import ParamValidator

from trimtab.core.kind import Batch, Call, Failure, Steps, Transfer, run_steps

_SESSION = botocore.session.get_session()


@cache
def _model(service: str) -> Any:
    return _SESSION.get_service_model(service)


def faults_of_call(call: Call) -> list[str]:
    """What botocore would refuse, and what AWS would by the model's patterns, lengths and enums."""
    shape = _model(call.service).operation_model(call.operation).input_shape
    return _faults(dict(call.arguments), shape)


def faults_of_reply(call: Call, reply: Mapping[str, Any]) -> list[str]:
    """Whether a canned reply is one that the service could give: misspelt members would prove nothing."""
    shape = _model(call.service).operation_model(call.operation).output_shape
    if call.operation == "GetObject":
        return []  # its body is a stream on the wire, and bytes for a kind
    return _faults(dict(reply), shape, reply=True) if shape else ([str(reply)] if reply else [])


def calls_in(steps: Iterable[Call | Batch | Transfer]) -> list[Call]:
    """Every Call, those of batches too."""
    found: list[Call] = []
    for step in steps:
        found += step.calls if isinstance(step, Batch) else [step] if isinstance(step, Call) else []
    return found


def drive(steps: Steps[Any], answers: Mapping[str, Any] | None = None) -> tuple[list[Call], Any]:
    """Drive a generator with replies by operation: a value, a Failure, or a function of the arguments.

    Returns (every call made, result). Replies are held against the models.
    """
    made: list[Call] = []
    answers = answers or {}

    def answer(call: Call) -> Any:
        made.append(call)
        reply = answers.get(call.operation, {})
        reply = reply(call.arguments) if callable(reply) else reply
        if not isinstance(reply, Failure):
            assert faults_of_reply(call, reply) == []
        return reply

    try:
        step = next(steps)
        while True:
            if isinstance(step, Batch):
                step = steps.send([answer(call) for call in step.calls])
                continue
            if isinstance(step, Transfer):
                step = steps.send(None)
                continue
            reply = answer(step)
            step = steps.throw(reply) if isinstance(reply, Failure) else steps.send(reply)
    except StopIteration as end:
        return made, end.value


def transfers_of(steps: Steps[Any]) -> list[Transfer]:
    return [step for step in run_steps(steps).calls if isinstance(step, Transfer)]


def _faults(value: Any, shape: Any, *, reply: bool = False) -> list[str]:
    report = ParamValidator().validate(value, shape)
    text = report.generate_report()
    found = [
        line
        for line in text.splitlines()
        if line and not (reply and line.startswith(("Missing required", "Invalid length")))
    ]
    return found + list(_broken(value, shape, shape.name))


def _broken(value: Any, shape: Any, path: str) -> Iterable[str]:
    if shape.type_name == "structure" and isinstance(value, Mapping):
        for name, child in value.items():
            if name in shape.members:
                yield from _broken(child, shape.members[name], f"{path}.{name}")
    elif shape.type_name == "list":
        yield from (fault for child in value for fault in _broken(child, shape.member, f"{path}[]"))
    elif shape.type_name == "map":
        yield from (fault for child in value.values() for fault in _broken(child, shape.value, f"{path}{{}}"))
    elif shape.type_name == "string" and isinstance(value, str):
        yield from _broken_text(value, shape, path)


def _broken_text(value: str, shape: Any, path: str) -> Iterable[str]:
    limit, pattern = shape.metadata.get("max"), shape.metadata.get("pattern")
    if limit is not None and len(value) > limit:
        yield f"{path}: longer than {limit}"
    if shape.enum and value not in shape.enum and not value.startswith("NEW_"):
        yield f"{path}: {value} is none of the enum"
    if pattern and "\\p{" not in pattern and "\\u" not in pattern and not re.search(f"^(?:{pattern})$", value):
        yield f"{path}: {value} does not match {pattern}"


def as_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
