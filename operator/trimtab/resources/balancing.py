"""What the kinds of Elastic Load Balancing v2 share: tags, twenty resources a call."""

from collections.abc import Mapping, Sequence

from trimtab.core.kind import Call, Difference, Failure, Steps, Unknown, tag_list, tag_map
from trimtab.resources.shared import ask, chunks, tag_changes, unknown


def read_tags(arns: Sequence[str]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
    """The tags of each, in order.

    A call of twenty fails whole when one is missing or denied: those are asked singly then.
    """
    parts = [list(part) for part in chunks(dict.fromkeys(arns), 20)]
    replies = yield from ask(_describe(part) for part in parts)
    found: dict[str, Mapping[str, str] | Unknown] = {}
    again: list[str] = []
    for part, reply in zip(parts, replies, strict=True):
        if not isinstance(reply, Failure):
            found |= {each["ResourceArn"]: tag_map(each.get("Tags", ())) for each in reply.get("TagDescriptions", ())}
        elif len(part) > 1:
            again += part
        else:
            found[part[0]] = unknown(reply)
    singles = yield from ask(_describe([arn]) for arn in again)
    for arn, reply in zip(again, singles, strict=True):
        found[arn] = unknown(reply) if isinstance(reply, Failure) else tag_map(reply["TagDescriptions"][0].get("Tags", ()))
    return [found.get(arn, {}) for arn in arns]


def retag(arn: str, drift: Sequence[Difference]) -> Steps[None]:
    """Add and remove tags as the drift says."""
    added, removed = tag_changes(drift)
    if added:
        yield Call("elbv2", "AddTags", {"ResourceArns": [arn], "Tags": tag_list(added)}, repeat="safe")
    if removed:
        yield Call("elbv2", "RemoveTags", {"ResourceArns": [arn], "TagKeys": removed}, repeat="safe")


def _describe(arns: Sequence[str]) -> Call:
    return Call("elbv2", "DescribeTags", {"ResourceArns": list(arns)})
