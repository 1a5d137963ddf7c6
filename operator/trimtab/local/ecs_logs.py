"""The awslogs driver: what a container writes goes to its log stream line by line, while it runs.

How far a log has been read stands in a file beside it, which survives the gateway; a line is never lost, and at worst the
lines of one tick come twice after a crash.
"""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from trimtab.local.overlay import LogSink

MOST_BYTES = 1024 * 1024  # read at once
LONGEST_LINE = 256 * 1024  # a longer one is cut there, as CloudWatch Logs does with an event


@dataclass(slots=True)
class Tail:
    """One container's log on its way to a stream."""

    path: Path
    group: str
    stream: str
    offset: int = field(init=False)

    def __post_init__(self) -> None:
        try:
            self.offset = int(self._mark.read_text())
        except (OSError, ValueError):
            self.offset = 0

    @property
    def _mark(self) -> Path:
        return self.path.with_suffix(".read")

    def pump(self, logs: LogSink, now: datetime, last: bool = False) -> None:
        """Send the whole lines that have come since; with `last`, also one without a newline."""
        while chunk := self._read():
            end = chunk.rfind(b"\n") + 1
            if end == 0 and (last or len(chunk) >= LONGEST_LINE):
                end = len(chunk)
            if end == 0:
                return
            lines = chunk[:end].decode(errors="replace").removesuffix("\n").split("\n")
            logs.write(self.group, self.stream, [(now, line) for line in lines])
            self.offset += end
            self._mark.write_text(str(self.offset))

    def _read(self) -> bytes:
        try:
            if self.path.stat().st_size <= self.offset:
                return b""
            with self.path.open("rb") as file:
                file.seek(self.offset)
                return file.read(MOST_BYTES)
        except OSError:
            return b""  # not there yet, or gone
