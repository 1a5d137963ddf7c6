"""Trees of objects in S3 with a record beside them: `<prefix>/...` and `<prefix>.json`. For the kinds that are one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trimtab.core.kind import UID, Call, Failure, Steps, Unknown
from trimtab.resources.shared import allow, ask, chunks, insist, unknown

_BUCKET = "arn:{partition}:s3:::{bucket}"
_OBJECTS = "arn:{partition}:s3:::{bucket}/deployments/*"

PREFIX_LIST_RIGHTS = allow(_BUCKET, "s3:ListBucket")
OBJECT_RIGHTS = allow(_BUCKET, "s3:ListBucket", "s3:ListBucketMultipartUploads") + allow(
    _OBJECTS, "s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"
)
PREFIX_DELETE_RIGHTS = allow(_BUCKET, "s3:ListBucket", "s3:ListBucketMultipartUploads") + allow(
    _OBJECTS, "s3:DeleteObject", "s3:AbortMultipartUpload"
)


@dataclass(frozen=True, slots=True)
class Tree:
    """What a listing shows of one tree."""

    has_record: bool  # `<prefix>.json` exists
    has_objects: bool  # something lies under `<prefix>/`


def list_trees(identities: Sequence[str]) -> Steps[dict[str, Tree | Unknown]]:
    """Look for trees by "bucket|prefix": 1 listing per bucket and parent prefix. What is not answered is absent.

    A bucket that does not exist has no trees.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for identity in identities:
        bucket, _, prefix = identity.partition("|")
        groups.setdefault((bucket, prefix.rpartition("/")[0]), []).append(identity)
    replies = yield from ask(
        Call("s3", "ListObjectsV2", {"Bucket": bucket, "Prefix": f"{parent}/" if parent else "", "Delimiter": "/"})
        for bucket, parent in groups
    )
    trees: dict[str, Tree | Unknown] = {}
    for group, reply in zip(groups.values(), replies, strict=True):
        if isinstance(reply, Failure):
            trees |= {} if reply.meaning == "absent" else dict.fromkeys(group, unknown(reply))
            continue
        records = {item["Key"] for item in reply.get("Contents", ())}
        folders = {item["Prefix"] for item in reply.get("CommonPrefixes", ())}
        for identity in group:
            prefix = identity.partition("|")[2]
            tree = Tree(f"{prefix}.json" in records, f"{prefix}/" in folders)
            if tree.has_record or tree.has_objects:
                trees[identity] = tree
    return trees


def uid_in(key: str) -> Mapping[str, str]:
    """The owner that an address names, spelt as its tag would be: "deployments/<uid>/..."."""
    first, _, rest = key.partition("/")
    return {UID: rest.partition("/")[0]} if first == "deployments" else {}


def delete_tree(bucket: str, prefix: str, record_key: str = "") -> Steps[None]:
    """Delete the record, uploads in progress, then every object under `<prefix>/`.

    The record goes first: what remains after a crash is seen as incomplete, never as whole. Raises Failure when S3 says in
    its 200 that a key stayed.
    """
    if record_key:
        yield from delete_objects(bucket, [record_key])
    folder = f"{prefix}/"
    listed = yield Call("s3", "ListMultipartUploads", {"Bucket": bucket, "Prefix": folder})
    yield from insist(
        Call(
            "s3",
            "AbortMultipartUpload",
            {"Bucket": bucket, "Key": each["Key"], "UploadId": each["UploadId"]},
            repeat="safe",
        )
        for each in listed.get("Uploads", ())
    )
    listed = yield Call("s3", "ListObjectsV2", {"Bucket": bucket, "Prefix": folder})
    yield from delete_objects(bucket, [item["Key"] for item in listed.get("Contents", ())])


def delete_objects(bucket: str, keys: Sequence[str]) -> Steps[None]:
    """Delete objects, 1,000 a call. A key that is gone already is no fault."""
    replies = yield from insist(
        Call(
            "s3",
            "DeleteObjects",
            {"Bucket": bucket, "Delete": {"Objects": [{"Key": key} for key in part], "Quiet": True}},
            repeat="safe",
        )
        for part in chunks(keys, 1000)
    )
    for reply in replies:
        for error in reply.get("Errors", ()):
            meaning = "denied" if error.get("Code") == "AccessDenied" else "transient"
            because = f"s3:DeleteObjects: {error.get('Key')} stayed: {error.get('Code')}: {error.get('Message', '')}"
            raise Failure(meaning, because, code=error.get("Code", ""), operation="s3:DeleteObjects")
