"""The gate: thresholds, and the model that serves now as the champion to meet.

A champion that was measured on other test data is measured again on the candidate's, by a processing job that runs the
code's own evaluation script on it. The job needs nothing of the candidate, so it runs beside training.
"""

from trimtab.compile.context import Context
from trimtab.compile.facts import ServingModel
from trimtab.compile.keys import evaluation_key
from trimtab.compile.training import (
    JOB,
    JOB_NAME_LIMIT,
    LAUNCHER,
    MODEL,
    content_node,
    job_outputs,
    job_role,
    job_run,
)
from trimtab.core.kind import Ref
from trimtab.graph.node import Node
from trimtab.resources import gate, processing_job

GATE = "trimtab.Gate/gate"
CHAMPION = "sagemaker.ProcessingJob/champion"
_INPUT = "/opt/ml/processing/input"  # laid out as trimtab_container.paths.EvaluationPaths reads it
_LONGEST_S = 777_600  # SageMaker's limit for a processing job; a training job may have more


def evaluation_nodes(context: Context) -> tuple[Node, ...]:
    """The gate, and the evaluation of the champion where it must be evaluated again.

    Judged once per (training key, artifact, thresholds, champion and its evaluation). Children wait for the gate by order
    alone.
    """
    serving = _champion(context)
    champion = _met(context, serving) if serving else None
    desired = gate.Desired(
        training_key=context.keys["training"],
        artifact=Ref(MODEL, "digest"),
        thresholds=tuple(_threshold(each) for each in context.spec.evaluation.gates),
        champion=champion,
        job_metrics=Ref(JOB if context.spec.training else MODEL, "metrics"),
        evaluation=Ref(MODEL, "evaluation"),
        problem=Ref(MODEL, "problem"),
    )
    again = _job_nodes(context, serving, champion.evaluation) if serving and champion and champion.evaluation else ()
    return (*again, Node(GATE, "evaluation", desired))


def _threshold(declared: object) -> gate.Threshold:
    at_least, at_most = getattr(declared, "at_least"), getattr(declared, "at_most")  # noqa: B009
    metric: str = getattr(declared, "metric")  # noqa: B009
    if at_least is not None:
        return gate.Threshold(metric, "atLeast", float(at_least))
    return gate.Threshold(metric, "atMost", float(at_most))


def _champion(context: Context) -> ServingModel | None:
    """The serving model, unless this one serves or has served: what passed once is not judged against its successor."""
    if context.spec.evaluation.champion is None or context.artifact in context.facts.proven:
        return None
    return context.facts.serving_model


def _met(context: Context, serving: ServingModel) -> gate.Champion:
    """How the candidate is compared with it: by what is known of it, by an evaluation of now, or not at all."""
    declared = context.spec.evaluation.champion
    metric, loss, value = declared.metric, float(declared.tolerated_loss), serving.metrics.get(declared.metric)
    digests = context.facts.digests
    beside = digests.is_beside_test(metric)
    data, had = (digests.dataset, serving.dataset) if beside else (digests.test, serving.test)
    same_data = bool(had) and had == data
    if same_data and value is not None:
        return gate.Champion(metric, loss, serving.artifact, value)
    if not _why_not(context, serving):
        key = evaluation_key(context.deployment, context.facts, serving.artifact, data)
        report, problem = Ref(CHAMPION, "report"), Ref(CHAMPION, "problem")
        return gate.Champion(metric, loss, serving.artifact, evaluation=key, report=report, problem=problem)
    known = f"it was never measured by {metric}" if same_data else "it was evaluated on other test data"
    return gate.Champion(metric, loss, serving.artifact, uncompared=f"{known}, and {_why_not(context, serving)}")


def _why_not(context: Context, serving: ServingModel) -> str:
    """Why the champion cannot be evaluated again; "" when it can."""
    if context.spec.training is None:
        return "a document that trains nothing has no data and no code to evaluate it again"
    if not context.facts.digests.evaluation:
        return f"the code has no {context.spec.evaluation.entry_point} to evaluate it again"
    return "" if serving.folder else "where its files lie is not known"


def _job_nodes(context: Context, serving: ServingModel, key: str) -> tuple[Node, Node]:
    """The evaluation script, and the job that runs it on the champion."""
    digests, training = context.facts.digests, context.spec.training
    role, nodes = job_role(context)
    script = content_node(context, "evaluation", "evaluation", digests.evaluation, "evaluation")
    inputs = {
        "model": (f"s3://{context.data_bucket}/{serving.folder}", "model"),
        "data": _test_data(context),
        "code": (context.uri("code", digests.training), "code"),
        "script": (context.uri("evaluation", digests.evaluation), "script"),
        "trimtab": (context.uri("launchers", context.facts.pins["launcher"].digest), "trimtab"),
    }
    job = processing_job.Desired(
        name=context.names.keyed(key, JOB_NAME_LIMIT),
        image=context.pinned("training"),
        role_arn=role,
        inputs=tuple(processing_job.Input(name, uri, f"{_INPUT}/{path}") for name, (uri, path) in inputs.items()),
        output_uri=job_outputs(context),
        instance_type=training.instances.type,
        tags=context.tags(key),
        reason="ChampionUnevaluated",
        entrypoint=("python3", f"{_INPUT}/trimtab/{LAUNCHER}"),
        arguments=("evaluate",),
        environment={"TRIMTAB_ENTRY_POINT": context.spec.evaluation.entry_point},
        report="evaluation.json",
        max_runtime_s=min(training.limits.runtime_s, _LONGEST_S),
        run=job_run(context, role),
        version=context.facts.version,
    )
    after = (*context.content_ids, script.id, *(node.id for node in nodes))
    return script, Node(CHAMPION, "evaluation", job, after=after, key=key)


def _test_data(context: Context) -> tuple[str, str]:
    """(URI, path below the inputs): the channel `test`, or all of the dataset; channels lie as training has them."""
    digests = context.facts.digests
    data = context.uri("datasets", digests.dataset)
    if "test" in digests.channels and not digests.is_beside_test(context.spec.evaluation.champion.metric):
        return f"{data}test/", "data/test"
    return data, "data/training" if digests.is_one_channel else "data"
