"""How the model comes about: dataset, code, training, evaluation, or a model that is there already."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from trimtab.core.quantities import duration_s
from trimtab.model.base import LABEL, Model, field
from trimtab.model.values import (
    FILE,
    Duration,
    Expression,
    Hyperparameter,
    InstanceType,
    Patterns,
    Source,
    distinct,
    duration,
)

# Training leaves out what only serves or evaluates, and what is for people: an edit of those trains nothing again.
_TRAINING_FILES = (
    "**",
    "!*.md",
    "!tests/",
    "!Dockerfile",
    "!serve/",
    "!inference.py",
    "!evaluate.py",
    "!__pycache__/",
    "!.*",
)
_DAY_S = 24 * 3600

MetricName = Annotated[str, Field(min_length=1, max_length=255)]
HyperparameterName = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\s=-][^\s=]*$")]


class Dataset(Model):
    """The data to train on, by content."""

    source: Source = field(
        "result",
        "Folder beside the document, or s3://bucket/prefix. Each folder at its top is a channel of the training job.",
        examples=["./data"],
    )
    pin: Literal["copy", "verify"] = field(
        "none",
        "How the data is held still: copy keeps a copy of this content; verify lists it before and after the job and fails "
        "a job whose data changed.",
        "copy",
    )


class Code(Model):
    """The model's code, by content."""

    source: Source = field(
        "result",
        "Folder beside the document, s3://bucket/prefix, or a Git URL with @ref. Its content counts, not its dates.",
        examples=["./model"],
    )


class Framework(Model):
    """A framework whose training image the environment names."""

    name: str = field(
        "result",
        "Name of the framework, as the environment's images.training lists it.",
        max_length=63,
        pattern=LABEL,
        examples=["pytorch"],
    )
    version: str = field(
        "result",
        "Version as text. It is resolved once, and again when this text changes.",
        min_length=1,
        max_length=32,
        examples=["2.x"],
    )


class Instances(Model):
    """What training runs on. Another choice trains nothing again; it shapes the next attempt."""

    type: InstanceType = field("run", "SageMaker instance type.", "ml.m5.large", examples=["ml.g5.xlarge"])
    count: int = field("run", "How many hosts train together.", 1, ge=1, le=100)
    fallback: Annotated[tuple[InstanceType, ...], AfterValidator(distinct)] = field(
        "run",
        "Instance types to try, in order, when there is no capacity of `type`.",
        (),
        max_length=5,
        examples=[["ml.c5.xlarge"]],
    )


class Spot(Model):
    """Managed spot training."""

    enabled: bool = field("run", "Train on spot capacity: the job checkpoints, waits for capacity and resumes.", False)


class Limits(Model):
    """What training may take."""

    runtime: Annotated[Duration, duration(1, 28 * _DAY_S)] = field(
        "run", "The longest a training job may run before it is stopped and counts as failed.", "24h", examples=["30m"]
    )

    @property
    def runtime_s(self) -> int:
        return duration_s(self.runtime)


class Range(Model):
    """What a search may choose from: numbers between two bounds, or a list of values."""

    exactly_one = (("min", "values"),)
    together = {"min": ("max",), "max": ("min",)}

    min: int | float | None = field("result", "The lowest number to try.", None)
    max: int | float | None = field("result", "The highest number to try.", None)
    scale: Literal["auto", "linear", "logarithmic", "reverseLogarithmic"] = field("result", "How to space numbers.", "auto")
    values: tuple[Hyperparameter, ...] | None = field(
        "result", "The values to choose from.", None, min_length=1, max_length=30
    )


class Objective(Model):
    """What a search tries to make best."""

    metric: MetricName = field("result", "A metric of training.metrics.", examples=["validation:loss"])
    goal: Literal["maximize", "minimize"] = field("result", "Which way is better.", "maximize")


class Tuning(Model):
    """A search over hyper-parameters; the best job's model goes on to the gate."""

    strategy: Literal["bayesian", "random", "hyperband", "grid"] = field("result", "How to search.", "bayesian")
    objective: Objective = field("result", "What the search tries to make best.")
    ranges: dict[HyperparameterName, Range] = field(
        "result",
        "By hyper-parameter: what to try.",
        min_length=1,
        max_length=30,
        examples=[{"learning-rate": {"min": 0.0001, "max": 0.1, "scale": "logarithmic"}}],
    )
    max_jobs: int = field("run", "How many training jobs in all.", 10, ge=1, le=750)
    max_parallel_jobs: int = field("run", "How many training jobs at once.", 2, ge=1, le=100)
    early_stopping: bool = field("run", "Stop jobs that will not win.", False)


class Training(Model):
    """One training job for each generation."""

    exactly_one = (("framework", "image"),)

    entry_point: str = field(
        "result",
        "Script inside the code folder that trains, run as `python3 <entryPoint> --<hyper-parameter> <value> ...`.",
        "train.py",
        max_length=255,
        pattern=FILE,
        examples=["train.py"],
    )
    framework: Framework | None = field("result", "Framework to train with; the environment names its image.", None)
    image: str | None = field(
        "result",
        "Image that keeps the SageMaker training contract, instead of a framework.",
        None,
        min_length=1,
        max_length=255,
        examples=["123456789012.dkr.ecr.eu-west-1.amazonaws.com/training:3"],
    )
    files: Patterns = field(
        "result",
        "Patterns of the code files that training uses, as in .gitignore but naming what is taken; ! leaves out, and the "
        "last that matches wins.",
        _TRAINING_FILES,
    )
    instances: Instances = field("run", "What to run on. Another choice shapes the next attempt only.", Instances)
    distribution: Literal["none", "torchrun"] = field(
        "result", "How several processes or hosts train together.", "none", examples=["torchrun"]
    )
    hyperparameters: dict[HyperparameterName, Hyperparameter] = field(
        "result",
        "Text, numbers or booleans. The script gets each as `--name value`; at most 100, each at most 2,500 characters.",
        dict,
        max_length=100,
        examples=[{"epochs": 8, "learning-rate": 0.001}],
    )
    metrics: dict[MetricName, Expression] = field(
        "result",
        "By metric: a regular expression over the log whose one group is the value. Gates may name these metrics.",
        dict,
        max_length=40,
        examples=[{"validation:accuracy": "accuracy=([0-9.]+)"}],
    )
    spot: Spot = field("run", "Managed spot training.", Spot)
    limits: Limits = field("run", "What training may take.", Limits)
    trigger: str = field(
        "result", "Any text; changing it trains again with the same data and code.", "", max_length=256, examples=["2026-11"]
    )
    tuning: Tuning | None = field("result", "A search over hyper-parameters instead of one job.", None)


class ModelFrom(Model):
    """The model of another deployment."""

    environment: str = field("result", "Environment it is in.", max_length=63, pattern=LABEL, examples=["staging"])
    deployment: str = field(
        "result",
        "The deployment, <namespace>/<name>.",
        max_length=127,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        examples=["vision/digits"],
    )
    revision: int = field("result", "Number of its revision.", ge=1, examples=[7])


class ExistingModel(Model):
    """A model that needs no training."""

    exactly_one = (("source", "from"),)

    source: Source | None = field(
        "result",
        "Folder beside the document, or s3://bucket/prefix, that holds the model.",
        None,
        examples=["s3://models/7"],
    )
    from_: ModelFrom | None = field("result", "The model of a revision of another deployment.", None, alias="from")


class Gate(Model):
    """A threshold that a model must meet."""

    exactly_one = (("atLeast", "atMost"),)

    metric: MetricName = field(
        "none",
        "Metric to judge by: <channel>:<metric> of the job's evaluation.json, or a name of training.metrics.",
        examples=["test:accuracy"],
    )
    at_least: float | None = field("none", "The lowest value that passes.", None, examples=[0.95])
    at_most: float | None = field("none", "The highest value that passes.", None, examples=[0.1])


class Champion(Model):
    """Comparison with the model that serves now, on the candidate's test data."""

    metric: MetricName = field("none", "Metric to compare by; more is better.", examples=["test:accuracy"])
    tolerated_loss: float = field("none", "How far below the serving model's value a new one may be.", 0.0, ge=0)


class Evaluation(Model):
    """What a model must meet before it may serve. A verdict trains and builds nothing again."""

    gates: tuple[Gate, ...] = field(
        "none",
        "Thresholds; a model must meet all of them. A metric that is missing or not a number meets none.",
        (),
        max_length=50,
        examples=[[{"metric": "test:accuracy", "atLeast": 0.95}]],
    )
    champion: Champion | None = field("none", "Comparison with the model that serves now; none when left out.", None)
    entry_point: str = field(
        "none",
        "Script inside the code folder that evaluates a given model: the champion, where it was measured on other test "
        "data. Without the script it is not compared there, and the gate says so.",
        "evaluate.py",
        max_length=255,
        pattern=FILE,
        examples=["evaluate.py"],
    )
