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
    started: datetime | None = None  # when it began to be billed: with the download
    ended: datetime | None = None
    failure: str = ""
    metrics: dict[str, list[str]] = field(default_factory=dict[str, list[str]])  # name -> [value as printed, time]
    tags: dict[str, str] = field(default_factory=dict[str, str])
    phase: str = "download"  # download, run, upload, done: what the controller does next
    stopping: bool = False
    overran: bool = False  # it is being stopped because its time was up
    metrics_place: int = 0  # bytes of the log that metrics were read from
    exit_code: int | None = None

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def id(self) -> str:
        """Names this job for ever, though its name may be given again once it is deleted."""
        return f"{self.name}/{int(self.created.timestamp() * 1000)}"

    def enter(self, secondary: str, message: str, now: datetime) -> None:
        """Begin another secondary status."""
        if self.steps and self.steps[-1].end is None:
            self.steps[-1].end = now
        self.secondary, self.modified = secondary, now
        self.steps.append(Step(secondary, now, message))

    def finish(self, status: str, secondary: str, now: datetime, message: str, failure: str = "") -> None:
        """End it."""
        self.enter(secondary, message, now)
        self.steps[-1].end = now
        self.status, self.ended, self.failure, self.phase = status, now, failure, "done"
