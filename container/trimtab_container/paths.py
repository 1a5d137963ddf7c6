"""Where SageMaker's contract puts things. Everything lies under SAGEMAKER_BASE_DIR, by default /opt/ml."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """The folders of one container."""

    base: Path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Paths":
        return cls(Path(environment.get("SAGEMAKER_BASE_DIR") or "/opt/ml"))

    @property
    def config(self) -> Path:
        return self.base / "input" / "config"

    @property
    def data(self) -> Path:
        return self.base / "input" / "data"

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
