"""How the model comes about: dataset, code, training, evaluation, or a model that is there already."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from trimtab.core.quantities import duration_s
from trimtab.model.base import Model, field

Source = Annotated[str, Field(min_length=1, max_length=1024)]
INSTANCE = r"^ml\.[a-z0-9-]+\.[a-z0-9]+$"
FILE = r"^[^/\x00][^\x00]*$"
_TRAINING_FILES = ("**", "!*.md", "!tests/", "!Dockerfile", "!serve/", "!inference.py", "!__pycache__/", "!.*")
Hyperparameter = bool | int | float | str


def _duration(text: str) -> str:
    duration_s(text)
    return text


def _expression(text: str) -> str:
    try:
        groups = re.compile(text).groups
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from error
    if groups != 1:
        raise ValueError(f"{text!r} has {groups} groups; the value is taken from exactly one")
    return text


Duration = Annotated[str, AfterValidator(_duration)]
Expression = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_expression)]


class Dataset(Model):
    """The data to train on, by content."""

    source: Source = field("result", "Folder beside the document, or s3://bucket/prefix.", examples=["./data"])
    pin: Literal["copy", "verify"] = field(
        "none", "Copy the data to our own prefix, or only verify that it did not change.", "copy"
    )


class Code(Model):
    """The model's code, by content."""

    source: Source = field("result", "Folder beside the document, s3:// or a Git URL@ref.", examples=["./model"])


class Framework(Model):
    """A framework whose training image the environment names."""

    name: str = field("result", "Name, as the environment's images.training lists it.", max_length=63, examples=["pytorch"])
    version: str = field(
        "result", "Version as text; resolved once, and again when the text changes.", max_length=32, examples=["2.x"]
    )


class Instances(Model):
    """What training runs on; another choice shapes the next attempt only."""

    type: str = field("run", "SageMaker instance type.", "ml.m5.large", pattern=INSTANCE)
    count: int = field("run", "How many hosts.", 1, ge=1, le=100)
    fallback: tuple[Annotated[str, Field(pattern=INSTANCE)], ...] = field(
        "run", "Types to try when there is no capacity.", ()
    )


class Spot(Model):
    """Managed spot training."""

    enabled: bool = field("run", "Use spot capacity; the job checkpoints, waits and resumes.", False)


class Limits(Model):
    """What training may take."""

    runtime: Duration = field("run", "The longest a job may run.", "24h", examples=["30m"])

    @property
    def runtime_s(self) -> int:
        return duration_s(self.runtime)


class Tuning(Model):
    """A search over hyper-parameters."""

    strategy: Literal["Bayesian", "Random", "Hyperband", "Grid"] = field("result", "How to search.", "Bayesian")
    objective: str = field("result", "Metric to optimise.", max_length=255)
    goal: Literal["Maximize", "Minimize"] = field("result", "Which way is better.", "Maximize")
    ranges: dict[str, tuple[Hyperparameter, ...]] = field(
        "result", "By hyper-parameter: lowest and highest, or the choices.", dict
    )
    max_jobs: int = field("run", "How many jobs in all.", 10, ge=1, le=750)
    max_parallel_jobs: int = field("run", "How many at once.", 2, ge=1, le=100)
    early_stopping: bool = field("run", "Stop jobs that will not win.", False)


class Training(Model):
    """One training job for each generation."""

    entry_point: str = field("result", "Script inside the code folder.", "train.py", max_length=255, pattern=FILE)
    framework: Framework | None = field("result", "Framework to train with.", None)
    image: str | None = field(
        "result", "Image that keeps the SageMaker training contract, instead of a framework.", None, max_length=255
    )
    files: tuple[str, ...] = field(
        "result", "Patterns of the code files that training uses; the last that matches wins.", _TRAINING_FILES
    )
    instances: Instances = field("run", "What to run on.", Instances)
    distribution: Literal["none", "torchrun"] = field("result", "How several processes work together.", "none")
    hyperparameters: dict[Annotated[str, Field(max_length=256)], Hyperparameter] = field(
        "result", "Text, numbers or booleans; the script gets each as --name value.", dict, max_length=100
    )
    metrics: dict[Annotated[str, Field(max_length=255)], Expression] = field(
        "result", "By metric: a regular expression over the log, whose one group is the value.", dict, max_length=40
    )
    spot: Spot = field("run", "Managed spot training.", Spot)
    limits: Limits = field("run", "What training may take.", Limits)
    trigger: str = field("result", "Any text; changing it trains again.", "", max_length=256, examples=["2026-11"])
    tuning: Tuning | None = field("result", "A search over hyper-parameters.", None)

    @model_validator(mode="after")
    def _one_image(self) -> "Training":
        if (self.framework is None) == (self.image is None):
            raise ValueError("needs exactly one of framework and image")
        long = [name for name, value in self.hyperparameters.items() if len(str(value)) > 2500]
        if long:
            raise ValueError(f"hyperparameters.{long[0]} has more than 2,500 characters")
        return self


class ModelFrom(Model):
    """The model of another deployment."""

    environment: str = field("result", "Environment it is in.", max_length=63)
    deployment: str = field("result", "Deployment, <namespace>/<name>.", max_length=127)
    revision: int = field("result", "Its revision.", ge=1)


class ExistingModel(Model):
    """A model that needs no training."""

    source: Source | None = field("result", "Folder or s3:// of the model.", None)
    from_: ModelFrom | None = field("result", "The model of another deployment.", None, alias="from")


class Gate(Model):
    """A threshold that a model must meet."""

    metric: str = field(
        "none", "<channel>:<metric> of evaluation.json, or a metric of the job.", max_length=255, examples=["test:accuracy"]
    )
    at_least: float | None = field("none", "The lowest value that passes.", None)
    at_most: float | None = field("none", "The highest value that passes.", None)

    @model_validator(mode="after")
    def _one_bound(self) -> "Gate":
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("needs exactly one of atLeast and atMost")
        return self


class Champion(Model):
    """Comparison with the model that serves now."""

    metric: str = field("none", "Metric to compare by; more is better.", max_length=255, examples=["test:accuracy"])
    tolerated_loss: float = field("none", "How far below the champion a model may be.", 0.0, ge=0)


class Evaluation(Model):
    """What a model must meet before it may serve."""

    gates: tuple[Gate, ...] = field("none", "Thresholds; all must be met.", (), max_length=50)
    champion: Champion | None = field("none", "Comparison with the model that serves now.", None)
