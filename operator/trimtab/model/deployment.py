"""ModelDeployment, trimtab.dev/v1alpha1: one document from a dataset to a served, watched model."""

import difflib
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field

from trimtab.model.base import API_VERSION, Metadata, Model, Reference, field, rule
from trimtab.model.serving import Image, Serving
from trimtab.model.training import Code, Dataset, Evaluation, ExistingModel, Training

KindName = Literal[
    "apigateway.ApiKey",
    "apigateway.RestApi",
    "apigateway.Stage",
    "apigateway.UsagePlan",
    "apigatewayv2.VpcLink",
    "autoscaling.ScalableTarget",
    "autoscaling.ScalingPolicy",
    "autoscaling.ScheduledAction",
    "cloudwatch.Alarm",
    "cloudwatch.DeploymentAlarm",
    "ecr.Image",
    "ecr.Repository",
    "ecs.Cluster",
    "ecs.Service",
    "ecs.TaskDefinition",
    "elbv2.Listener",
    "elbv2.ListenerRule",
    "elbv2.LoadBalancer",
    "elbv2.TargetGroup",
    "iam.Role",
    "logs.LogGroup",
    "s3.Content",
    "sagemaker.ProcessingJob",
    "sagemaker.TrainingJob",
    "trimtab.Artifact",
    "trimtab.Gate",
]
# Without these nobody could say which release runs.
_NEVER_IGNORED = ("ecs.Service:taskDefinition", "ecs.Service:loadBalancers")


def _ignorable(given: str) -> str:
    kind, colon, path = given.partition(":")
    kinds = get_args(KindName)
    if not colon or not path:
        raise rule(f"{given!r} names no field", fix="write <kind>:<path>, as in ecs.Service:desiredCount")
    if kind not in kinds:
        near = difflib.get_close_matches(kind, kinds, 1)
        raise rule(f"there is no kind {kind!r}", fix=f"did you mean {near[0]}?" if near else f"kinds: {', '.join(kinds)}")
    if given in _NEVER_IGNORED:
        raise rule(f"{given} says which release runs, and cannot be ignored", fix="set policy.driftByKind instead")
    return given


IgnoredField = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_ignorable)]


class Capture(Model):
    """Recording of requests and answers."""

    percent: float = field("none", "Share of requests to record.", 0, ge=0, le=100, examples=[10])


class Drift(Model):
    """Watching for input that is unlike the training data."""

    enabled: bool = field("none", "Compare what is captured with the training data.", False)


class Monitoring(Model):
    """Watching the model's quality while it serves."""

    capture: Capture = field("none", "Recording of requests and answers, to the data bucket.", Capture)
    drift: Drift = field("none", "Watching for input that is unlike the training data.", Drift)
    action: Literal["alert", "rollback", "retrain"] = field("none", "What to do when quality falls.", "alert")


class Policy(Model):
    """How far trimtab may go."""

    drift: Literal["correct", "report", "off"] = field(
        "none", "What to do about changes from outside: put them right, say so, or not look.", "correct"
    )
    drift_by_kind: dict[KindName, Literal["correct", "report", "off"]] = field(
        "none",
        "The same for one kind of resource, such as ecs.Service; what is not named follows drift.",
        dict,
        max_length=50,
    )
    deletion: Literal["delete", "retain"] = field(
        "none",
        "What becomes of what exists when the deployment is deleted: it goes too, or stays and is let go of.",
        "delete",
    )
    adoption: Literal["never", "ifIdentical", "takeOver"] = field(
        "none", "What may be taken over that is there already and is not ours; the environment bounds takeOver.", "never"
    )
    ignore: tuple[IgnoredField, ...] = field(
        "none", "Fields of resources to leave alone, <kind>:<path> as `trimtab drift` prints them.", (), max_length=50
    )


class Spec(Model):
    """What is declared."""

    exactly_one = (("training", "model"),)
    together = {"training": ("dataset", "code")}

    environment_ref: Reference = field("none", "The Environment to deploy to.", lambda: Reference(name="local"))
    dataset: Dataset | None = field("result", "The data to train on, by content.", None)
    code: Code | None = field("result", "The model's code, by content.", None)
    training: Training | None = field("result", "How to train; leave it out to serve a model that is there.", None)
    model: ExistingModel | None = field("result", "A model that needs no training.", None)
    evaluation: Evaluation = field("none", "What a model must meet before it may serve.", Evaluation)
    image: Image = field("result", "The image that serves.", Image)
    serving: Serving = field("result", "How the model serves.", Serving)
    monitoring: Monitoring = field("none", "Watching the model's quality while it serves.", Monitoring)
    policy: Policy = field("none", "How far trimtab may go.", Policy)
    revision_history_limit: int = field("none", "How many revisions to keep for rollbacks.", 10, ge=1, le=100)
    suspend: bool = field("none", "Do nothing until this is false again; what serves goes on serving.", False)


class ModelDeployment(Model):
    """One model, from data to a served endpoint."""

    api_version: Literal["trimtab.dev/v1alpha1"] = field("none", "Version of the API.", API_VERSION)
    kind: Literal["ModelDeployment"] = field("none", "Kind of the document.", "ModelDeployment")
    metadata: Metadata = field("none", "Who it is.")
    spec: Spec = field("none", "What is declared.")


def effective(deployment: ModelDeployment) -> dict[str, Any]:
    """The spec as it applies, every default written out, in the document's spelling. Shown as `status.effective`."""
    return deployment.spec.model_dump(mode="json", by_alias=True)
