"""What a tree need not send: an earlier tree of the same deployment holds it already, and S3 can copy it.

Earlier trees lie beside the new one. The record of each (`<prefix>.json`, written last) says what was sent, so neither the
ledger nor a memory of ours is asked, and a lost one costs no byte. A record is a hint all the same: an object counts only
while a listing shows it at its size and untouched since the record was written, a copy is made on condition of its ETag,
and the sender compares checksums afterwards. Files are found by SHA-256, so that a renamed one is not sent either.
Cost: 1 listing; for each of at most three earlier trees 1 GetObject, and 1 listing per 1,000 of its files.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trimtab.clients.aws import Aws
from trimtab.core.kind import Call, Failure
from trimtab.engine.contents import Origin
from trimtab_container.digests import Entry

_LOOK_BACK = 3  # trees: an edit is of the last one, or of one that was gone back to


@dataclass(frozen=True, slots=True)
class Listed:
    """What a listing shows of an object."""

    size: int  # bytes
    etag: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class Earlier:
    """A complete tree: what its record says, and what a listing shows of it now."""

    bucket: str
    prefix: str  # with its last slash
    recorded: datetime  # when the record was written
    entries: tuple[Entry, ...]
    listed: Mapping[str, Listed]  # by path

    def source(self, entry: Entry) -> Origin | None:
        """Where the bytes of an entry of this tree lie, if nothing happened to them."""
        there = self.listed.get(entry.path)
        if there is None or there.size != entry.size or there.modified > self.recorded:
            return None
        return Origin(self.bucket, self.prefix + entry.path, there.etag)


def sources_in(tree: Earlier, missing: Sequence[Entry]) -> dict[str, Origin]:
    """Which of the missing files that tree holds, by their path in the new one. Pure."""
    held: dict[tuple[int, str], Origin] = {}
    for entry in tree.entries:
        if source := tree.source(entry):
            held.setdefault((entry.size, entry.sha256), source)
    return {each.path: held[each.size, each.sha256] for each in missing if (each.size, each.sha256) in held}


def reusable(aws: Aws, bucket: str, prefix: str, missing: Sequence[Entry]) -> dict[str, Origin]:
    """Look for missing files in the trees beside `prefix`, the newest first. What cannot be read holds nothing."""
    found: dict[str, Origin] = {}
    wanted = list(missing)
    try:
        for record in _records(aws, bucket, prefix)[:_LOOK_BACK] if wanted else ():
            if tree := _tree(aws, bucket, record, wanted):
                found |= sources_in(tree, wanted)
                wanted = [each for each in wanted if each.path not in found]
            if not wanted:
                break
    except Failure:
        return found  # sending is always right
    return found


def _records(aws: Aws, bucket: str, prefix: str) -> list[Mapping[str, Any]]:
    """The records beside `prefix`, newest first."""
    own = prefix.rstrip("/")
    beside = own.rpartition("/")[0] + "/"
    listed = aws.make(Call("s3", "ListObjectsV2", {"Bucket": bucket, "Prefix": beside, "Delimiter": "/"}))
    records = [each for each in listed.get("Contents", ()) if each["Key"].endswith(".json") and each["Key"] != f"{own}.json"]
    return sorted(records, key=lambda each: (each["LastModified"], each["Key"]), reverse=True)


def _tree(aws: Aws, bucket: str, record: Mapping[str, Any], wanted: Sequence[Entry]) -> Earlier | None:
    """The tree of a record; None when none of the wanted files was in it, or the record cannot be understood."""
    try:
        body = json.loads(aws.make(Call("s3", "GetObject", {"Bucket": bucket, "Key": record["Key"]}))["Body"])
        entries = tuple(Entry(str(path), int(size), str(sha256)) for path, size, sha256 in body["files"])
    except (ValueError, TypeError, KeyError):
        return None
    if {(each.size, each.sha256) for each in entries}.isdisjoint((each.size, each.sha256) for each in wanted):
        return None
    prefix = str(record["Key"]).removesuffix(".json") + "/"
    objects = aws.make(Call("s3", "ListObjectsV2", {"Bucket": bucket, "Prefix": prefix})).get("Contents", ())
    listed = {each["Key"].removeprefix(prefix): Listed(each["Size"], each["ETag"], each["LastModified"]) for each in objects}
    return Earlier(bucket, prefix, record["LastModified"], entries, listed)
