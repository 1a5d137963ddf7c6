"""Replies of a local cloud held against botocore's service model, as they are on the wire.

botocore's parsers take what they know and drop the rest in silence. Here a member that the model has not, a required one
that is missing, a value of another type, or an enum's unknown word fails the test that asked.
Source: botocore's service models; Smithy, "AWS Protocols": where a member stands in a reply, and how it is written.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

_XML = ("query", "ec2", "rest-xml")
_MORE = {  # what the protocol itself adds to a reply
    "query": ("ResponseMetadata",),
    "ec2": ("requestId",),
    "rest-xml": (),
}
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)")
_INTEGER, _NUMBER = re.compile(r"-?\d+"), re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?|NaN|-?Infinity")


def checked(client: Any) -> Any:
    """The same client; a successful reply that its model does not describe raises AssertionError."""
    client.meta.events.register("after-call", _check)
    return client


def _check(http_response: Any, model: Any, **_: Any) -> None:
    if http_response.status_code >= 300 or model.has_streaming_output:
        return
    protocol = model.service_model.resolved_protocol
    wrong = list(faults(model, protocol, http_response.status_code, http_response.headers, http_response.content))
    assert not wrong, f"{model.service_model.service_name}:{model.name} is not as its model says: {'; '.join(wrong[:8])}"


def faults(model: Any, protocol: str, status: int, headers: Mapping[str, str], body: bytes) -> Iterator[str]:
    """What is wrong with a reply. model: of the operation."""
    shape = model.output_shape
    if shape is None:
        return
    yield from (f"header {name} is missing" for name in _headers_missing(shape, headers))
    payload = shape.serialization.get("payload")
    if payload and (shape := shape.members[payload]).type_name != "structure":
        return
    if status == 204 or not body:
        yield from (f"{name} is missing" for name in shape.required_members if _in_body(shape.members[name]))
    elif protocol in _XML:
        yield from _xml_faults(model, protocol, shape, body)
    else:
        yield from _json(json.loads(body), shape, model.name)


def unknown(value: Any, shape: Any, path: str) -> Iterator[str]:
    """Members of a reply in botocore's spelling that its shape has not: a serialiser drops them in silence."""
    if shape is None:
        yield from (f"{path}.{name} is unknown" for name in value or ())
    elif shape.type_name == "structure" and isinstance(value, Mapping):
        for name, child in value.items():
            if name in shape.members:
                yield from unknown(child, shape.members[name], f"{path}.{name}")
            elif name != "ResponseMetadata":
                yield f"{path}.{name} is unknown"
    elif shape.type_name == "list" and isinstance(value, Sequence):
        yield from (each for number, child in enumerate(value) for each in unknown(child, shape.member, f"{path}[{number}]"))
    elif shape.type_name == "map" and isinstance(value, Mapping):
        yield from (each for name, child in value.items() for each in unknown(child, shape.value, f"{path}.{name}"))


def _headers_missing(shape: Any, headers: Mapping[str, str]) -> Iterator[str]:
    for name in shape.required_members:
        place = shape.members[name].serialization
        if place.get("location") == "header" and place["name"].lower() not in {each.lower() for each in headers}:
            yield place["name"]


def _in_body(member: Any) -> bool:
    return "location" not in member.serialization


def _names(shape: Any) -> dict[str, Any]:
    """Members of a structure that stand in a body, by their name on the wire."""
    return {each.serialization.get("name", name): each for name, each in shape.members.items() if _in_body(each)}


def _missing(shape: Any, there: set[str], path: str) -> Iterator[str]:
    for name in shape.required_members:
        member = shape.members[name]
        if _in_body(member) and member.serialization.get("name", name) not in there:
            yield f"{path}.{name} is missing"


# --- JSON ---


def _json(value: Any, shape: Any, path: str) -> Iterator[str]:
    kind = shape.type_name
    if kind == "structure" and getattr(shape, "is_document_type", False):
        return
    if kind == "structure" and isinstance(value, dict):
        members = _names(shape)
        yield from (f"{path}.{name} is unknown" for name in value if name not in members)
        yield from _missing(shape, set(value), path)
        for name, child in value.items():
            if name in members:
                yield from _json(child, members[name], f"{path}.{name}")
    elif kind == "list" and isinstance(value, list):
        yield from (each for number, child in enumerate(value) for each in _json(child, shape.member, f"{path}[{number}]"))
    elif kind == "map" and isinstance(value, dict):
        yield from (each for name, child in value.items() for each in _json(child, shape.value, f"{path}.{name}"))
    elif not _is_json_scalar(value, shape):
        yield f"{path} is no {kind}: {value!r:.80}"
    elif kind == "string" and shape.enum and value not in shape.enum:
        yield f"{path} is none of the enum: {value!r}"


def _is_json_scalar(value: Any, shape: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    match shape.type_name:
        case "string" | "character":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer" | "long":
            return number and value == int(value)
        case "float" | "double":
            return number or value in ("NaN", "Infinity", "-Infinity")
        case "timestamp":
            iso = shape.serialization.get("timestampFormat") == "iso8601"
            return isinstance(value, str) and bool(_ISO.fullmatch(value)) if iso else number
        case "blob":
            return isinstance(value, str) and _is_base64(value)
        case _:
            return False


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return True


# --- XML ---


def _xml_faults(model: Any, protocol: str, shape: Any, body: bytes) -> Iterator[str]:
    root = ElementTree.fromstring(body)
    if protocol == "query":
        wrapper = shape.serialization.get("resultWrapper")
        found = next((each for each in root if _tag(each) == wrapper), None)
        if found is None:
            yield f"{model.name}: there is no {wrapper}"
            return
        root = found
    yield from _element(root, shape, model.name, _MORE[protocol])


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _element(element: ElementTree.Element, shape: Any, path: str, more: Sequence[str] = ()) -> Iterator[str]:
    """more: names beside the members of the shape."""
    kind = shape.type_name
    if kind == "structure":
        yield from _structure(element, shape, path, more)
    elif kind == "list":
        name = shape.member.serialization.get("name", "member")
        for number, child in enumerate(element):
            if _tag(child) == name:
                yield from _element(child, shape.member, f"{path}[{number}]")
            else:
                yield f"{path}.{_tag(child)} is no {name}"
    elif kind == "map":
        for entry in element:
            yield from _entry(entry, shape, path)
    elif len(element):
        yield f"{path} is no {kind}: it has members"
    elif not _is_text(element.text or "", shape):
        yield f"{path} is no {kind}: {element.text!r:.80}"
    elif kind == "string" and shape.enum and (element.text or "") not in shape.enum:
        yield f"{path} is none of the enum: {element.text!r}"


def _structure(element: ElementTree.Element, shape: Any, path: str, more: Sequence[str]) -> Iterator[str]:
    members = {_xml_name(name, each): each for name, each in shape.members.items() if _in_body(each)}
    there = {_tag(child) for child in element} | {name.rpartition("}")[2] for name in element.attrib}
    for name in shape.required_members:
        member = shape.members[name]
        if _in_body(member) and _xml_name(name, member).rpartition(":")[2] not in there and member.type_name != "list":
            yield f"{path}.{name} is missing"
    for child in element:
        name = _tag(child)
        if name in more:
            continue
        member = members.get(name)
        if member is None:
            yield f"{path}.{name} is unknown"
        elif member.serialization.get("flattened"):
            inner = member.member if member.type_name == "list" else None
            yield from _element(child, inner, f"{path}.{name}") if inner else _entry(child, member, f"{path}.{name}")
        else:
            yield from _element(child, member, f"{path}.{name}")


def _xml_name(name: str, member: Any) -> str:
    if member.type_name == "list" and member.serialization.get("flattened"):
        return member.serialization.get("name") or member.member.serialization.get("name") or name
    return member.serialization.get("name", name)


def _entry(entry: ElementTree.Element, shape: Any, path: str) -> Iterator[str]:
    parts = {
        shape.key.serialization.get("name", "key"): shape.key,
        shape.value.serialization.get("name", "value"): shape.value,
    }
    for child in entry:
        if _tag(child) in parts:
            yield from _element(child, parts[_tag(child)], f"{path}.{_tag(child)}")
        else:
            yield f"{path}.{_tag(child)} is neither key nor value"


def _is_text(text: str, shape: Any) -> bool:
    match shape.type_name:
        case "boolean":
            return text in ("true", "false")
        case "integer" | "long":
            return bool(_INTEGER.fullmatch(text))
        case "float" | "double":
            return bool(_NUMBER.fullmatch(text))
        case "timestamp":
            return bool(_ISO.fullmatch(text))
        case "blob":
            return _is_base64(text)
        case _:
            return True
