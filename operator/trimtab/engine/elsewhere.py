"""Content that lies in S3: a prefix that a document names, or the model of a revision of another deployment.

Nothing is downloaded but what must be hashed: an object whose full SHA-256 S3 keeps is taken by it, another is read once and
remembered by its ETag, and the files of a revision are known from its record. The upload has S3 copy the bytes.
Cost: a prefix is listed twice, 1 HeadObject per object whose hash is not remembered, 1 GetObject per object without a
checksum; a revision costs 2 GetObject (ledger, record) and 1 listing.
Source: Amazon S3 API, HeadObject (ChecksumMode; a ChecksumType of COMPOSITE is a hash of hashes), GetObject (IfMatch).
"""

import base64
import hashlib
import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from botocore.exceptions import BotoCoreError

from trimtab.clients.aws import Aws
from trimtab.core.errors import Position, UserError
from trimtab.core.kind import Call, Failure
from trimtab.engine.contents import Content, Count, DigestCache, Origin
from trimtab.engine.ledger import Ledger, Ledgers, Revision
from trimtab.engine.remember import SERVED
from trimtab.engine.workers.upload import opened
from trimtab.model.environment import Environment
from trimtab.model.training import ModelFrom
from trimtab_container.digests import Entry, tree_digest

MOST_BYTES = 50 << 30
_STREAMS = 8
_NOWHERE = Path("/nonexistent")


@dataclass(frozen=True, slots=True)
class InS3:
    """What is reached by AWS. own: the environment that is deployed to. other: finds one by its name."""

    own: Callable[[], tuple[Environment, Aws]]
    other: Callable[[str, Position], tuple[Environment, Aws]]
    cache: DigestCache | None = None

    def tree(self, uri: str, position: Position, count: Count) -> Content:
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        prefix = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
        aws = self.own()[1]
        count.add(0)
        before = _listed(aws, bucket, prefix, position)
        count.total = sum(each["Size"] for each in before.values())

        def entry(path: str, context: Context) -> Entry:
            return Entry(path, before[path]["Size"], context.run(self._sha256, aws, bucket, before[path], position, count))

        with ThreadPoolExecutor(_STREAMS, thread_name_prefix="hash") as threads:
            # Whose calls they are, and how urgent, goes with them.
            entries = tuple(threads.map(entry, before, [copy_context() for _ in before]))
        after = _listed(aws, bucket, prefix, position)
        if _marks(before) != _marks(after):
            raise _changed(uri, position)
        return _content(bucket, prefix, entries, before)

    def read(self, content: Content, entry: Entry) -> bytes:
        with opened(self.own()[1], content, entry) as file:
            return file.read()

    def _sha256(self, aws: Aws, bucket: str, listed: Mapping[str, Any], position: Position, count: Count) -> str:
        mark = f"s3://{bucket}/{listed['Key']}:{listed['ETag']}:{listed['Size']}"
        known = self.cache.get_object(mark) if self.cache else None
        if stored := known or _stored_sha256(aws, bucket, listed):
            count.add(listed["Size"])
        found = stored or _read_sha256(aws, bucket, listed, position, count)
        if self.cache and not known:
            self.cache.put_object(mark, found)
        return found

    def revision(self, given: ModelFrom, position: Position) -> Content:
        environment, aws = self.other(given.environment, position)
        namespace, _, name = given.deployment.partition("/")
        ledger = Ledgers(aws, environment.spec.buckets.state).load(namespace, name).value
        if ledger is None:
            there = [f"{each.namespace}/{each.name}" for each in Ledgers(aws, environment.spec.buckets.state).all()]
            raise _no(f"environment {given.environment} has no deployment {given.deployment}", there, position, "deployment")
        revision = _servable(ledger, given.revision, position)
        artifact = revision.pins["artifact"]
        key = next((str(each["record"]) for each in ledger.artifacts.values() if each["digest"] == artifact), "")
        bucket, prefix = environment.spec.buckets.data, f"{key.removesuffix('.json')}/"
        record = _record(aws, bucket, key)
        entries = tuple(Entry(str(path), int(size), str(sha256)) for path, size, sha256 in record.get("files", ()))
        listed = _listed(aws, bucket, prefix, position) if entries else {}
        if (
            not entries
            or tree_digest(entries) != artifact
            or {entry.path: entry.size for entry in entries} != _sizes(listed)
        ):
            raise UserError(
                f"the files of revision {revision.number} of {given.deployment} are not the model {artifact[:19]} any more",
                position=position, code="TT2009", reason="ModelUnusable",
                fix="name another revision, or train it there again: `trimtab retrain`",
            )  # fmt: skip
        told = {name: record.get(name) for name in ("evaluation", "problem")}
        told |= {"metrics": dict(revision.metrics), "test": revision.pins.get("test", "")}
        return _content(bucket, prefix, entries, listed, told)


def _record(aws: Aws, bucket: str, key: str) -> Mapping[str, Any]:
    """What was recorded of a model as it was unpacked; {} where that is gone."""
    try:
        return json.loads(aws.make(Call("s3", "GetObject", {"Bucket": bucket, "Key": key}))["Body"]) if key else {}
    except Failure as failure:
        if failure.meaning != "absent":
            raise
        return {}


def _servable(ledger: Ledger, number: int, position: Position) -> Revision:
    """The revision of that number, if it serves or has served."""
    revision = next((each for each in ledger.revisions if each.number == number), None)
    name = f"{ledger.namespace}/{ledger.name}"
    if revision is None:
        raise _no(f"{name} has no revision {number}", [str(each.number) for each in ledger.revisions], position, "revision")
    if revision.outcome not in SERVED:
        served = [str(each.number) for each in ledger.revisions if each.outcome in SERVED]
        raise _no(f"revision {number} of {name} never served: {revision.outcome}", served, position, "revision that served")
    return revision


def _no(message: str, there: Sequence[str], position: Position, what: str) -> UserError:
    fix = f"name a {what} that is there: {', '.join(there)}" if there else f"there is no {what} yet: deploy it there first"
    return UserError(message, position=position, code="TT3006", reason="NotFound", fix=fix)


def _content(
    bucket: str,
    prefix: str,
    entries: Sequence[Entry],
    listed: Mapping[str, Mapping[str, Any]],
    record: Mapping[str, Any] | None = None,
) -> Content:
    origins = {path: Origin(bucket, each["Key"], each["ETag"]) for path, each in listed.items()}
    return Content(_NOWHERE / bucket / prefix, tuple(entries), tree_digest(entries), origins, record or {})


def _listed(aws: Aws, bucket: str, prefix: str, position: Position) -> dict[str, Mapping[str, Any]]:
    """The objects below the prefix, by their path from there, sorted. Raises UserError where they are no tree of files."""
    uri = f"s3://{bucket}/{prefix}"
    try:
        objects = aws.make(Call("s3", "ListObjectsV2", {"Bucket": bucket, "Prefix": prefix})).get("Contents", [])
    except Failure as failure:
        if failure.meaning != "absent":
            raise
        raise UserError(
            f"there is no bucket {bucket}", position=position, code="TT2001", fix="create it, or correct the name"
        ) from failure
    files = [each for each in objects if not each["Key"].endswith("/")]
    found = {unicodedata.normalize("NFC", each["Key"].removeprefix(prefix)): each for each in files}
    if len(found) < len(files):
        raise UserError(
            f"two objects below {uri} have one name in Unicode's NFC", position=position, code="TT2006", fix="rename one"
        )
    if not found:
        raise UserError(
            f"{uri} holds no objects", position=position, code="TT2002", fix="put the files there, or correct the prefix"
        )
    if odd := next((path for path in found if not _is_plain(path)), None):
        raise UserError(
            f"{uri}{odd} is no path of a file", position=position, code="TT2004", fix="rename it, or name another prefix"
        )
    size = sum(each["Size"] for each in found.values())
    if size > MOST_BYTES:
        raise UserError(
            f"{uri} holds {size >> 30} GiB; at most {MOST_BYTES >> 30} GiB are copied",
            position=position, code="TT2010", fix="name a smaller prefix",
        )  # fmt: skip
    return dict(sorted(found.items()))


def _is_plain(path: str) -> bool:
    return PurePosixPath(path).as_posix() == path and not path.startswith("/") and ".." not in path.split("/")


def _marks(listed: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[int, str]]:
    return {path: (each["Size"], each["ETag"]) for path, each in listed.items()}


def _sizes(listed: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    return {path: each["Size"] for path, each in listed.items()}


def _stored_sha256(aws: Aws, bucket: str, listed: Mapping[str, Any]) -> str:
    """What S3 keeps of the whole object, in hexadecimal; "" where it keeps none."""
    head = aws.make(Call("s3", "HeadObject", {"Bucket": bucket, "Key": listed["Key"], "ChecksumMode": "ENABLED"}))
    stored = str(head.get("ChecksumSHA256", ""))
    whole = head.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT" and "-" not in stored
    return base64.b64decode(stored).hex() if stored and whole and head["ETag"] == listed["ETag"] else ""


def _read_sha256(aws: Aws, bucket: str, listed: Mapping[str, Any], position: Position, count: Count) -> str:
    digest = hashlib.sha256()
    call = Call("s3", "GetObject", {"Bucket": bucket, "Key": listed["Key"], "IfMatch": listed["ETag"]})
    try:
        for chunk in aws.open(call)["Body"].iter_chunks(1 << 20):
            digest.update(chunk)
            count.add(len(chunk))
    except BotoCoreError as error:  # it broke off
        raise aws.failure(call, error) from error
    except Failure as failure:
        if failure.code in ("PreconditionFailed", "412"):
            raise _changed(f"s3://{bucket}/{listed['Key']}", position) from failure
        raise
    return digest.hexdigest()


def _changed(what: str, position: Position) -> UserError:
    return UserError(
        f"{what} changed while it was read",
        position=position, code="TT2005", reason="DatasetChanged", fix="run it again once nothing writes there",
    )  # fmt: skip
