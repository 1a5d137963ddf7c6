"""Where SageMaker's contract puts things. Everything lies under SAGEMAKER_BASE_DIR, by default /opt/ml."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

P = TypeVar("P", bound="Paths")


@dataclass(frozen=True)
class Paths:
    """The folders of one container."""

    base: Path

    @classmethod
    def of(cls: type[P], environment: Mapping[str, str]) -> P:
        return cls(Path(environment.get("SAGEMAKER_BASE_DIR") or "/opt/ml"))

    @property
    def input(self) -> Path:
        return self.base / "input"

    @property
    def config(self) -> Path:
        return self.input / "config"

    @property
    def data(self) -> Path:
        return self.input / "data"

    @property
    def model(self) -> Path:
        return self.base / "model"

    @property
    def output(self) -> Path:
        return self.base / "output"

    @property
    def output_data(self) -> Path:
        return self.output / "data"

    @property
    def failure(self) -> Path:
        return self.output / "failure"

    @property
    def checkpoints(self) -> Path:
        return self.base / "checkpoints"


@dataclass(frozen=True)
class EvaluationPaths(Paths):
    """The folders of a job that evaluates a model: a processing job, whose inputs lie where trimtab asks for them.

    Beside the model and the data come the code, and the script where it is none of the code's training files.
    """

    @property
    def input(self) -> Path:
        return self.base / "processing" / "input"

    @property
    def config(self) -> Path:
        return self.base / "config"

    @property
    def model(self) -> Path:
        return self.input / "model"

    @property
    def code(self) -> Path:
        return self.input / "code"

    @property
    def script(self) -> Path:
        return self.input / "script"

    @property
    def output_data(self) -> Path:
        return self.base / "processing" / "output"

    @property
    def checkpoints(self) -> Path:
        return self.base / "processing" / "checkpoints"

    @property
    def failure(self) -> Path:
        return self.output / "message"  # the platform shows it as the job's ExitMessage
