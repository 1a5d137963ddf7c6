"""The gate: thresholds, and the model that serves now as the champion to meet."""

from trimtab.compile.context import Context
from trimtab.compile.training import JOB, MODEL
from trimtab.core.kind import Ref
from trimtab.graph.node import Node
from trimtab.resources import gate

GATE = "trimtab.Gate/gate"


def gate_node(context: Context) -> Node:
    """Judged once per (training key, artifact, thresholds, champion). Children wait for it by order alone."""
    evaluation = context.spec.evaluation
    desired = gate.Desired(
        training_key=context.keys["training"],
        artifact=Ref(MODEL, "digest"),
        thresholds=tuple(_threshold(each) for each in evaluation.gates),
        champion=_champion(context),
        job_metrics=Ref(JOB, "metrics"),
        evaluation=Ref(MODEL, "evaluation"),
        problem=Ref(MODEL, "problem"),
    )
    return Node(GATE, "evaluation", desired)


def _threshold(declared: object) -> gate.Threshold:
    at_least, at_most = getattr(declared, "at_least"), getattr(declared, "at_most")  # noqa: B009
    metric: str = getattr(declared, "metric")  # noqa: B009
    if at_least is not None:
        return gate.Threshold(metric, "atLeast", float(at_least))
    return gate.Threshold(metric, "atMost", float(at_most))


def _champion(context: Context) -> gate.Champion | None:
    """The serving model, unless this one serves or has served: what passed once is not judged against its successor."""
    declared, serving = context.spec.evaluation.champion, context.facts.serving_model
    artifact = context.facts.artifacts.get(context.keys["training"], {}).get("digest", "")
    if declared is None or serving is None or artifact in context.facts.proven:
        return None
    return gate.Champion(
        metric=declared.metric,
        tolerated_loss=float(declared.tolerated_loss),
        value=serving.metrics.get(declared.metric),
        artifact=serving.artifact,
        same_test=serving.test == context.facts.digests.test,
    )
