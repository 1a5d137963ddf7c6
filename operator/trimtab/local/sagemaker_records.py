"""What the local SageMaker keeps of a training job."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

TERMINAL = ("Completed", "Failed", "Stopped")


@dataclass(slots=True)
class Step:
    """One secondary status."""

    status: str
    start: datetime
    message: str
    end: datetime | None = None


@dataclass(slots=True)
class Job:
    """A training job. `request` is CreateTrainingJob's own arguments, answered as they were given."""

    name: str
    request: dict[str, Any]
    created: datetime
    status: str = "InProgress"
    secondary: str = "Starting"
    steps: list[Step] = field(default_factory=list[Step])
    modified: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    failure: str = ""
    metrics: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])  # name -> [value, time of the line]
    tags: dict[str, str] = field(default_factory=dict[str, str])
    phase: str = "download"  # download, run, upload, done: what the controller does next
    stopping: bool = False
    log_place: int = 0  # bytes of the log that are passed on
    exit_code: int | None = None

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL

    def enter(self, secondary: str, message: str, now: datetime) -> None:
        """Begin another secondary status."""
        if self.steps and self.steps[-1].end is None:
            self.steps[-1].end = now
        self.secondary, self.modified = secondary, now
        self.steps.append(Step(secondary, now, message))

    def finish(self, status: str, secondary: str, now: datetime, failure: str = "") -> None:
        """End it."""
        self.enter(secondary, failure or f"Training job {status.lower()}", now)
        self.steps[-1].end = now
        self.status, self.ended, self.failure, self.phase = status, now, failure, "done"
