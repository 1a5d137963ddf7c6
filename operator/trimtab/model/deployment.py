"""ModelDeployment, trimtab.dev/v1alpha1: one document from a dataset to a served, watched model."""

from typing import Annotated, Any, Literal

from pydantic import Field

from trimtab.model.base import API_VERSION, Metadata, Model, Reference, field
from trimtab.model.serving import Image, Serving
from trimtab.model.training import Code, Dataset, Evaluation, ExistingModel, Training


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
    deletion: Literal["delete", "retain"] = field(
        "none", "What becomes of the resources when the document is deleted.", "delete"
    )
    adoption: Literal["never", "ifIdentical", "takeOver"] = field(
        "none", "What may be taken over that is there already and is not ours; the environment bounds takeOver.", "never"
    )
    ignore: tuple[Annotated[str, Field(min_length=1, max_length=255)], ...] = field(
        "none", "Fields of resources to leave alone, <kind>:<path>.", (), max_length=50
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
