"""What the kinds of API Gateway share: ARNs, tags, and the mark that says which body was put or deployed.

API Gateway's ARNs hold no account; a kind is told region and partition, since only changing tags needs them.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from trimtab.core.kind import Call, Difference, Right, Steps
from trimtab.resources.shared import WHEN_OURS, WHEN_TAGGED_SO, allow, tag_changes

_MARK = re.compile(r"sha256:[0-9a-f]{64}")


def arn(partition: str, region: str, path: str) -> str:
    """ "arn:aws:apigateway:us-east-1::/restapis/abc" for path "/restapis/abc"."""
    return f"arn:{partition}:apigateway:{region}::{path}"


def arn_pattern(path: str) -> str:
    return "arn:{partition}:apigateway:{region}::" + path


def rights_on(collection: str, *changes: str) -> dict[str, tuple[Right, ...]]:
    """Rights by verb on a collection such as "/usageplans"; API Gateway's actions are the methods of HTTP.

    changes: the methods of an update beside PATCH, as "PUT /restapis/*".
    """
    one = arn_pattern(f"{collection}/*")
    tags = arn_pattern("/tags/*")
    return {
        "observe": allow(arn_pattern(collection), "apigateway:GET") + allow(one, "apigateway:GET"),
        "create": allow(arn_pattern(collection), "apigateway:POST", when=WHEN_TAGGED_SO)
        + allow(tags, "apigateway:PUT", when=WHEN_TAGGED_SO)
        + _methods(changes),
        "update": allow(one, "apigateway:PATCH", when=WHEN_OURS)
        + allow(tags, "apigateway:PUT", "apigateway:POST", "apigateway:DELETE", when=WHEN_OURS)
        + _methods(changes),
        "delete": allow(one, "apigateway:DELETE", when=WHEN_OURS),
    }


def _methods(changes: Sequence[str]) -> tuple[Right, ...]:
    split = (change.partition(" ") for change in changes)
    return tuple(
        right for method, _, path in split for right in allow(arn_pattern(path), f"apigateway:{method}", when=WHEN_OURS)
    )


def retag(resource_arn: str, drift: Sequence[Difference]) -> Steps[None]:
    """Add and remove tags as the drift says (API Gateway v1)."""
    added, removed = tag_changes(drift)
    if added:
        yield Call("apigateway", "TagResource", {"resourceArn": resource_arn, "tags": added}, repeat="safe")
    if removed:
        yield Call("apigateway", "UntagResource", {"resourceArn": resource_arn, "tagKeys": removed}, repeat="safe")


def marked(digest: str) -> str:
    """A description that names a body by its digest, "sha256:...": seen without exporting the API."""
    return f"body {digest}"


def mark_in(description: str | None) -> str:
    """The digest that a description names; empty where there is none."""
    found = _MARK.search(description or "")
    return found.group() if found else ""


def replace_op(path: str, value: object) -> dict[str, str]:
    """A patch operation; values travel as text, and 50.0 as "50"."""
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    return {"op": "replace", "path": path, "value": str(whole)}


def text_map(value: Mapping[str, Any] | None) -> dict[str, str]:
    return dict(value or {})
