"""What several kinds share: asking in bulk, answering tags, and writing rights.

Kinds do not import each other; what two of them need stands here and knows neither.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from trimtab.core.canonical import canonical_json
from trimtab.core.kind import ENVIRONMENT, UID, Batch, Call, Difference, Failure, Ref, Reply, Right, Steps, Unknown, owner_in

T = TypeVar("T")

# Conditions of rights. {environment} is filled when a policy is exported for an environment.
WHEN_TAGGED_SO: Mapping[str, str] = {
    f"aws:RequestTag/{ENVIRONMENT}": "{environment}"
}  # creates: our tag must be in the call
WHEN_OURS: Mapping[str, str] = {f"aws:ResourceTag/{ENVIRONMENT}": "{environment}"}  # changes and deletes: it must be there


def allow(resource: str, *actions: str, when: Mapping[str, str] | None = None) -> tuple[Right, ...]:
    """Rights to do several actions on one ARN pattern."""
    return tuple(Right(action, resource, dict(when or {})) for action in actions)


def service_linked(service: str) -> tuple[Right, ...]:
    """The right to have AWS make the role that a service acts with, the first time the account uses it."""
    resource = f"arn:{{partition}}:iam::{{account}}:role/aws-service-role/{service}/*"
    return (Right("iam:CreateServiceLinkedRole", resource, {"iam:AWSServiceName": service}),)


# --- asking ---------------------------------------------------------------------------------------------------------


def ask(calls: Iterable[Call]) -> Steps[list[Reply | Failure]]:
    """Make calls at once and answer their replies in order; no call at all is no step."""
    batch = tuple(calls)
    if not batch:
        return []
    replies = yield Batch(batch)
    return list(replies)


def insist(calls: Iterable[Call]) -> Steps[list[Reply]]:
    """Make calls at once; raise the first Failure. What is absent already counts as done, with an empty reply."""
    replies = yield from ask(calls)
    for reply in replies:
        if isinstance(reply, Failure) and reply.meaning != "absent":
            raise reply
    return [{} if isinstance(reply, Failure) else reply for reply in replies]


def chunks(items: Iterable[T], size: int) -> list[tuple[T, ...]]:
    """Cut into tuples of at most `size`, order kept."""
    whole = tuple(items)
    return [whole[start : start + size] for start in range(0, len(whole), size)]


def grouped(identities: Iterable[str]) -> dict[str, list[str]]:
    """Sort identities "<parent>|<name>" by parent; an identity whose parent is not known yet is left out.

    Such an identity holds the text of a Ref: its parent does not exist, so neither does the child.
    """
    groups: dict[str, list[str]] = {}
    for identity in identities:
        parent, _, name = identity.rpartition("|")
        if not is_pending(parent):
            groups.setdefault(parent, []).append(name)
    return groups


def is_pending(text: str) -> bool:
    """Whether a text is (or begins with) a Ref that is not resolved."""
    return text.startswith("(known after ")


def unknown(failure: Failure) -> Unknown:
    return Unknown(failure.reason, failure.meaning)


def common_prefix(names: Sequence[str]) -> str:
    """The longest text that every name begins with."""
    if not names:
        return ""
    first, last = min(names), max(names)
    same = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), None)
    return first[: min(len(first), len(last)) if same is None else same]


# --- tags -----------------------------------------------------------------------------------------------------------


class WithTags(Protocol):
    @property
    def tags(self) -> Mapping[str, str] | None: ...


def tags_as_read(observed: Sequence[WithTags]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
    """Answer the tags that the bulk read gave; asks nothing."""
    yield from ()
    return [each.tags or {} for each in observed]


def tag_changes(drift: Sequence[Difference]) -> tuple[dict[str, str], list[str]]:
    """What to set and what to remove, from the difference with path "tags"; both empty where there is none.

    AWS's own tags ("aws:...") are never touched.
    """
    for each in drift:
        if each.path == "tags":
            have, want = _mapping(each.have), _mapping(each.want)
            changed = {name: value for name, value in sorted(want.items()) if have.get(name) != value}
            return changed, sorted(name for name in have if name not in want and not name.startswith("aws:"))
    return {}, []


def owned(tags: Mapping[str, str], desired_tags: Mapping[str, str]) -> bool:
    """Whether tags name the same owner as those that we declare."""
    return owner_in(tags) is not None and owner_in(tags) == desired_tags.get(UID)


def keep_oldest(
    items: Iterable[Reply], *, id: str, name: str, tags: str, created: str
) -> dict[str, tuple[Reply, tuple[Reply, ...]]]:
    """Find, by name, the one to keep and its twins, among things whose names AWS lets repeat.

    id, name, tags, created: the members of an item. Items without our owner tag are somebody else's: a same name is no clash
    there. The oldest stays; twins have the same name and the same owner.
    """
    found: dict[str, list[Reply]] = {}
    for item in items:
        if owner_in(item.get(tags) or {}):
            found.setdefault(item[name], []).append(item)
    kept: dict[str, tuple[Reply, tuple[Reply, ...]]] = {}
    for each, twins in found.items():
        oldest, *rest = sorted(twins, key=lambda item: (str(item.get(created, "")), item[id]))
        same_owner = tuple(twin for twin in rest if owner_in(twin[tags]) == owner_in(oldest[tags]))
        kept[each] = (oldest, same_owner)
    return kept


def _mapping(value: object) -> Mapping[str, str]:
    return value if isinstance(value, Mapping) else {}  # pyright: ignore[reportUnknownVariableType]


# --- values ---------------------------------------------------------------------------------------------------------


def paths(drift: Sequence[Difference]) -> frozenset[str]:
    return frozenset(each.path for each in drift)


def known(value: str | Ref) -> str:
    """A value that must be resolved before a call is made. Raises TypeError for a Ref: a bug of the caller."""
    if isinstance(value, Ref):
        raise TypeError(f"{value.field} of {value.node} is not known yet")
    return value


def same_json(text: str) -> str:
    """One spelling of a JSON text, for comparing; a text that is no JSON stays as it is."""
    try:
        return canonical_json(json.loads(text))
    except ValueError:
        return text


def without_empty(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments without those that are None, "" or empty: botocore refuses None, AWS refuses some empty ones."""
    return {name: value for name, value in arguments.items() if value is not None and value not in ("", [], {}, ())}
