"""What is ours to delete, as the tags of what was found say it. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from trimtab.core.kind import UID, Unknown
from trimtab.engine.ledger import Resource
from trimtab.plan.snapshot import Found, Snapshot, Stale
from trimtab.plan.status import Trouble


def ours(snapshot: Snapshot, owners: Collection[str], known: Iterable[Resource]) -> Snapshot:
    """Without what is not ours to delete: what has another owner's tag, and what was there before us and has none.

    owners: uids that are ours. known: what our ledgers hold.
    """
    adopted = {each.id for each in known if each.adopted}

    def is_ours(each: Stale) -> bool:
        if not isinstance(each.seen, Found) or each.seen.tags is None or isinstance(each.seen.tags, Unknown):
            return True
        return each.seen.tags[UID] in owners if UID in each.seen.tags else each.id not in adopted

    return replace(snapshot, stale=tuple(_judged_by_tags(each) for each in snapshot.stale if is_ours(each)))


def others(snapshot: Snapshot, own: Snapshot) -> tuple[Trouble, ...]:
    """What a deletion leaves, since its tag names another owner by now, or since it was there before us and has none."""
    kept = {each.id for each in own.stale}
    return tuple(
        Trouble(each.id, "NameTaken", f"{_whose(each.seen.tags)}: not ours to delete", False)
        for each in snapshot.stale
        if each.id not in kept and isinstance(each.seen, Found) and isinstance(each.seen.tags, Mapping)
    )


def _judged_by_tags(each: Stale) -> Stale:
    """What could not be shown to be ours is not taken for it: nothing is deleted without proof."""
    if isinstance(each.seen, Found) and isinstance(each.seen.tags, Unknown):
        return replace(each, seen=each.seen.tags)
    return each


def _whose(tags: Mapping[str, str]) -> str:
    return f"carries the owner tag of {tags[UID]}" if UID in tags else "was there before, and does not carry our owner tag"
