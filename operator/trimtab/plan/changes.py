"""What a document changed since the generation before: field by field, content by file. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeGuard, cast

from trimtab.core.kind import Difference, Ref

ContentName: TypeAlias = Literal["dataset", "training", "evaluation", "serving", "dockerfile", "model"]
CONTENTS: Mapping[ContentName, str] = {
    "dataset": "dataset",
    "training": "training code",
    "evaluation": "evaluation script",
    "serving": "serving code",
    "dockerfile": "Dockerfile",
    "model": "model",
}


@dataclass(frozen=True, slots=True)
class Edit:
    """A field that is declared otherwise than before; None is "not set"."""

    path: str  # "spec.training.hyperparameters.epochs", "spec.evaluation.gates[0].atLeast"
    before: Any  # as it takes effect: the default where it was not declared
    after: Any
    steps: tuple[str | int, ...] = ()  # the path below spec, as keys


@dataclass(frozen=True, slots=True)
class ContentEdit:
    """Files that are others than before. The names of files are empty where the earlier ones are not known."""

    name: ContentName
    before: str  # digest; "" for none
    after: str
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def edits(
    before: Mapping[str, Any], after: Mapping[str, Any], was: Mapping[str, Any], becomes: Mapping[str, Any]
) -> tuple[Edit, ...]:
    """Every field that differs, by path.

    before, after: specs as declared, defaults left out. was, becomes: the same with defaults, for what is shown.
    """
    found: list[Edit] = []
    for steps, _, _ in leaves(before, after):
        found.append(Edit(path_text("spec", steps), value_at(was, steps), value_at(becomes, steps), steps))
    return tuple(found)


def leaves(before: Any, after: Any, steps: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any, Any]]:
    """(steps, before, after) where two JSON values differ.

    A section that is new, or gone, is compared field by field; so are lists of one length, item by item.
    """
    if _is_section(before, after) or _is_section(after, before):
        old, new = cast(Mapping[str, Any], before or {}), cast(Mapping[str, Any], after or {})
        for name in sorted(old.keys() | new.keys()):
            yield from leaves(old.get(name), new.get(name), (*steps, name))
    elif _is_list(before) and _is_list(after) and len(before) == len(after):
        for index in range(len(before)):
            yield from leaves(before[index], after[index], (*steps, index))
    elif before != after:
        yield steps, before, after


def spread(path: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """(path, before, after) of each leaf that differs between two live values; JSON inside text is opened."""
    for steps, old, new in leaves(_opened(before), _opened(after)):
        yield path_text(path, steps), old, new


def shown_difference(each: Difference) -> Iterator[dict[str, Any]]:
    """Rows {path, have, want} of JSON values, one for each field below that differs."""
    if isinstance(each.have, Ref) or isinstance(each.want, Ref):
        yield {"path": each.path, "have": _plain(each.have), "want": _plain(each.want)}
        return
    for path, have, want in spread(each.path, _plain(each.have), _plain(each.want)):
        yield {"path": path, "have": have, "want": want}


def _plain(value: Any) -> Any:
    """As JSON values: dataclasses and whatever else a kind compares are shown as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(child) for key, child in cast(Mapping[Any, Any], value).items()}
    if isinstance(value, (list, tuple)):
        return [_plain(child) for child in cast(Sequence[Any], value)]
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def content_edit(name: ContentName, before: str, after: str, old: Mapping[str, str], new: Mapping[str, str]) -> ContentEdit:
    """What became of each file. old, new: SHA-256 by path; empty where it is not known."""
    if not old or not new:
        return ContentEdit(name, before, after)
    return ContentEdit(
        name,
        before,
        after,
        added=tuple(sorted(new.keys() - old.keys())),
        changed=tuple(sorted(path for path in old.keys() & new.keys() if old[path] != new[path])),
        removed=tuple(sorted(old.keys() - new.keys())),
    )


def with_edit(spec: Mapping[str, Any], edit: Edit, source: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a declared spec in which that one field is as `source` declares it."""
    copy = json.loads(json.dumps(spec))
    value = value_at(source, edit.steps)
    place: Any = copy
    for step in edit.steps[:-1]:
        place = place.setdefault(step, {}) if isinstance(step, str) else place[step]
    if value is None:
        place.pop(edit.steps[-1], None)
    else:
        place[edit.steps[-1]] = value
    return _pruned(copy, source)


def _pruned(value: dict[str, Any], source: Any) -> dict[str, Any]:
    """Without sections that are empty now and that `source` has not either."""
    declared: Mapping[str, Any] = cast(Mapping[str, Any], source) if isinstance(source, Mapping) else {}
    kept: dict[str, Any] = {}
    for name, child in value.items():
        if isinstance(child, dict):
            child = _pruned(cast(dict[str, Any], child), declared.get(name))
            if not child and name not in declared:
                continue
        kept[name] = child
    return kept


def value_at(value: Any, steps: Sequence[str | int]) -> Any:
    """What lies there, or None."""
    for step in steps:
        if isinstance(value, Mapping):
            value = cast(Mapping[Any, Any], value).get(step)
        elif _is_list(value) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def path_text(root: str, steps: Sequence[str | int]) -> str:
    """ "spec" and ("gates", 0, "metric") -> "spec.gates[0].metric"."""
    return root + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


def _is_section(value: Any, beside: Any) -> bool:
    """Whether it has fields to compare with those of the other, or with none."""
    return isinstance(value, Mapping) and (isinstance(beside, Mapping) or (beside is None and bool(cast(Any, value))))


def _is_list(value: Any) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, (list, tuple))


def _opened(value: Any) -> Any:
    """A policy or an OpenAPI body is text that holds JSON: show what differs inside."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
