"""The model: unpacked from what a training job left, or taken as it is, as plain files with a record beside them.

Identity: "bucket|prefix", where the record is `<prefix>.json` and the files lie under `<prefix>/`. The platform leaves
model.tar.gz, which is not reproducible: the artifact's digest is that of the unpacked folder. A worker unpacks (Transfer
"unpack") or takes the files of a model that is there (Transfer "take"), uploads them plain and writes the record last:
`{"digest": "sha256:...", "bytes": 123, "files": [["model.onnx", 100, "<sha256>"], ...], "evaluation": {...} or null,
"metrics": {...}, "problem": ""}`; where the archive cannot be a model, `{"fault": {"reason": "...", "because": "..."}}`.
`problem` says why there is no evaluation. Owned by address, as s3.Content. Cost of observe: 1 ListObjectsV2 per bucket and
parent prefix, 1 GetObject per record.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from trimtab.core.kind import (
    Broken,
    Call,
    Difference,
    Failure,
    Kind,
    Ref,
    Right,
    Settled,
    State,
    Steps,
    Transfer,
    Unknown,
    Verb,
)
from trimtab.resources.evaluations import numbers, read_evaluation
from trimtab.resources.objects import (
    OBJECT_RIGHTS,
    PREFIX_DELETE_RIGHTS,
    PREFIX_LIST_RIGHTS,
    delete_tree,
    list_trees,
    uid_in,
)
from trimtab.resources.shared import allow, ask, known, unknown


@dataclass(frozen=True, slots=True)
class Trained:
    """What a job leaves."""

    job_name: str | Ref  # of the attempt: TrainingJob.job_name
    model_uri: str | Ref  # "s3://<bucket>/.../model.tar.gz": TrainingJob.artifact_uri
    output_uri: str | Ref  # "s3://<bucket>/.../output.tar.gz": TrainingJob.output_uri; the object may be missing


@dataclass(frozen=True, slots=True)
class Given:
    """A model that needs no training."""

    digest: str  # "sha256:...": of its folder
    source: str = "model"  # name of the content set that the worker reads


@dataclass(frozen=True, slots=True)
class Desired:
    bucket: str  # holds the job's output too
    folder: str  # "deployments/<uid>/artifacts", with or without a last slash
    origin: Trained | Given

    @property
    def prefix(self) -> str:
        origin = self.origin
        name = origin.digest.removeprefix("sha256:") if isinstance(origin, Given) else origin.job_name
        return f"{self.folder.rstrip('/')}/{name}"


@dataclass(frozen=True, slots=True)
class Observed:
    bucket: str
    prefix: str
    complete: bool = True  # the record is there
    digest: str = ""  # "sha256:..." of the model folder
    bytes: int = 0
    files: int = 0
    evaluation: Mapping[str, float] = field(default_factory=dict[str, float])  # "<channel>:<metric>" -> value
    test_digest: str = ""  # of what it was evaluated on, where evaluation.json says so
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    problem: str = ""  # why there is no evaluation
    fault: tuple[str, str] | None = None  # (reason, because): what came out of the job is no model

    @property
    def record_key(self) -> str:
        return f"{self.prefix}.json"

    @property
    def uri(self) -> str:
        """ "s3://bucket/prefix/": the plain files."""
        return f"s3://{self.bucket}/{self.prefix}/"


class Artifact:
    name = "trimtab.Artifact"
    rank = 50
    rights: Mapping[Verb, tuple[Right, ...]] = {
        "observe": PREFIX_LIST_RIGHTS + allow("arn:{partition}:s3:::{bucket}/deployments/*", "s3:GetObject"),
        "create": OBJECT_RIGHTS,
        "update": (),
        "delete": PREFIX_DELETE_RIGHTS,
    }

    def identity(self, desired: Desired) -> str:
        return f"{desired.bucket}|{desired.prefix}"

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, Observed | Unknown]]:
        trees = yield from list_trees(wanted)
        split = {identity: _split(identity) for identity in trees}
        recorded = [identity for identity, tree in trees.items() if not isinstance(tree, Unknown) and tree.has_record]
        replies = yield from ask(
            Call("s3", "GetObject", {"Bucket": split[each][0], "Key": f"{split[each][1]}.json"}) for each in recorded
        )
        seen: dict[str, Observed | Unknown] = {
            identity: tree if isinstance(tree, Unknown) else Observed(*split[identity], complete=False)
            for identity, tree in trees.items()
        }
        for identity, reply in zip(recorded, replies, strict=True):
            seen[identity] = unknown(reply) if isinstance(reply, Failure) else _seen(*split[identity], reply["Body"])
        return seen

    def tags(self, observed: Sequence[Observed]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        yield from ()
        return [uid_in(each.prefix) for each in observed]

    def state(self, desired: Desired, observed: Observed) -> State:
        if observed.fault:
            return Broken(*observed.fault)
        if observed.complete:
            return Settled()
        return Broken("Incomplete", f"bringing the model to {observed.uri} did not finish", again=True)

    def diff(self, desired: Desired, observed: Observed) -> tuple[Difference, ...]:
        return ()

    def create(self, desired: Desired) -> Steps[None]:
        origin = desired.origin
        if isinstance(origin, Trained):
            known(origin.job_name)
        there = {
            "bucket": desired.bucket,
            "prefix": f"{desired.prefix}/",
            "record_key": f"{desired.prefix}.json",
        }
        if isinstance(origin, Given):
            yield Transfer("take", {**there, "source": origin.source, "digest": origin.digest})
            return
        keys = {
            "model_key": _key(desired.bucket, known(origin.model_uri)),
            "output_key": _key(desired.bucket, known(origin.output_uri)),
        }
        yield Transfer("unpack", {**there, **keys})

    def update(self, desired: Desired, observed: Observed, drift: Sequence[Difference]) -> Steps[None]:
        yield from ()

    def delete(self, observed: Observed) -> Steps[None]:
        return delete_tree(observed.bucket, observed.prefix, observed.record_key)


def _split(identity: str) -> tuple[str, str]:
    bucket, _, prefix = identity.partition("|")
    return bucket, prefix


def _key(bucket: str, uri: str) -> str:
    return uri.removeprefix(f"s3://{bucket}/")


def _seen(bucket: str, prefix: str, body: bytes) -> Observed:
    """Read a record. One that cannot be read counts as not written: the worker makes it again."""
    try:
        record = cast(dict[str, Any], json.loads(body))
        if fault := record.get("fault"):
            return Observed(bucket, prefix, fault=(str(fault["reason"]), str(fault["because"])))
        values, dataset, problem = read_evaluation(record.get("evaluation"))
        return Observed(
            bucket,
            prefix,
            digest=record["digest"],
            bytes=record["bytes"],
            files=len(record["files"]),
            evaluation=values,
            test_digest=str(dataset.get("digest", "")),
            metrics=numbers(record.get("metrics")),
            problem=record.get("problem") or problem,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return Observed(bucket, prefix, complete=False)


KIND: Kind[Desired, Observed] = Artifact()
