"""What the local SageMaker keeps of its jobs."""

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
    """A job of any kind. `request` is the create call's own arguments, answered as they were given."""

    name: str
    request: dict[str, Any]
    created: datetime
    status: str = "InProgress"
    modified: datetime | None = None
    started: datetime | None = None  # when it began to be billed: with the download
    ended: datetime | None = None
    failure: str = ""
    tags: dict[str, str] = field(default_factory=dict[str, str])
    phase: str = "download"  # download, run, upload, done: what the controller does next
    ran: bool = False  # its container's command was begun
    stopping: bool = False
    overran: bool = False  # it is being stopped because its time was up
    exit_code: int | None = None

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def id(self) -> str:
        """Names this job for ever, though its name may be given again once it is deleted."""
        return f"{self.name}/{int(self.created.timestamp() * 1000)}"


@dataclass(slots=True)
class TrainingJob(Job):
    secondary: str = "Starting"
    steps: list[Step] = field(default_factory=list[Step])
    metrics: dict[str, list[str]] = field(default_factory=dict[str, list[str]])  # name -> [value as printed, time]
    metrics_place: int = 0  # bytes of the log that metrics were read from

    def enter(self, secondary: str, message: str, now: datetime) -> None:
        """Begin another secondary status."""
        if self.steps and self.steps[-1].end is None:
            self.steps[-1].end = now
        self.secondary, self.modified = secondary, now
        self.steps.append(Step(secondary, now, message))


@dataclass(slots=True)
class ProcessingJob(Job):
    exit_message: str = ""  # the first 1 KB of what the container wrote as /opt/ml/output/message


@dataclass(slots=True)
class Model:
    """`request` is the create call's own arguments, answered as they were given."""

    name: str
    request: dict[str, Any]
    created: datetime
    tags: dict[str, str] = field(default_factory=dict[str, str])
