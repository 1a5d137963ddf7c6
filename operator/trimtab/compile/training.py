"""dataset and code -> training job -> unpacked model."""

from collections.abc import Mapping

from trimtab.compile.context import Context
from trimtab.compile.keys import hyperparameter_text
from trimtab.compile.policies import training_policy
from trimtab.core.canonical import digest_of
from trimtab.core.kind import KEY, Ref
from trimtab.graph.node import Node, Stage
from trimtab.resources import artifact, iam_role, s3_content, training_job

JOB = "sagemaker.TrainingJob/training"
MODEL = "trimtab.Artifact/model"
_LAUNCHER = "/opt/ml/input/data/trimtab/launcher.pyz"
_CONTENT_STAGES: Mapping[str, Stage] = {"dataset": "dataset", "serving": "image"}
_JOB_NAME_LIMIT = 58  # 63, less "-a999" for the attempt


def content_nodes(context: Context) -> tuple[Node, ...]:
    """What training and the image are made of, each under a prefix named by its digest."""
    digests = context.facts.digests
    launcher = context.facts.pins["launcher"].digest
    return (
        _content(context, "dataset", "datasets", digests.dataset, "dataset"),
        _content(context, "code", "code", digests.training, "training"),
        _content(context, "launcher", "launchers", launcher, "launcher"),
        _content(context, "serving", "serving", digests.serving, "serving"),
    )


def training_nodes(context: Context) -> tuple[Node, ...]:
    """The role, the job and its unpacked model."""
    spec = context.spec.training
    assert spec is not None
    key = context.keys["training"]
    image = context.facts.pins["training"]
    role, nodes = _role(context)
    run = {"instances": spec.instances.model_dump(mode="json"), "runtime": spec.limits.runtime_s, "role": str(role)}
    framework = spec.framework is not None
    job = training_job.Desired(
        name=context.names.keyed(key, _JOB_NAME_LIMIT),
        image=f"{image.text.partition('@')[0].rpartition(':')[0]}@{image.digest}",
        role_arn=role,
        channels=_channels(context, launcher=framework),
        output_uri=f"s3://{context.data_bucket}/{context.names.bucket_folder('jobs')[:-1]}",
        instance_type=spec.instances.type,
        tags=context.tags(key),
        # A framework's image knows nothing of us: the launcher comes as a channel. An image of one's own answers `train`.
        entrypoint=("python3", _LAUNCHER) if framework else (),
        arguments=("train",) if framework else (),
        hyperparameters={name: hyperparameter_text(value) for name, value in sorted(spec.hyperparameters.items())},
        environment={"TRIMTAB_ENTRY_POINT": spec.entry_point} if framework else {},
        metrics=dict(spec.metrics),
        instance_count=spec.instances.count,
        fallback=tuple(spec.instances.fallback),
        max_runtime_s=spec.limits.runtime_s,
        run=digest_of(run)[:12],
    )
    after = (*context.content_ids, *(node.id for node in nodes))
    unpacked = artifact.Desired(
        bucket=context.data_bucket,
        folder=context.names.bucket_folder("artifacts"),
        job_name=Ref(JOB, "job_name"),
        model_uri=Ref(JOB, "artifact_uri"),
        output_uri=Ref(JOB, "output_uri"),
    )
    return (
        *nodes,
        Node(JOB, "training", job, after=after, key=key),
        Node(MODEL, "training", unpacked, key=key),
    )


def _content(context: Context, role: str, folder: str, digest: str, source: str) -> Node:
    desired = s3_content.Desired(
        bucket=context.data_bucket,
        prefix=context.names.bucket_folder(folder, digest.removeprefix("sha256:")),
        digest=digest,
        source=source,
    )
    return Node(f"s3.Content/{role}", _CONTENT_STAGES.get(role, "training"), desired, key=digest)


def _channels(context: Context, *, launcher: bool) -> tuple[training_job.Channel, ...]:
    digests = context.facts.digests
    data = context.uri("datasets", digests.dataset)
    channels = digests.channels
    whole = set(channels) == {"training"} and channels["training"] == digests.dataset
    named = [training_job.Channel(name, data if whole else f"{data}{name}/") for name in sorted(channels)]
    named.append(training_job.Channel("code", context.uri("code", digests.training)))
    if launcher:
        named.append(training_job.Channel("trimtab", context.uri("launchers", context.facts.pins["launcher"].digest)))
    return tuple(named)


def _role(context: Context) -> tuple[str | Ref, tuple[Node, ...]]:
    roles = context.environment.spec.roles
    if not isinstance(roles, str):
        return roles.training, ()
    policy = training_policy(context.data_bucket, context.names.bucket_folder(), context.region, context.account)
    node = context.role("training", "sagemaker.amazonaws.com", policy)
    return Ref(node.id, "arn"), (node,)


__all__ = ["JOB", "KEY", "MODEL", "content_nodes", "iam_role", "training_nodes"]
