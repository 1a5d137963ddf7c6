"""A tree of files at a content-addressed prefix: a dataset, code, or the launcher that jobs are given.

Identity: "bucket|prefix", the prefix without its last slash. Complete when its manifest object `<prefix>.json` exists: the
upload writes it last, and a delete removes it first, so that a crash on either way leaves what is seen as incomplete and is
taken up again. Owned by address: the prefix begins with `deployments/<uid>/`. Cost of observe: 1 ListObjectsV2 per bucket
and parent prefix, which shows manifests and folders but not what is in them.
Source: Amazon S3 API, ListObjectsV2 (Delimiter), DeleteObjects (1,000 keys; failures come in a 200).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trimtab.core.kind import Broken, Difference, Kind, Right, Settled, State, Steps, Transfer, Unknown, Verb
from trimtab.resources.objects import (
    OBJECT_RIGHTS,
    PREFIX_DELETE_RIGHTS,
    PREFIX_LIST_RIGHTS,
    delete_tree,
    list_trees,
    uid_in,
)


@dataclass(frozen=True, slots=True)
class Desired:
    bucket: str
    prefix: str  # "deployments/<uid>/datasets/<digest>", with or without a last slash
    digest: str  # "sha256:...": of the whole tree, by trimtab_container.digests
    source: str  # name of the content set that the worker reads: "dataset", "training", "serving", "launcher"


@dataclass(frozen=True, slots=True)
class Observed:
    bucket: str
    prefix: str  # without a last slash
    complete: bool

    @property
    def uri(self) -> str:
        """ "s3://bucket/prefix/": what a channel of a job takes."""
        return f"s3://{self.bucket}/{self.prefix}/"

    @property
    def manifest_key(self) -> str:
        return f"{self.prefix}.json"


class S3Content:
    name = "s3.Content"
    rank = 50
    rights: Mapping[Verb, tuple[Right, ...]] = {
        "observe": PREFIX_LIST_RIGHTS,
        "create": OBJECT_RIGHTS,
        "update": (),
        "delete": PREFIX_DELETE_RIGHTS,
    }

    def identity(self, desired: Desired) -> str:
        return f"{desired.bucket}|{desired.prefix.rstrip('/')}"

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, Observed | Unknown]]:
        trees = yield from list_trees(wanted)
        seen: dict[str, Observed | Unknown] = {}
        for identity, tree in trees.items():
            bucket, _, prefix = identity.partition("|")
            seen[identity] = tree if isinstance(tree, Unknown) else Observed(bucket, prefix, tree.has_record)
        return seen

    def tags(self, observed: Sequence[Observed]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        yield from ()
        return [uid_in(each.prefix) for each in observed]

    def state(self, desired: Desired, observed: Observed) -> State:
        if observed.complete:
            return Settled()
        return Broken("Incomplete", f"the upload to {observed.uri} did not finish", again=True)

    def diff(self, desired: Desired, observed: Observed) -> tuple[Difference, ...]:
        return ()  # its address is its content

    def create(self, desired: Desired) -> Steps[None]:
        prefix = desired.prefix.rstrip("/")
        yield Transfer(
            "upload",
            {
                "bucket": desired.bucket,
                "prefix": f"{prefix}/",
                "manifest_key": f"{prefix}.json",
                "source": desired.source,
                "digest": desired.digest,
            },
        )

    def update(self, desired: Desired, observed: Observed, drift: Sequence[Difference]) -> Steps[None]:
        yield from ()

    def delete(self, observed: Observed) -> Steps[None]:
        return delete_tree(observed.bucket, observed.prefix, observed.manifest_key)


KIND: Kind[Desired, Observed] = S3Content()
