"""dataset and code -> training job -> unpacked model; or a model that is there already."""

from collections.abc import Mapping

from trimtab.compile.context import Context
from trimtab.compile.keys import hyperparameter_text
from trimtab.compile.policies import training_policy
from trimtab.core.canonical import digest_of
from trimtab.core.kind import Ref
from trimtab.graph.node import Node, Stage
from trimtab.resources import artifact, s3_content, training_job

JOB = "sagemaker.TrainingJob/training"
MODEL = "trimtab.Artifact/model"
LAUNCHER = "launcher.pyz"
_LAUNCHER = f"/opt/ml/input/data/trimtab/{LAUNCHER}"
_CONTENT_STAGES: Mapping[str, Stage] = {"dataset": "dataset", "serving": "image", "evaluation": "evaluation"}
JOB_NAME_LIMIT = 58  # 63, less "-a999" for the attempt


def content_nodes(context: Context) -> tuple[Node, ...]:
    """What training and the image are made of, each under a prefix named by its digest."""
    digests, spec = context.facts.digests, context.spec
    training = (
        content_node(context, "dataset", "datasets", digests.dataset, "dataset"),
        content_node(context, "code", "code", digests.training, "training"),
    )
    return (
        *(training if spec.training else ()),
        *(() if digests.is_own_image else _served_with(context)),
    )


def _served_with(context: Context) -> tuple[Node, ...]:
    """What our own serving image holds beside the model."""
    launcher = content_node(context, "launcher", "launchers", context.facts.pins["launcher"].digest, "launcher")
    if not context.spec.code:
        return (launcher,)
    return launcher, content_node(context, "serving", "serving", context.facts.digests.serving, "serving")


def given_node(context: Context) -> Node:
    """The model that needs no training."""
    origin = artifact.Given(context.facts.digests.model)
    return Node(MODEL, "training", _model(context, origin), key=context.keys["training"])


def training_nodes(context: Context) -> tuple[Node, ...]:
    """The role, the job and its unpacked model."""
    spec = context.spec.training
    assert spec is not None
    key = context.keys["training"]
    role, nodes = job_role(context)
    framework = spec.framework is not None
    job = training_job.Desired(
        name=context.names.keyed(key, JOB_NAME_LIMIT),
        image=context.pinned("training"),
        role_arn=role,
        channels=_channels(context, launcher=framework),
        output_uri=job_outputs(context),
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
        run=job_run(context, role),
        version=context.facts.version,
    )
    after = (*context.content_ids, *(node.id for node in nodes))
    unpacked = _model(context, artifact.Trained(Ref(JOB, "job_name"), Ref(JOB, "artifact_uri"), Ref(JOB, "output_uri")))
    return (
        *nodes,
        Node(JOB, "training", job, after=after, key=key),
        Node(MODEL, "training", unpacked, key=key),
    )


def _model(context: Context, origin: artifact.Trained | artifact.Given) -> artifact.Desired:
    return artifact.Desired(context.data_bucket, context.names.bucket_folder("artifacts"), origin)


def content_node(context: Context, role: str, folder: str, digest: str, source: str) -> Node:
    """Files under a prefix named by their digest. source: name of the content set that the worker reads."""
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
    whole = digests.is_one_channel
    named = [training_job.Channel(name, data if whole else f"{data}{name}/") for name in sorted(digests.channels)]
    named.append(training_job.Channel("code", context.uri("code", digests.training)))
    if launcher:
        named.append(training_job.Channel("trimtab", context.uri("launchers", context.facts.pins["launcher"].digest)))
    return tuple(named)


# --- what the jobs of a document share: training, and an evaluation of the champion -----------------------------------


def job_outputs(context: Context) -> str:
    """ "s3://bucket/prefix", where the platform makes a folder for each job."""
    return f"s3://{context.data_bucket}/{context.names.bucket_folder('jobs')[:-1]}"


def job_run(context: Context, role: str | Ref) -> str:
    """Fingerprint of what shapes an attempt and not its result. role: the one that the job takes."""
    spec = context.spec.training
    run = {"instances": spec.instances.model_dump(mode="json"), "runtime": spec.limits.runtime_s, "role": str(role)}
    return digest_of(run)[:12]


def job_role(context: Context) -> tuple[str | Ref, tuple[Node, ...]]:
    """The role that jobs take, and its node where it is ours to make."""
    roles = context.environment.spec.roles
    if not isinstance(roles, str):
        return roles.training, ()
    policy = training_policy(context.data_bucket, context.names.bucket_folder(), context.region, context.account)
    node = context.role("training", "sagemaker.amazonaws.com", policy)
    return Ref(node.id, "arn"), (node,)
