"""ModelDeployment, trimtab.dev/v1alpha1: one document from a dataset to a served, watched model. DESIGN, section 1."""

from typing import Literal

from pydantic import model_validator

from trimtab.model.base import API_VERSION, Metadata, Model, Reference, field
from trimtab.model.serving import Image, Serving
from trimtab.model.training import Code, Dataset, Evaluation, ExistingModel, Training


class Capture(Model):
    """Recording of requests."""

    percent: float = field("none", "Share of requests to record.", 0, ge=0, le=100)


class Drift(Model):
    """Watching for input that is unlike the training data."""

    enabled: bool = field("none", "Watch.", False)


class Monitoring(Model):
    """Watching the model's quality."""

    capture: Capture = field("none", "Recording of requests.", Capture)
    drift: Drift = field("none", "Watching for drift of the data.", Drift)
    action: Literal["alert", "rollback", "retrain"] = field("none", "What to do when quality falls.", "alert")


class Policy(Model):
    """How far trimtab may go."""

    drift: Literal["correct", "report", "off"] = field("none", "What to do about changes from outside.", "correct")
    deletion: Literal["delete", "retain"] = field("none", "What becomes of the resources when the document goes.", "delete")
    adoption: Literal["never", "ifIdentical", "takeOver"] = field(
        "none", "What may be taken over that is there already.", "never"
    )
    ignore: tuple[str, ...] = field("none", "Fields of resources to leave alone.", ())


class Spec(Model):
    """What is declared."""

    environment_ref: Reference = field("none", "The Environment to deploy to.", lambda: Reference(name="local"))
    dataset: Dataset | None = field("result", "The data to train on.", None)
    code: Code | None = field("result", "The model's code.", None)
    training: Training | None = field("result", "How to train; leave it out to serve a model that is there.", None)
    model: ExistingModel | None = field("result", "A model that needs no training.", None)
    evaluation: Evaluation = field("none", "What a model must meet before it may serve.", Evaluation)
    image: Image = field("result", "The image that serves.", Image)
    serving: Serving = field("result", "How the model serves.", Serving)
    monitoring: Monitoring = field("none", "Watching the model's quality.", Monitoring)
    policy: Policy = field("none", "How far trimtab may go.", Policy)
    revision_history_limit: int = field("none", "How many revisions to keep.", 10, ge=1, le=100)
    suspend: bool = field("none", "Do nothing until this is false again.", False)

    @model_validator(mode="after")
    def _trained_or_given(self) -> "Spec":
        if (self.training is None) == (self.model is None):
            raise ValueError("needs exactly one of training and model")
        if self.training and (self.dataset is None or self.code is None):
            raise ValueError("training needs dataset and code")
        return self


class ModelDeployment(Model):
    """One model, from data to a served endpoint."""

    api_version: Literal["trimtab.dev/v1alpha1"] = field("none", "Version of the API.", API_VERSION)
    kind: Literal["ModelDeployment"] = field("none", "Kind of the document.", "ModelDeployment")
    metadata: Metadata = field("none", "Who it is.")
    spec: Spec = field("none", "What is declared.")
