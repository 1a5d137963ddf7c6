"""The accepted model of a training job, unpacked to plain files, with a record beside them.

Identity: "bucket|prefix", where the record is `<prefix>.json` and the files lie under `<prefix>/`. The platform leaves
model.tar.gz, which is not reproducible: the artifact's digest is that of the unpacked folder. A worker unpacks (Transfer
"unpack"), uploads the plain files and writes the record last:
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
class Desired:
    bucket: str  # holds the job's output too
    folder: str  # "deployments/<uid>/artifacts", with or without a last slash
    job_name: str | Ref  # of the attempt: TrainingJob.job_name
    model_uri: str | Ref  # "s3://<bucket>/.../model.tar.gz": TrainingJob.artifact_uri
    output_uri: str | Ref  # "s3://<bucket>/.../output.tar.gz": TrainingJob.output_uri; the object may be missing

    @property
    def prefix(self) -> str:
        return f"{self.folder.rstrip('/')}/{self.job_name}"


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
        return Broken("Incomplete", f"unpacking to {observed.uri} did not finish", again=True)

    def diff(self, desired: Desired, observed: Observed) -> tuple[Difference, ...]:
        return ()

    def create(self, desired: Desired) -> Steps[None]:
        known(desired.job_name)
        yield Transfer(
            "unpack",
            {
                "bucket": desired.bucket,
                "prefix": f"{desired.prefix}/",
                "record_key": f"{desired.prefix}.json",
                "model_key": _key(desired.bucket, known(desired.model_uri)),
                "output_key": _key(desired.bucket, known(desired.output_uri)),
            },
        )

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
        values, dataset, problem = _read_evaluation(record.get("evaluation"))
        return Observed(
            bucket,
            prefix,
            digest=record["digest"],
            bytes=record["bytes"],
            files=len(record["files"]),
            evaluation=values,
            test_digest=str(dataset.get("digest", "")),
            metrics=_numbers(record.get("metrics")),
            problem=record.get("problem") or problem,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return Observed(bucket, prefix, complete=False)


def _read_evaluation(evaluation: Any) -> tuple[dict[str, float], Mapping[str, Any], str]:
    """(values by "<channel>:<metric>", what it was evaluated on, what is wrong with it).

    evaluation: `{"metrics": {"accuracy": 0.97}, "dataset": {"channel": "test"}}`, or with metrics by channel,
    `{"metrics": {"test": {"accuracy": 0.97}}}`, as the user's code wrote it: any value.
    """
    if evaluation is None:
        return {}, {}, "the job left no evaluation.json"
    body = _mapping(evaluation)
    dataset, metrics = _mapping(body.get("dataset")), _mapping(body.get("metrics"))
    if not metrics:
        return {}, dataset, "evaluation.json holds no metrics"
    channel = dataset.get("channel", "test")
    flat: dict[str, Any] = {}
    for name, value in metrics.items():
        nested = _mapping(value)
        flat |= {f"{name}:{inner}": each for inner, each in nested.items()} if nested else {f"{channel}:{name}": value}
    values = _numbers(flat)
    odd = sorted(name for name in flat if name not in values)
    problem = f"evaluation.json: {', '.join(odd)} is no number" if odd else ""
    return values, dataset, problem


def _numbers(value: Any) -> dict[str, float]:
    return {
        name: float(each)
        for name, each in _mapping(value).items()
        if isinstance(each, (int, float)) and not isinstance(each, bool)
    }


def _mapping(value: Any) -> dict[str, Any]:
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


KIND: Kind[Desired, Observed] = Artifact()
